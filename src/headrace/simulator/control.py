"""What a test or a demo commands that AWS does by itself: splits, rotations, expiry of items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock

from headrace.simulator.expiry import SERVICE_IDENTITY
from headrace.simulator.items import Item
from headrace.simulator.shards import Lineage, Shard
from headrace.simulator.tables import Tables


class StreamControl:
    """Commands over the enabled stream of a table.

    Each raises ValueError, naming what is there, if the table has no enabled stream or the stream no such
    open shard.
    """

    def __init__(self, lock: Lock, clock: Callable[[], float], tables: Tables) -> None:
        self._lock = lock
        self._clock = clock
        self._tables = tables

    def open_shards(self, table: str) -> Sequence[str]:
        """Ids of the open shards, by their place on the hash ring."""
        with self._lock:
            return [shard.id for shard in self._lineage(table).leaves]

    def split_shard(self, table: str, shard_id: str | None = None) -> Sequence[str]:
        """Close a shard, by default the widest, and open two children; gives their ids."""
        with self._lock:
            lineage = self._lineage(table)
            shard = _pick(lineage, shard_id, table)
            return [child.id for child in lineage.split(shard, self._clock())]

    def rotate_shards(self, table: str, shard_id: str | None = None) -> Sequence[str]:
        """Close one shard, by default every open one, and open a child each; gives their ids."""
        with self._lock:
            lineage = self._lineage(table)
            shards = lineage.leaves if shard_id is None else (_pick(lineage, shard_id, table),)
            return [lineage.rotate(shard, self._clock()).id for shard in shards]

    def lengthen_numbers(self, table: str, shard_id: str | None = None) -> bool:
        """Let the sequence numbers of a shard, by default the widest, have a digit more within a few records.

        False if they have as many as there can be.
        """
        with self._lock:
            return _pick(self._lineage(table), shard_id, table).leap()

    def expire_item(self, table: str, key: Item) -> bool:
        """Delete an item as the service does when its time to live is over; False if there is none of this key."""
        with self._lock:
            self._lineage(table)
            found = self._tables.get(table)
            place, keys = found.schema.of_request(key)
            item = found.rows.get(place)
            if item is not None:
                self._tables.write(found, item, None, keys, self._clock(), SERVICE_IDENTITY)
            return item is not None

    def trim_records(self, table: str) -> int:
        """Forget all records, as if they were a day old; gives how many."""
        with self._lock:
            shards = self._lineage(table).listing
            trimmed = sum(len(shard.numbers) for shard in shards)
            for shard in shards:
                shard.trim(float("inf"))
            return trimmed

    def expire_iterators(self, table: str) -> None:
        """Let every iterator given so far be too old."""
        with self._lock:
            self._lineage(table)
            stream = self._tables.get(table).stream
            if stream is not None:
                stream.generation += 1

    def held_records(self, table: str) -> int:
        """How many records the stream holds that are not yet trimmed."""
        with self._lock:
            return sum(len(shard.numbers) for shard in self._lineage(table).listing)

    def _lineage(self, name: str) -> Lineage:
        table = self._tables.find(name)
        if table is None or table.stream is None or not table.stream.is_enabled:
            raise ValueError(f"{name!r} is no table with an enabled stream")
        table.stream.lineage.advance(self._clock())
        return table.stream.lineage


def _pick(lineage: Lineage, shard_id: str | None, table: str) -> Shard:
    if shard_id is None:
        return max(lineage.leaves, key=lambda leaf: leaf.high - leaf.low)
    for leaf in lineage.leaves:
        if leaf.id == shard_id:
            return leaf
    known = ", ".join(leaf.id for leaf in lineage.leaves)
    raise ValueError(f"{shard_id!r} is no open shard of {table!r}; open are {known}")
