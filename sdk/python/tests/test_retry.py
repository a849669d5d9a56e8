from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
from conftest import KEY
from support.refusal import refusal, unavailable
from support.server import Answer, Handler, LostAnswerError, Request, Server
from support.verify import verify

from pdaas import Client, PdaasError, UnavailableError
from pdaas._retry import may_retry, retry_delay

Start = Callable[[Handler], Server]
Connect = Callable[..., Client]

TIME = "2023-11-14T22:13:20Z"
ANSWERS: dict[str, dict[str, Any]] = {
    "GetOrganization": {"organization": {"id": "org_1", "createTime": TIME}},
    "IssueApiKey": {"apiKey": {"id": "key_1", "createTime": TIME}, "secretKey": "sk_x"},
    "RevokeApiKey": {"apiKey": {"id": "key_1", "createTime": TIME}},
    "CreateAccount": {"account": {"id": "acc-1", "createTime": TIME}},
}
SERVICE_ACCOUNT = {"serviceAccount": {"id": "svc_1", "createTime": TIME, "updateTime": TIME}}

Call = Callable[[Client], object]
REPEATABLE: dict[str, Call] = {
    "read": lambda c: c.organizations.get_info(),
    "create": lambda c: c.service_accounts.create(account_id="acc-123", name="x"),
    "create account": lambda c: c.accounts.create(),
    "issue key": lambda c: c.service_accounts.issue_key(service_account_id="svc_1"),
    "disable": lambda c: c.service_accounts.disable(service_account_id="svc_1"),
    "enable": lambda c: c.service_accounts.enable(service_account_id="svc_1"),
    "revoke key": lambda c: c.service_accounts.revoke_key(api_key_id="key_1"),
}
ONCE: dict[str, Call] = {
    "update": lambda c: c.service_accounts.update(service_account_id="svc_1", name="x"),
    "delete": lambda c: c.service_accounts.delete(service_account_id="svc_1"),
    "undelete": lambda c: c.service_accounts.undelete(service_account_id="svc_1"),
    "disable with an etag": lambda c: c.service_accounts.disable(
        service_account_id="svc_1", etag="v1"
    ),
}
ALL = {**REPEATABLE, **ONCE}
repeatable = pytest.mark.parametrize("name", REPEATABLE)
once = pytest.mark.parametrize("name", ONCE)


def refusing(*refusals: Answer) -> Handler:
    """Refuses the first calls."""
    left = list(refusals)

    def handle(request: Request) -> Answer | dict[str, Any]:
        return left.pop(0) if left else ANSWERS.get(request.method, SERVICE_ACCOUNT)

    return handle


@repeatable
def test_unavailable_twice_is_done_at_the_third_attempt_each_signed_afresh(
    name: str, start: Start, connect: Connect
) -> None:
    server = start(refusing(unavailable(), unavailable()))
    ALL[name](connect(server))
    signatures = [verify(request, **KEY) for request in server.requests]
    assert len({signature.nonce for signature in signatures}) == 3
    request_ids = {request.message.get("requestId") for request in server.requests}
    assert len(request_ids) == 1
    if "create" in name or "issue" in name:
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", str(request_ids.pop()))


@once
def test_unavailable_is_told_when_it_may_have_been_done(
    name: str, start: Start, connect: Connect
) -> None:
    server = start(refusing(unavailable()))
    with pytest.raises(UnavailableError) as caught:
        ALL[name](connect(server))
    assert caught.value.reason == "DATABASE_UNAVAILABLE"
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ALL)
def test_refused_before_anything_was_done_is_tried_again(
    name: str, start: Start, connect: Connect
) -> None:
    reasons = ("REPLAY_STORE_UNAVAILABLE", "REPLAY_STORE_RECOVERING", "SHUTTING_DOWN")
    server = start(refusing(*map(unavailable, reasons)))
    ALL[name](connect(server))
    assert len(server.requests) == 4


def losing(count: int) -> Handler:
    """Carries out the first calls without an answer."""
    handle = refusing()
    lost: list[Request] = []

    def lose(request: Request) -> Answer | dict[str, Any]:
        if len(lost) == count:
            return handle(request)
        lost.append(request)
        raise LostAnswerError

    return lose


@repeatable
def test_a_lost_answer_is_asked_for_again(name: str, start: Start, connect: Connect) -> None:
    server = start(losing(1))
    ALL[name](connect(server))
    assert len(server.requests) == 2


@once
def test_a_lost_answer_is_told_and_nothing_done_again(
    name: str, start: Start, connect: Connect
) -> None:
    server = start(losing(5))
    with pytest.raises(UnavailableError):
        ALL[name](connect(server))
    assert len(server.requests) == 1


REPLAYED = refusal("unauthenticated", "NONCE_REPLAYED")


@repeatable
def test_an_attempt_delivered_twice_is_tried_again_with_another_nonce(
    name: str, start: Start, connect: Connect
) -> None:
    server = start(refusing(REPLAYED))
    ALL[name](connect(server))
    first, second = (verify(request, **KEY) for request in server.requests)
    assert first.nonce != second.nonce


@once
def test_an_attempt_delivered_twice_is_told_when_the_first_may_have_done_it(
    name: str, start: Start, connect: Connect
) -> None:
    server = start(refusing(REPLAYED))
    with pytest.raises(PdaasError) as caught:
        ALL[name](connect(server))
    assert caught.value.reason == "NONCE_REPLAYED"
    assert len(server.requests) == 1


def test_overloaded_with_a_time_to_wait_waits_so_long_at_least(
    start: Start, connect: Connect
) -> None:
    server = start(refusing(refusal("resource_exhausted", "OVERLOADED", retry_after=0.12)))
    begin = monotonic()
    connect(server).organizations.get_info()
    assert monotonic() - begin >= 0.12
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("resource_exhausted", "LIMIT_REACHED"),
        ("permission_denied", "PERMISSION_MISSING"),
        ("unauthenticated", "SIGNATURE_INVALID"),
    ],
)
def test_what_will_not_change_is_told_at_once(
    code: str, reason: str, start: Start, connect: Connect
) -> None:
    server = start(refusing(refusal(code, reason)))
    with pytest.raises(PdaasError) as caught:
        connect(server).organizations.get_info()
    assert caught.value.reason == reason
    assert len(server.requests) == 1


def test_a_wait_that_would_outlast_the_deadline_is_told_at_once(
    start: Start, connect: Connect
) -> None:
    server = start(refusing(unavailable(retry_after=60)))
    begin = monotonic()
    with pytest.raises(UnavailableError) as caught:
        connect(server).organizations.get_info(timeout=10)
    assert caught.value.retry_after == 60
    assert monotonic() - begin < 5
    assert len(server.requests) == 1


@pytest.mark.parametrize("max_retries", [0, 1])
def test_max_retries_is_how_many_and_no_more(
    max_retries: int, start: Start, connect: Connect
) -> None:
    server = start(refusing(*[unavailable()] * 5))
    with pytest.raises(UnavailableError):
        connect(server, max_retries=max_retries).organizations.get_info()
    assert len(server.requests) == max_retries + 1


def test_a_connection_that_was_refused_carried_nothing_so_any_call_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with (
            Client(base_url=url, **KEY, max_retries=0) as client,
            pytest.raises(PdaasError) as caught,
        ):
            client.service_accounts.delete(service_account_id="svc_1")
    assert may_retry(caught.value, repeatable=False)
    assert not may_retry(PdaasError("no", code="unavailable"), repeatable=False)


def test_the_backoff_doubles_up_to_5_s_with_full_jitter_on_top_of_what_is_asked_for() -> None:
    error = PdaasError("no", code="unavailable")
    ceilings = [retry_delay(error, attempts, lambda: 1) for attempts in (1, 2, 3, 7, 100_000)]
    assert ceilings == [0.1, 0.2, 0.4, 5, 5]
    assert retry_delay(error, 3, lambda: 0) == 0
    asking = PdaasError("no", code="unavailable", retry_after=0.7)
    assert retry_delay(asking, 1, lambda: 0.5) == pytest.approx(0.75)


CLIENT_TIME = 1_700_000_000


@dataclass
class ServiceClock:
    """A service whose clock stands at a time of its own, and what it tells of it."""

    time: int
    step: int = 0
    told: str | None = ""

    def __call__(self, request: Request) -> Answer | dict[str, Any]:
        self.time += self.step
        created = verify(request, **KEY).created
        if abs(created - self.time) <= 30:
            return ANSWERS["GetOrganization"]
        reason = "SIGNATURE_EXPIRED" if created < self.time else "SIGNATURE_NOT_YET_VALID"
        told = {} if self.told is None else {"server_time": self.told or str(self.time)}
        return refusal("unauthenticated", reason, metadata=told)


@pytest.fixture
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdaas._credentials.time", lambda: float(CLIENT_TIME))


@pytest.mark.usefixtures("_frozen")
@pytest.mark.parametrize("ahead", [3_600, -86_400])
def test_a_wrong_clock_is_corrected_once_and_right_from_then_on(
    ahead: int, start: Start, connect: Connect
) -> None:
    server_time = CLIENT_TIME + ahead
    server = start(ServiceClock(server_time))
    client = connect(server)
    client.organizations.get_info()
    client.organizations.get_info()
    signatures = [verify(request, **KEY) for request in server.requests]
    assert [s.created for s in signatures] == [CLIENT_TIME, server_time, server_time]
    assert len({signature.nonce for signature in signatures}) == 3


@pytest.mark.usefixtures("_frozen")
def test_a_correction_that_does_not_help_is_told_after_the_second_attempt(
    start: Start, connect: Connect
) -> None:
    server = start(ServiceClock(CLIENT_TIME, step=1_000))
    with pytest.raises(PdaasError) as caught:
        connect(server).organizations.get_info()
    assert caught.value.reason == "SIGNATURE_EXPIRED"
    assert len(server.requests) == 2


@pytest.mark.usefixtures("_frozen")
@pytest.mark.parametrize("told", [None, "soon", "-5", "1e9", "1700003600\n", "٣"])
def test_a_refusal_without_a_time_is_told_at_once_and_the_clock_stays(
    told: str | None, start: Start, connect: Connect
) -> None:
    server = start(ServiceClock(CLIENT_TIME + 3_600, told=told))
    client = connect(server)
    for attempts in (1, 2):
        with pytest.raises(PdaasError):
            client.organizations.get_info()
        assert len(server.requests) == attempts
    assert [verify(request, **KEY).created for request in server.requests] == [CLIENT_TIME] * 2
