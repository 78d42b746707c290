"""What goes into the next transaction, and what is true once it is durable."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.accelerator import Notes, Target, Work
from headrace.change import DeadLetter, RecordsPage, Redriven, ScanPage
from headrace.checkpoint import Checkpoint, SegmentState, ShardState
from headrace.replicate.buffer import Buffer, StreamUnit
from headrace.replicate.entry import start_of_stream
from headrace.replicate.lineage import Lineage
from headrace.replicate.scan import ScanProgress, choose_segments
from headrace.replicate.stream import StreamFollower
from headrace.shard import Shard
from headrace.source import SourceTable

ANCHOR_INTERVAL = 3600.0
"""Seconds between commits that say only that idle shards are still known to be empty."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A transaction and what the machine takes over when it is durable."""

    work: Work
    units: tuple[StreamUnit, ...] = ()
    pages: tuple[tuple[int, ScanPage], ...] = ()
    shards: Mapping[str, ShardState] | None = None
    segments: tuple[SegmentState, ...] = ()
    rows: int = 0
    ends_scan: bool = False
    makes_ready: bool = False

    @property
    def records(self) -> int:
        """How many stream records it applies."""
        return sum(page.count for unit in self.units for page in unit.pages)

    @property
    def scanned(self) -> int:
        """How many items of the Scan it applies."""
        return sum(page.count for _, page in self.pages)

    @property
    def settles_letters(self) -> bool:
        """Whether it does what an operator asked for."""
        return bool(self.work.redriven or self.work.discarded)

    @property
    def wire_bytes(self) -> int:
        """The size of the pages it holds."""
        redriven = [one.changes for one in self.work.redriven if one.changes is not None]
        return sum(batch.wire_bytes for batch in (*redriven, *self.work.stream, *self.work.scan))


def plan_copy(
    table: SourceTable,
    target: Target,
    segments: int | None,
    shards: Sequence[Shard],
    trimmed: Collection[str],
    started_at: float,
) -> Plan:
    """The transaction that begins a copy: empty, with the lineage of ``shards`` as listed at ``started_at``.

    The columns are those that the table has without items. ``trimmed`` names the parents that are proven to
    be gone. Without ``segments`` the table's size decides how many there are.
    """
    lineage = Lineage.first(shards, start_of_stream(started_at), trimmed)
    segments = segments or choose_segments(table.item_count, table.size_bytes)
    checkpoint = Checkpoint(
        table_id=table.table_id,
        stream_arn=table.stream_arn,
        started_at=started_at,
        segments=(SegmentState(),) * segments,
        shards=lineage.states(),
        reading=table.reading,
    )
    return Plan(Work(target, checkpoint, create=table.columns, scanning=True))


def plan_batch(
    buffer: Buffer,
    stream: StreamFollower,
    scan: ScanProgress,
    checkpoint: Checkpoint,
    target: Target,
    service_now: float,
) -> Plan:
    """The next transaction from what is buffered. ``checkpoint`` is the last durable one."""
    units, pages = buffer.take()
    shards = stream.after(units)
    segments, rows = scan.after(pages)
    ends_scan = not scan.done and all(segment.done for segment in segments)
    dead = placed([page for unit in units for page in unit.pages]) + placed([page for _, page in pages])
    work = Work(
        target=target,
        checkpoint=replace(
            checkpoint,
            shards=stream.lineage.states({**stream.anchored(), **shards}),
            segments=segments,
            rows_scanned=rows,
            scan_ended_at=service_now if ends_scan else checkpoint.scan_ended_at,
        ),
        stream=tuple(p.changes for u in units for p in u.pages if p.changes is not None),
        scan=tuple(page.changes for _, page in pages if page.changes is not None),
        dead=dead,
        scanning=not scan.done,
        notes=Notes.DROP if ends_scan else Notes.KEEP,
        at=service_now,
    )
    return Plan(work, units, pages, shards, segments, rows, ends_scan)


def plan_ready(stream: StreamFollower, scan: ScanProgress, checkpoint: Checkpoint, target: Target) -> Plan:
    """The transaction that makes a copy the one that is served, for good; a restored one is as good as any other then."""
    shards = stream.lineage.states(stream.anchored())
    work = Work(
        target=target,
        checkpoint=replace(checkpoint, shards=shards, was_ready=True, snapshot=""),
        swap=target is Target.BUILDING,
    )
    return Plan(work, segments=tuple(scan.durable), rows=scan.rows, makes_ready=True)


def plan_lineage(stream: StreamFollower, scan: ScanProgress, checkpoint: Checkpoint, target: Target) -> Plan:
    """The transaction that stores what was learnt of the lineage, without rows."""
    anchored = stream.anchored()
    work = Work(target=target, checkpoint=replace(checkpoint, shards=stream.lineage.states(anchored)))
    return Plan(work, shards=anchored, segments=tuple(scan.durable), rows=scan.rows)


def plan_letters(
    checkpoint: Checkpoint,
    service_now: float,
    *,
    redriven: tuple[Redriven, ...] = (),
    discarded: tuple[str, ...] = (),
) -> Plan:
    """The transaction that settles stored dead letters; the checkpoint stays what it is.

    Whether it happened cannot be told by the checkpoint, and need not: done again, it finds nothing to do.
    """
    work = Work(Target.LIVE, checkpoint, redriven=redriven, discarded=discarded, at=service_now)
    return Plan(work, segments=checkpoint.segments, rows=checkpoint.rows_scanned)


def placed(pages: Sequence[RecordsPage | ScanPage]) -> tuple[DeadLetter, ...]:
    """The letters of pages, each placed among the rows of all of them."""
    letters: list[DeadLetter] = []
    first = 0
    for page in pages:
        letters += (replace(letter, place=first + letter.place) for letter in page.dead)
        first += page.changes.count if page.changes is not None else 0
    return tuple(letters)
