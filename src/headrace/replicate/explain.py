"""What the machine would say of itself, as values: read off its state, changing nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from headrace.accelerator import Stored
from headrace.change import ScanPage
from headrace.checkpoint import LastRefresh, ShardState, Stage
from headrace.explanation import Fate, ShardExplanation, StreamExplanation
from headrace.replicate.buffer import Buffer, StreamUnit
from headrace.replicate.copying import Copying
from headrace.replicate.desk import Desk
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal, Pending, Trail
from headrace.replicate.lane import Lane
from headrace.replicate.lineage import CONFIRMATIONS
from headrace.replicate.liveness import shard
from headrace.replicate.phase import Phase
from headrace.replicate.reader import ShardReader
from headrace.replicate.run import Run
from headrace.replicate.stream import PAGES_PER_SHARD, StreamFollower
from headrace.source import SourceTable


@dataclass(frozen=True, slots=True)
class Moment:
    """How the machine itself stands: its phase, the status's reason, the table if it is known, what is built."""

    phase: Phase
    reason: str | None
    table: SourceTable | None
    rebuilding: bool


def explain_stream(
    desk: Desk, run: Run | None, stored: Stored | None, moment: Moment, now: float
) -> StreamExplanation:
    """The stream at this moment; without a ``run``, with the shards as the last checkpoint has them."""
    stream = _standing(desk, moment, now)
    if run is None:
        return stream if stored is None else _with_stored_shards(stream, stored)
    full = run.full()
    states = run.stream.lineage.states()
    return replace(
        stream,
        stream_arn=run.stream.stream_arn,
        watermark=run.watermark(now),
        buffered=run.wire_bytes,
        shards=tuple(_explained(state, run.stream, desk.health, full, now) for state in states),
    )


def explain_refresh(
    desk: Desk, copying: Copying | None, last: LastRefresh | None, moment: Moment, now: float
) -> StreamExplanation:
    """What is known of a dataset that follows no stream; ``last`` is what its copy is complete by."""
    return replace(
        _standing(desk, moment, now),
        buffered=copying.buffer.wire_bytes if copying is not None else 0,
        refreshed_at=last.started_at if last is not None else None,
    )


def _standing(desk: Desk, moment: Moment, now: float) -> StreamExplanation:
    """What the machine itself tells, whatever it does."""
    return StreamExplanation(
        dataset=desk.dataset,
        now=now,
        service_now=desk.clock.at(now),
        buffer_limit=desk.settings.buffer_bytes,
        phase=moment.phase.name.lower(),
        reason=moment.reason,
        keys=moment.table.keys if moment.table is not None else (),
        rebuilding=moment.rebuilding,
    )


def _with_stored_shards(stream: StreamExplanation, stored: Stored) -> StreamExplanation:
    copy = stored.building or stored.live
    if copy is None:
        return stream
    why = f"nothing is read: {stream.reason}"
    shards = tuple(
        replace(_stored(state), reason="read to its end" if state.stage is Stage.FINISHED else why)
        for state in copy.checkpoint.shards
    )
    return replace(stream, stream_arn=copy.checkpoint.stream_arn, shards=shards)


def trail(journal: Journal, lane: Lane, buffer: Buffer | None, held: Iterable[StreamUnit] = ()) -> Trail:
    """What is remembered, and what is under way in the order in which it would be applied."""
    pending: list[Pending] = []
    if lane.plan is not None:
        pending += _units(lane.plan.units, Fate.APPLYING)
        pending += _scanned(lane.plan.pages, Fate.APPLYING)
    if buffer is not None:
        pending += _units(buffer.units, Fate.BUFFERED)
        pending += _scanned(buffer.pages, Fate.BUFFERED)
    pending += _units(held, Fate.HELD)
    return Trail(journal.pages(), tuple(pending), journal.remembered, journal.since, journal.whole)


def _scanned(pages: Iterable[tuple[int, ScanPage]], fate: Fate) -> Iterator[Pending]:
    for _, page in pages:
        if page.changes is not None:
            yield Pending(None, page.changes, fate)


def _units(units: Iterable[StreamUnit], fate: Fate) -> Iterator[Pending]:
    for unit in units:
        for page in unit.pages:
            if page.changes is not None:
                yield Pending(unit.shard_id, page.changes, fate)


def _stored(state: ShardState) -> ShardExplanation:
    return ShardExplanation(
        state.id, state.parent_id, state.stage, "", position=state.position, watermark=state.read_up_to
    )


def _explained(
    state: ShardState, stream: StreamFollower, health: Health, full: str | None, now: float
) -> ShardExplanation:
    known = _stored(state)
    progress = stream.progress.get(state.id)
    if progress is not None:
        known = replace(known, records=progress.records, progressed_at=progress.at)
    if state.stage is Stage.WAITING:
        return replace(known, waits_for=state.parent_id, reason=_waiting(state, stream))
    if state.stage is Stage.FINISHED:
        return replace(known, reason=_finished(state, stream))
    reader = stream.readers.get(state.id)
    if reader is None:
        return replace(known, reason="it is opened next")
    fault = health.faults.get(shard(state.id))
    return replace(
        known,
        reason=_reading(reader, full, now),
        answered_at=reader.answered_at,
        watermark=reader.applied_up_to,
        read_ahead=reader.unapplied,
        held=sum(page.count for page in reader.held),
        failures=reader.failures,
        error=str(fault.error) if fault is not None and reader.failures else None,
        retry_at=reader.due_at if reader.failures and not reader.busy else None,
    )


def _waiting(state: ShardState, stream: StreamFollower) -> str:
    lineage = stream.lineage
    if state.parent_id is None:
        return "it is opened next"
    if state.parent_id not in lineage:
        misses = lineage.misses(state.parent_id)
        return f"its parent is in no listing: {misses} complete ones in a row without it, looked for after {CONFIRMATIONS}"
    if lineage[state.parent_id].stage is Stage.FINISHED:
        return "its parent is finished: it is opened next"
    reader = stream.readers.get(state.parent_id)
    if reader is not None and reader.ended:
        return "its parent is read to its end, which is not durable yet"
    return "its parent is not read to its end"


def _finished(state: ShardState, stream: StreamFollower) -> str:
    read = "read to its end" if state.id in stream.progress else "finished before this process began"
    leaves = () if stream.discovery.disabled else stream.lineage.leaves()
    if any(leaf.id == state.id for leaf in leaves):
        return f"{read}; its children are in no listing yet"
    return read


def _reading(reader: ShardReader, full: str | None, now: float) -> str:
    """The first of the reasons for which nothing may come of it, else how it is read."""
    if reader.failures:
        tries = "1 failure" if reader.failures == 1 else f"{reader.failures} failures in a row"
        return f"asked again after {tries}" if reader.busy else f"backing off after {tries}"
    if reader.held:
        return "held: its records are older than the Scan's end; applied together once it is at its tip"
    if reader.ended:
        return "read to its end, which is not durable yet"
    if reader.unapplied >= PAGES_PER_SHARD:
        return f"{reader.unapplied} pages are read ahead: they must be applied first"
    if full is not None and not reader.busy and reader.due_at <= now:
        return full
    return "being read: at its tip" if reader.at_tip else "being read"
