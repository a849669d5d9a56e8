from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import uuid4

from .._answer import JsonObject
from .._caller import Caller
from .._plain import given, message, name_of, optional_time_of, text, texts, time_of
from ..listing import Listing, list_of
from ..types import ApiKey, IssuedApiKey, ServiceAccount, ServiceAccountState
from .api_keys import ApiKeys

_STATES: Mapping[str, ServiceAccountState] = {
    "SERVICE_ACCOUNT_STATE_ACTIVE": "active",
    "SERVICE_ACCOUNT_STATE_DISABLED": "disabled",
    "SERVICE_ACCOUNT_STATE_DELETED": "deleted",
}


class ServiceAccounts:
    """`client.service_accounts`."""

    def __init__(self, caller: Caller, api_keys: ApiKeys) -> None:
        self._caller = caller
        self._api_keys = api_keys

    def create(
        self,
        *,
        account_id: str,
        name: str,
        description: str | None = None,
        permissions: Sequence[str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> ServiceAccount:
        """Creates a service account. It can do nothing before a key is issued to it.

        Args:
            account_id: The account that it belongs to, such as `acc-123`.
            name: The display name, such as `CI/CD Bot`.
            permissions: What it may do, such as `ServiceAccounts.read`; nothing when absent.
            request_id: Names the creation, so that repeating it creates nothing more; a UUID when
                absent.
        """
        request = given(
            accountId=account_id,
            name=name,
            description=description,
            permissions=_list_of(permissions),
            requestId=str(uuid4()) if request_id is None else request_id,
        )
        return self._call("CreateServiceAccount", request, timeout=timeout)

    def get(self, *, service_account_id: str, timeout: float | None = None) -> ServiceAccount:
        """Gets a service account, also a deleted one."""
        request = {"serviceAccountId": service_account_id}
        return self._call("GetServiceAccount", request, repeatable=True, timeout=timeout)

    def list(
        self,
        *,
        account_id: str | None = None,
        show_deleted: bool = False,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Listing[ServiceAccount]:
        """Lists service accounts, oldest first.

        Args:
            account_id: Only those of this account.
            show_deleted: Whether deleted ones are listed too.
        """
        filters = given(accountId=account_id, showDeleted=show_deleted, pageSize=page_size)
        return list_of(
            self._caller,
            "ServiceAccountService/ListServiceAccounts",
            filters,
            "serviceAccounts",
            _service_account,
            page_token=page_token,
            timeout=timeout,
        )

    def update(
        self,
        *,
        service_account_id: str,
        name: str | None = None,
        description: str | None = None,
        permissions: Sequence[str] | None = None,
        etag: str | None = None,
        timeout: float | None = None,
    ) -> ServiceAccount:
        """Changes the fields that are given.

        Args:
            permissions: Replace the permissions that it has.
            etag: The etag of the state that the change is meant for; any state when absent.
        """
        fields = given(name=name, description=description, permissions=_list_of(permissions))
        request = {
            "serviceAccountId": service_account_id,
            **fields,
            "updateMask": ",".join(fields),
            **given(etag=etag),
        }
        return self._call("UpdateServiceAccount", request, timeout=timeout)

    def disable(
        self, *, service_account_id: str, etag: str | None = None, timeout: float | None = None
    ) -> ServiceAccount:
        """Stops a service account: once this has answered, none of its keys is honoured."""
        request = _change(service_account_id, etag)
        repeatable = _is_repeatable(etag)
        return self._call("DisableServiceAccount", request, repeatable=repeatable, timeout=timeout)

    def enable(
        self, *, service_account_id: str, etag: str | None = None, timeout: float | None = None
    ) -> ServiceAccount:
        """Undoes disable."""
        request = _change(service_account_id, etag)
        repeatable = _is_repeatable(etag)
        return self._call("EnableServiceAccount", request, repeatable=repeatable, timeout=timeout)

    def delete(
        self, *, service_account_id: str, etag: str | None = None, timeout: float | None = None
    ) -> ServiceAccount:
        """Deletes a service account. For 30 days it can be had back with undelete."""
        request = _change(service_account_id, etag)
        return self._call("DeleteServiceAccount", request, timeout=timeout)

    def undelete(
        self, *, service_account_id: str, etag: str | None = None, timeout: float | None = None
    ) -> ServiceAccount:
        """Brings a deleted service account back, with its keys, in the state it had."""
        request = _change(service_account_id, etag)
        return self._call("UndeleteServiceAccount", request, timeout=timeout)

    def issue_key(
        self,
        *,
        service_account_id: str,
        description: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> IssuedApiKey:
        """Issues an API key to a service account: the same as `client.api_keys.issue`."""
        return self._api_keys.issue(
            service_account_id=service_account_id,
            description=description,
            request_id=request_id,
            timeout=timeout,
        )

    def get_key(self, *, api_key_id: str, timeout: float | None = None) -> ApiKey:
        """Gets an API key: the same as `client.api_keys.get`."""
        return self._api_keys.get(api_key_id=api_key_id, timeout=timeout)

    def list_keys(
        self,
        *,
        service_account_id: str,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Listing[ApiKey]:
        """Lists the API keys of a service account: the same as `client.api_keys.list`."""
        return self._api_keys.list(
            service_account_id=service_account_id,
            page_size=page_size,
            page_token=page_token,
            timeout=timeout,
        )

    def revoke_key(self, *, api_key_id: str, timeout: float | None = None) -> ApiKey:
        """Revokes an API key for good: the same as `client.api_keys.revoke`."""
        return self._api_keys.revoke(api_key_id=api_key_id, timeout=timeout)

    def _call(
        self,
        method: str,
        request: JsonObject,
        *,
        repeatable: bool = False,
        timeout: float | None = None,
    ) -> ServiceAccount:
        answer = self._caller.call(
            f"ServiceAccountService/{method}", request, repeatable=repeatable, timeout=timeout
        )
        return _service_account(message(answer, "serviceAccount"))


def _list_of(permissions: Sequence[str] | None) -> list[str] | None:
    """Raises ValueError for a lone string, which would pass for a list of its letters."""
    if isinstance(permissions, str):
        raise ValueError("permissions must be a list of permissions.")
    return None if permissions is None else list(permissions)


def _change(service_account_id: str, etag: str | None) -> JsonObject:
    return given(serviceAccountId=service_account_id, etag=etag)


def _is_repeatable(etag: str | None) -> bool:
    """A first attempt that succeeded unnoticed changes the etag, and so fails the second one."""
    return not etag


def _service_account(account: JsonObject) -> ServiceAccount:
    return {
        "id": text(account, "id"),
        "account_id": text(account, "accountId"),
        "name": text(account, "name"),
        "description": text(account, "description"),
        "permissions": texts(account, "permissions"),
        "state": name_of(_STATES, account, "state"),
        "etag": text(account, "etag"),
        "create_time": time_of(account, "createTime"),
        "update_time": time_of(account, "updateTime"),
        "delete_time": optional_time_of(account, "deleteTime"),
        "purge_time": optional_time_of(account, "purgeTime"),
    }
