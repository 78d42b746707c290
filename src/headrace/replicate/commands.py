"""What the machine asks of the world, and what the world answers.

Each command has one outside effect and an id; its outcome comes back as one event with that id, or
never. Tell, Reply, Explained and WakeAt have no outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.accelerator import Applied, LetterOutcome, Stored, Which, Work
from headrace.change import ChangeBatch, RecordsPage, Redriven, ScanPage
from headrace.errors import HeadraceError
from headrace.explanation import StreamExplanation
from headrace.observe import Observation
from headrace.position import Position
from headrace.replicate.journal import Trail
from headrace.replicate.sieve import Sieve
from headrace.selection import Selection
from headrace.shard import ShardListing
from headrace.snapshot import Listed, Manifest
from headrace.source import SourceTable


@dataclass(frozen=True, slots=True)
class OpenStore:
    """Open, or reopen, the accelerator. Answer: Stored."""

    id: int


@dataclass(frozen=True, slots=True)
class CheckStore:
    """Look whether the accelerator still answers. Answer: Intact."""

    id: int


@dataclass(frozen=True, slots=True)
class Describe:
    """DescribeTable. Answer: SourceTable, with the columns that ``selection`` keeps."""

    id: int
    selection: Selection | None = None


@dataclass(frozen=True, slots=True)
class ListShards:
    """One page of DescribeStream. Answer: ShardListing."""

    id: int
    stream_arn: str
    start_after: str | None


@dataclass(frozen=True, slots=True)
class ListChildren:
    """DescribeStream for the children of one shard. Answer: ShardListing."""

    id: int
    stream_arn: str
    parent_id: str


@dataclass(frozen=True, slots=True)
class OpenIterator:
    """GetShardIterator. Answer: the iterator's text."""

    id: int
    stream_arn: str
    shard_id: str
    position: Position


@dataclass(frozen=True, slots=True)
class GetRecords:
    """GetRecords. Answer: RecordsPage."""

    id: int
    shard_id: str
    iterator: str


@dataclass(frozen=True, slots=True)
class ReadSegment:
    """One page of a Scan segment. Answer: ScanPage, with what passes the ``sieve``."""

    id: int
    segment: int
    segments: int
    cursor: str | None
    sieve: Sieve | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """One transaction in the accelerator. Answer: Applied."""

    id: int
    work: Work


@dataclass(frozen=True, slots=True)
class ReadLetters:
    """The next dead letters of the live copy (see ChangeSink), decoded anew or not. Answer: LettersRead.

    A row that does not pass the ``sieve`` is none.
    """

    id: int
    names: tuple[str, ...] | None
    which: Which
    after: str | None
    decode: bool
    sieve: Sieve | None = None


@dataclass(frozen=True, slots=True)
class FindNewest:
    """The greatest time of the live copy's rows. Answer: Newest."""

    id: int


@dataclass(frozen=True, slots=True)
class FindExpired:
    """Rows of the live copy that retention removes at the time ``at``, at most ``limit``. Answer: Expired."""

    id: int
    at: float
    limit: int


@dataclass(frozen=True, slots=True)
class ListSnapshots:
    """The snapshots of the dataset. Answer: Listed."""

    id: int


@dataclass(frozen=True, slots=True)
class SaveSnapshot:
    """Store the live copy as a snapshot; see Shelf.save. Answer: Manifest."""

    id: int
    taken_at: float
    current_to: float


@dataclass(frozen=True, slots=True)
class RestoreSnapshot:
    """Put a snapshot in place of the copy; the accelerator must be opened next. Answer: Restored."""

    id: int
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Tell:
    """State a fact to the observers."""

    observation: Observation


@dataclass(frozen=True, slots=True)
class Reply:
    """Tell the operator who gave the ticket: the outcome, or why nothing more was done."""

    ticket: int
    outcome: LetterOutcome | Manifest | Refreshed | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Refreshed:
    """A refresh that was asked for is done: ``rows`` that it brought, after so many ``seconds``."""

    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a Tick no later than at this time (the caller's clock), unless another event comes first."""

    at: float


@dataclass(frozen=True, slots=True)
class Intact:
    """The accelerator answers."""


@dataclass(frozen=True, slots=True)
class Restored:
    """The snapshot is the dataset's copy."""


@dataclass(frozen=True, slots=True)
class LettersRead:
    """Dead letters in the order of their ids, none at the end. Those that are not decoded anew have no changes."""

    letters: tuple[Redriven, ...]


@dataclass(frozen=True, slots=True)
class Newest:
    """Epoch seconds; None where no row has a time."""

    time: float | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Deletions; None where nothing is to be removed."""

    changes: ChangeBatch | None


@dataclass(frozen=True, slots=True)
class Explained:
    """The answer to the Explain of this id: the stream as the step left it, and the last changes."""

    id: int
    stream: StreamExplanation
    trail: Trail


SourceRequest = Describe | ListShards | ListChildren | OpenIterator | GetRecords | ReadSegment
StoreRequest = OpenStore | CheckStore | ReadLetters | FindNewest | FindExpired | Apply
ShelfRequest = ListSnapshots | SaveSnapshot | RestoreSnapshot
Request = SourceRequest | StoreRequest | ShelfRequest
Command = Request | Tell | Reply | Explained | WakeAt
ShelfAnswer = Listed | Manifest | Restored
SourceAnswer = SourceTable | ShardListing | str | RecordsPage | ScanPage
StoreAnswer = Stored | Intact | LettersRead | Newest | Expired | Applied
Answer = StoreAnswer | SourceAnswer | ShelfAnswer


@dataclass(frozen=True, slots=True)
class Done:
    """The command of this id gave its answer."""

    id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Failed:
    """The command of this id raised."""

    id: int
    error: HeadraceError


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but time has passed."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """An operator wants dead letters to be tried again: those with these ids or sequence numbers, None all.

    Of all, only those that wait. A Reply with the same ticket follows.
    """

    ticket: int
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Discard:
    """An operator wants dead letters to be forgotten: named as in Redrive, and of all only ``which``."""

    ticket: int
    names: tuple[str, ...] | None = None
    which: Which = Which.ANY


@dataclass(frozen=True, slots=True)
class TakeSnapshot:
    """An operator wants a snapshot now. A Reply with the same ticket follows when it is stored."""

    ticket: int


@dataclass(frozen=True, slots=True)
class RefreshNow:
    """Somebody wants a refresh, whatever is under way. A Reply with the same ticket follows when it is done, or is not.

    It begins at a moment within ``jitter`` seconds. ``selection`` None is the dataset's own. ``whole``: the table is
    copied anew, whatever the dataset's mode.
    """

    ticket: int
    selection: Selection | None = None
    whole: bool | None = None
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class Reselect:
    """From the next refresh on the dataset has this selection, until the process ends."""

    selection: Selection


@dataclass(frozen=True, slots=True)
class Explain:
    """Somebody wants to know what the machine does; the step answers with an Explained of this id."""

    id: int


Event = Done | Failed | Tick | Redrive | Discard | TakeSnapshot | RefreshNow | Reselect | Explain
