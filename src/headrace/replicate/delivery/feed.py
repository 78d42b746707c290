"""One shard on its way to its consumer: what was read of it, and how much of that is done."""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.batch import Window
from headrace.event_source import EventPage
from headrace.event_source_mapping import Delivering
from headrace.position import Position
from headrace.replicate.delivery.lane import Lane
from headrace.replicate.delivery.portion import Entry

FEED_BYTES = 8 * 2**20
"""Bytes of records of one shard that wait, beyond which it is not read on: more than one event holds."""

FEED_RECORDS = 1000
"""Records that wait, likewise, unless two batches for each lane are more."""


@dataclass(frozen=True, slots=True)
class Advance:
    """How far everything is done: the position after it, None where that is as it was, and when its last record was made.

    ``pages`` are those that are done to their end; ``ended``: the shard is.
    """

    position: Position | None
    read_up_to: float | None
    pages: tuple[EventPage, ...]
    ended: bool


class ShardFeed:
    """The lanes of one shard, and the order in which its records came.

    Records made before ``since`` (epoch seconds) are passed over: a service that knows no
    AT_TIMESTAMP gives them, too. Before ``look_at`` (the caller's clock), which news resets, no batch is due.
    """

    def __init__(
        self,
        shard_id: str,
        delivering: Delivering,
        since: float,
        window: Window | None,
        salt: str,
    ) -> None:
        self.id = shard_id
        # The state of a window is one for a shard.
        count = 1 if delivering.tumbling_window else delivering.parallelization_factor
        self.lanes = [Lane(delivering, f"{salt}/{shard_id}/{lane}", window) for lane in range(count)]
        self.bytes = 0
        self.look_at = -math.inf
        self._order: deque[Entry | EventPage] = deque()
        self._records = 0
        self._since = since
        self._most = max(FEED_RECORDS, 2 * delivering.batch_size * count)
        self._window = window

    def add(self, page: EventPage, now: float) -> None:
        """A page was read: its records wait in their lanes."""
        self.look_at = -math.inf
        for record in page.records:
            entry = Entry(record, done=record.created < self._since)
            self._order.append(entry)
            self._records += 1
            self.bytes += len(record.text)
            if not entry.done:
                self.lanes[zlib.crc32(record.key.encode()) % len(self.lanes)].add(entry, now)
        if page.count or page.next_iterator is None:
            self._order.append(page)
        if page.next_iterator is None:
            self.end()

    def end(self) -> None:
        """Nothing more will be read of the shard."""
        self.look_at = -math.inf
        for lane in self.lanes:
            lane.end()

    @property
    def full(self) -> bool:
        """Whether the shard is not to be read on before something is done."""
        # Pages of which the filters have left nothing take room, too, while something before them waits.
        return self.bytes >= FEED_BYTES or self._records >= self._most or len(self._order) >= 2 * self._most

    def advance(self) -> Advance | None:
        """Take away what is done, in the order of the shard: up to the first record that is not. None if that is nothing."""
        position, read_up_to, pages, ended = None, None, [], False
        while self._order:
            first = self._order[0]
            if isinstance(first, Entry):
                if not first.done:
                    break
                position, read_up_to = Position.after(first.record.sequence), first.record.created
                self._records -= 1
                self.bytes -= len(first.record.text)
            else:
                ended = first.next_iterator is None
                if ended and not all(lane.idle for lane in self.lanes):
                    ended = False
                    break
                if first.last is not None:
                    position, read_up_to = Position.after(first.last), first.newest_at
                pages.append(first)
            self._order.popleft()
        window, self._window = self._window, self.window
        if position is None and not pages and window == self._window:
            return None
        return Advance(position, read_up_to, tuple(pages), ended)

    @property
    def window(self) -> Window | None:
        """The open window, with its state after everything that is done."""
        return self.lanes[0].window

    @property
    def empty(self) -> bool:
        """Whether nothing is on its way, and no window is open."""
        return not self._order and self.window is None and self._window is None

    @property
    def oldest(self) -> float | None:
        """When the first record was made that is not done (epoch seconds); None if all are."""
        return next((entry.record.created for entry in self._entries() if not entry.done), None)

    def _entries(self) -> Iterator[Entry]:
        return (one for one in self._order if isinstance(one, Entry))
