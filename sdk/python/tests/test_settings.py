from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from conftest import KEY
from support.refusal import refusal
from support.server import Handler, Server
from support.verify import verify

import pdaas
from pdaas import Client, PdaasError, SignatureAuth
from pdaas.signing import Signer

Start = Callable[[Handler], Server]
Connect = Callable[..., Client]
URL = "http://127.0.0.1:1"
BASE = {"base_url": URL}
USER = {"email": "a@b.example", "password": "very-secret-word", "organization_slug": "myorg"}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no base URL": (KEY, r"^base_url is missing: .*PDAAS_API_URL"),
    "an empty base URL": ({"base_url": "", **KEY}, r"^base_url is missing"),
    "a base URL that is none": (
        {"base_url": "api.example.com", **KEY},
        r"^base_url must be an http",
    ),
    "no host": ({"base_url": "http://", **KEY}, r"^base_url must be an http"),
    "half an address": ({"base_url": "http://[::1", **KEY}, r"^base_url must be an http"),
    "another scheme": ({"base_url": "ftp://x.example", **KEY}, r"^base_url must be an http"),
    "credentials in it": ({"base_url": "http://a:b@x.example", **KEY}, r"no credentials"),
    "a query in it": ({"base_url": "http://x.example/?a", **KEY}, r"no credentials, query"),
    "a fragment in it": ({"base_url": "http://x.example/#a", **KEY}, r"query or fragment"),
    "no credentials": (BASE, r"PDAAS_ACCESS_KEY and PDAAS_SECRET_KEY are not set"),
    "half a key": ({**BASE, "access_key": "sa_x"}, r"^secret_key is missing"),
    "the other half": ({**BASE, "secret_key": "sk_verysecret"}, r"^access_key is missing"),
    "an empty half": ({**BASE, **KEY, "secret_key": ""}, r"^secret_key is missing"),
    "a key that cannot be one": ({**BASE, **KEY, "access_key": "sa x"}, r"^access_key must be"),
    "an email alone": ({**BASE, "email": "a"}, r"^password and organization_slug are missing"),
    "no organization": (
        {**BASE, **USER, "organization_slug": ""},
        r"^organization_slug is missing",
    ),
    "both": (
        {**BASE, **USER, **KEY},
        r"not both: email, password, organization_slug, access_key, secret_key",
    ),
    "no time at all": ({**BASE, **KEY, "timeout": 0}, r"^timeout must be"),
    "no number": ({**BASE, **KEY, "timeout": float("nan")}, r"^timeout must be"),
    "a text as time": ({**BASE, **KEY, "timeout": "30"}, r"^timeout must be"),
    "half a retry": ({**BASE, **KEY, "max_retries": 0.5}, r"^max_retries must be"),
    "less than no retry": ({**BASE, **KEY, "max_retries": -1}, r"^max_retries must be"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_option_is_refused_and_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Client(**options)
    assert "verysecret" not in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_half_a_key_in_the_environment_is_refused_and_the_other_half_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PDAAS_ACCESS_KEY", KEY["access_key"])
    with pytest.raises(ValueError, match=r"\(PDAAS_SECRET_KEY is not set\)"):
        Client(base_url=URL)
    with pytest.raises(ValueError, match="access_key is missing"):
        Client(base_url=URL, secret_key=KEY["secret_key"])


def test_everything_can_come_from_the_environment(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(lambda _: {"principal": {"id": "svc_1"}})
    monkeypatch.setenv("PDAAS_API_URL", f"{server.url}/")
    monkeypatch.setenv("PDAAS_ACCESS_KEY", KEY["access_key"])
    monkeypatch.setenv("PDAAS_SECRET_KEY", KEY["secret_key"])
    with Client(user_agent="deployer/2") as client:
        assert client.who_am_i()["id"] == "svc_1"
    (request,) = server.requests
    verify(request, **KEY)
    assert request.target == "/pdaas.v1.AuthService/WhoAmI"
    assert request.headers["user-agent"] == f"deployer/2 pdaas-python/{pdaas.__version__}"


def test_a_wrong_url_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDAAS_API_URL", "x")
    with pytest.raises(ValueError, match=r"^PDAAS_API_URL must be an http"):
        Client(**KEY)


def test_a_base_url_may_have_a_path(start: Start) -> None:
    server = start(lambda _: {"principal": {"id": "svc_1"}})
    with Client(base_url=f"{server.url}/api/", **KEY) as client:
        client.who_am_i()
    assert server.requests[0].target == "/api/pdaas.v1.AuthService/WhoAmI"
    verify(server.requests[0], **KEY)


def test_calls_are_connect_json_with_a_covered_content_type(start: Start, connect: Connect) -> None:
    server = start(lambda _: {"principal": {"id": "svc_1"}})
    connect(server).who_am_i(timeout=2)
    (request,) = server.requests
    assert request.headers["content-type"] == "application/json"
    assert request.headers["connect-protocol-version"] == "1"
    assert 1_000 < int(request.headers["connect-timeout-ms"]) <= 2_000
    assert request.headers["user-agent"] == f"pdaas-python/{pdaas.__version__}"
    assert "authorization" not in request.headers
    assert "content-type" in verify(request, **KEY).components


def test_the_secret_key_is_in_nothing_that_is_shown(
    start: Start, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start(lambda _: refusal("unauthenticated", "SIGNATURE_INVALID"))
    client = connect(server)
    with pytest.raises(PdaasError) as caught:
        client.who_am_i()
    auth, signer = SignatureAuth(**KEY), Signer(**KEY)
    shown = [client, vars(client), auth, vars(auth), signer, vars(signer), caught.value]
    shown += [vars(caught.value), vars(client._http), caplog.text]
    assert caplog.text != ""
    assert "verysecret" not in repr(shown)
    assert KEY["access_key"] in repr(client)
    assert URL.partition(":")[0] in repr(client)
