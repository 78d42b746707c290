"""What a copy knows of its source, committed in the same transaction as the rows it speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from headrace.decoding import decoded
from headrace.errors import AcceleratorError
from headrace.position import Position, SequenceNumber

FORMAT = 1
"""Raised when an older reader could not understand a stored checkpoint."""


class Stage(StrEnum):
    """Where a shard is in its life with us."""

    WAITING = "waiting"
    READING = "reading"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class ShardState:
    """One shard of the lineage.

    ``position`` is where reading goes on; None for a finished shard. ``read_up_to`` is the creation time
    of the last record that is durable (epoch seconds), None if there was none.
    """

    id: str
    parent_id: str | None
    starting: SequenceNumber | None
    stage: Stage
    position: Position | None
    read_up_to: float | None = None


@dataclass(frozen=True, slots=True)
class SegmentState:
    """One segment of the Scan: ``cursor`` is where its next page starts, None at its beginning."""

    cursor: str | None = None
    done: bool = False


@dataclass(frozen=True, slots=True)
class LastRefresh:
    """The last refresh that was complete: when its Scan began and ended (the service's epoch seconds)."""

    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a restart needs, and nothing that can be derived.

    ``table_id`` and ``stream_arn`` tell whether the source is still the one that was copied.
    ``started_at`` and ``scan_ended_at`` are the service's times (epoch seconds) of the first and last
    Scan request; of a copy that was restored from a snapshot, the latter is when it had been restored. ``was_ready`` says that the copy has once satisfied readiness: from then on no key may
    go backwards. ``rows_scanned`` counts the Scan's items that are durable, dead letters included: engines
    may take its growth as proof that no page is missing or repeated. ``reading`` is the fingerprint of the
    settings by which items became columns: rows of two kinds must not stand in one copy. ``snapshot`` is the id of
    the snapshot from which the copy was restored, until it has caught up with its source for the first time since.
    Of a copy that follows no stream, ``last_refresh`` is what it is complete by, while an append adds to it, too; and
    ``newest`` is the greatest time of its rows when that append, or else the last one, began (epoch seconds). ``pushed``: records have been
    applied by somebody else who follows the stream (AWS Lambda), so nothing can be gone on with from here.
    """

    table_id: str
    stream_arn: str
    started_at: float
    segments: tuple[SegmentState, ...]
    shards: tuple[ShardState, ...]
    scan_ended_at: float | None = None
    was_ready: bool = False
    rows_scanned: int = 0
    reading: str = ""
    snapshot: str = ""
    last_refresh: LastRefresh | None = None
    newest: float | None = None
    pushed: bool = False
    format: int = FORMAT

    @property
    def scanned(self) -> bool:
        """Whether every segment of the last Scan is read to its end."""
        return all(segment.done for segment in self.segments)

    def encode(self) -> str:
        """As JSON text."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> Checkpoint:
        """From ``encode``'s text. Raises AcceleratorError if it is not one, or of a newer format."""
        try:
            checkpoint = decoded(text, cls)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            message = (
                f"the stored checkpoint cannot be read ({error}); delete the accelerator's file to start over"
            )
            raise AcceleratorError(message) from error
        if checkpoint.format > FORMAT:
            message = (
                f"the stored checkpoint has format {checkpoint.format}, this Headrace knows up to {FORMAT}; "
                "use the newer Headrace, or delete the accelerator's file to start over"
            )
            raise AcceleratorError(message)
        return checkpoint
