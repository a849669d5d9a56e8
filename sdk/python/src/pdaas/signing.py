"""Signatures of requests: RFC 9421 with `hmac-sha256`, and RFC 9530 `Content-Digest`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Generator, Sequence

import httpx

_TAG = "pdaas-v1"
_LIFETIME_SECONDS = 60
_ACCESS_KEY = re.compile(r"[A-Za-z0-9_]{1,128}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{22,64}")
# Bytes of one codec may pass for another message in the other: all other types are covered.
_ONE_CODEC = re.compile(r"application/grpc(?:-web)?(?:\+proto)?")
_ENCODINGS = ("content-encoding", "connect-content-encoding", "grpc-encoding")

Component = tuple[str, str]
"""What a signature covers: a component's name and its value (RFC 9421 §2)."""


def sign_request(
    *,
    method: str,
    url: str | httpx.URL,
    body: bytes | str,
    access_key: str,
    secret_key: str,
    content_type: str | None = None,
    now: float | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """Signs one request, and returns the three headers to add.

    They are good for one attempt: sign again to send it again.

    Args:
        method: The HTTP method, such as `POST`.
        url: The absolute URL that the request is sent to, without a query.
        body: The content exactly as sent; text is taken as UTF-8.
        content_type: The content type exactly as sent. It is covered when given, as all but
            gRPC's and gRPC-Web's own must be.
        now: The time in Unix seconds; the system's when absent.
        nonce: 22 to 64 characters `[A-Za-z0-9_-]`, never used twice; random when absent.

    Raises:
        ValueError: The key, the URL or the nonce cannot be used.
    """
    target = _url_of(url)
    if nonce is not None and not _NONCE.fullmatch(nonce):
        raise ValueError("nonce must be 22 to 64 letters, digits, hyphens and underscores.")
    return Signer(access_key, secret_key).sign(
        method=method,
        authority=target.netloc.decode("ascii"),
        path=path_of(target),
        content_type=content_type,
        body=body.encode() if isinstance(body, str) else body,
        now=time.time() if now is None else now,
        nonce=nonce,
    )


class SignatureAuth(httpx.Auth):
    """Signs every request of an httpx client, each time it is sent.

    A request must have no query and no compressed content. For synchronous and asynchronous
    clients: `httpx.Client(auth=SignatureAuth(access_key, secret_key))`.

    Raises:
        ValueError: A half of the key is missing or cannot be one.
    """

    requires_request_body = True

    def __init__(
        self, access_key: str, secret_key: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._signer = Signer(access_key, secret_key)
        self._clock = clock

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        for name in _ENCODINGS:
            if request.headers.get(name, "identity") != "identity":
                raise ValueError(f"Signed requests cannot be compressed: remove {name}.")
        content_type = request.headers.get("content-type")
        covers_type = content_type is not None and not _ONE_CODEC.fullmatch(content_type)
        headers = self._signer.sign(
            method=request.method,
            authority=request.headers["host"],
            path=path_of(request.url),
            content_type=content_type if covers_type else None,
            body=request.content,
            now=self._clock(),
        )
        request.headers.update(headers)
        yield request

    def __repr__(self) -> str:
        return f"SignatureAuth(access_key={self._signer.access_key!r})"


class Signer:
    """Signs requests with one API key, each with a fresh nonce. It keeps no copy of the secret."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        if not isinstance(access_key, str) or not _ACCESS_KEY.fullmatch(access_key):
            raise ValueError(
                "access_key must be the access key as it was issued: "
                "letters, digits and underscores."
            )
        if not isinstance(secret_key, str) or secret_key == "":
            raise ValueError("secret_key must be the secret key as it was issued.")
        self.access_key = access_key
        self._hmac = hmac.new(secret_key.encode(), digestmod=hashlib.sha256)

    def sign(
        self,
        *,
        method: str,
        authority: str,
        path: str,
        content_type: str | None,
        body: bytes,
        now: float,
        nonce: str | None = None,
    ) -> dict[str, str]:
        digest = content_digest(body)
        components = [
            ("@method", method),
            ("@authority", _normal_authority(authority)),
            ("@path", path),
            ("content-digest", digest),
        ]
        if content_type is not None:
            components.append(("content-type", content_type.strip(" \t")))
        created = int(now)
        params = signature_params(
            [name for name, _ in components],
            created=created,
            expires=created + _LIFETIME_SECONDS,
            nonce=secrets.token_urlsafe(16) if nonce is None else nonce,
            keyid=self.access_key,
            tag=_TAG,
        )
        mac = self._hmac.copy()
        mac.update(signature_base(components, params).encode())
        return {
            "content-digest": digest,
            "signature-input": f"sig={params}",
            "signature": f"sig=:{_base64(mac.digest())}:",
        }

    def __repr__(self) -> str:
        return f"Signer(access_key={self.access_key!r})"


def signature_params(
    names: Sequence[str], *, created: int, expires: int, nonce: str, keyid: str, tag: str
) -> str:
    """The value of `@signature-params` (RFC 9421 §2.3), and of `sig` in `signature-input`."""
    covered = " ".join(f'"{name}"' for name in names)
    return (
        f'({covered});created={created};expires={expires};nonce="{nonce}"'
        f';keyid="{keyid}";alg="hmac-sha256";tag="{tag}"'
    )


def signature_base(components: Sequence[Component], params: str) -> str:
    """The signature base (RFC 9421 §2.5): a line for each component, then the parameters."""
    lines = [f'"{name}": {value}' for name, value in components]
    return "\n".join([*lines, f'"@signature-params": {params}'])


def hmac_sha256(key: bytes, base: str) -> str:
    """HMAC-SHA256 of a signature base (RFC 9421 §3.3.3), in base64."""
    return _base64(hmac.digest(key, base.encode(), "sha256"))


def content_digest(body: bytes) -> str:
    """The value of `content-digest` (RFC 9530 §2) for content as it is sent."""
    return f"sha-256=:{_base64(hashlib.sha256(body).digest())}:"


def path_of(url: httpx.URL) -> str:
    """The path as it is sent.

    Raises:
        ValueError: The URL has a query.
    """
    if url.query != b"":
        raise ValueError("url must have no query: the service takes none.")
    return url.raw_path.partition(b"?")[0].decode("ascii")


def _url_of(url: str | httpx.URL) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"url must be an http or https URL: {error}.") from error
    if parsed.scheme not in ("http", "https") or parsed.host == "":
        raise ValueError("url must be an http or https URL, such as https://api.example.com/….")
    return parsed


def _normal_authority(authority: str) -> str:
    """Lower case, and without the port that its scheme implies (RFC 9421 §2.2.3)."""
    return re.sub(r":(?:80|443)$", "", authority.lower())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
