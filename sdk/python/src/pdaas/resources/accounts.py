from __future__ import annotations

from uuid import uuid4

from .._answer import JsonObject
from .._caller import Caller
from .._plain import given, message, text, time_of
from ..listing import Listing, list_of
from ..types import Account


class Accounts:
    """`client.accounts`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def create(
        self,
        *,
        account_id: str | None = None,
        name: str | None = None,
        description: str | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Account:
        """Creates an account.

        Args:
            account_id: Unique in the organization, such as `acc-123`; when absent, the service
                chooses it.
            name: The display name; the identifier when absent.
            request_id: Names the creation, so that repeating it creates nothing more; a UUID when
                absent.
        """
        request = given(
            accountId=account_id,
            name=name,
            description=description,
            requestId=str(uuid4()) if request_id is None else request_id,
        )
        answer = self._caller.call("AccountService/CreateAccount", request, timeout=timeout)
        return _account(message(answer, "account"))

    def get(self, *, account_id: str, timeout: float | None = None) -> Account:
        """Gets an account."""
        method, request = "AccountService/GetAccount", {"accountId": account_id}
        answer = self._caller.call(method, request, repeatable=True, timeout=timeout)
        return _account(message(answer, "account"))

    def list(
        self,
        *,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Listing[Account]:
        """Lists the organization's accounts, by identifier."""
        return list_of(
            self._caller,
            "AccountService/ListAccounts",
            given(pageSize=page_size),
            "accounts",
            _account,
            page_token=page_token,
            timeout=timeout,
        )


def _account(account: JsonObject) -> Account:
    return {
        "id": text(account, "id"),
        "name": text(account, "name"),
        "description": text(account, "description"),
        "create_time": time_of(account, "createTime"),
    }
