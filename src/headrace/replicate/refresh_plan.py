"""The transactions of a refresh: it begins, brings pages, and is complete."""

from __future__ import annotations

from dataclasses import replace

from headrace.accelerator import Notes, Target, Work
from headrace.change import ChangeBatch
from headrace.checkpoint import Checkpoint, LastRefresh, SegmentState
from headrace.replicate.buffer import Buffer
from headrace.replicate.plan import Plan, placed
from headrace.replicate.scan import ScanProgress, choose_segments
from headrace.schema import TableSchema
from headrace.source import SourceTable


def plan_whole(
    table: SourceTable,
    schema: TableSchema,
    reading: str,
    target: Target,
    segments: int | None,
    started_at: float,
) -> Plan:
    """The transaction that begins a copy of the whole table: empty, with the columns of ``schema``."""
    begun = Checkpoint(
        table_id=table.table_id,
        stream_arn="",
        started_at=started_at,
        segments=_segments(table, segments),
        shards=(),
        reading=reading,
    )
    work = Work(target, begun, create=schema, scanning=True, at=started_at)
    return Plan(work, segments=begun.segments)


def plan_append(
    table: SourceTable, live: Checkpoint, segments: int | None, newest: float | None, started_at: float
) -> Plan:
    """The transaction that begins to add to the ``live`` copy: from then on ``newest`` is known, come what may.

    The rows that it adds come in no order of time. Were the newest row asked for again after a crash, what lies before
    it and has not been read would never be added.
    """
    begun = replace(
        live,
        started_at=started_at,
        segments=_segments(table, segments),
        scan_ended_at=None,
        rows_scanned=0,
        newest=newest,
    )
    return Plan(Work(Target.LIVE, begun, at=started_at), segments=begun.segments)


def plan_pages(buffer: Buffer, scan: ScanProgress, checkpoint: Checkpoint, target: Target, at: float) -> Plan:
    """The next transaction of pages. ``checkpoint`` is the last durable one of the copy.

    What an append brings is newer than the row that there is, and than its dead letters: as a stream's changes are.
    """
    _, pages = buffer.take()
    segments, rows = scan.after(pages)
    ends = all(segment.done for segment in segments)
    read = replace(checkpoint, segments=segments, rows_scanned=rows, scan_ended_at=at if ends else None)
    batches = tuple(page.changes for _, page in pages if page.changes is not None)
    work = Work(target, read, dead=placed([page for _, page in pages]), at=at)
    if checkpoint.was_ready:
        work = replace(work, stream=batches)
    else:
        work = replace(work, scan=batches, scanning=True, notes=Notes.DROP if ends else Notes.KEEP)
    return Plan(work, (), pages, None, segments, rows, ends_scan=ends)


def plan_end(checkpoint: Checkpoint, target: Target, scan: ScanProgress, at: float) -> Plan:
    """The transaction by which a refresh is complete: its copy is the one that is served."""
    assert checkpoint.scan_ended_at is not None, "the Scan has ended"
    last = LastRefresh(checkpoint.started_at, checkpoint.scan_ended_at)
    work = Work(
        target,
        replace(checkpoint, was_ready=True, last_refresh=last),
        swap=target is Target.BUILDING,
        at=at,
    )
    return Plan(work, segments=checkpoint.segments, rows=scan.rows, makes_ready=True)


def plan_expired(checkpoint: Checkpoint, expired: ChangeBatch, at: float) -> Plan:
    """The transaction that removes rows of the live copy; the checkpoint stays what it is.

    Whether it happened cannot be told by the checkpoint, and need not: rows that are left are found again.
    """
    work = Work(Target.LIVE, checkpoint, stream=(expired,), at=at)
    return Plan(work, segments=checkpoint.segments, rows=checkpoint.rows_scanned)


def _segments(table: SourceTable, segments: int | None) -> tuple[SegmentState, ...]:
    count = choose_segments(table.item_count, table.size_bytes) if segments is None else segments
    return (SegmentState(),) * count
