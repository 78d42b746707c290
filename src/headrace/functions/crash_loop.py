"""How long to wait before another process where the last ones have ended before their time."""

from __future__ import annotations

from headrace.backoff import delay
from headrace.errors import ConsumerUnavailable


class CrashLoop:
    """Counts deaths in a row. ``salt`` spreads the waits of several functions. Times as one clock counts them, in seconds."""

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._deaths = 0
        self._until = 0.0

    def died(self, now: float) -> None:
        """A process ended by itself, or could not be started."""
        self._deaths += 1
        self._until = now + delay(ConsumerUnavailable(""), self._deaths, self._salt)

    def worked(self) -> None:
        """A process has answered."""
        self._deaths = 0
        self._until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until the next process may be started."""
        return max(0.0, self._until - now)
