"""How many records a target is given at once, so that it stands still before Lambda ends it.

A function that runs into its timeout is ended where it stands, and its whole batch comes again: the same again, if the batch takes too
long as such. What was done before the time is up is reported as done instead, and Lambda goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST: Final = 20
"""Records of which nothing is known but that they must be tried."""

MARGIN: Final = 2.0
"""Seconds before the end in which nothing is begun."""

_PART: Final = 0.5
"""How much of the time that is left one piece may take, by what the last one took."""


class Pace:
    """Pieces within ``seconds``. ``clock`` counts seconds."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = clock() + seconds - MARGIN
        self._began = 0.0
        self._given = 0

    def piece(self, left: int) -> int:
        """How many of the ``left`` records are next, the last piece being done; 0 once the time is up."""
        now = self._clock()
        if not self._given:
            count = FIRST
        else:
            each = max((now - self._began) / self._given, 1e-6)
            count = int(max(0.0, self._until - now) * _PART / each)
        self._began, self._given = now, min(count, left)
        return self._given
