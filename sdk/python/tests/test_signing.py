from __future__ import annotations

import asyncio
import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import KEY
from support.server import Request, serve
from support.verify import verify

from pdaas import SignatureAuth, sign_request
from pdaas.signing import content_digest, hmac_sha256, signature_base, signature_params

VECTORS = Path(__file__).parents[3] / "test" / "vectors" / "signing.json"
SIGN: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["sign"]
assert SIGN, f"{VECTORS} has nothing to sign"


@pytest.mark.parametrize("vector", SIGN, ids=lambda vector: vector["name"])
def test_vector_gives_the_same_headers(vector: dict[str, Any]) -> None:
    request, expected = vector["request"], vector["expect"]
    headers = sign_request(
        method=request["method"],
        url=request["url"],
        content_type=request["content_type"] if request["covers_content_type"] else None,
        body=bytes.fromhex(request["body_hex"]),
        access_key=vector["access_key"],
        secret_key=vector["secret_key"],
        now=vector["created"],
        nonce=vector["nonce"],
    )
    assert headers == {
        "content-digest": expected["content_digest"],
        "signature-input": expected["signature_input"],
        "signature": expected["signature"],
    }


def test_rfc_9421_b_2_5_gives_the_same_signature() -> None:
    base = signature_base(
        [
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("@authority", "example.com"),
            ("content-type", "application/json"),
        ],
        '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    )
    secret = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    assert hmac_sha256(secret, base) == "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


def test_grpc_request_with_a_raw_key_and_another_tag_gives_the_same_digest_and_signature() -> None:
    digest = content_digest(bytes.fromhex("00000000030a0178"))
    assert digest == "sha-256=:5/wc3JdUT07hJ/GZgAvZuyuKEyiApC1DOvSjHBCJ6Vs=:"
    components = [
        ("@method", "POST"),
        ("@authority", "api.example.com"),
        ("@path", "/t.v1.T/Do"),
        ("content-digest", digest),
    ]
    params = signature_params(
        [name for name, _ in components],
        created=1_700_000_000,
        expires=1_700_000_060,
        nonce="A" * 22,
        keyid="sa-test",
        tag="acme-sa-v1",
    )
    signature = hmac_sha256(bytes([7] * 32), signature_base(components, params))
    assert signature == "qv01pqQw5gkhcvJuB8P7I9t+JlEOQgFI/MQ2TRtQCIM="


def sign(**change: Any) -> dict[str, str]:
    request: dict[str, Any] = {
        "method": "POST",
        "url": "http://api.example.com/t.v1.T/Do",
        "content_type": "application/json",
        "body": b"{}",
        "now": 1_700_000_000.9,
        "nonce": "A" * 22,
    }
    return sign_request(**{**request, **KEY, **change})


def test_ports_80_and_443_and_upper_case_do_not_matter_but_other_ports_do() -> None:
    plain = sign()["signature"]
    for origin in ("http://API.Example.com:80", "https://api.example.com:443"):
        assert sign(url=f"{origin}/t.v1.T/Do")["signature"] == plain
    assert sign(url="https://api.example.com:80/t.v1.T/Do")["signature"] == plain
    assert sign(url="http://api.example.com:8080/t.v1.T/Do")["signature"] != plain


def test_without_a_nonce_there_are_128_random_bits_that_never_repeat() -> None:
    inputs = [sign(nonce=None)["signature-input"] for _ in range(50)]
    nonces = {re.findall(r';nonce="([A-Za-z0-9_-]{22})";', text)[0] for text in inputs}
    assert len(nonces) == 50


def test_text_and_its_utf8_bytes_give_the_same_headers() -> None:
    text = '{"name":"grüße"}'
    assert sign(body=text) == sign(body=text.encode())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"url": "http://api.example.com/t.v1.T/Do?x=1"}, id="a query"),
        pytest.param({"url": "api.example.com"}, id="no URL"),
        pytest.param({"url": "http://"}, id="no host"),
        pytest.param({"url": "http://[::1"}, id="half an address"),
        pytest.param({"nonce": "short"}, id="a nonce that is too short"),
        pytest.param({"nonce": "A" * 22 + '";tag="x'}, id="a nonce that breaks out"),
        pytest.param({"nonce": "A" * 22 + "\n"}, id="a nonce with a line end"),
        pytest.param({"access_key": 'sa"; tag="x'}, id="an access key that breaks out"),
        pytest.param({"access_key": "sa_x\n"}, id="an access key with a line end"),
        pytest.param({"secret_key": ""}, id="no secret key"),
        pytest.param({"secret_key": b"sk_verysecret"}, id="a secret key in bytes"),
    ],
)
def test_what_cannot_be_signed_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^(url|nonce|access_key|secret_key) must ") as caught:
        sign(**change)
    assert "verysecret" not in repr(caught.value)


def test_any_httpx_client_can_sign_with_signature_auth() -> None:
    auth = SignatureAuth(**KEY)
    with serve(lambda _: {}) as server, httpx.Client(auth=auth) as http:
        for _ in range(2):
            http.post(f"{server.url}/pdaas.v1.AuthService/WhoAmI", json={"name": "grüße"})

        async def post() -> None:
            async with httpx.AsyncClient(auth=auth) as asynchronous:
                await asynchronous.post(f"{server.url}/a%2Fb", content=_pieces(), headers=JSON)

        asyncio.run(post())
        signatures = [verify(request, **KEY) for request in server.requests]
    assert server.requests[2].body == b"onetwo"
    assert len({signature.nonce for signature in signatures}) == 3
    covered = ["@method", "@authority", "@path", "content-digest", "content-type"]
    assert [signature.components for signature in signatures] == [covered] * 3


JSON = {"content-type": "application/json", "content-length": "6"}


async def _pieces() -> Any:
    yield b"one"
    yield b"two"


@pytest.mark.parametrize(
    ("content_type", "covered"),
    [
        ("application/grpc", False),
        ("application/grpc-web+proto", False),
        ("application/grpc+json", True),
        ("application/proto", True),
        ("application/json; charset=utf-8", True),
    ],
)
def test_signature_auth_covers_the_content_type_unless_it_can_mean_only_one_codec(
    content_type: str, covered: bool
) -> None:
    with serve(lambda _: {}) as server, httpx.Client(auth=SignatureAuth(**KEY)) as http:
        http.post(f"{server.url}/a", content=b"x", headers={"content-type": content_type})
    components = verify(server.requests[0], **KEY).components
    assert ("content-type" in components) is covered


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/a?x=1", {}), ("/a", {"content-encoding": "gzip"}), ("/a", {"grpc-encoding": "gzip"})],
)
def test_signature_auth_sends_nothing_that_the_service_would_refuse(
    path: str, headers: dict[str, str]
) -> None:
    with serve(lambda _: {}) as server, httpx.Client(auth=SignatureAuth(**KEY)) as http:
        with pytest.raises(ValueError, match=r"no query|compressed"):
            http.post(f"{server.url}{path}", content=b"x", headers=headers)
        assert server.requests == []


def test_a_changed_request_does_not_verify() -> None:
    with serve(lambda _: {}) as server, httpx.Client(auth=SignatureAuth(**KEY)) as http:
        http.post(f"{server.url}/a", json={})
    request = server.requests[0]
    changed = Request("/b", request.headers, request.body)
    with pytest.raises(AssertionError):
        verify(changed, **KEY)
