"""What is under way, so that somebody can wait for all of it that began before."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class UnderWay:
    """Any thread may enter; whoever waits does not keep others from entering."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._turn = 0
        self._inside: Counter[int] = Counter()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """While this is entered, something is under way."""
        with self._changed:
            turn = self._turn
            self._inside[turn] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[turn] -= 1
                if not self._inside[turn]:
                    del self._inside[turn]
                self._changed.notify_all()

    def pass_by(self) -> None:
        """Wait until nothing is under way any more that has begun before this call."""
        with self._changed:
            before = self._turn
            self._turn += 1
            self._changed.wait_for(lambda: all(turn > before for turn in self._inside))
