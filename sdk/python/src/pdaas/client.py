"""The client of the service."""

from __future__ import annotations

import os
from types import TracebackType

import httpx

from ._caller import Caller
from ._credentials import Anonymous, SigningClock
from ._session import Session
from ._settings import Key, Options, Settings, settings_of
from ._version import __version__
from .errors import PdaasError
from .resources import Accounts, ApiKeys, AuditEvents, Organizations, ServiceAccounts
from .resources.principals import who_am_i
from .signing import SignatureAuth
from .types import Principal

_AGENT = f"pdaas-python/{__version__}"


class Client:
    """A client of a user, who logs in, or of a service account, which signs with an API key.

    Without a login or a key, the key is read from `PDAAS_ACCESS_KEY` and `PDAAS_SECRET_KEY`.
    Threads may share a client.
    """

    service_accounts: ServiceAccounts
    api_keys: ApiKeys
    accounts: Accounts
    organizations: Organizations
    audit_events: AuditEvents

    def __init__(
        self,
        *,
        base_url: str | None = None,
        email: str | None = None,
        password: str | None = None,
        organization_slug: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        user_agent: str | None = None,
    ) -> None:
        """Checks the options; nothing is sent before the first call.

        Args:
            base_url: Where the service is, such as `https://api.example.com`; when absent,
                `PDAAS_API_URL`.
            access_key: The public half of an API key, `sa_…`.
            secret_key: The secret half of an API key, `sk_…`.
            timeout: How many seconds a call may take, with its retries.
            max_retries: How often a failed call is tried again at most.
            user_agent: What to call the program in the `user-agent` header, before the name of
                this package.

        Raises:
            ValueError: An option is missing, contradictory or malformed; it says which.
        """
        options = Options(
            base_url=base_url,
            email=email,
            password=password,
            organization_slug=organization_slug,
            access_key=access_key,
            secret_key=secret_key,
            timeout=timeout,
            max_retries=max_retries,
        )
        self._connect(settings_of(options, os.environ), user_agent)

    def _connect(self, settings: Settings, user_agent: str | None) -> None:
        credentials = settings.credentials
        self._session: Session | None = None
        if isinstance(credentials, Key):
            clock = SigningClock()
            auth = SignatureAuth(credentials.access_key, credentials.secret_key, clock=clock.now)
            self._http = _http_client(user_agent, auth)
            caller = _caller(self._http, clock, settings)
            shown = {"access_key": credentials.access_key}
        else:
            self._http = _http_client(user_agent, None)
            anonymous = _caller(self._http, Anonymous(), settings)
            self._session = Session(anonymous, credentials, settings.timeout)
            caller = _caller(self._http, self._session, settings)
            shown = {"email": credentials.email, "organization_slug": credentials.organization_slug}
        self._shown = {"base_url": settings.base_url, **shown}
        self._caller = caller
        self.api_keys = ApiKeys(caller)
        self.service_accounts = ServiceAccounts(caller, self.api_keys)
        self.accounts = Accounts(caller)
        self.organizations = Organizations(caller)
        self.audit_events = AuditEvents(caller)

    def who_am_i(self, *, timeout: float | None = None) -> Principal:
        """Asks the service who is calling, and what it may do."""
        return who_am_i(self._caller, timeout)

    def logout(self, *, timeout: float | None = None) -> None:
        """Ends the user's session, if one was begun; the next call logs in again.

        Does nothing for an API key.
        """
        if self._session is not None:
            self._session.logout(timeout)

    def close(self) -> None:
        """Logs out, if that can be done, and closes the connections."""
        try:
            if not self._http.is_closed:
                self.logout()
        except PdaasError:
            pass
        finally:
            self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._shown.items())
        return f"Client({shown})"


def _http_client(user_agent: str | None, auth: httpx.Auth | None) -> httpx.Client:
    agent = _AGENT if user_agent is None else f"{user_agent} {_AGENT}"
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
    return httpx.Client(auth=auth, headers={"user-agent": agent}, limits=limits)


def _caller(http: httpx.Client, credentials: Session | Anonymous, settings: Settings) -> Caller:
    return Caller(
        http,
        credentials,
        base_url=settings.base_url,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
    )
