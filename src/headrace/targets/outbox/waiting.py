"""One request that is tried again and again, within a patience."""

from __future__ import annotations

from collections.abc import Callable

from headrace.backoff import delay
from headrace.errors import HeadraceError


class Tries:
    """Waits between tries, none of which begins later than ``patience`` (seconds) after the first.

    ``clock`` gives seconds; ``pause`` waits so many, and raises to end all waiting.
    """

    def __init__(
        self, patience: float, salt: str, clock: Callable[[], float], pause: Callable[[float], None]
    ) -> None:
        self._until = clock() + patience
        self._salt = salt
        self._clock = clock
        self._pause = pause
        self._failures = 0

    def rest(self, error: HeadraceError, least: float = 0.0) -> None:
        """Wait after a failure, for ``least`` seconds and more. Raises ``error`` where there is no patience left."""
        self._failures += 1
        self.wait(max(least, delay(error, self._failures, self._salt)), error)

    def wait(self, seconds: float, error: HeadraceError) -> None:
        """Wait so long. Raises ``error`` where there is no patience left."""
        if self._clock() + seconds > self._until:
            raise error
        self._pause(seconds)
