"""What happened, as one hash; and, where it is wanted, in words."""

from __future__ import annotations

import hashlib
from collections import deque

KEPT = 40


class Clock:
    """The time of the simulated world, epoch seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Trace:
    """Hashes every line; ``last`` are the latest of them."""

    def __init__(self, clock: Clock) -> None:
        self.last: deque[str] = deque(maxlen=KEPT)
        self.lines = 0
        self._clock = clock
        self._hash = hashlib.sha256()

    def note(self, text: str) -> None:
        """Something happened now."""
        line = f"{self._clock.now:.6f} {text}"
        self.lines += 1
        self.last.append(line)
        self._hash.update(line.encode("utf-8", "surrogatepass"))

    @property
    def hash(self) -> str:
        """Of everything until now."""
        return self._hash.hexdigest()
