from __future__ import annotations

from collections.abc import Mapping

from .._caller import Caller
from .._plain import message, name_of, text, texts
from ..types import Principal, PrincipalType

PRINCIPAL_TYPES: Mapping[str, PrincipalType] = {
    "PRINCIPAL_TYPE_USER": "user",
    "PRINCIPAL_TYPE_SERVICE_ACCOUNT": "service_account",
}


def who_am_i(caller: Caller, timeout: float | None) -> Principal:
    """Asks the service who is calling."""
    answer = caller.call("AuthService/WhoAmI", {}, repeatable=True, timeout=timeout)
    principal = message(answer, "principal")
    return {
        "type": name_of(PRINCIPAL_TYPES, principal, "type"),
        "id": text(principal, "id"),
        "organization_id": text(principal, "organizationId"),
        "account_id": text(principal, "accountId"),
        "name": text(principal, "name"),
        "email": text(principal, "email"),
        "api_key_id": text(principal, "apiKeyId"),
        "session_id": text(principal, "sessionId"),
        "permissions": texts(principal, "permissions"),
    }
