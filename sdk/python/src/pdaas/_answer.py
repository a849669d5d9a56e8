"""Reads what answers a unary call of the Connect protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast, get_args

from ._error_details import read_details
from .errors import ErrorCode, PdaasError, class_of

JsonObject = dict[str, Any]

_CODES = frozenset(get_args(ErrorCode))
# What an answer that is not the service's own stands for (Connect protocol, HTTP to error code).
_CODE_OF_STATUS: Mapping[int, ErrorCode] = {
    400: "internal",
    401: "unauthenticated",
    403: "permission_denied",
    404: "unimplemented",
    429: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}


def read_answer(status: int, headers: Mapping[str, str], content: bytes) -> JsonObject:
    """The message that was answered.

    Raises:
        PdaasError: The service refused, or something else answered.
    """
    # Nothing is raised while the parser's error is handled: it holds the content, maybe a secret.
    answer = _parsed(content) if _is_json(headers) else None
    if status != 200:
        raise _refusal(status, headers, answer or {})
    if answer is None:
        raise class_of("internal")(
            "The answer is not the service's: is base_url right?",
            code="internal",
            request_id=headers.get("x-request-id"),
        )
    return answer


def _refusal(status: int, headers: Mapping[str, str], answer: JsonObject) -> PdaasError:
    code = _code_of(status, answer.get("code"))
    message = answer.get("message")
    details = read_details(answer.get("details"))
    return class_of(code)(
        message if isinstance(message, str) and message else f"The service answered HTTP {status}.",
        code=code,
        reason=details.reason,
        request_id=headers.get("x-request-id") or details.request_id,
        retry_after=details.retry_after,
        violations=details.violations,
        metadata=details.metadata,
    )


def _code_of(status: int, code: object) -> ErrorCode:
    if code == "canceled":
        return "cancelled"
    if isinstance(code, str) and code in _CODES:
        return cast(ErrorCode, code)
    return _CODE_OF_STATUS.get(status, "unknown")


def _is_json(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def _parsed(content: bytes) -> JsonObject | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
