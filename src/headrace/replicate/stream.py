"""The stream of one table: its shards discovered, read in the order of their lineage, and accounted for."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from headrace.change import RecordsPage
from headrace.checkpoint import Checkpoint, ShardState, Stage
from headrace.errors import (
    HeadraceError,
    IteratorExpired,
    PositionTrimmed,
    RequestRejected,
    ShardGone,
    Unavailable,
)
from headrace.observe import RecordsRead, ShardsChanged
from headrace.position import Anchor, Position
from headrace.replicate.buffer import StreamUnit
from headrace.replicate.commands import GetRecords, ListChildren, ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.discovery import Discovery
from headrace.replicate.entry import Gap, outlived
from headrace.replicate.lineage import CONFIRMATIONS, Lineage
from headrace.replicate.listing import YOUNG
from headrace.replicate.liveness import Pulse, shard
from headrace.replicate.reader import Progress, ShardReader, idle_ceiling
from headrace.shard import ShardListing

PAGES_PER_SHARD = 4
"""Pages of one shard that may be read ahead of what is durable."""


class StreamFollower:
    """Reads every readable shard, one request at a time each, and says how far the whole is known.

    A shard that is ``full`` is not read on before something becomes durable; without it, one of which PAGES_PER_SHARD wait.
    """

    def __init__(
        self,
        desk: Desk,
        lineage: Lineage,
        checkpoint: Checkpoint,
        *,
        full: Callable[[ShardReader], bool] | None = None,
    ) -> None:
        self._full = full or _has_pages
        self.dataset = desk.dataset
        self.stream_arn = checkpoint.stream_arn
        self.lineage = lineage
        self.discovery = Discovery(desk, self.stream_arn, lineage)
        self.readers: dict[str, ShardReader] = {}
        self.progress: dict[str, Progress] = {}
        self._settings = desk.settings
        self._outbox = desk.outbox
        self._clock = desk.clock
        self._health = desk.health
        self._due: list[tuple[float, str]] = []
        self._parked: list[str] = []
        self._asked_at: dict[int, float] = {}
        self._ends: dict[str, float | None] = {}
        self._ended_at: dict[str, float] = {}
        self._changed = True
        self._origin = checkpoint.started_at

    # Asking

    def advance(self, now: float, room: int) -> int:
        """Send what is due, at most ``room`` requests; how many were sent."""
        self._promote(now)
        sent = self.discovery.advance(now, room)
        while self._due and self._due[0][0] <= now and sent < room:
            _, shard_id = heapq.heappop(self._due)
            reader = self.readers.get(shard_id)
            if reader is None or reader.busy or reader.ended:
                continue
            if self._is_parked(reader):
                self._parked.append(shard_id)
                continue
            self._ask(reader, now)
            sent += 1
        if self._due and sent < room:
            self._outbox.wake(max(self._due[0][0], now))
        return sent

    def _ask(self, reader: ShardReader, now: float) -> None:
        reader.busy = True
        if reader.iterator is None:
            self._outbox.send(
                partial(
                    OpenIterator, stream_arn=self.stream_arn, shard_id=reader.id, position=reader.position
                )
            )
            return
        request_id = self._outbox.send(partial(GetRecords, shard_id=reader.id, iterator=reader.iterator))
        self._asked_at[request_id] = self._clock.at(now)

    def _promote(self, now: float) -> None:
        if not self._changed:
            return
        self._changed = False
        self.lineage.promote()
        for state in self.lineage.in_stage(Stage.READING):
            if state.id not in self.readers and state.position is not None:
                vouched = state.read_up_to
                if vouched is None and state.parent_id in self._ends:
                    vouched = self._ends[state.parent_id]
                self.readers[state.id] = ShardReader(
                    state.id, state.position, now, now, read_up_to=vouched, applied_up_to=vouched
                )
                heapq.heappush(self._due, (now, state.id))
                self._tell_shards()

    # Answers

    def opened(self, request: OpenIterator, iterator: str, now: float) -> Gap | None:
        """An iterator was given: read at once; or a gap, where it may pass over what was trimmed.

        A position without a sequence number raises nothing when the records after it are trimmed. The
        iterator itself lives for a quarter of an hour only (GetShardIterator, API reference).
        """
        if self.discovery.probes(request.id):
            return self._probed(request, None, now)
        reader = self.readers.get(request.shard_id)
        if reader is None:
            return None
        reader.busy = False
        gap = outlived(reader.id, request.position, reader.read_up_to, self._clock.at(now))
        if gap is not None:
            return gap
        reader.gone_since = None
        # No progress yet: a shard whose iterators are given and refused has none.
        reader.iterator = iterator
        heapq.heappush(self._due, (now, reader.id))
        return None

    def arrived(self, request: GetRecords, page: RecordsPage, now: float) -> ShardReader | None:
        """A page was read: the reader that it belongs to, accounted for and scheduled.

        None if the shard is not read any more, or if the page goes back: it is asked for again.
        """
        asked_at = self._asked_at.pop(request.id)
        reader = self.readers.get(request.shard_id)
        if reader is None:
            return None
        if page.last is not None and reader.repeats(page):
            reader.iterator = None
            message = f"a page ends at {page.last.text}, before where it was asked for"
            self.failed(request, Unavailable(message), now)
            return None
        reader.busy = False
        reader.answered_at = now
        reader.take(page, asked_at)
        self._health.healed(shard(reader.id))
        if page.count:
            self._outbox.tell(RecordsRead(self.dataset, reader.id, page.count))
        if not reader.ended:
            most = max(idle_ceiling(self._settings.ready_lag), self._settings.scan_interval)
            reader.schedule(page, now, least=self._settings.scan_interval, most=most)
            heapq.heappush(self._due, (reader.due_at, reader.id))
        return reader

    def listed(self, request: ListShards | ListChildren, listing: ShardListing, now: float) -> None:
        """A listing was answered: there may be shards to read."""
        self.discovery.answered(request, listing, now)
        self._changed = True
        self.progress = {id_: progress for id_, progress in self.progress.items() if id_ in self.lineage}

    def _probed(self, request: OpenIterator, error: HeadraceError | None, now: float) -> Gap | None:
        orphans = self.discovery.probed(request.id, error, now)
        self._changed = True
        return Gap(orphans[0], "its parent shard was trimmed before it was read") if orphans else None

    def failed(
        self, request: OpenIterator | GetRecords | ListShards | ListChildren, error: HeadraceError, now: float
    ) -> Gap | None:
        """A request failed: reopen, back off, or report a gap."""
        if isinstance(request, (ListShards, ListChildren)):
            self.discovery.failed(request, error, now)
            gone = isinstance(error, ShardGone) and self.discovery.failures >= CONFIRMATIONS
            return Gap(None, f"the stream is gone: {error}") if gone else None
        if isinstance(request, OpenIterator) and self.discovery.probes(request.id):
            return self._probed(request, error, now)
        self._asked_at.pop(request.id, None)
        reader = self.readers.get(request.shard_id)
        if reader is None:
            return None
        reader.busy = False
        if isinstance(error, PositionTrimmed):
            return Gap(reader.id, str(error))
        if isinstance(error, ShardGone):
            if reader.gone_since is None:
                reader.gone_since = now
            if self.lineage.unlisted(reader.id) and now - reader.gone_since >= YOUNG:
                return Gap(reader.id, str(error))
            # A shard that is still listed, or has just been opened, may only not be known everywhere yet.
            self.discovery.recheck(now)
        if isinstance(error, IteratorExpired):
            reader.iterator = None
            reader.expiries += 1
            wait = self._health.failed(shard(reader.id), error, reader.expiries, now)
            # The position is as good as ever; only iterators that expire again and again deserve a wait.
            wait = 0.0 if reader.expiries == 1 else wait
        elif isinstance(error, RequestRejected) and reader.position.anchor is Anchor.AT_TIMESTAMP:
            # Some stand-ins know no AT_TIMESTAMP; before Ready, replaying from the horizon is harmless.
            reader.position = Position.trim_horizon(reader.position.set_at or self._clock.at(now))
            wait = 0.0
        else:
            reader.failures += 1
            # An iterator may have gone stale with the failure; its position has not.
            reader.iterator = None if reader.failures > 1 else reader.iterator
            wait = self._health.failed(shard(reader.id), error, reader.failures, now)
        reader.due_at = now + wait
        heapq.heappush(self._due, (reader.due_at, reader.id))
        return None

    def reposition(self, reader: ShardReader, position: Position, now: float) -> None:
        """Read a shard from another position on, at once."""
        reader.position, reader.iterator = position, None
        reader.failures, reader.gone_since = 0, None
        heapq.heappush(self._due, (now, reader.id))

    # Becoming durable

    def after(self, units: Sequence[StreamUnit]) -> dict[str, ShardState]:
        """The shards as they will be once ``units`` are durable."""
        changes: dict[str, ShardState] = {}
        for unit in units:
            state = changes.get(unit.shard_id, self.lineage[unit.shard_id])
            for page in unit.pages:
                if page.last is not None:
                    state = replace(state, position=Position.after(page.last), read_up_to=page.newest_at)
                if page.next_iterator is None:
                    state = replace(state, stage=Stage.FINISHED, position=None)
            changes[unit.shard_id] = state
        return changes

    def commit(self, units: Sequence[StreamUnit], changes: Mapping[str, ShardState], now: float) -> None:
        """Take over what became durable: ended shards let their children go on."""
        for unit in units:
            newest = max((p.newest_at for p in unit.pages if p.newest_at is not None), default=None)
            self.readers[unit.shard_id].applied(len(unit.pages), newest)
            before = self.progress.get(unit.shard_id)
            records = sum(page.count for page in unit.pages) + (before.records if before else 0)
            self.progress[unit.shard_id] = Progress(records, now)
        for state in changes.values():
            self.lineage.update(state)
            if state.stage is Stage.FINISHED:
                self._changed = True
                reader = self.readers.pop(state.id)
                self._ends[state.id] = reader.applied_up_to
                self._health.healed(shard(state.id))
                self._ended_at[state.id] = now
                self.discovery.ask_children(state.id, now)
                self._tell_shards()
        for shard_id in self._parked:
            heapq.heappush(self._due, (now, shard_id))
            if shard_id in self.readers:
                self.readers[shard_id].answered_at = now
        self._parked.clear()

    def anchored(self) -> dict[str, ShardState]:
        """Shards without a sequence number to return to, with the time up to which they are known to be empty."""
        changes = {}
        for reader in self.readers.values():
            state = self.lineage[reader.id]
            position, until = state.position, reader.applied_up_to
            if position is None or position.set_at is None or until is None or reader.unapplied:
                continue
            if until > position.set_at:
                changes[reader.id] = replace(state, position=replace(reader.position, set_at=until))
        return changes

    # Knowing

    def watermark(self) -> float | None:
        """The time up to which every change is applied, None while some shard proves nothing yet.

        The minimum over the frontier: shards that are read, and finished ones whose children are not known,
        unless the stream is off. A waiting shard is behind one of them, or behind a parent that is not known
        yet and proves nothing.
        """
        if not self.discovery.complete or self.lineage.has_orphans():
            return None
        marks = [reader.applied_up_to for reader in self.readers.values()]
        if not self.discovery.disabled:
            marks += [
                self._ends.get(leaf.id, leaf.read_up_to or self._origin) for leaf in self.lineage.leaves()
            ]
        if not marks:
            return None
        known = [mark for mark in marks if mark is not None]
        return min(known) if len(known) == len(marks) else None

    def pulses(self, now: float) -> Iterator[Pulse]:
        """Shards of which a page is expected, the discovery, and ended shards whose children are not found."""
        for reader in self.readers.values():
            if not reader.ended and not self._is_parked(reader):
                yield Pulse(shard(reader.id), reader.answered_at)
        yield from self.discovery.pulses()
        if not self.discovery.disabled and not self.lineage.has_orphans():
            for leaf in self.lineage.leaves():
                since = self._ended_at.setdefault(leaf.id, now)
                yield Pulse(f"the search for children of {shard(leaf.id)}", since)

    @property
    def drained(self) -> bool:
        """Whether the stream is off and everything in it is durable."""
        return self.discovery.disabled and not self.readers and not self.lineage.in_stage(Stage.WAITING)

    def _is_parked(self, reader: ShardReader) -> bool:
        """Whether a shard waits for what was read of it to become durable."""
        return self._full(reader) and not reader.held

    def _tell_shards(self) -> None:
        waiting = len(self.lineage.in_stage(Stage.WAITING))
        finished = len(self.lineage.in_stage(Stage.FINISHED))
        self._outbox.tell(ShardsChanged(self.dataset, len(self.readers), waiting, finished))


def _has_pages(reader: ShardReader) -> bool:
    return reader.unapplied >= PAGES_PER_SHARD
