"""The exception tree.

HeadraceError
├── ConfigError                 the Spicepod, or what it refers to, is wrong
│   └── EventMalformed          an event or a record is not as AWS Lambda makes it
├── SourceError                 DynamoDB answered, or failed to
│   ├── Throttled               asked too often: back off
│   ├── Unavailable             timeout, 5xx, connection lost, wrong CRC, cut-off body: back off
│   ├── IteratorExpired         reopen after the last record read
│   ├── PositionTrimmed         the stream has forgotten this position: a gap
│   ├── ShardGone               the shard or its stream does not exist (any more)
│   ├── RequestRejected         the service finds the request invalid
│   ├── AccessDenied            credentials missing, wrong, expired, or not permitted
│   └── TableUnusable           table absent, not active, or its stream is off or of the wrong view type
│       └── SelectionUnusable   refresh_sql cannot say of the table's rows which are kept
├── AcceleratorError            the local copy cannot be read or written
│   ├── AcceleratorLocked       another process holds it
│   ├── AcceleratorFull         no space: nothing was written
│   ├── RowRefused              a row cannot be stored: the row is at fault, not the engine
│   └── CommitUnknown           the commit may or may not have happened: reopen and read the checkpoint
├── SnapshotError               a snapshot cannot be written, found or restored
│   ├── SnapshotUnavailable     the place where snapshots are does not answer, or not this time
│   ├── SnapshotGone            somebody has removed it meanwhile
│   └── SnapshotRefused         it is damaged, incomplete, or not one of this dataset
├── ConsumerFailed              a function or target failed with a batch: tried again as its mapping says
├── ConsumerUnavailable         a function or target could not be tried at all: that counts as no attempt
├── LedgerError                 what is durable of deliveries cannot be read or written
├── DestinationUnavailable      a file, queue, topic or bucket did not take what is sent: tried again
├── QueryError                  a statement cannot be answered
├── LeafWidened                 items have columns, or values, that those of the reading do not hold: read anew
├── PackageMissing              a Python package that what is asked for needs is not installed
└── InternalError               Headrace itself is wrong: a defect to report

Every message says what happened, to what, and what cures it. Secrets never enter one.
"""

from __future__ import annotations

from enum import StrEnum


class HeadraceError(Exception):
    """Anything that Headrace raises on purpose."""


class ConfigError(HeadraceError):
    """The configuration is wrong; the message names file, line, key, the choices and the cure."""


class EventMalformed(ConfigError):
    """What was given as an event, or as a record, is none; the message says where."""


class SourceError(HeadraceError):
    """A call to DynamoDB did not give what was asked."""


class Throttled(SourceError):
    """The service asks for fewer requests."""


class Unavailable(SourceError):
    """The service could not be reached or did not answer whole."""


class IteratorExpired(SourceError):
    """The shard iterator is older than 15 minutes."""


class PositionTrimmed(SourceError):
    """The stream has trimmed the records at this position: changes are lost to us."""


class ShardGone(SourceError):
    """The service does not know the shard, or its stream."""


class RequestRejected(SourceError):
    """The service found the request invalid (ValidationException and alike); ``code`` is its own name for that."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class AccessDenied(SourceError):
    """The service refused the credentials, or there are none."""


class TableUnusable(SourceError):
    """The table or its stream is not in a state that can be read."""


class SelectionUnusable(TableUnusable):
    """What selects rows makes no sense over those of the table: asked again, it says the same."""


class AcceleratorError(HeadraceError):
    """The accelerator could not do what was asked; nothing of it was kept."""


class AcceleratorLocked(AcceleratorError):
    """Another process holds the accelerator's file."""


class AcceleratorFull(AcceleratorError):
    """The disk is full."""


class RowRefused(AcceleratorError):
    """The engine cannot hold a value, and never will; nothing was written."""


class CommitUnknown(AcceleratorError):
    """The commit's outcome is not known; only reading the stored checkpoint tells."""


class SnapshotError(HeadraceError):
    """A snapshot could not be written, found or restored; the dataset is as it was."""


class SnapshotUnavailable(SnapshotError):
    """The place where snapshots are kept did not answer, refused, or is full: it may be tried again."""


class SnapshotGone(SnapshotError):
    """A snapshot, or a file of it, is not there any more."""


class SnapshotRefused(SnapshotError):
    """A snapshot is damaged or incomplete, or does not fit the dataset: it never will."""


class ConsumerFailed(HeadraceError):
    """A function, or a target, took a batch and failed.

    ``type`` and ``trace`` (lines) are as in the error payload of AWS Lambda ("errorType", "stackTrace").
    """

    def __init__(self, type_: str, message: str, trace: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.type = type_
        self.trace = trace


class ConsumerUnavailable(HeadraceError):
    """A batch could not be handed over: no process of a function can be started, or it is being stopped."""


class LedgerError(HeadraceError):
    """The delivery state could not be read or written; nothing of what was asked was kept."""


class DestinationUnavailable(HeadraceError):
    """What is sent was not taken, or not this time; ``code`` is the service's own name for why, where it has one."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class QueryFault(StrEnum):
    """Why a statement was not answered; ``serve`` maps each to one HTTP status."""

    INVALID = "invalid"
    UNKNOWN_NAME = "unknown_name"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    NOT_READY = "not_ready"
    BUSY = "busy"
    FAILED = "failed"


class QueryError(HeadraceError):
    """A statement was not answered, for the reason ``fault``."""

    def __init__(self, fault: QueryFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class LeafWidened(HeadraceError):
    """A scan met an item that the columns of its reading do not hold; another reading has columns that do."""


class PackageMissing(HeadraceError, ImportError):
    """What is asked for needs a package that is not installed; the message names it."""


class InternalError(HeadraceError):
    """A defect of Headrace came to light while it did what was asked."""
