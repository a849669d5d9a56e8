from __future__ import annotations

import random
from collections.abc import Callable

import httpx

from .errors import PdaasError

_BASE_DELAY = 0.1
_MAX_DELAY = 5.0

# Refusals that come before the service does anything, so that any call can be made again.
_NOTHING_DONE = frozenset({"REPLAY_STORE_UNAVAILABLE", "REPLAY_STORE_RECOVERING", "SHUTTING_DOWN"})


def may_retry(error: PdaasError, repeatable: bool) -> bool:
    """Whether a call can be made again after this failure without the risk of doing its work twice.

    Args:
        repeatable: Whether the call does no harm when it is carried out twice.
    """
    if error.reason in _NOTHING_DONE or _never_sent(error):
        return True
    # Every attempt has a nonce of its own. One that was seen before means that the network
    # delivered the attempt twice: the first delivery was or is being carried out.
    return repeatable and (error.retryable or error.reason == "NONCE_REPLAYED")


def retry_delay(
    error: PdaasError, attempts: int, rand: Callable[[], float] = random.random
) -> float:
    """How many seconds to wait before another attempt.

    Exponential backoff with full jitter, on top of what the service asks for.

    Args:
        attempts: How many have failed so far, at least 1.
    """
    ceiling = min(_MAX_DELAY, _BASE_DELAY * 2.0 ** min(attempts - 1, 16))
    return (error.retry_after or 0.0) + rand() * ceiling


def _never_sent(error: PdaasError) -> bool:
    """Whether the request cannot have reached the service."""
    return error.code == "unavailable" and isinstance(error.__cause__, httpx.ConnectError)
