"""One Scan on its way into one copy."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.accelerator import Target
from headrace.change import ScanPage
from headrace.checkpoint import Checkpoint
from headrace.errors import HeadraceError
from headrace.replicate.buffer import Buffer
from headrace.replicate.commands import ReadSegment
from headrace.replicate.desk import Desk
from headrace.replicate.lane import Lane
from headrace.replicate.liveness import Pulse
from headrace.replicate.plan import Plan
from headrace.replicate.refresh_plan import plan_end, plan_pages
from headrace.replicate.scan import ScanProgress
from headrace.replicate.scan_pages import ScanPages
from headrace.replicate.sieve import Sieve
from headrace.selection import Selection


class Copying:
    """From a checkpoint on, until the copy is complete. ``overlap`` is how far an append looks back (seconds)."""

    def __init__(
        self,
        desk: Desk,
        lane: Lane,
        checkpoint: Checkpoint,
        target: Target,
        selection: Selection,
        overlap: float,
        now: float,
    ) -> None:
        self.checkpoint = checkpoint
        self.target = target
        self.began_at = now
        self.buffer = Buffer()
        self.scan = ScanProgress(checkpoint.segments, checkpoint.rows_scanned, now)
        self._desk = desk
        self._lane = lane
        sieve = Sieve(selection, checkpoint.started_at, _since(checkpoint, overlap))
        self._pages = ScanPages(desk, self.scan, self.buffer, sieve)

    def read(self, now: float) -> None:
        """Ask for more pages, within requests and memory."""
        if not self.scan.done:
            room = self._pages.room(self.buffer.wire_bytes + self._lane.wire_bytes)
            self._pages.ask(now, room)

    def scanned(self, request: ReadSegment, page: ScanPage, now: float) -> None:
        """Take in a page."""
        self._pages.scanned(request, page, now)

    def failed(self, request: ReadSegment, error: HeadraceError, now: float) -> None:
        """Ask for the page again later."""
        self._pages.failed(request, error, now)

    def next_plan(self, now: float) -> Plan | None:
        """The next transaction, None if there is none to make yet."""
        at = self._desk.clock.at(now)
        if self.scan.done:
            return plan_end(self.checkpoint, self.target, self.scan, at)
        if not self.buffer:
            return None
        until = self.buffer.worth_waiting_until(now) if self._pages.are_coming else None
        if until is not None:
            self._desk.outbox.wake(until)
            return None
        return plan_pages(self.buffer, self.scan, self.checkpoint, self.target, at)

    def commit(self, plan: Plan) -> None:
        """Take over what became durable of it."""
        self.checkpoint = plan.work.checkpoint
        self.scan.commit(plan.segments, plan.rows, plan.pages)

    def pulses(self) -> Iterator[Pulse]:
        """What is expected to make progress, the lane aside."""
        return self._pages.pulses()


def _since(checkpoint: Checkpoint, overlap: float) -> float | None:
    """From which time on rows are added to a copy, None where all are.

    A row with a time in the future must not hide all that come after it: what was written after the last Scan began
    is looked at in any case.
    """
    last, newest = checkpoint.last_refresh, checkpoint.newest
    if not checkpoint.was_ready or last is None or newest is None:
        return None
    return min(newest, last.started_at) - overlap
