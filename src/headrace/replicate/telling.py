"""What became durable, told as facts."""

from __future__ import annotations

from headrace.accelerator import Applied, StoredCopy
from headrace.checkpoint import Stage
from headrace.observe import (
    BatchApplied,
    BootstrapFinished,
    BootstrapProgressed,
    BootstrapResumed,
    DeadLetters,
    DeadLettersDiscarded,
    DeadLettersRetried,
    DeadLettersStored,
    DeadLettersSuperseded,
    SchemaEvolved,
    StreamResumed,
)
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import Plan
from headrace.replicate.scan import ScanProgress


class Telling:
    """Says of one dataset what a commit, or a stored checkpoint, has brought."""

    def __init__(self, dataset: str, outbox: Outbox) -> None:
        self._dataset = dataset
        self._tell = outbox.tell
        self._letters = (0, 0)

    def resumed(self, scan: ScanProgress, copy: StoredCopy, service_now: float) -> None:
        """An earlier process's work goes on: its Scan, or the stream behind it."""
        self._stored(copy.letters, copy.waiting)
        checkpoint = copy.checkpoint
        if not scan.done:
            done = scan.segments_done
            self._tell(BootstrapResumed(self._dataset, done, len(scan.durable), scan.rows))
            return
        marks = [state.read_up_to for state in checkpoint.shards if state.read_up_to is not None]
        age = service_now - max(marks) if marks else None
        unread = sum(state.stage is not Stage.FINISHED for state in checkpoint.shards)
        self._tell(StreamResumed(self._dataset, unread, age))

    def applied(self, plan: Plan, applied: Applied, seconds: float) -> None:
        """A transaction is durable, after ``seconds``."""
        if applied.evolved:
            self._tell(SchemaEvolved(self._dataset, applied.evolved))
        letters = applied.letters
        if letters.added:
            self._tell(DeadLetters(self._dataset, letters.added))
        if letters.superseded:
            self._tell(DeadLettersSuperseded(self._dataset, letters.superseded))
        if plan.work.redriven:
            counts = (letters.retried + letters.absent, letters.failing, letters.outdated)
            self._tell(DeadLettersRetried(self._dataset, *counts))
        if plan.work.discarded:
            self._tell(DeadLettersDiscarded(self._dataset, len(plan.work.discarded)))
        self._stored(letters.stored, letters.waiting)
        if plan.records or plan.scanned:
            rows = (plan.records, plan.scanned, applied.upserted, applied.deleted)
            self._tell(BatchApplied(self._dataset, *rows, seconds=seconds))

    def scanned(self, plan: Plan, scan: ScanProgress, items: int, seconds: float) -> None:
        """More of the Scan is durable, or all of it; ``items`` is the estimate, ``seconds`` since it began."""
        if plan.scanned or plan.ends_scan:
            done = scan.segments_done
            self._tell(BootstrapProgressed(self._dataset, scan.rows, items, done, segments=len(scan.durable)))
        if plan.ends_scan:
            self._tell(BootstrapFinished(self._dataset, plan.rows, seconds))

    def _stored(self, stored: int, waiting: int) -> None:
        if self._letters != (stored, waiting):
            self._letters = (stored, waiting)
            self._tell(DeadLettersStored(self._dataset, stored, waiting))
