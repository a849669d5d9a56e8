from __future__ import annotations

import re
from collections.abc import Mapping
from time import time
from typing import Protocol

from ._deadline import Deadline
from .errors import PdaasError

_TIME = re.compile(r"[0-9]{1,12}(?:\.[0-9]+)?")


class Credentials(Protocol):
    """How a caller proves who it is, beyond what is signed."""

    def headers(self, deadline: Deadline) -> Mapping[str, str]:
        """Headers of the next attempt."""
        ...

    def recover(self, error: PdaasError, sent: Mapping[str, str], deadline: Deadline) -> bool:
        """Mends what made an attempt fail, if it can.

        Args:
            sent: The headers of the failed attempt.

        Returns:
            Whether another attempt makes sense.
        """
        ...


class Anonymous:
    """Credentials of nobody."""

    def headers(self, deadline: Deadline) -> Mapping[str, str]:
        return {}

    def recover(self, error: PdaasError, sent: Mapping[str, str], deadline: Deadline) -> bool:
        return False


class SigningClock(Anonymous):
    """A clock that can be set by the service's: all the credentials that a signing client needs."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """The service's time, as far as it is known, in Unix seconds."""
        return time() + self._offset

    def recover(self, error: PdaasError, sent: Mapping[str, str], deadline: Deadline) -> bool:
        """Takes over the service's time when it has refused a signature for its time."""
        if error.reason not in ("SIGNATURE_EXPIRED", "SIGNATURE_NOT_YET_VALID"):
            return False
        server_time = error.metadata.get("server_time", "")
        if not _TIME.fullmatch(server_time):
            return False
        self._offset = float(server_time) - time()
        return True
