"""The last records of a stream, read without a trace: no position moves, nothing is kept."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from headrace.backoff import delay
from headrace.batch import Batch
from headrace.errors import PositionTrimmed, RequestRejected, ShardGone, Throttled, Unavailable
from headrace.event_source import EventSource
from headrace.position import Position
from headrace.shard import Shard
from headrace.stream_record import StreamRecord

T = TypeVar("T")

_TRIES = 6
_EMPTY_PAGES = 5
"""An open shard's end is nowhere told: so many empty pages in a row are taken for it."""

_BACK = (300.0, 3600.0, None)
"""Seconds from now at which reading begins; None at the oldest record that is kept."""


class LastRecords:
    """Reads from ``source``. ``now`` gives epoch seconds; ``sleep`` waits between tries."""

    def __init__(
        self,
        source: EventSource,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._now = now
        self._sleep = sleep
        self._arn = ""
        self._read: dict[str, tuple[StreamRecord, ...]] = {}

    def batches(self, mapping: str, count: int) -> tuple[Batch, ...]:
        """The last ``count`` that the source lets through, one batch a shard, parents before children.

        Which of two shards' records is the later is told by the second in which it came to be. Raises SourceError.
        """
        self._arn = self._patiently(self._source.describe).stream_arn
        shards = {shard.id: shard for shard in self._shards()}
        parents = {shard.parent_id for shard in shards.values()}
        for shard in shards.values():
            if shard.id not in parents:
                self._follow(shard, shards, count)
        depths = {name: _depth(shards[name], shards) for name in self._read}
        ordered = sorted(
            (at, depths[name], name, place, record)
            for name, records in self._read.items()
            for place, (at, record) in enumerate(_rising(records))
        )
        kept: dict[str, list[StreamRecord]] = {}
        for _, _, name, _, record in ordered[-count:]:
            kept.setdefault(name, []).append(record)
        return tuple(
            Batch(mapping, self._arn, name, tuple(kept[name]))
            for name in sorted(kept, key=lambda name: (depths[name], name))
        )

    def _follow(self, shard: Shard, shards: Mapping[str, Shard], count: int) -> None:
        """Read a shard, and its ancestors until there are records enough: all of theirs are older."""
        found = 0
        here: Shard | None = shard
        while here is not None and found < count:
            if here.id not in self._read:
                self._read[here.id] = self._last(here, count)
            found += len(self._read[here.id])
            here = shards.get(here.parent_id or "")

    def _last(self, shard: Shard, count: int) -> tuple[StreamRecord, ...]:
        now = self._now()
        found: tuple[StreamRecord, ...] = ()
        for back in _BACK:
            start = Position.trim_horizon(now) if back is None else Position.at_timestamp(now - back, now)
            try:
                found = tuple(self._records(shard, start, count))
            except RequestRejected:
                # A stand-in that knows no AT_TIMESTAMP.
                if back is None:
                    raise
                continue
            except (PositionTrimmed, ShardGone):
                return ()
            if len(found) >= count:
                break
        return found

    def _records(self, shard: Shard, start: Position, count: int) -> deque[StreamRecord]:
        found: deque[StreamRecord] = deque(maxlen=count)
        source = self._source
        iterator: str | None = self._patiently(partial(source.open_iterator, self._arn, shard.id, start))
        empty = 0
        while iterator is not None and (shard.closed or empty < _EMPTY_PAGES):
            page = self._patiently(partial(source.get_records, shard.id, iterator))
            found.extend(page.records)
            empty = 0 if page.count else empty + 1
            iterator = page.next_iterator
        return found

    def _shards(self) -> Iterator[Shard]:
        after: str | None = None
        while True:
            page = self._patiently(partial(self._source.list_shards, self._arn, after))
            yield from page.shards
            after = page.next_start
            if after is None:
                return

    def _patiently(self, ask: Callable[[], T]) -> T:
        """The answer; what passes by itself is waited for some seconds."""
        for attempt in range(1, _TRIES):
            try:
                return ask()
            except (Throttled, Unavailable) as error:
                self._sleep(delay(error, attempt, self._arn))
        return ask()


def _depth(shard: Shard, shards: Mapping[str, Shard]) -> int:
    """How many of its ancestors are listed."""
    depth = 0
    here = shards.get(shard.parent_id or "")
    while here is not None:
        depth += 1
        here = shards.get(here.parent_id or "")
    return depth


def _rising(records: Iterable[StreamRecord]) -> Iterator[tuple[float, StreamRecord]]:
    """Each with a time that is no earlier than those before it: the order within a shard is what counts."""
    latest = 0.0
    for record in records:
        latest = max(latest, record.created)
        yield latest, record
