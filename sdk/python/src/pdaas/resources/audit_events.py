from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from .._answer import JsonObject
from .._caller import Caller
from .._plain import given, name_of, text, time_of, time_text
from ..listing import Listing, list_of
from ..types import AuditEvent, AuditOutcome
from .principals import PRINCIPAL_TYPES

_OUTCOMES: Mapping[str, AuditOutcome] = {
    "AUDIT_OUTCOME_OK": "ok",
    "AUDIT_OUTCOME_REFUSED": "refused",
}


class AuditEvents:
    """`client.audit_events`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def list(
        self,
        *,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        principal_id: str | None = None,
        action: str | None = None,
        resource_id: str | None = None,
        outcome: Literal["ok", "refused"] | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        timeout: float | None = None,
    ) -> Listing[AuditEvent]:
        """Lists the organization's audit events, newest first. All given filters must hold.

        Args:
            start_time: Only events at or after this time, which has a time zone.
            end_time: Only events before this time, which has a time zone.
            principal_id: Only events of this principal, `usr_…` or `svc_…`.
            action: Only events of this RPC, such as `IssueApiKey`.
            resource_id: Only events about this resource, such as `key_…`.

        Raises:
            ValueError: A time has no time zone.
        """
        filters = given(
            startTime=None if start_time is None else time_text(start_time, "start_time"),
            endTime=None if end_time is None else time_text(end_time, "end_time"),
            principalId=principal_id,
            action=action,
            resourceId=resource_id,
            outcome=None if outcome is None else f"AUDIT_OUTCOME_{outcome.upper()}",
            pageSize=page_size,
        )
        return list_of(
            self._caller,
            "AuditService/ListAuditEvents",
            filters,
            "auditEvents",
            _audit_event,
            page_token=page_token,
            timeout=timeout,
        )


def _audit_event(event: JsonObject) -> AuditEvent:
    return {
        "id": text(event, "id"),
        "time": time_of(event, "time"),
        "principal_type": name_of(PRINCIPAL_TYPES, event, "principalType"),
        "principal_id": text(event, "principalId"),
        "api_key_id": text(event, "apiKeyId"),
        "session_id": text(event, "sessionId"),
        "action": text(event, "action"),
        "resource_type": text(event, "resourceType"),
        "resource_id": text(event, "resourceId"),
        "outcome": name_of(_OUTCOMES, event, "outcome"),
        "reason": text(event, "reason"),
        "request_id": text(event, "requestId"),
        "address": text(event, "address"),
        "user_agent": text(event, "userAgent"),
    }
