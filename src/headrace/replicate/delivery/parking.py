"""Items that are put aside: a record of theirs keeps failing, and later ones wait behind it, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from headrace.ledger import ParkedRecord


class Parking:
    """Counts the records that wait, item by item: those that are durable, and those that are not yet.

    An item is parked while any record of it waits; what comes of it then joins them.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._new: dict[tuple[str, str, str], ParkedRecord] = {}
        self._released: dict[tuple[str, str, str], ParkedRecord] = {}
        self._on_its_way: tuple[ParkedRecord, ...] = ()
        self._asked: str | None = None
        self._unseen = False

    def begin(self, durable: Mapping[str, int]) -> None:
        """What an earlier process has left: how many records wait for each item."""
        self._counts.update(durable)

    def __contains__(self, key: object) -> bool:
        return key in self._counts

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._counts))

    def add(self, record: ParkedRecord) -> bool:
        """Put a record aside; true if its item was not parked."""
        key = record.record.key
        first = key not in self._counts
        self._new[_name(record)] = record
        self._counts[key] += 1
        self._unseen = self._unseen or key == self._asked
        return first

    def release(self, records: Iterable[ParkedRecord]) -> None:
        """Records that waited are done."""
        self._released |= {_name(record): record for record in records}

    @property
    def dirty(self) -> bool:
        """Whether something is not durable yet."""
        return bool(self._new or self._released)

    @property
    def unsettled(self) -> bool:
        """Whether something is not durable yet, what is on its way included."""
        return bool(self.dirty or self._on_its_way)

    def take(self) -> tuple[tuple[ParkedRecord, ...], tuple[ParkedRecord, ...]]:
        """What the next transaction adds and removes."""
        new, released = self._new, self._released
        self._new, self._released = {}, {}
        self._on_its_way = tuple(new.values())
        return self._on_its_way, tuple(released.values())

    def committed(self, released: Iterable[ParkedRecord]) -> tuple[str, ...]:
        """The removal of these is durable; the items of which nothing waits any more."""
        self._on_its_way = ()
        free = []
        for record in released:
            key = record.record.key
            self._counts[key] -= 1
            if self._counts[key] <= 0:
                del self._counts[key]
                free.append(key)
        return tuple(free)

    def ask(self, key: str) -> None:
        """The ledger is being asked for the records of an item."""
        self._asked = key
        self._unseen = any(one.record.key == key for one in (*self._new.values(), *self._on_its_way))

    def is_gone(self, key: str) -> bool:
        """The ledger, that was asked, has no record of the item: one that was parked twice waited once.

        False where others may have come into it since: then it is to be asked again, once nothing is ``unsettled``.
        """
        if self._unseen:
            return False
        self._counts.pop(key, None)
        return True


def _name(record: ParkedRecord) -> tuple[str, str, str]:
    return record.stream_arn, record.shard, record.record.sequence.text
