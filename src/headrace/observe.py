"""Facts about a running dataset, stated once, for whoever logs, counts or shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headrace.evolution import ColumnChange
from headrace.status import State


@dataclass(frozen=True, slots=True)
class BootstrapStarted:
    """A Scan begins: ``items`` and ``size_bytes`` as DescribeTable estimates them."""

    dataset: str
    segments: int
    items: int
    size_bytes: int
    rebuild: bool


@dataclass(frozen=True, slots=True)
class BootstrapResumed:
    """A Scan that an earlier process began goes on."""

    dataset: str
    segments_done: int
    segments: int
    rows_scanned: int


@dataclass(frozen=True, slots=True)
class BootstrapProgressed:
    """More of the Scan is durable; ``rows`` counts from its beginning, ``items`` is the estimate."""

    dataset: str
    rows: int
    items: int
    segments_done: int
    segments: int


@dataclass(frozen=True, slots=True)
class BootstrapFinished:
    """The last segment is durable. ``seconds`` since this process began or resumed it."""

    dataset: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RefreshStarted:
    """A refresh begins to read the table, for ``reason``; ``mode`` is full or append, ``items`` the table's estimate."""

    dataset: str
    mode: str
    reason: str
    items: int


@dataclass(frozen=True, slots=True)
class CopyResumed:
    """A complete copy that an earlier process made by refreshes is served. ``at`` is as in RefreshFinished."""

    dataset: str
    at: float


@dataclass(frozen=True, slots=True)
class RefreshFinished:
    """A refresh is done: ``rows`` that it brought, in ``seconds``. ``at`` is the end of its Scan, by the service's clock."""

    dataset: str
    rows: int
    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class RefreshFailed:
    """A refresh was given up; the copy that there was stays."""

    dataset: str
    error: str


@dataclass(frozen=True, slots=True)
class StreamResumed:
    """The stream is followed from a stored checkpoint, without a Scan."""

    dataset: str
    shards: int
    checkpoint_age: float | None


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """A page of records arrived."""

    dataset: str
    shard: str
    records: int


@dataclass(frozen=True, slots=True)
class TableAsked:
    """DynamoDB answered a request of a statement over a dataset without a copy; ``units`` are the read units it consumed."""

    dataset: str
    operation: str
    units: float


@dataclass(frozen=True, slots=True)
class ItemsLeftOut:
    """Items that cannot be decoded, for ``reason`` the first of them, are not among the rows of a statement."""

    dataset: str
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class BatchApplied:
    """A transaction is durable. ``seconds`` is what it took, ``records`` counts the stream's part."""

    dataset: str
    records: int
    scanned: int
    upserted: int
    deleted: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SchemaEvolved:
    """Columns of the copy that is served were added, widened or renamed; where it was made anew, also removed."""

    dataset: str
    changes: tuple[ColumnChange, ...]


@dataclass(frozen=True, slots=True)
class ColumnsKnown:
    """The columns of the copy that is served, by name with the names of their types, when it is opened or they change.

    ``attributes`` are those that have a column of their own.
    """

    dataset: str
    columns: tuple[tuple[str, str], ...]
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardsChanged:
    """The lineage changed: how many shards are read, wait for a parent, and are finished."""

    dataset: str
    reading: int
    waiting: int
    finished: int


@dataclass(frozen=True, slots=True)
class TransientFault:
    """A call failed and will be tried again after ``retry_in`` seconds."""

    dataset: str
    what: str
    error: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class Stalled:
    """Something has made no progress for ``seconds``: the dataset is not live until it moves. Told once each time."""

    dataset: str
    what: str
    seconds: float


@dataclass(frozen=True, slots=True)
class GapFound:
    """The stream has forgotten changes that were not read: from where, and what follows."""

    dataset: str
    shard: str | None
    reason: str
    behavior: str


@dataclass(frozen=True, slots=True)
class Reinitialized:
    """The dataset is being copied anew, for ``reason``."""

    dataset: str
    reason: str


@dataclass(frozen=True, slots=True)
class LateRecordsHeld:
    """Records older than the Scan's end arrived after Ready; they are applied once the shard is at its tip."""

    dataset: str
    shard: str
    records: int


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Changes that could not be decoded or applied were stored as dead letters."""

    dataset: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLettersSuperseded:
    """Later records of their keys have made dead letters obsolete."""

    dataset: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLettersRetried:
    """An operator had dead letters tried again: applied, failed again, or left alone as superseded."""

    dataset: str
    retried: int
    failing: int
    superseded: int


@dataclass(frozen=True, slots=True)
class DeadLettersDiscarded:
    """An operator had dead letters removed."""

    dataset: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLettersStored:
    """How many dead letters the copy holds now; ``waiting`` of them are not superseded."""

    dataset: str
    stored: int
    waiting: int


@dataclass(frozen=True, slots=True)
class SnapshotSaved:
    """A snapshot is complete where snapshots are kept. It has all changes up to ``age`` seconds ago."""

    dataset: str
    snapshot: str
    rows: int
    size_bytes: int
    seconds: float
    age: float


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """A snapshot could not be written; the next is tried after ``retry_in`` seconds."""

    dataset: str
    error: str
    retry_in: float


@dataclass(frozen=True, slots=True)
class SnapshotRestored:
    """The copy was restored from a snapshot, which has all changes up to ``age`` seconds ago."""

    dataset: str
    snapshot: str
    rows: int
    size_bytes: int
    seconds: float
    age: float


@dataclass(frozen=True, slots=True)
class SnapshotPassedOver:
    """A snapshot was not restored, for ``reason``; an older one is tried, or the table is copied."""

    dataset: str
    snapshot: str
    reason: str


@dataclass(frozen=True, slots=True)
class SnapshotsUnanswered:
    """The place where snapshots are kept cannot be asked; the table is copied."""

    dataset: str
    error: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """What the outside is told: Loading, Ready, Refreshing or Error, and why.

    ``ready``: the table may be queried. ``live``: every open shard made progress lately. ``fresh``: lag
    is under ``ready_lag``. ``lag`` is in seconds, None while there is no watermark. Of a dataset that is made by
    refreshes ``live`` says that none stands still or has failed, ``fresh`` that the last was when the schedule says; the
    lag is the age of the data: the time since the Scan of it began.
    """

    dataset: str
    status: State
    ready: bool
    live: bool
    fresh: bool
    lag: float | None
    reason: str | None


Observation = (
    BootstrapStarted
    | BootstrapResumed
    | BootstrapProgressed
    | BootstrapFinished
    | CopyResumed
    | RefreshStarted
    | RefreshFinished
    | RefreshFailed
    | StreamResumed
    | RecordsRead
    | TableAsked
    | ItemsLeftOut
    | BatchApplied
    | SchemaEvolved
    | ColumnsKnown
    | ShardsChanged
    | TransientFault
    | Stalled
    | GapFound
    | Reinitialized
    | LateRecordsHeld
    | DeadLetters
    | DeadLettersSuperseded
    | DeadLettersRetried
    | DeadLettersDiscarded
    | DeadLettersStored
    | SnapshotSaved
    | SnapshotFailed
    | SnapshotRestored
    | SnapshotPassedOver
    | SnapshotsUnanswered
    | StatusChanged
)


class Observer(Protocol):
    """Receives facts from any thread; must return at once and never raise."""

    def __call__(self, observation: Observation, /) -> None:
        """Take note of one fact."""
        ...
