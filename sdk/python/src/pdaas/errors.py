"""What a failed call raises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

ErrorCode = Literal[
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
]
"""The canonical codes (google.rpc.Code)."""


class FieldViolation(NamedTuple):
    """A field that breaks a rule."""

    field: str
    """Path of the field in the contract's spelling, such as `permissions[2]`."""
    description: str


class PdaasError(Exception):
    """A call that failed: refused by the service, or without an answer from it."""

    message: str
    """What happened, and what to do next."""
    code: ErrorCode
    reason: str | None
    """Why the service refused, such as `PERMISSION_MISSING`; None when it did not refuse."""
    request_id: str | None
    """The request's identifier at the service. Quote it when reporting a fault."""
    retry_after: float | None
    """How many seconds the service asks to wait before another try."""
    violations: tuple[FieldViolation, ...]
    """What is wrong with the request, field by field."""
    metadata: Mapping[str, str]
    """What the reason comes with, such as `permission` or `etag`."""

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode = "unknown",
        reason: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        violations: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reason = reason
        self.request_id = request_id
        self.retry_after = retry_after
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, no matter whether this one took effect."""
        return self.code == "unavailable" or (
            self.code == "resource_exhausted" and self.retry_after is not None
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.message!r}, code={self.code!r}, reason={self.reason!r}, "
            f"request_id={self.request_id!r})"
        )


class InvalidArgumentError(PdaasError):
    """`invalid_argument`: correct the request; `violations` says where."""


class UnauthenticatedError(PdaasError):
    """`unauthenticated`: the signature, the session or the login does not hold."""


class PermissionDeniedError(PdaasError):
    """`permission_denied`: the caller may not do this."""


class NotFoundError(PdaasError):
    """`not_found`: there is no such resource, or none that the caller may know of."""


class AlreadyExistsError(PdaasError):
    """`already_exists`: the identifier is taken."""


class FailedPreconditionError(PdaasError):
    """`failed_precondition`: the resource is not in a state for this."""


class AbortedError(PdaasError):
    """`aborted`: the resource has changed since it was read."""


class ResourceExhaustedError(PdaasError):
    """`resource_exhausted`: a limit is reached."""


class UnavailableError(PdaasError):
    """`unavailable`: the service cannot be reached, or cannot answer now."""


class DeadlineExceededError(PdaasError):
    """`deadline_exceeded`: there was no answer in time."""


_CLASSES: Mapping[str, type[PdaasError]] = {
    "invalid_argument": InvalidArgumentError,
    "unauthenticated": UnauthenticatedError,
    "permission_denied": PermissionDeniedError,
    "not_found": NotFoundError,
    "already_exists": AlreadyExistsError,
    "failed_precondition": FailedPreconditionError,
    "aborted": AbortedError,
    "resource_exhausted": ResourceExhaustedError,
    "unavailable": UnavailableError,
    "deadline_exceeded": DeadlineExceededError,
}


def class_of(code: ErrorCode) -> type[PdaasError]:
    """The class that errors of a code are raised as."""
    return _CLASSES.get(code, PdaasError)
