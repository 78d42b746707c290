"""A copy at work: the Scan and the stream side by side, and the lane that applies both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from headrace.accelerator import LetterTally, Target
from headrace.change import RecordsPage
from headrace.checkpoint import Checkpoint
from headrace.observe import LateRecordsHeld
from headrace.replicate.buffer import Buffer, StreamUnit
from headrace.replicate.commands import GetRecords
from headrace.replicate.desk import Desk
from headrace.replicate.hold import Hold
from headrace.replicate.lane import Lane
from headrace.replicate.lineage import Lineage
from headrace.replicate.liveness import Pulse
from headrace.replicate.plan import ANCHOR_INTERVAL, Plan, plan_batch, plan_lineage, plan_ready
from headrace.replicate.report import lag
from headrace.replicate.scan import ScanProgress
from headrace.replicate.scan_pages import REQUESTS, ScanPages
from headrace.replicate.stream import StreamFollower

WATERMARK_AGE = 0.05
"""Seconds for which a computed watermark serves: an older one is only more cautious."""


class Run:
    """From one checkpoint on, until a restart, a gap, or the end of the stream."""

    def __init__(self, desk: Desk, checkpoint: Checkpoint, lane: Lane, now: float) -> None:
        self.checkpoint = checkpoint
        self.settings = desk.settings
        self.buffer = Buffer()
        self.hold = Hold()
        self.scan = ScanProgress(checkpoint.segments, checkpoint.rows_scanned, now)
        self.pages = ScanPages(desk, self.scan, self.buffer)
        self.stream = StreamFollower(desk, Lineage(checkpoint.shards), checkpoint)
        self._dataset = desk.dataset
        self._outbox = desk.outbox
        self._clock = desk.clock
        self._journal = desk.journal
        self._lane = lane
        self._committed_at = now
        self._watermark: float | None = None
        self._watermark_at = -math.inf
        self._scan_was_left_out = False
        # Whatever anybody has seen of the copy that is lost was in the table by now.
        self._restored_at = self._clock.at(now) if checkpoint.snapshot else -math.inf

    # Reading

    def read(self, now: float, *, scan_from: float) -> None:
        """Poll the stream first, then read on with the Scan, within requests and memory.

        Where polls alone would take all the room, every other turn is the Scan's: however many shards are due,
        the Scan ends.
        """
        room = self.pages.room(self.wire_bytes)
        reserved = 1 if self._scan_was_left_out and room > 0 else 0
        room -= self.stream.advance(now, room - reserved)
        if not self.scan.done and now < scan_from:
            self._outbox.wake(scan_from)
        elif not self.scan.done:
            self.pages.ask(now, room)
        self._scan_was_left_out = now >= scan_from and self.pages.left_out(now)

    @property
    def wire_bytes(self) -> int:
        """The size of what is read and not durable."""
        return self.buffer.wire_bytes + self.hold.wire_bytes + self._lane.wire_bytes

    def full(self) -> str | None:
        """Why no request may be sent now; None if one may."""
        if self.pages.room(self.wire_bytes) > 0:
            return None
        if self._outbox.source_requests >= REQUESTS:
            return f"waits for one of {REQUESTS} requests under way to end"
        held, limit = self.wire_bytes / 2**20, self.settings.buffer_bytes / 2**20
        return f"waits for memory: {held:.0f} MiB of {limit:.0f} MiB are read and not applied"

    def received(self, request: GetRecords, page: RecordsPage, now: float) -> bool:
        """Buffer a page of the stream, or hold it back; false if the copy must not be served with what it brings.

        That is so where held records can wait no longer, because their shard has ended or memory may hold no more:
        better to serve nothing, until the stream has been read on, than something older.
        """
        reader = self.stream.arrived(request, page, now)
        if reader is None:
            return True
        plan = self._lane.plan
        # The copy may be served by the time at which the page is applied.
        becomes = plan.work.checkpoint if plan is not None and plan.makes_ready else self.checkpoint
        unit = self.hold.admit(reader, page, becomes)
        if unit is None and reader.held and page.count:
            self._outbox.tell(LateRecordsHeld(self._dataset, reader.id, page.count))
            if self.hold.wire_bytes > self.settings.buffer_bytes // 2:
                unit = self.hold.release(reader)
        if unit is None:
            return True
        self.buffer.add_stream(unit)
        if not unit.serves:
            reader.recant(unit.pages)
            self._watermark_at = -math.inf
        return unit.serves

    # Applying

    def apply_next(self, now: float, target: Target) -> None:
        """Send the next transaction, if there is one to make; the lane must be free."""
        discovery = self.stream.discovery
        until = self.buffer.worth_waiting_until(now) if self.pages.are_coming else None
        served = self.checkpoint.was_ready and target is Target.LIVE
        restored = bool(self.checkpoint.snapshot)
        if (not served or restored) and self.caught_up(now):
            ended_at = self._seen_until
            plan = plan_ready(
                self.stream, self.scan, replace(self.checkpoint, scan_ended_at=ended_at), target
            )
        elif self.buffer and until is not None:
            self._outbox.wake(until)
            return
        elif self.buffer:
            at = self._clock.at(now)
            plan = plan_batch(self.buffer, self.stream, self.scan, self.checkpoint, target, at)
        elif discovery.dirty or (now - self._committed_at > ANCHOR_INTERVAL and self.stream.anchored()):
            plan = plan_lineage(self.stream, self.scan, self.checkpoint, target)
        else:
            return
        # Every plan stores the whole lineage as it is known by now.
        discovery.dirty = False
        self._lane.send(plan, now)

    def commit(self, plan: Plan, letters: LetterTally, now: float) -> None:
        """Take over what became durable; ``letters`` as far as it is known."""
        self.checkpoint = plan.work.checkpoint
        self.scan.commit(plan.segments, plan.rows, plan.pages)
        self.stream.commit(plan.units, plan.shards or {}, now)
        self._remember(plan, letters, now)
        self._committed_at = now
        self._watermark_at = -math.inf

    def _remember(self, plan: Plan, letters: LetterTally, now: float) -> None:
        for one in plan.work.redriven:
            if one.id in letters.gone and one.changes is not None and one.shard is not None:
                self._journal.add(one.shard, one.changes, now)
        refused = frozenset(letters.refusals)
        for unit in plan.units:
            for page in unit.pages:
                if page.changes is not None:
                    self._journal.add(unit.shard_id, page.changes, now, refused)

    # Knowing

    def watermark(self, now: float) -> float | None:
        """The time up to which every change is applied, on the service's clock."""
        if now - self._watermark_at > WATERMARK_AGE:
            self._watermark, self._watermark_at = self.stream.watermark(), now
        return self._watermark

    @property
    def _seen_until(self) -> float | None:
        """The time up to which the Scan, or whoever read a copy that was lost, may have seen the table."""
        ended_at = self.checkpoint.scan_ended_at
        return None if ended_at is None else max(ended_at, self._restored_at)

    def caught_up(self, now: float) -> bool:
        """Whether readiness holds: the watermark is past all that was seen, the lag small, nothing held back."""
        ended_at, watermark = self._seen_until, self.watermark(now)
        if ended_at is None or watermark is None or self.hold.wire_bytes:
            return False
        if self.buffer.holds_before(math.floor(ended_at) + 1):
            # A shard whose proof of its tip was wrong brings what the Scan has seen.
            return False
        behind = lag(watermark, self._clock.at(now))
        assert behind is not None
        return watermark >= math.floor(ended_at) + 1 and behind <= self.settings.ready_lag

    def held(self) -> Iterator[StreamUnit]:
        """Late records that are held, shard by shard."""
        return (StreamUnit(reader.id, tuple(reader.held)) for reader in self.stream.readers.values())

    @property
    def drained(self) -> bool:
        """Whether the stream is off and everything in it is durable."""
        return self.stream.drained and not self.buffer and self._lane.plan is None

    def pulses(self, now: float) -> Iterator[Pulse]:
        """Everything that is expected to make progress, the lane aside."""
        yield from self.stream.pulses(now)
        yield from self.pages.pulses()
