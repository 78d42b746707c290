"""How many read units a second the reading of one table may consume."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class ReadBudget:
    """``units`` a second, for all who read one table. Any thread may call.

    What a request consumes is known once it is answered, so a budget may run into debt: by the requests that were under
    way together, each of a page at most. The next one waits until the debt is paid; so in the long run the
    budget holds. What is not used is kept for one second. ``clock`` gives seconds and only ever goes forward.
    """

    def __init__(self, units: float, clock: Callable[[], float] = time.monotonic) -> None:
        assert units > 0, "a budget of nothing would never be paid"
        self._units = units
        self._clock = clock
        self._lock = threading.Lock()
        self._balance = units
        self._at = clock()

    @property
    def units(self) -> float:
        """Read units a second."""
        return self._units

    def spend(self, units: float) -> None:
        """Take what an answer says that it consumed."""
        with self._lock:
            self._refill()
            self._balance -= units

    def pause(self) -> float:
        """Seconds until another request may be made; 0 for at once."""
        with self._lock:
            self._refill()
            return max(0.0, -self._balance / self._units)

    def _refill(self) -> None:
        now = self._clock()
        self._balance = min(self._units, self._balance + (now - self._at) * self._units)
        self._at = now
