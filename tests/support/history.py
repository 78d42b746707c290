"""Every write to a table by key and version, and what a reader may see of it."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict


class History:
    """Writes in the order in which they were made; each has a version greater than all before.

    A write is noted before it is sent, so that a reader never sees one that is not here. A deletion is a
    write like any other, seen as the key's absence.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deletions: dict[str, list[int]] = defaultdict(list)
        self._puts: dict[str, set[int]] = defaultdict(set)
        self._answered: list[tuple[float, str, int]] = []

    def intend(self, key: str, version: int, *, deletes: bool) -> None:
        """Note a write that is about to be sent."""
        with self._lock:
            if deletes:
                self._deletions[key].append(version)
            else:
                self._puts[key].add(version)

    def answered(self, at: float, writes: list[tuple[str, int]]) -> None:
        """The service answered that these keys have these versions, at a time (monotonic seconds)."""
        with self._lock:
            self._answered += [(at, key, version) for key, version in writes]

    def put(self, key: str, version: int) -> bool:
        """Whether the key ever had this version."""
        with self._lock:
            return version in self._puts[key]

    def deletion(self, key: str, floor: int) -> int | None:
        """The first deletion of the key in version ``floor`` or later."""
        with self._lock:
            deletions = self._deletions[key]
            place = bisect_left(deletions, floor)
            return deletions[place] if place < len(deletions) else None

    def answered_before(self, at: float) -> dict[str, int]:
        """The last version of each key that was answered before a time."""
        with self._lock:
            found = bisect_left(self._answered, (at, "", 0))
            return {key: version for _, key, version in self._answered[:found]}


class Memory:
    """What a reader has seen of a table: no later look may show less."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._floors: dict[str, int] = {}
        self.looks = 0

    def expect(self, before: float) -> None:
        """From now on, everything must be seen that was answered before a time."""
        for key, version in self._history.answered_before(before).items():
            self._floors[key] = max(version, self._floors.get(key, 0))

    def look(self, rows: dict[str, int]) -> list[str]:
        """Take in all rows as version by key; what is wrong with them, in words."""
        self.looks += 1
        wrong = [problem for key, version in rows.items() if (problem := self._row(key, version))]
        for key in self._floors.keys() - rows.keys():
            deleted = self._history.deletion(key, self._floors[key])
            if deleted is None:
                wrong.append(f"{key} is not there, and was not deleted since version {self._floors[key]}")
            else:
                self._floors[key] = deleted
        return wrong

    def _row(self, key: str, version: int) -> str | None:
        floor = self._floors.get(key, 0)
        if version < floor:
            deleted = self._history.deletion(key, floor) == floor
            return f"{key} went from {'its deletion in ' if deleted else ''}version {floor} to {version}"
        if not self._history.put(key, version):
            return f"{key} has version {version}, in which it was never put"
        self._floors[key] = version
        return None
