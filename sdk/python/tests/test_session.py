from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.refusal import refusal
from support.server import Answer, Handler, Request, Server

from pdaas import Client, DeadlineExceededError, PdaasError

USER: dict[str, Any] = {
    "email": "admin@myorg.example",
    "password": "correct",
    "organization_slug": "myorg",
}
MINUTE = 60
Start = Callable[[Handler], Server]
Connect = Callable[..., Client]


@dataclass
class Sessions:
    """A service with sessions: each token is good until another takes its place."""

    access_minutes: float = 15
    log: list[str] = field(default_factory=list)
    access: str = ""
    refresh: str = ""
    ended: bool = False
    accepts: bool = True
    issued: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    """Logins and refreshes are answered once it is set."""

    def __post_init__(self) -> None:
        self.gate.set()

    def __call__(self, request: Request) -> Answer | dict[str, Any]:
        if request.method in ("Login", "RefreshSession", "Logout"):
            self.log.append(request.method)
        match request.method:
            case "Login":
                self.gate.wait(10)
                good = request.message == {
                    "email": USER["email"],
                    "password": "correct",
                    "organizationSlug": "myorg",
                }
                return self.tokens() if good else refusal("unauthenticated", "LOGIN_FAILED")
            case "RefreshSession":
                self.gate.wait(10)
                if request.message["refreshToken"] == self.refresh and not self.ended:
                    return self.tokens()
                return refusal("unauthenticated", "REFRESH_TOKEN_REUSED")
        if not self.accepts or request.headers.get("authorization") != f"Bearer {self.access}":
            return refusal("unauthenticated", "ACCESS_TOKEN_INVALID")
        if self.ended:
            return refusal("unauthenticated", "SESSION_ENDED")
        self.ended = request.method == "Logout"
        return {"principal": {"id": "usr_1"}}

    def tokens(self) -> dict[str, Any]:
        self.issued += 1
        self.access, self.refresh, self.ended = f"at{self.issued}", f"rt{self.issued}", False
        expiry = datetime.now(timezone.utc) + timedelta(minutes=self.access_minutes)
        return {
            "tokens": {
                "accessToken": self.access,
                "refreshToken": self.refresh,
                "accessTokenExpireTime": expiry.isoformat(),
            }
        }


@pytest.fixture
def service() -> Iterator[Sessions]:
    sessions = Sessions()
    yield sessions
    sessions.gate.set()


@pytest.fixture
def client(service: Sessions, start: Start, connect: Connect) -> Client:
    return connect(start(service), **USER)


def at_once(client: Client, count: int) -> list[Future[Any]]:
    """Calls from so many threads, which all begin together."""
    together = threading.Barrier(count)

    def call() -> Any:
        together.wait()
        return client.who_am_i()

    with ThreadPoolExecutor(count) as threads:
        return [threads.submit(call) for _ in range(count)]


def test_20_calls_at_the_start_share_one_login(service: Sessions, client: Client) -> None:
    assert [call.result()["id"] for call in at_once(client, 20)] == ["usr_1"] * 20
    assert service.log == ["Login"]


def test_20_calls_with_a_token_no_longer_good_share_one_refresh(
    service: Sessions, client: Client
) -> None:
    client.who_am_i()
    service.access = "another"
    assert [call.result()["id"] for call in at_once(client, 20)] == ["usr_1"] * 20
    assert service.log == ["Login", "RefreshSession"]


def test_a_token_is_refreshed_a_minute_before_it_expires(
    service: Sessions, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr("pdaas._session.monotonic", lambda: now)
    client.who_am_i()
    now += 14 * MINUTE - 2
    client.who_am_i()
    assert service.log == ["Login"]
    now += 2
    assert [call.result()["id"] for call in at_once(client, 20)] == ["usr_1"] * 20
    assert service.log == ["Login", "RefreshSession"]
    assert service.access == "at2"


def test_a_clock_that_is_ahead_causes_no_refresh_without_need(
    service: Sessions, client: Client
) -> None:
    service.access_minutes = -30
    client.who_am_i()
    client.who_am_i()
    assert service.log == ["Login"]


def test_a_refresh_token_that_is_not_good_either_leads_to_a_login(
    service: Sessions, client: Client
) -> None:
    client.who_am_i()
    service.access = service.refresh = "another"
    client.who_am_i()
    assert service.log == ["Login", "RefreshSession", "Login"]


def test_a_session_that_was_ended_leads_to_a_login(service: Sessions, client: Client) -> None:
    client.who_am_i()
    service.ended = True
    client.who_am_i()
    assert service.log == ["Login", "Login"]


def test_a_new_token_that_is_refused_too_is_told_after_one_refresh(
    service: Sessions, client: Client
) -> None:
    client.who_am_i()
    service.accepts = False
    with pytest.raises(PdaasError) as caught:
        client.who_am_i()
    assert caught.value.reason == "ACCESS_TOKEN_INVALID"
    assert service.log == ["Login", "RefreshSession"]


def test_a_wrong_password_is_told_to_every_call_that_waited_for_the_login(
    service: Sessions, start: Start, connect: Connect
) -> None:
    client = connect(start(service), **{**USER, "password": "wrong"})
    service.gate.clear()
    with ThreadPoolExecutor(5) as threads:
        calls = [threads.submit(client.who_am_i) for _ in range(5)]
        waiting_for_login(client, 4)
        service.gate.set()
    for call in calls:
        error = call.exception()
        assert isinstance(error, PdaasError)
        assert error.reason == "LOGIN_FAILED"
    assert service.log == ["Login"]


def waiting_for_login(client: Client, count: int) -> None:
    """Returns when so many calls wait for the renewal that another one makes."""
    session = client._session
    assert session is not None
    for _ in range(2_000):
        renewal = session._renewal
        if renewal is not None and len(renewal._condition._waiters) >= count:  # type: ignore[attr-defined]
            return
        threading.Event().wait(0.002)
    raise AssertionError("they do not wait")


def test_a_call_that_does_not_wait_for_the_login_is_given_up_alone(
    service: Sessions, client: Client
) -> None:
    service.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        patient = threads.submit(client.who_am_i)
        while not service.log:
            wait([patient], timeout=0.002)
        with pytest.raises(DeadlineExceededError):
            client.who_am_i(timeout=0.02)
        service.gate.set()
    assert patient.result()["id"] == "usr_1"
    assert service.log == ["Login"]


def test_a_login_given_up_by_its_call_is_made_by_one_that_waited(
    service: Sessions, client: Client
) -> None:
    service.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        impatient = threads.submit(client.who_am_i, timeout=1)
        while not service.log:
            wait([impatient], timeout=0.002)
        patient = threads.submit(client.who_am_i)
        waiting_for_login(client, 1)
        # The first login stays without an answer; the next one gets its own at once.
        held, service.gate = service.gate, threading.Event()
        service.gate.set()
        assert isinstance(impatient.exception(), DeadlineExceededError)
        assert patient.result()["id"] == "usr_1"
    assert service.log == ["Login", "Login"]
    held.set()


def test_logout_ends_the_session_and_the_next_call_begins_another(
    service: Sessions, client: Client
) -> None:
    client.logout()
    assert service.log == []
    client.who_am_i()
    client.logout()
    assert service.ended
    client.who_am_i()
    assert service.log == ["Login", "Logout", "Login"]


def test_logout_with_a_token_no_longer_good_refreshes_it_and_ends_the_session(
    service: Sessions, client: Client
) -> None:
    client.who_am_i()
    service.access = "another"
    client.logout()
    assert service.log == ["Login", "Logout", "RefreshSession", "Logout"]
    assert service.ended


def test_logout_waits_for_the_login_under_way(service: Sessions, client: Client) -> None:
    service.gate.clear()
    with ThreadPoolExecutor(2) as threads:
        call = threads.submit(client.who_am_i)
        while not service.log:
            wait([call], timeout=0.002)
        with pytest.raises(DeadlineExceededError):
            client.logout(timeout=0.02)
        logout = threads.submit(client.logout)
        waiting_for_login(client, 1)
        service.gate.set()
        assert logout.result() is None
    assert service.log[:2] == ["Login", "Logout"]


def test_close_ends_the_session_and_does_not_mind_that_it_has_ended(
    service: Sessions, client: Client
) -> None:
    client.who_am_i()
    service.ended = True
    client.close()
    client.close()
    assert service.log == ["Login", "Logout"]


def test_the_end_of_a_with_block_ends_the_session(
    service: Sessions, start: Start, connect: Connect
) -> None:
    with connect(start(service), **USER) as client:
        client.who_am_i()
    assert service.log == ["Login", "Logout"]
    with pytest.raises(RuntimeError, match="closed"):
        client.who_am_i()


def test_no_answer_to_the_logout_does_not_keep_a_client_from_closing(start: Start) -> None:
    service = Sessions()
    client = Client(base_url=start(service).url, **USER)
    client.who_am_i()
    service.accepts = False
    client.close()
    assert service.log == ["Login", "Logout", "RefreshSession", "Logout"]


def test_nothing_that_is_shown_of_a_session_is_secret(service: Sessions, client: Client) -> None:
    client.who_am_i()
    session = client._session
    assert session is not None
    shown = repr([client, vars(client), session, vars(session), session._tokens])
    for secret in ("correct", "at1", "rt1"):
        assert secret not in shown
    assert USER["email"] in repr(client)
