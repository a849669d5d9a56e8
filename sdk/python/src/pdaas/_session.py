from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from math import inf
from threading import Lock
from time import monotonic, time

from ._answer import JsonObject
from ._caller import Caller
from ._deadline import Deadline
from ._plain import message, text, time_of
from .errors import PdaasError

# How many seconds before its expiry an access token is replaced.
_MARGIN = 60.0


@dataclass(frozen=True)
class Login:
    """What a user logs in with."""

    email: str
    password: str = field(repr=False)
    organization_slug: str


@dataclass(frozen=True)
class _Tokens:
    access: str = field(repr=False)
    refresh: str = field(repr=False)
    stale_at: float
    """When to replace the access token, on the monotonic clock."""


class Session:
    """A user's session: begun on first use, kept alive while used. Its tokens stay in memory."""

    def __init__(self, caller: Caller, login: Login, timeout: float) -> None:
        """`caller` calls without credentials; `timeout` is how long a login may take."""
        self._caller = caller
        self._login = login
        self._timeout = timeout
        self._lock = Lock()
        self._tokens: _Tokens | None = None
        # The one login or refresh under way; calls that need new tokens share it.
        self._renewal: Future[_Tokens] | None = None

    def headers(self, deadline: Deadline) -> Mapping[str, str]:
        return _bearer(self._current(deadline))

    def recover(self, error: PdaasError, sent: Mapping[str, str], deadline: Deadline) -> bool:
        if error.reason not in ("ACCESS_TOKEN_INVALID", "SESSION_ENDED"):
            return False
        with self._lock:
            tokens = self._tokens
            # Another call may have renewed the tokens since this one was sent.
            if tokens is not None and _bearer(tokens) == sent:
                ended = error.reason == "SESSION_ENDED"
                self._tokens = None if ended else replace(tokens, stale_at=-inf)
        self._current(deadline)
        return True

    def logout(self, timeout: float | None = None) -> None:
        """Ends the session, if one was begun. The next call begins another."""
        deadline = Deadline(self._timeout if timeout is None else timeout)
        tokens = self._taken(deadline)
        if tokens is None:
            return
        try:
            self._end(tokens, deadline)
        except PdaasError as error:
            if error.reason != "ACCESS_TOKEN_INVALID":
                raise
            renewed = self._refreshed(tokens, deadline)
            if renewed is not None:
                self._end(renewed, deadline)

    def _taken(self, deadline: Deadline) -> _Tokens | None:
        """The tokens, once no renewal is under way. They are the session's no longer."""
        while True:
            with self._lock:
                renewal = self._renewal
                if renewal is None:
                    tokens, self._tokens = self._tokens, None
                    return tokens
            try:
                renewal.exception(deadline.remaining)
            except CancelledError:
                continue
            except FutureTimeoutError:
                raise deadline.exceeded() from None

    def _end(self, tokens: _Tokens, deadline: Deadline) -> None:
        try:
            self._caller.call(
                "AuthService/Logout", {}, headers=_bearer(tokens), timeout=deadline.remaining
            )
        except PdaasError as error:
            if error.reason != "SESSION_ENDED":
                raise

    def _current(self, deadline: Deadline) -> _Tokens:
        while True:
            with self._lock:
                tokens, renewal = self._tokens, self._renewal
                if tokens is not None and monotonic() < tokens.stale_at:
                    return tokens
                if renewal is None:
                    mine = self._renewal = Future[_Tokens]()
            if renewal is None:
                return self._renew(mine, tokens, deadline)
            try:
                return renewal.result(deadline.remaining)
            except CancelledError:
                continue
            except FutureTimeoutError:
                raise deadline.exceeded() from None

    def _renew(
        self, renewal: Future[_Tokens], tokens: _Tokens | None, deadline: Deadline
    ) -> _Tokens:
        try:
            renewed = None if tokens is None else self._refreshed(tokens, deadline)
            if renewed is None:
                renewed = self._logged_in(deadline)
        except BaseException as error:
            with self._lock:
                self._renewal = None
            # A deadline or an interrupt is this call's own affair: another one takes over.
            if isinstance(error, PdaasError) and error.code != "deadline_exceeded":
                renewal.set_exception(error)
            else:
                renewal.cancel()
            raise
        with self._lock:
            self._tokens, self._renewal = renewed, None
        renewal.set_result(renewed)
        return renewed

    def _refreshed(self, tokens: _Tokens, deadline: Deadline) -> _Tokens | None:
        """None when the session cannot be continued."""
        request = {"refreshToken": tokens.refresh}
        try:
            answer = self._call("AuthService/RefreshSession", request, deadline)
        except PdaasError as error:
            if error.code != "unauthenticated":
                raise
            return None
        return _received(answer)

    def _logged_in(self, deadline: Deadline) -> _Tokens:
        request = {
            "organizationSlug": self._login.organization_slug,
            "email": self._login.email,
            "password": self._login.password,
        }
        return _received(self._call("AuthService/Login", request, deadline))

    def _call(self, method: str, request: JsonObject, deadline: Deadline) -> JsonObject:
        deadline.check()
        return self._caller.call(method, request, timeout=deadline.remaining)


def _received(answer: JsonObject) -> _Tokens:
    tokens = message(answer, "tokens")
    left = time_of(tokens, "accessTokenExpireTime").timestamp() - time() - _MARGIN
    # A new token that seems to have expired means that this clock is wrong: let refusals tell.
    stale_at = monotonic() + left if left > 0 else inf
    return _Tokens(text(tokens, "accessToken"), text(tokens, "refreshToken"), stale_at)


def _bearer(tokens: _Tokens) -> Mapping[str, str]:
    return {"authorization": f"Bearer {tokens.access}"}
