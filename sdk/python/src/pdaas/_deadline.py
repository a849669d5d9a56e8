from __future__ import annotations

from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from .errors import DeadlineExceededError

_PHASES = ("pool", "connect", "write", "read")


class Deadline:
    """How long a call may take, with its retries."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._end = monotonic() + timeout

    @property
    def remaining(self) -> float:
        """Seconds left; 0 when it has passed."""
        return max(0.0, self._end - monotonic())

    def check(self) -> None:
        """Raises DeadlineExceededError when it has passed."""
        if self.remaining == 0:
            raise self.exceeded()

    def exceeded(self) -> DeadlineExceededError:
        return DeadlineExceededError(
            f"There was no answer within {self._timeout:g} s.", code="deadline_exceeded"
        )

    def sleep(self, seconds: float) -> None:
        sleep(min(seconds, self.remaining))

    def extensions(self) -> Mapping[str, Any]:
        """What makes httpx keep the deadline.

        Its limits hold for each phase of a request alone. They are set anew whenever a phase
        begins, so that all phases together end in time.
        """
        limits: dict[str, float] = {}

        def renew(_event: str, _info: object) -> None:
            # A socket takes 0 for "do not wait at all".
            limits.update(dict.fromkeys(_PHASES, max(0.001, self.remaining)))

        renew("", None)
        return {"timeout": limits, "trace": renew}
