from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

from .._answer import JsonObject
from .._caller import Caller
from .._plain import given, message, name_of, optional_time_of, text, time_of
from ..listing import Listing, list_of
from ..types import ApiKey, ApiKeyState, IssuedApiKey

_STATES: Mapping[str, ApiKeyState] = {
    "API_KEY_STATE_ACTIVE": "active",
    "API_KEY_STATE_REVOKED": "revoked",
}


class ApiKeys:
    """`client.api_keys`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def issue(
        self,
        *,
        service_account_id: str,
        description: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> IssuedApiKey:
        """Issues a key. Store its secret now: it is never shown again.

        Args:
            service_account_id: The service account that the key is for, `svc_…`.
            description: What the key is for, such as the machine that holds it.
            request_id: Names the issue: repeated by the same caller within 10 minutes, it gets the
                same key with its secret. A UUID when absent.
        """
        request = given(
            serviceAccountId=service_account_id,
            description=description,
            requestId=str(uuid4()) if request_id is None else request_id,
        )
        answer = self._caller.call("ApiKeyService/IssueApiKey", request, timeout=timeout)
        key = _api_key(message(answer, "apiKey"))
        return cast(IssuedApiKey, _Guarded({**key, "secret_key": text(answer, "secretKey")}))

    def get(self, *, api_key_id: str, timeout: float | None = None) -> ApiKey:
        """Gets a key, also a revoked one. Never its secret."""
        method, request = "ApiKeyService/GetApiKey", {"apiKeyId": api_key_id}
        answer = self._caller.call(method, request, repeatable=True, timeout=timeout)
        return _api_key(message(answer, "apiKey"))

    def list(
        self,
        *,
        service_account_id: str,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Listing[ApiKey]:
        """Lists the keys of a service account, oldest first."""
        return list_of(
            self._caller,
            "ApiKeyService/ListApiKeys",
            given(serviceAccountId=service_account_id, pageSize=page_size),
            "apiKeys",
            _api_key,
            page_token=page_token,
            timeout=timeout,
        )

    def revoke(self, *, api_key_id: str, timeout: float | None = None) -> ApiKey:
        """Revokes a key for good: once this has answered, it is not honoured."""
        method, request = "ApiKeyService/RevokeApiKey", {"apiKeyId": api_key_id}
        answer = self._caller.call(method, request, repeatable=True, timeout=timeout)
        return _api_key(message(answer, "apiKey"))


class _Guarded(dict[str, Any]):
    """Keeps the secret out of logs, where whole results are printed."""

    def __repr__(self) -> str:
        return repr({**self, "secret_key": "[redacted]"})


def _api_key(key: JsonObject) -> ApiKey:
    return {
        "id": text(key, "id"),
        "service_account_id": text(key, "serviceAccountId"),
        "access_key": text(key, "accessKey"),
        "description": text(key, "description"),
        "state": name_of(_STATES, key, "state"),
        "create_time": time_of(key, "createTime"),
        "revoke_time": optional_time_of(key, "revokeTime"),
    }
