from __future__ import annotations

import json
import pprint
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.refusal import refusal
from support.server import Answer, Handler, Request, Server

from pdaas import Client, PdaasError
from pdaas._plain import time_of

Start = Callable[[Handler], Server]
TIME = "2023-11-14T22:13:20.123Z"
DATE = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=timezone.utc)
ID = "svc_1"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

SERVICE_ACCOUNT = {
    "id": ID,
    "accountId": "acc-123",
    "name": "Bot",
    "permissions": ["ServiceAccounts.read"],
    "state": "SERVICE_ACCOUNT_STATE_DISABLED",
    "etag": "v2",
    "createTime": TIME,
    "updateTime": TIME,
}
API_KEY = {"id": "key_1", "accessKey": "sa_x", "state": "API_KEY_STATE_ACTIVE", "createTime": TIME}
REVOKED = {**API_KEY, "state": "API_KEY_STATE_REVOKED", "revokeTime": TIME}
ACCOUNT = {"id": "acc-123", "name": "Main", "description": "d", "createTime": TIME}
EVENT = {"id": "evt_1", "time": TIME, "outcome": "AUDIT_OUTCOME_REFUSED"}
ANSWERS: dict[str, dict[str, Any]] = {
    "IssueApiKey": {"apiKey": API_KEY, "secretKey": "sk_issued_secret"},
    "GetApiKey": {"apiKey": API_KEY},
    "ListApiKeys": {"apiKeys": [API_KEY]},
    "RevokeApiKey": {"apiKey": REVOKED},
    "CreateAccount": {"account": ACCOUNT},
    "GetAccount": {"account": ACCOUNT},
    "ListAccounts": {"accounts": [ACCOUNT]},
    "GetOrganization": {"organization": {"id": "org_1", "slug": "myorg", "createTime": TIME}},
    "ListAuditEvents": {"auditEvents": [EVENT]},
    "WhoAmI": {
        "principal": {"type": "PRINCIPAL_TYPE_SERVICE_ACCOUNT", "id": ID, "permissions": ["*"]}
    },
}
# Three pages, the last of them without another.
NEXT_PAGE = {"": "b", "b": "c", "c": ""}


def answer(request: Request) -> dict[str, Any]:
    if request.method == "ListServiceAccounts":
        token = request.message["pageToken"]
        items = [{**SERVICE_ACCOUNT, "id": f"{token}{n}"} for n in (0, 1)]
        return {"serviceAccounts": items, "nextPageToken": NEXT_PAGE[token]}
    return ANSWERS.get(request.method, {"serviceAccount": SERVICE_ACCOUNT})


@pytest.fixture
def server(start: Start) -> Server:
    return start(answer)


@pytest.fixture
def client(server: Server, connect: Callable[..., Client]) -> Client:
    return connect(server)


def test_a_service_account_is_a_plain_dict_with_words_for_states_and_datetimes(
    client: Client,
) -> None:
    got = client.service_accounts.get(service_account_id=ID)
    assert type(got) is dict
    assert got == {
        "id": ID,
        "account_id": "acc-123",
        "name": "Bot",
        "description": "",
        "permissions": ["ServiceAccounts.read"],
        "state": "disabled",
        "etag": "v2",
        "create_time": DATE,
        "update_time": DATE,
        "delete_time": None,
        "purge_time": None,
    }
    assert got["create_time"].tzinfo is timezone.utc


def test_create_sends_what_is_given_with_a_uuid_as_the_request_id_unless_one_is_given(
    client: Client, server: Server
) -> None:
    def sent() -> dict[str, Any]:
        return server.requests[-1].message

    client.service_accounts.create(account_id="acc-123", name="Bot", permissions=("A.read",))
    request = sent()
    assert UUID.fullmatch(request.pop("requestId"))
    assert request == {"accountId": "acc-123", "name": "Bot", "permissions": ["A.read"]}
    client.service_accounts.create(
        account_id="a", name="b", description="d", request_id="my-request"
    )
    assert sent() == {
        "accountId": "a",
        "name": "b",
        "description": "d",
        "requestId": "my-request",
    }
    client.api_keys.issue(service_account_id=ID, description="d")
    request = sent()
    assert UUID.fullmatch(request.pop("requestId"))
    assert request == {"serviceAccountId": ID, "description": "d"}
    client.accounts.create(account_id="acc-9")
    request = sent()
    assert UUID.fullmatch(request.pop("requestId"))
    assert request == {"accountId": "acc-9"}


@pytest.mark.parametrize(
    ("fields", "update_mask"),
    [
        ({"name": "New"}, "name"),
        ({"description": ""}, "description"),
        ({"permissions": []}, "permissions"),
        ({"permissions": ["*"], "name": "New"}, "name,permissions"),
        ({"name": None, "description": "d"}, "description"),
        ({"etag": "v1"}, ""),
    ],
)
def test_update_names_the_fields_that_are_given(
    fields: dict[str, Any], update_mask: str, client: Client, server: Server
) -> None:
    client.service_accounts.update(service_account_id=ID, **fields)
    given = {name: value for name, value in fields.items() if value is not None}
    expected = {"serviceAccountId": ID, "updateMask": update_mask, **given}
    assert server.requests[0].message == expected


def test_a_lone_text_as_permissions_is_refused(client: Client, server: Server) -> None:
    with pytest.raises(ValueError, match="permissions must be a list"):
        client.service_accounts.update(service_account_id=ID, permissions="Accounts.read")
    assert server.requests == []


@pytest.mark.parametrize("change", ["disable", "enable", "delete", "undelete"])
def test_a_change_sends_the_identifier_and_the_etag(
    change: str, client: Client, server: Server
) -> None:
    got = getattr(client.service_accounts, change)(service_account_id=ID, etag="v1")
    assert got["id"] == ID
    (request,) = server.requests
    name = f"{change.capitalize()}ServiceAccount"
    assert request.target == f"/pdaas.v1.ServiceAccountService/{name}"
    assert request.message == {"serviceAccountId": ID, "etag": "v1"}


def test_a_listing_asks_for_nothing_before_it_is_read_and_then_page_after_page(
    client: Client, server: Server
) -> None:
    listing = client.service_accounts.list(account_id="acc-123", page_size=2)
    assert server.requests == []
    assert next(listing)["id"] == "0"
    assert len(server.requests) == 1
    assert [item["id"] for item in listing] == ["1", "b0", "b1", "c0", "c1"]
    assert len(server.requests) == 3
    assert server.requests[-1].message == {
        "accountId": "acc-123",
        "showDeleted": False,
        "pageSize": 2,
        "pageToken": "c",
    }


def test_a_listing_that_is_left_early_asks_for_no_page_beyond(
    client: Client, server: Server
) -> None:
    for service_account in client.service_accounts.list():
        if service_account["id"] == "b0":
            break
    assert len(server.requests) == 2


def test_a_listing_goes_on_where_a_failed_call_stopped_it(
    start: Start, connect: Callable[..., Client]
) -> None:
    refused = [refusal("permission_denied", "PERMISSION_MISSING")]

    def handle(request: Request) -> Answer | dict[str, Any]:
        if request.message["pageToken"] == "b" and refused:
            return refused.pop()
        return answer(request)

    listing = connect(start(handle)).service_accounts.list()
    assert [next(listing)["id"], next(listing)["id"]] == ["0", "1"]
    with pytest.raises(PdaasError):
        next(listing)
    assert [item["id"] for item in listing] == ["b0", "b1", "c0", "c1"]


def test_pages_of_a_listing_from_a_page_token_on(client: Client) -> None:
    assert client.service_accounts.list().page().next_page_token == "b"
    last = client.service_accounts.list(page_token="c").page()
    assert [item["id"] for item in last.items] == ["c0", "c1"]
    assert last.next_page_token is None
    assert [len(page.items) for page in client.service_accounts.list().pages()] == [2, 2, 2]


def test_an_issued_key_shows_its_secret_only_where_it_is_asked_for_by_name(
    client: Client,
) -> None:
    issued = client.service_accounts.issue_key(service_account_id=ID)
    assert isinstance(issued, dict)
    assert issued["secret_key"] == "sk_issued_secret"
    assert {**issued}["secret_key"] == dict(issued)["secret_key"] == "sk_issued_secret"
    assert json.loads(json.dumps(issued, default=str))["secret_key"] == "sk_issued_secret"
    for shown in (repr(issued), str(issued), f"{[issued]}", pprint.pformat({"a": [issued]})):
        assert "[redacted]" in shown
        assert "sk_issued_secret" not in shown


def test_api_keys_are_got_listed_and_revoked(client: Client, server: Server) -> None:
    got = client.service_accounts.get_key(api_key_id="key_1")
    assert (got["id"], got["state"], got["create_time"]) == ("key_1", "active", DATE)
    assert got["revoke_time"] is None
    assert "secret_key" not in got
    assert list(client.service_accounts.list_keys(service_account_id=ID)) == [got]
    revoked = client.service_accounts.revoke_key(api_key_id="key_1")
    assert (revoked["state"], revoked["revoke_time"]) == ("revoked", DATE)
    assert client.api_keys.get(api_key_id="key_1") == got
    assert list(client.api_keys.list(service_account_id=ID)) == [got]
    assert client.api_keys.revoke(api_key_id="key_1") == revoked
    assert server.requests[0].message == {"apiKeyId": "key_1"}


def test_accounts_the_organization_and_the_caller(client: Client) -> None:
    account = {"id": "acc-123", "name": "Main", "description": "d", "create_time": DATE}
    assert client.accounts.get(account_id="acc-123") == account
    assert list(client.accounts.list()) == [account]
    organization = {"id": "org_1", "slug": "myorg", "name": "", "create_time": DATE}
    assert client.organizations.get_info() == organization
    caller = client.who_am_i()
    assert (caller["type"], caller["permissions"]) == ("service_account", ["*"])


def test_audit_events_are_filtered_with_datetimes_and_words(client: Client, server: Server) -> None:
    elsewhere = DATE.astimezone(timezone(timedelta(hours=2)))
    listing = client.audit_events.list(
        start_time=elsewhere, action="IssueApiKey", outcome="refused"
    )
    (event,) = listing
    assert (event["id"], event["time"], event["outcome"]) == ("evt_1", DATE, "refused")
    assert event["principal_type"] == "unspecified"
    assert server.requests[0].message == {
        "startTime": "2023-11-14T22:13:20.123000Z",
        "action": "IssueApiKey",
        "outcome": "AUDIT_OUTCOME_REFUSED",
        "pageToken": "",
    }


def test_a_time_without_a_time_zone_is_refused(client: Client, server: Server) -> None:
    with pytest.raises(ValueError, match="end_time must have a time zone"):
        client.audit_events.list(end_time=datetime(2026, 1, 1))
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2023-11-14T22:13:20Z", 0),
        ("2023-11-14T22:13:20.5Z", 500_000),
        ("2023-11-14T22:13:20.123456789Z", 123_456),
        ("2023-11-15T00:13:20+02:00", 0),
    ],
)
def test_times_are_read_in_utc_to_the_microsecond(text: str, microsecond: int) -> None:
    time = time_of({"createTime": text}, "createTime")
    assert time == DATE.replace(microsecond=microsecond)
    assert time.utcoffset() == timedelta(0)


@pytest.mark.parametrize("state", ["SERVICE_ACCOUNT_STATE_PAUSED", 7, None])
def test_a_state_newer_than_this_package_is_unspecified(
    state: object, start: Start, connect: Callable[..., Client]
) -> None:
    server = start(lambda _: {"serviceAccount": {**SERVICE_ACCOUNT, "state": state}})
    got = connect(server).service_accounts.get(service_account_id=ID)
    assert got["state"] == "unspecified"
