"""The Python client of PDaaS Service Accounts: user sessions, API keys and signed requests."""

from ._version import __version__
from .client import Client
from .errors import (
    AbortedError,
    AlreadyExistsError,
    DeadlineExceededError,
    ErrorCode,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PdaasError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnauthenticatedError,
    UnavailableError,
)
from .listing import Listing, Page
from .signing import SignatureAuth, sign_request
from .types import (
    Account,
    ApiKey,
    AuditEvent,
    IssuedApiKey,
    Organization,
    Principal,
    ServiceAccount,
)

__all__ = [
    "AbortedError",
    "Account",
    "AlreadyExistsError",
    "ApiKey",
    "AuditEvent",
    "Client",
    "DeadlineExceededError",
    "ErrorCode",
    "FailedPreconditionError",
    "FieldViolation",
    "InvalidArgumentError",
    "IssuedApiKey",
    "Listing",
    "NotFoundError",
    "Organization",
    "Page",
    "PdaasError",
    "PermissionDeniedError",
    "Principal",
    "ResourceExhaustedError",
    "ServiceAccount",
    "SignatureAuth",
    "UnauthenticatedError",
    "UnavailableError",
    "__version__",
    "sign_request",
]
