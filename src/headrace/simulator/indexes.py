"""Secondary indexes: another order of a table's items, of which each holds some attributes.

Rules: developer guide, "Using Global Secondary Indexes in DynamoDB" and "Local Secondary Indexes". An item without one of
an index's key attributes is not in it; several items may have the same index key. Ours follow at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headrace.simulator.answers import encode, invalid, invalid_values
from headrace.simulator.items import Item, item_weight
from headrace.simulator.keys import (
    MAX_HASH_BYTES,
    MAX_SORT_BYTES,
    Key,
    KeyAttribute,
    KeySchema,
    sortable,
    token_of,
)
from headrace.simulator.rows import StoredItem


class Entry(NamedTuple):
    """An item's place in an index. ``key`` is the item's own, by which those of one index key are told apart."""

    token: int
    hash: str
    sort: Any
    key: Key


class IndexPartition:
    """The items of one partition key of an index, by sort key."""

    __slots__ = ("entries", "items")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.items: list[StoredItem] = []

    @property
    def sorts(self) -> list[Any]:
        """The sort keys, in order."""
        return [entry.sort for entry in self.entries]

    def around(self, entry: Entry) -> tuple[int, int]:
        """The places before which, and from which, are the items before and behind an entry."""
        return bisect_left(self.entries, entry), bisect_right(self.entries, entry)

    def put(self, entry: Entry, item: StoredItem) -> None:
        """Add an item that is not there."""
        place = bisect_left(self.entries, entry)
        self.entries.insert(place, entry)
        self.items.insert(place, item)

    def remove(self, entry: Entry) -> None:
        """Drop an item that is there."""
        place = bisect_left(self.entries, entry)
        del self.entries[place], self.items[place]


@dataclass(slots=True)
class Index:
    """One index. ``projection`` is ALL, KEYS_ONLY or INCLUDE, then with ``included``; ``table`` is the table's key."""

    name: str
    schema: KeySchema
    table: KeySchema
    local: bool
    projection: str
    included: tuple[str, ...]
    throughput: dict[str, int]
    count: int = 0
    size: int = 0
    _partitions: dict[str, IndexPartition] = field(default_factory=dict)
    _ring: list[tuple[int, str]] = field(default_factory=list)

    @property
    def key_names(self) -> tuple[str, ...]:
        """What a cursor names: the index's key, then the table's."""
        return tuple(dict.fromkeys((*self.schema.names, *self.table.names)))

    def projects(self, attribute: str) -> bool:
        """Whether items have this attribute here."""
        return self.projection == "ALL" or attribute in (*self.key_names, *self.included)

    def check(self, attributes: Item) -> None:
        """Raise for an item that the table must not take, because its index key would be none."""
        for attribute, most in zip(self.schema.attributes, (MAX_HASH_BYTES, MAX_SORT_BYTES), strict=False):
            value = attributes.get(attribute.name)
            if value is not None:
                self._check_value(attribute, value, most)

    def change(self, old: StoredItem | None, new: StoredItem | None) -> None:
        """Follow a write."""
        if old is not None and (entry := self._entry(old)) is not None:
            self._remove(entry, self._part(old))
        if new is not None and (entry := self._entry(new)) is not None:
            self._put(entry, self._part(new))

    def partition(self, hash_value: str) -> IndexPartition:
        """The items of one partition key."""
        return self._partitions.get(hash_value) or IndexPartition()

    def between(self, low: int, high: int, after: Entry | None) -> Iterator[StoredItem]:
        """Items whose token is in [low, high), in order, those beyond ``after`` only."""
        start = bisect_left(self._ring, (low, ""))
        if after is not None:
            start = bisect_right(self._ring, (after.token, after.hash))
            partition = self.partition(after.hash)
            yield from partition.items[bisect_right(partition.entries, after) :]
        for _, hash_value in self._ring[start : bisect_left(self._ring, (high, ""))]:
            yield from self._partitions[hash_value].items

    def place_of(self, attributes: Item) -> Entry:
        """Where an item, or a cursor, that has all the key attributes is."""
        partition: str = attributes[self.schema.hash.name][self.schema.hash.kind]
        sort = "" if self.schema.sort is None else sortable(attributes[self.schema.sort.name])
        return Entry(token_of(partition), partition, sort, self.table.of_item(attributes))

    def _entry(self, item: StoredItem) -> Entry | None:
        attributes = item.attributes
        return self.place_of(attributes) if attributes.keys() >= set(self.schema.names) else None

    def _part(self, item: StoredItem) -> StoredItem:
        if self.projection == "ALL":
            return item
        part = {name: value for name, value in item.attributes.items() if self.projects(name)}
        return StoredItem(item.key, encode(part), item_weight(part))

    def _put(self, entry: Entry, item: StoredItem) -> None:
        partition = self._partitions.get(entry.hash)
        if partition is None:
            partition = self._partitions[entry.hash] = IndexPartition()
            insort(self._ring, (entry.token, entry.hash))
        partition.put(entry, item)
        self.count += 1
        self.size += item.size

    def _remove(self, entry: Entry, item: StoredItem) -> None:
        partition = self._partitions[entry.hash]
        partition.remove(entry)
        self.count -= 1
        self.size -= item.size
        if not partition.items:
            del self._partitions[entry.hash]
            self._ring.remove((entry.token, entry.hash))

    def _check_value(self, attribute: KeyAttribute, value: dict[str, Any], most: int) -> None:
        if attribute.kind not in value:
            raise invalid_values(
                f"Type mismatch for Index Key {attribute.name} Expected: {attribute.kind} Actual: {next(iter(value))} "
                f"IndexName: {self.name}"
            )
        if attribute.kind == "N":
            return
        content = sortable(value)
        size = len(content.encode()) if isinstance(content, str) else len(content)
        if not size:
            kind = "string" if attribute.kind == "S" else "binary"
            raise invalid(
                "One or more parameter values are not valid. A value specified for a secondary index key is not "
                f"supported. The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: "
                f"{self.name}, IndexKey: {attribute.name}"
            )
        if size > most:
            raise invalid_values(
                f"Size of {'hashkey' if most == MAX_HASH_BYTES else 'rangekey'} has exceeded the maximum size limit of "
                f"{most} bytes"
            )
