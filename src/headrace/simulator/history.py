"""What a table held a moment ago, for reads that a replica answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import merge

from headrace.simulator.keys import Key
from headrace.simulator.rows import StoredItem

HISTORY_SECONDS = 5.0
"""A replica is never further behind."""

_MOST_WRITES = 4096


class History:
    """The last writes, as far back as ``HISTORY_SECONDS``, or fewer where there are very many."""

    def __init__(self) -> None:
        self._writes: deque[tuple[float, Key, StoredItem | None]] = deque(maxlen=_MOST_WRITES)

    def note(self, key: Key, old: StoredItem | None, now: float) -> None:
        """A write took the place of ``old``."""
        while self._writes and self._writes[0][0] < now - HISTORY_SECONDS:
            self._writes.popleft()
        self._writes.append((now, key, old))

    def as_of(
        self, moment: float, items: Iterator[StoredItem], low: int, high: int, after: Key | None
    ) -> Iterator[StoredItem]:
        """``items``, a part of the ring beyond ``after`` in its order, as it was at ``moment``."""
        past: dict[Key, StoredItem | None] = {}
        for at, key, old in reversed(self._writes):
            if at <= moment:
                break
            past[key] = old
        gone = [
            item
            for key, item in past.items()
            if item is not None and low <= key.token < high and (after is None or key > after)
        ]
        unchanged = (item for item in items if item.key not in past)
        return merge(unchanged, sorted(gone, key=_key), key=_key)


def _key(item: StoredItem) -> Key:
    return item.key
