"""What falls due as time passes: a table becomes active, an item expires."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class Agenda:
    """Deeds and the times at which each is done. Those of one time are done in the order of their entry."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Callable[[float], None]]] = []
        self._numbers = count()

    def after(self, seconds: float, now: float, do: Callable[[float], None]) -> None:
        """Do it in ``seconds``; at once where that is nothing."""
        if seconds > 0:
            self.at(now + seconds, do)
        else:
            do(now)

    def at(self, due: float, do: Callable[[float], None]) -> None:
        """Do it when the clock has reached ``due``; it is told that time, however late the clock is read."""
        heappush(self._entries, (due, next(self._numbers), do))

    def advance(self, now: float) -> None:
        """Do all that is due by ``now``, in order of time."""
        while self._entries and self._entries[0][0] <= now:
            due, _, do = heappop(self._entries)
            do(due)
