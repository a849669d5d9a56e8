from __future__ import annotations

from .._caller import Caller
from .._plain import message, text, time_of
from ..types import Organization


class Organizations:
    """`client.organizations`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def get_info(self, *, timeout: float | None = None) -> Organization:
        """Gets the caller's own organization."""
        method = "OrganizationService/GetOrganization"
        answer = self._caller.call(method, {}, repeatable=True, timeout=timeout)
        organization = message(answer, "organization")
        return {
            "id": text(organization, "id"),
            "slug": text(organization, "slug"),
            "name": text(organization, "name"),
            "create_time": time_of(organization, "createTime"),
        }
