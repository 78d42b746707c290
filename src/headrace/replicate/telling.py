"""What begins, what is lost, and what became durable, told as facts."""

from __future__ import annotations

from headrace.accelerator import Applied, Stored, StoredCopy, Target
from headrace.checkpoint import Stage
from headrace.dataset import GapBehavior
from headrace.evolution import evolution
from headrace.observe import (
    BatchApplied,
    BootstrapFinished,
    BootstrapProgressed,
    BootstrapResumed,
    BootstrapStarted,
    ColumnsKnown,
    DeadLetters,
    DeadLettersDiscarded,
    DeadLettersRetried,
    DeadLettersStored,
    DeadLettersSuperseded,
    GapFound,
    Reinitialized,
    SchemaEvolved,
    StreamResumed,
)
from headrace.replicate.entry import Gap
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import Plan
from headrace.replicate.scan import ScanProgress
from headrace.schema import TableSchema
from headrace.source import SourceTable
from headrace.type_name import type_name


class Telling:
    """Says of one dataset what a commit, or a stored checkpoint, has brought."""

    def __init__(self, dataset: str, outbox: Outbox) -> None:
        self._dataset = dataset
        self._tell = outbox.tell
        self._letters = (0, 0)
        self._served: TableSchema | None = None

    def begins(self, plan: Plan, table: SourceTable) -> None:
        """A copy begins, beside the one that is served if it is built aside."""
        segments, aside = len(plan.work.checkpoint.segments), plan.work.target is Target.BUILDING
        self._tell(BootstrapStarted(self._dataset, segments, table.item_count, table.size_bytes, aside))

    def begins_again(self, reason: str | None) -> None:
        """The table is copied anew; without a reason it is copied for the first time, and nothing is told."""
        if reason is not None:
            self._tell(Reinitialized(self._dataset, reason))

    def gap(self, gap: Gap, behavior: GapBehavior) -> None:
        """Changes are lost, and this is what follows."""
        self._tell(GapFound(self._dataset, gap.shard_id, gap.reason, behavior.value))

    def opened(self, stored: Stored) -> None:
        """This is stored. Columns may have changed in a commit of which it was not known whether it happened."""
        if stored.live is None:
            self._served = None
        else:
            self._serves(stored.live.schema)

    def resumed(self, scan: ScanProgress, copy: StoredCopy, service_now: float) -> None:
        """An earlier process's work goes on: its Scan, or the stream behind it."""
        self.letters(copy)
        checkpoint = copy.checkpoint
        if not scan.done:
            self.scan_resumed(scan)
            return
        marks = [state.read_up_to for state in checkpoint.shards if state.read_up_to is not None]
        age = service_now - max(marks) if marks else None
        unread = sum(state.stage is not Stage.FINISHED for state in checkpoint.shards)
        self._tell(StreamResumed(self._dataset, unread, age))

    def scan_resumed(self, scan: ScanProgress) -> None:
        """A Scan that an earlier process began goes on."""
        done = scan.segments_done
        self._tell(BootstrapResumed(self._dataset, done, len(scan.durable), scan.rows))

    def letters(self, copy: StoredCopy) -> None:
        """The copy that is served has these letters."""
        self._stored(copy.letters, copy.waiting)

    def applied(self, plan: Plan, applied: Applied, seconds: float) -> None:
        """A transaction is durable, after ``seconds``."""
        if plan.work.target is Target.LIVE or plan.work.swap:
            if plan.work.create is not None:
                self._served = None
            self._serves(applied.schema)
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

    def _serves(self, schema: TableSchema) -> None:
        """The copy that is served has this schema: what is new of it is told."""
        before, self._served = self._served, schema
        changes = () if before is None else evolution(before, schema)
        if changes:
            self._tell(SchemaEvolved(self._dataset, changes))
        if changes or before is None:
            columns = tuple((column.name, type_name(column.type)) for column in schema.columns)
            attributes = tuple(column.attribute for column in schema.columns if len(column.path) == 1)
            self._tell(ColumnsKnown(self._dataset, columns, attributes))

    def _stored(self, stored: int, waiting: int) -> None:
        if self._letters != (stored, waiting):
            self._letters = (stored, waiting)
            self._tell(DeadLettersStored(self._dataset, stored, waiting))
