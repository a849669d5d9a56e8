"""Refusals as the service sends them: Connect errors with google.rpc details."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from .server import Answer, encode

_STATUS = {"unauthenticated": 401, "permission_denied": 403, "unavailable": 503}


def refusal(
    code: str,
    reason: str,
    *,
    message: str = "Refused.",
    metadata: Mapping[str, str] | None = None,
    retry_after: float | None = None,
    violations: Sequence[tuple[str, str]] = (),
    request_id: str = "req_detail",
    domain: str = "pdaas",
) -> Answer:
    entries = [_field(3, _field(1, k) + _field(2, v)) for k, v in (metadata or {}).items()]
    details = [
        _detail("ErrorInfo", _field(1, reason) + _field(2, domain) + b"".join(entries)),
        _detail("RequestInfo", _field(1, request_id)),
    ]
    if violations:
        fields = [_field(1, _field(1, name) + _field(2, text)) for name, text in violations]
        details.append(_detail("BadRequest", b"".join(fields)))
    if retry_after is not None:
        details.append(_detail("RetryInfo", _field(1, duration(retry_after))))
    error = {"code": code, "message": message, "details": details}
    return Answer(encode(error), _STATUS.get(code, 400))


def unavailable(reason: str = "DATABASE_UNAVAILABLE", retry_after: float = 0.001) -> Answer:
    return refusal("unavailable", reason, retry_after=retry_after)


def duration(seconds: float) -> bytes:
    whole = int(seconds)
    nanos = round((seconds - whole) * 1e9)
    return b"\x08" + varint(whole % (1 << 64)) + b"\x10" + varint(nanos % (1 << 64))


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _field(number: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def _detail(name: str, message: bytes) -> dict[str, str]:
    value = base64.b64encode(message).decode().rstrip("=")
    return {"type": f"google.rpc.{name}", "value": value}
