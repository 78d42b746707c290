"""How a machine begins, or begins again: go on from a stored copy, copy the table, or face a gap."""

from __future__ import annotations

import math
from dataclasses import dataclass

from headrace.accelerator import Stored, StoredCopy
from headrace.checkpoint import Checkpoint
from headrace.column_reference import format_reference, referenced
from headrace.dataset import GapBehavior, KeyClaims
from headrace.position import Position
from headrace.source import SourceTable

OVERLAP = 300.0
"""Seconds before the Scan from which open shards are read, so that no clock difference opens a hole."""

RETENTION = 23 * 3600.0
"""Seconds after which a position without a sequence number may have been trimmed: 24 h less an hour."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Changes that the stream has forgotten before they were read."""

    shard_id: str | None
    reason: str

    def __str__(self) -> str:
        return self.reason if self.shard_id is None else f"shard {self.shard_id}: {self.reason}"

    @property
    def cure(self) -> str:
        """What a person is told who has to decide."""
        return (
            f"{self}. Changes are lost; to copy the table anew, set lag_exceeds_shard_retention_behavior to "
            "ready_before_load or ready_after_load and restart"
        )


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on where the copy's checkpoint stands."""

    copy: StoredCopy


@dataclass(frozen=True, slots=True)
class CopyTable:
    """Copy the table; ``reason`` says why it is not the first time, None if it is."""

    reason: str | None


def decide(
    stored: Stored, table: SourceTable, service_now: float, *, gap: Gap | None, drained: bool
) -> Resume | CopyTable | Gap:
    """What to do with ``stored``, given the table as it is now.

    ``gap`` was found while reading; ``drained`` says that the stream was off and read to its end. A table
    or stream that was re-created explains both, and is copied anew whatever the configured behaviour:
    nothing of the old stream is missing, or all of it. So is a table whose items are to become other columns:
    rows that do not change any more would keep their old ones.
    """
    copy = stored.building or stored.live
    if copy is None:
        return CopyTable(None)
    checkpoint = copy.checkpoint
    outdated = _outdated(checkpoint, table)
    if outdated is not None:
        return CopyTable(outdated)
    moved = checkpoint.stream_arn != table.stream_arn
    if moved and (gap is not None or drained or checkpoint.scan_ended_at is None):
        return CopyTable(f"the stream of {table.name} was turned off and on again")
    found = gap or _outlived(checkpoint, service_now)
    if found is not None and checkpoint.snapshot:
        # Nobody was promised what this copy lacks: it was never served here.
        return CopyTable(f"snapshot {checkpoint.snapshot} is of no use: {found}")
    return found or Resume(copy)


def unfit_checkpoint(
    checkpoint: Checkpoint, table: SourceTable, current_to: float, service_now: float
) -> str | None:
    """Why a copy that was stored elsewhere cannot be gone on with; None if it can.

    ``current_to`` is the time up to which it has every change.
    """
    if not checkpoint.was_ready:
        return "its copy was never complete"
    if checkpoint.table_id != table.table_id:
        return f"it is of another table than {table.name} is now: that was re-created, or is another's"
    if checkpoint.reading != table.reading:
        return "it was made by other settings of its columns"
    if checkpoint.stream_arn != table.stream_arn:
        return f"it follows another stream than {table.name} has now"
    age = service_now - current_to
    if checkpoint.stream_arn and age > RETENTION:
        return f"it has the changes up to {age / 3600:.1f} h ago, and the stream keeps 24 h"
    outlived = _outlived(checkpoint, service_now)
    return None if outlived is None else str(outlived)


def unfit_key(table: SourceTable, claims: KeyClaims) -> str | None:
    """What is wrong with what the Spicepod takes for the table's key; None if nothing is.

    ``claims`` are named after keys under ``acceleration``.
    """
    schema = table.columns
    for where, names in claims.items():
        if {referenced(schema, name) for name in names} != set(schema.keys):
            right = format_reference([attribute for attribute, _ in table.keys])
            cure = f"{right}: upsert" if where == "on_conflict" else f"{where}: {right}"
            return (
                f"acceleration.{where} names {format_reference(names)}, but the key of table {table.name} is {right}; "
                f"write `{cure}`, or leave {where} out"
            )
    return None


def start_of_stream(scan_started_at: float) -> Position:
    """Where open shards are read from, for a Scan that starts at this time (the service's)."""
    return Position.at_timestamp(float(math.floor(scan_started_at - OVERLAP)), scan_started_at)


def serves_old(stored: Stored, behavior: GapBehavior) -> bool:
    """Whether a complete older copy may be queried while another is built beside it.

    One that was restored and has not caught up is older than what was seen of the copy that was lost.
    """
    live = stored.live
    seen = live is not None and live.checkpoint.was_ready and not live.checkpoint.snapshot
    return seen and behavior is GapBehavior.READY_BEFORE_LOAD


def outlived(shard_id: str, position: Position, read_up_to: float | None, service_now: float) -> Gap | None:
    """A gap if a position without a sequence number may have been trimmed.

    ``read_up_to`` is the time up to which the shard is known to hold nothing beyond the position.
    """
    if position.set_at is None:
        return None
    age = service_now - max(position.set_at, read_up_to or 0.0)
    if age <= RETENTION:
        return None
    return Gap(shard_id, f"its position was set {age / 3600:.1f} h ago and the stream keeps 24 h")


def _outdated(checkpoint: Checkpoint, table: SourceTable) -> str | None:
    """Why a copy is not one of this table that can be gone on with; None if it is."""
    if checkpoint.table_id != table.table_id:
        return f"table {table.name} was re-created"
    if checkpoint.reading != table.reading:
        return "other settings of its columns than the stored copy was made by"
    return "a function of AWS Lambda has written the stored copy since" if checkpoint.pushed else None


def _outlived(checkpoint: Checkpoint, service_now: float) -> Gap | None:
    for state in checkpoint.shards:
        if state.position is not None:
            gap = outlived(state.id, state.position, None, service_now)
            if gap is not None:
                return gap
    return None
