"""A table's items, kept in the order in which Scan and Query give them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Any, NamedTuple

from headrace.decoding import json_decoder
from headrace.simulator.items import Item
from headrace.simulator.keys import RING, Key

_BUCKET_BITS = 12
_SHIFT = 64 - _BUCKET_BITS
_decode = json_decoder(dict[str, Any]).decode


class StoredItem(NamedTuple):
    """An item as it is answered: its JSON is made once, when it is written."""

    key: Key
    body: bytes
    size: int

    @property
    def attributes(self) -> Item:
        """A fresh copy, which the caller may change."""
        return _decode(self.body)


class Partition:
    """The items of one partition key, by sort key."""

    __slots__ = ("items", "sorts")

    def __init__(self) -> None:
        self.sorts: list[Any] = []
        self.items: list[StoredItem] = []

    def get(self, sort: Any) -> StoredItem | None:
        """The item with this sort value."""
        place = bisect_left(self.sorts, sort)
        return self.items[place] if place < len(self.sorts) and self.sorts[place] == sort else None

    def around(self, key: Key) -> tuple[int, int]:
        """The places before which, and from which, are the items before and behind a key."""
        return bisect_left(self.sorts, key.sort), bisect_right(self.sorts, key.sort)

    def put(self, item: StoredItem) -> None:
        """Add or replace."""
        place = bisect_left(self.sorts, item.key.sort)
        if place < len(self.sorts) and self.sorts[place] == item.key.sort:
            self.items[place] = item
        else:
            self.sorts.insert(place, item.key.sort)
            self.items.insert(place, item)

    def remove(self, sort: Any) -> None:
        """Drop the item with this sort value, which is there."""
        place = bisect_left(self.sorts, sort)
        del self.sorts[place], self.items[place]


class Rows:
    """Every item of a table, by place on the hash ring.

    The ring is cut into buckets so that adding a partition moves few others, however many there are.
    """

    def __init__(self) -> None:
        self._buckets: list[list[tuple[int, str]]] = [[] for _ in range(1 << _BUCKET_BITS)]
        self._partitions: dict[str, Partition] = {}
        self.count = 0
        self.size = 0

    def get(self, key: Key) -> StoredItem | None:
        """The item of this key."""
        partition = self._partitions.get(key.hash)
        return None if partition is None else partition.get(key.sort)

    def partition(self, hash_value: str) -> Partition | None:
        """The items of one partition key."""
        return self._partitions.get(hash_value)

    def put(self, item: StoredItem, replaced: StoredItem | None) -> None:
        """Store ``item``; ``replaced`` is what ``get`` gives for its key now."""
        key = item.key
        partition = self._partitions.get(key.hash)
        if partition is None:
            partition = self._partitions[key.hash] = Partition()
            insort(self._buckets[key.token >> _SHIFT], (key.token, key.hash))
        partition.put(item)
        self.count += replaced is None
        self.size += item.size - (0 if replaced is None else replaced.size)

    def remove(self, item: StoredItem) -> None:
        """Drop an item that is there."""
        key = item.key
        partition = self._partitions[key.hash]
        partition.remove(key.sort)
        self.count -= 1
        self.size -= item.size
        if not partition.items:
            del self._partitions[key.hash]
            bucket = self._buckets[key.token >> _SHIFT]
            del bucket[bisect_left(bucket, (key.token, key.hash))]

    def between(self, low: int, high: int, after: Key | None) -> Iterator[StoredItem]:
        """Items whose token is in [low, high), in order, those beyond ``after`` only."""
        if after is not None:
            low = after.token
            partition = self._partitions.get(after.hash)
            if partition is not None:
                yield from partition.items[bisect_right(partition.sorts, after.sort) :]
        for number in range(low >> _SHIFT, ((high - 1) >> _SHIFT) + 1):
            for _, hash_value in self._slice(number, low, high, after):
                yield from self._partitions[hash_value].items

    def _slice(self, number: int, low: int, high: int, after: Key | None) -> list[tuple[int, str]]:
        bucket = self._buckets[number]
        start = 0
        if number == low >> _SHIFT:
            start = (
                bisect_left(bucket, (low, "")) if after is None else bisect_right(bucket, (low, after.hash))
            )
        end = len(bucket) if number < high >> _SHIFT else bisect_left(bucket, (high, ""))
        return bucket[start:end]


def segment_bounds(segment: int, total: int) -> tuple[int, int]:
    """The part of the ring that a Scan's segment reads, as [low, high)."""
    return -(-segment * RING // total), -(-(segment + 1) * RING // total)
