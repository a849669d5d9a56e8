"""Checks a signature as the service does, without the code that made it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from .server import Request

_INPUT = re.compile(
    r"sig=(?P<params>\((?P<names>[^)]*)\);created=(?P<created>\d+);expires=(?P<expires>\d+)"
    r';nonce="(?P<nonce>[A-Za-z0-9_-]{22})";keyid="(?P<keyid>\w+)";alg="hmac-sha256";tag="pdaas-v1")'
)


@dataclass(frozen=True)
class Signature:
    created: int
    nonce: str
    components: list[str]


def verify(request: Request, access_key: str, secret_key: str) -> Signature:
    """Fails unless the request is signed with the key."""
    match = _INPUT.fullmatch(request.headers["signature-input"])
    assert match is not None, request.headers["signature-input"]
    assert match["keyid"] == access_key
    assert int(match["expires"]) == int(match["created"]) + 60
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    assert request.headers["content-digest"] == f"sha-256=:{digest}:"
    names = [name.strip('"') for name in match["names"].split(" ")]
    derived = {"@method": "POST", "@authority": request.headers["host"], "@path": request.target}
    lines = [f'"{name}": {derived.get(name) or request.headers[name]}' for name in names]
    base = "\n".join([*lines, f'"@signature-params": {match["params"]}'])
    mac = base64.b64encode(hmac.digest(secret_key.encode(), base.encode(), "sha256")).decode()
    assert request.headers["signature"] == f"sig=:{mac}:"
    return Signature(int(match["created"]), match["nonce"], names)
