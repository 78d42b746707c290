"""Facts about a running event source mapping, stated once, for whoever logs, counts or shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headrace.observe import Observation
from headrace.status import State


@dataclass(frozen=True, slots=True)
class MappingStarted:
    """A mapping follows a stream, ``stream`` being its ARN: from where it was, or for the first time."""

    mapping: str
    shards: int
    resumed: bool
    stream: str = ""


@dataclass(frozen=True, slots=True)
class RecordsFiltered:
    """Records that the filters have left out."""

    mapping: str
    shard: str
    records: int


@dataclass(frozen=True, slots=True)
class Invoked:
    """A batch was handed over. ``seconds`` is what it took; ``done`` of its ``records`` need not come again.

    ``age`` (seconds): how old the last record was when it was handed over. ``error``: what the consumer raised, what is wrong
    with its response, or how many records it reported; None where all are done. ``attempt`` is 1 for the first time.
    """

    mapping: str
    shard: str
    records: int
    done: int
    attempt: int
    seconds: float
    age: float | None
    error: str | None

    @property
    def failed_whole(self) -> bool:
        """Whether all of the batch must come again."""
        return self.error is not None and not self.done


@dataclass(frozen=True, slots=True)
class BatchBisected:
    """A batch that failed is tried again in two parts."""

    mapping: str
    shard: str
    records: int


@dataclass(frozen=True, slots=True)
class RecordsGivenUp:
    """Records were given up for ``condition``, as the failure of that id."""

    mapping: str
    shard: str
    records: int
    condition: str
    failure: str
    error: str | None


@dataclass(frozen=True, slots=True)
class FailureSent:
    """The destination of failures has one."""

    mapping: str
    failure: str


@dataclass(frozen=True, slots=True)
class FailuresRedriven:
    """Failures were tried again: ``done`` are settled, ``failing`` failed again."""

    mapping: str
    done: int
    failing: int


@dataclass(frozen=True, slots=True)
class KeyParked:
    """An item is put aside: its record keeps failing, for ``error``, and later ones wait behind it."""

    mapping: str
    shard: str
    key: str
    error: str


@dataclass(frozen=True, slots=True)
class KeyReleased:
    """All that waited for an item is delivered."""

    mapping: str
    key: str


@dataclass(frozen=True, slots=True)
class FunctionOutput:
    """A line that a function wrote; ``stream`` is stdout or stderr. ``request``: the invocation, None between two."""

    mapping: str
    stream: str
    line: str
    request: str | None


@dataclass(frozen=True, slots=True)
class FunctionProcess:
    """A function's process began, or is gone: started, exited, timed_out, out_of_memory, import_failed. ``event`` is which."""

    mapping: str
    process: int
    event: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Replicated:
    """What a batch brought to a replica, in items.

    ``newer`` ones were left, because what is there is newer, or was deleted by a newer change; ``echoes`` because a
    replicator wrote them. ``fetched`` ones had to be read from the source.
    """

    mapping: str
    shard: str
    put: int
    deleted: int
    newer: int
    echoes: int
    fetched: int


@dataclass(frozen=True, slots=True)
class Audited:
    """What a batch brought to an audit trail: ``rows`` are there now, ``packed`` of them with compressed images."""

    mapping: str
    shard: str
    rows: int
    packed: int


@dataclass(frozen=True, slots=True)
class EventsSent:
    """What a batch brought to an outbox. ``repeated`` were not sent again, because they had been taken; ``waiting`` were not taken yet."""

    mapping: str
    shard: str
    sent: int
    repeated: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a batch, or a part of a fill (no ``shard``), brought to an index, in documents.

    ``newer`` ones were left, because what is there, or was deleted, is newer. ``refused`` ones the index does not take.
    """

    mapping: str
    shard: str | None
    indexed: int
    deleted: int
    newer: int
    refused: int


@dataclass(frozen=True, slots=True)
class DocumentRefused:
    """The index does not take what a fill brings for a document; what is there stays."""

    mapping: str
    document: str
    reason: str


@dataclass(frozen=True, slots=True)
class ItemsFetched:
    """Told once: the stream is of a view type without the items, so a target reads them from the table."""

    mapping: str
    table: str
    view: str


@dataclass(frozen=True, slots=True)
class FillStarted:
    """A target is given all items of its table, because of ``why``; ``resumed``: it goes on with a fill that was interrupted."""

    mapping: str
    why: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class FillProgressed:
    """So many items of a fill have reached the target."""

    mapping: str
    items: int


@dataclass(frozen=True, slots=True)
class FillFinished:
    """A target has been given all items of its table. ``seconds`` is what it took in this process."""

    mapping: str
    items: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FillFailed:
    """A fill cannot go on now; it is tried again."""

    mapping: str
    error: str


@dataclass(frozen=True, slots=True)
class ViewUpdated:
    """What a batch brought to a view: ``items`` that changed, ``rows`` that were written. ``newer`` items were left as they are."""

    mapping: str
    shard: str
    items: int
    rows: int
    newer: int


@dataclass(frozen=True, slots=True)
class ViewFaults:
    """What a fill could not bring to a view: ``items`` that have no value, ``rows`` that its output refuses. ``first`` is one, and why."""

    mapping: str
    items: int
    rows: int
    first: str


@dataclass(frozen=True, slots=True)
class FiltersUnmet:
    """Filters ask for images that records of the stream's view type never have. Told once for each view type."""

    mapping: str
    view: str
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MappingStatusChanged:
    """What the outside is told of a mapping: Loading, Ready or Error, and why.

    ``ages`` (seconds), shard by shard: how old the oldest record is that was not delivered yet, 0 where there is none. ``lag`` is
    the time since which all is delivered, None while nothing proves any. ``parked`` counts items, ``failures`` those that are kept.
    """

    mapping: str
    status: State
    live: bool
    lag: float | None
    ages: Mapping[str, float] = field(default_factory=dict)
    parked: int = 0
    failures: int = 0
    reason: str | None = None


MappingFact = (
    MappingStarted
    | RecordsFiltered
    | Invoked
    | BatchBisected
    | RecordsGivenUp
    | FailureSent
    | FailuresRedriven
    | KeyParked
    | KeyReleased
    | FunctionOutput
    | FunctionProcess
    | Replicated
    | Audited
    | EventsSent
    | Indexed
    | DocumentRefused
    | ItemsFetched
    | FillStarted
    | FillProgressed
    | FillFinished
    | FillFailed
    | ViewUpdated
    | ViewFaults
    | FiltersUnmet
    | MappingStatusChanged
)


class MappingObserver(Protocol):
    """Receives facts from any thread; must return at once and never raise.

    What a mapping shares with datasets is told in their words (RecordsRead, ShardsChanged, TransientFault, ...); ``dataset`` is the
    mapping's name there.
    """

    def __call__(self, fact: MappingFact | Observation, /) -> None:
        """Take note of one fact."""
        ...
