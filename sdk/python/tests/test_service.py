"""Against a running service, which `PDAAS_TEST_SERVICE` names."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from pdaas import (
    Client,
    InvalidArgumentError,
    IssuedApiKey,
    PermissionDeniedError,
    UnauthenticatedError,
    sign_request,
)
from pdaas._error_details import read_details
from pdaas.signing import SignatureAuth

NAMED = os.environ.get("PDAAS_TEST_SERVICE")
pytestmark = pytest.mark.skipif(NAMED is None, reason="PDAAS_TEST_SERVICE names no service")
SERVICE: dict[str, str] = json.loads(NAMED or "{}")


@pytest.fixture(scope="module")
def admin() -> Iterator[Client]:
    with Client(
        base_url=SERVICE["url"],
        email=SERVICE["email"],
        password=SERVICE["password"],
        organization_slug=SERVICE["organization_slug"],
    ) as client:
        yield client


@pytest.fixture
def key(admin: Client) -> IssuedApiKey:
    service_account = admin.service_accounts.create(
        name="CI/CD Bot",
        account_id=SERVICE["account_id"],
        description="Deploys what was merged",
        permissions=["ServiceAccounts.read"],
    )
    return admin.service_accounts.issue_key(
        service_account_id=service_account["id"], description="The build server's"
    )


@pytest.fixture
def bot(key: IssuedApiKey) -> Iterator[Client]:
    with Client(
        base_url=SERVICE["url"], access_key=key["access_key"], secret_key=key["secret_key"]
    ) as client:
        yield client


def test_a_program_calls_with_the_key_that_a_person_issued(
    admin: Client, key: IssuedApiKey, bot: Client
) -> None:
    organization = bot.organizations.get_info()
    assert organization == admin.organizations.get_info()
    assert organization["slug"] == SERVICE["organization_slug"]
    assert organization["create_time"].utcoffset() == timedelta(0)
    caller = bot.who_am_i()
    assert (caller["type"], caller["id"]) == ("service_account", key["service_account_id"])
    assert (caller["api_key_id"], caller["permissions"]) == (key["id"], ["ServiceAccounts.read"])
    assert admin.who_am_i()["type"] == "user"


def test_a_key_from_the_environment_signs(
    key: IssuedApiKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PDAAS_API_URL", SERVICE["url"])
    monkeypatch.setenv("PDAAS_ACCESS_KEY", key["access_key"])
    monkeypatch.setenv("PDAAS_SECRET_KEY", key["secret_key"])
    with Client() as client:
        assert client.organizations.get_info()["slug"] == SERVICE["organization_slug"]


def test_what_the_key_may_not_do_is_refused_and_says_why(bot: Client) -> None:
    with pytest.raises(PermissionDeniedError) as caught:
        bot.service_accounts.create(name="Another", account_id=SERVICE["account_id"])
    error = caught.value
    assert (error.code, error.reason) == ("permission_denied", "PERMISSION_MISSING")
    assert error.metadata["permission"] == "ServiceAccounts.write"
    assert error.request_id
    assert not error.retryable


def test_a_wrong_field_is_refused_and_named(admin: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        admin.service_accounts.get(service_account_id="nonsense")
    assert caught.value.reason == "FIELD_INVALID"
    assert [violation.field for violation in caught.value.violations] == ["service_account_id"]


def test_a_wrong_secret_is_refused(key: IssuedApiKey) -> None:
    wrong = key["secret_key"][:-1] + ("a" if key["secret_key"][-1] != "a" else "b")
    with (
        Client(base_url=SERVICE["url"], access_key=key["access_key"], secret_key=wrong) as stranger,
        pytest.raises(UnauthenticatedError) as caught,
    ):
        stranger.organizations.get_info()
    assert caught.value.reason == "SIGNATURE_INVALID"


def test_a_signature_is_good_once(key: IssuedApiKey) -> None:
    url = f"{SERVICE['url']}/pdaas.v1.AuthService/WhoAmI"
    signature = sign_request(
        method="POST",
        url=url,
        content_type="application/json",
        body="{}",
        access_key=key["access_key"],
        secret_key=key["secret_key"],
    )
    headers = {"content-type": "application/json", **signature}
    first, second = (httpx.post(url, content=b"{}", headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 401)
    assert read_details(second.json()["details"]).reason == "NONCE_REPLAYED"


def test_any_httpx_client_can_call_with_the_key(key: IssuedApiKey) -> None:
    auth = SignatureAuth(key["access_key"], key["secret_key"])
    with httpx.Client(auth=auth, base_url=SERVICE["url"]) as http:
        for _ in range(2):
            answer = http.post("/pdaas.v1.AuthService/WhoAmI", json={})
            assert answer.json()["principal"]["apiKeyId"] == key["id"]


def test_a_wrong_clock_is_set_by_the_service(bot: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    hour_ahead = datetime.now(timezone.utc).timestamp() + 3_600
    monkeypatch.setattr("pdaas._credentials.time", lambda: hour_ahead)
    assert bot.organizations.get_info()["slug"] == SERVICE["organization_slug"]


def test_a_repeated_issue_gets_the_same_secret_and_a_get_gets_none(
    admin: Client, key: IssuedApiKey
) -> None:
    first, second = (
        admin.service_accounts.issue_key(
            service_account_id=key["service_account_id"], request_id=key["id"]
        )
        for _ in range(2)
    )
    assert first == second
    assert first["id"] != key["id"]
    got = admin.service_accounts.get_key(api_key_id=first["id"])
    assert got == {name: value for name, value in first.items() if name != "secret_key"}


def test_a_key_that_was_revoked_is_refused(admin: Client, key: IssuedApiKey, bot: Client) -> None:
    bot.who_am_i()
    revoked = admin.service_accounts.revoke_key(api_key_id=key["id"])
    assert revoked["state"] == "revoked"
    assert revoked["revoke_time"] is not None
    with pytest.raises(UnauthenticatedError):
        bot.who_am_i()
    keys = admin.service_accounts.list_keys(service_account_id=key["service_account_id"])
    assert [listed["state"] for listed in keys] == ["revoked"]


def test_a_service_account_lives_through_all_its_states(
    admin: Client, key: IssuedApiKey, bot: Client
) -> None:
    accounts = admin.service_accounts
    name: dict[str, Any] = {"service_account_id": key["service_account_id"]}
    assert accounts.disable(**name)["state"] == "disabled"
    with pytest.raises(UnauthenticatedError):
        bot.who_am_i()
    assert accounts.enable(**name)["state"] == "active"
    assert bot.who_am_i()["id"] == name["service_account_id"]
    changed = accounts.update(**name, name="Grüße", permissions=[])
    assert (changed["name"], changed["permissions"]) == ("Grüße", [])
    assert changed["description"] == "Deploys what was merged"
    deleted = accounts.delete(**name, etag=changed["etag"])
    assert deleted["state"] == "deleted"
    assert deleted["delete_time"] is not None
    assert deleted["purge_time"] is not None
    assert accounts.undelete(**name)["state"] == "active"
    assert accounts.get(**name)["delete_time"] is None


def test_listings_run_over_pages(admin: Client, key: IssuedApiKey) -> None:
    account = admin.accounts.create(description="Of a test")
    assert admin.accounts.get(account_id=account["id"]) == account
    made = [
        admin.service_accounts.create(name=f"Bot {n}", account_id=account["id"])["id"]
        for n in range(3)
    ]
    listing = admin.service_accounts.list(account_id=account["id"], page_size=2)
    assert [item["id"] for item in listing] == made
    assert account["id"] in [item["id"] for item in admin.accounts.list(page_size=1)]
    since = datetime.now(timezone.utc) - timedelta(hours=1)
    # An event is listed a moment after it was recorded.
    deadline = time.monotonic() + 10
    while not (
        events := list(
            admin.audit_events.list(
                start_time=since, action="IssueApiKey", resource_id=key["id"], outcome="ok"
            )
        )
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (event,) = events
    assert (event["principal_type"], event["resource_type"]) == ("user", "ApiKey")
    assert event["user_agent"].startswith("pdaas-python/")
