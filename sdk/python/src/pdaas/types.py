"""What calls return: plain dicts. Times are in UTC; None stands for a time that has not come."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypedDict

# A name that is newer than this package reads `unspecified`.
ServiceAccountState = Literal["unspecified", "active", "disabled", "deleted"]
ApiKeyState = Literal["unspecified", "active", "revoked"]
PrincipalType = Literal["unspecified", "user", "service_account"]
AuditOutcome = Literal["unspecified", "ok", "refused"]


class Organization(TypedDict):
    """A tenant of the service."""

    id: str
    """`org_…`"""
    slug: str
    """The short name that users log in with and access keys carry, such as `myorg`."""
    name: str
    create_time: datetime


class Account(TypedDict):
    """A division of an organization that service accounts belong to."""

    id: str
    """Unique in the organization, such as `acc-123`."""
    name: str
    description: str
    create_time: datetime


class ServiceAccount(TypedDict):
    """The identity of a program."""

    id: str
    """`svc_…`"""
    account_id: str
    """The account that it belongs to, such as `acc-123`."""
    name: str
    description: str
    permissions: list[str]
    """What it may do, sorted."""
    state: ServiceAccountState
    """Whether its keys are honoured."""
    etag: str
    """Changes with every change of the service account."""
    create_time: datetime
    update_time: datetime
    delete_time: datetime | None
    purge_time: datetime | None
    """When a deleted one is removed for good."""


class ApiKey(TypedDict):
    """A credential of a service account, without its secret."""

    id: str
    """`key_…`"""
    service_account_id: str
    """The service account that it belongs to, `svc_…`."""
    access_key: str
    """The public half, `sa_…`."""
    description: str
    state: ApiKeyState
    """Whether the key is honoured, if its service account is."""
    create_time: datetime
    revoke_time: datetime | None


class IssuedApiKey(ApiKey):
    """A key with its secret, which no later call returns.

    Printed as a whole it shows `[redacted]` in its place: read `key["secret_key"]` to store it.
    """

    secret_key: str
    """The secret half, `sk_…`."""


class Principal(TypedDict):
    """An authenticated caller: a user or a service account. What does not apply to it is empty."""

    type: PrincipalType
    id: str
    """`usr_…` or `svc_…`"""
    organization_id: str
    account_id: str
    """The account of a service account."""
    name: str
    email: str
    api_key_id: str
    """The API key that signed the call."""
    session_id: str
    """The session of the call."""
    permissions: list[str]
    """What the caller may do, sorted; `*` stands for everything."""


class AuditEvent(TypedDict):
    """One thing that happened, or that was refused."""

    id: str
    """`evt_…`"""
    time: datetime
    principal_type: PrincipalType
    principal_id: str
    """`usr_…` or `svc_…`; empty when it is not known."""
    api_key_id: str
    """The API key that signed the call; empty when none did."""
    session_id: str
    """The session of the call; empty when there was none."""
    action: str
    """The RPC, such as `IssueApiKey`."""
    resource_type: str
    resource_id: str
    """Empty when it is not known."""
    outcome: AuditOutcome
    reason: str
    """Why it was refused; it can say more than the caller was told."""
    request_id: str
    """The request's identifier, as in `PdaasError.request_id`."""
    address: str
    user_agent: str
