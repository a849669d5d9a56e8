from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import httpx

from ._session import Login

_LOGIN_NAMES = ("email", "password", "organization_slug")
_KEY_NAMES = ("access_key", "secret_key")
_ENVIRONMENT_NAMES = ("PDAAS_ACCESS_KEY", "PDAAS_SECRET_KEY")


class Options(TypedDict):
    """What a client was given; None is absent."""

    base_url: str | None
    email: str | None
    password: str | None
    organization_slug: str | None
    access_key: str | None
    secret_key: str | None
    timeout: float
    max_retries: int


@dataclass(frozen=True)
class Key:
    """An API key."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Options that were checked and completed."""

    base_url: str
    credentials: Login | Key
    timeout: float
    max_retries: int


def settings_of(options: Options, environment: Mapping[str, str]) -> Settings:
    """Raises ValueError that names what is missing, contradictory or malformed."""
    given = options["base_url"]
    base_url = environment.get("PDAAS_API_URL") if given is None else given
    if not base_url:
        raise ValueError("base_url is missing: give it, or set PDAAS_API_URL.")
    timeout, max_retries = options["timeout"], options["max_retries"]
    # Ten digits of milliseconds are the most that the Connect protocol's header for it can carry.
    if not _is_number(timeout) or not 0 < timeout < 100_000:
        raise ValueError("timeout must be a number of seconds above 0 and below 100000.")
    if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
        raise ValueError("max_retries must be a whole number, 0 or more.")
    return Settings(
        base_url=_base_url_of(base_url, "PDAAS_API_URL" if given is None else "base_url"),
        credentials=_credentials_of(options, environment),
        timeout=timeout,
        max_retries=max_retries,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _base_url_of(base_url: str, name: str) -> str:
    """The URL without a slash at its end."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in ("http", "https") or url.host == "":
        raise ValueError(f"{name} must be an http or https URL, such as https://api.example.com.")
    if url.userinfo or url.query or url.fragment:
        raise ValueError(f"{name} must have no credentials, query or fragment.")
    return str(url.copy_with(query=None, fragment=None)).removesuffix("/")


def _credentials_of(options: Options, environment: Mapping[str, str]) -> Login | Key:
    login = {"email": options["email"], "password": options["password"]}
    login["organization_slug"] = options["organization_slug"]
    key = {"access_key": options["access_key"], "secret_key": options["secret_key"]}
    given = [name for name, value in {**login, **key}.items() if value is not None]
    of_login = [name for name in given if name in _LOGIN_NAMES]
    if of_login and len(of_login) < len(given):
        raise ValueError(f"Give a user's login or an API key, not both: {', '.join(given)}.")
    if of_login:
        why = "a user logs in with email, password and organization_slug."
        return Login(**_complete(login, _LOGIN_NAMES, f"{{}} missing: {why}"))
    if given:
        why = "an API key is an access_key and a secret_key."
        return Key(**_complete(key, _KEY_NAMES, f"{{}} missing: {why}"))
    why = (
        "There are no credentials: give email, password and organization_slug, or access_key and "
        "secret_key, or set PDAAS_ACCESS_KEY and PDAAS_SECRET_KEY ({} not set)."
    )
    return Key(*_complete(environment, _ENVIRONMENT_NAMES, why).values())


def _complete(
    values: Mapping[str, str | None], names: Sequence[str], complaint: str
) -> dict[str, str]:
    """The values of the names, all of which must have one."""
    complete = {name: value for name in names if (value := values.get(name))}
    missing = [name for name in names if name not in complete]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise ValueError(complaint.format(f"{' and '.join(missing)} {verb}"))
    return complete
