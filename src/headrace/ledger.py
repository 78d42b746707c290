"""What is durable of the deliveries of an event source mapping, and where it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Protocol

from headrace.batch import Window
from headrace.checkpoint import ShardState
from headrace.stream_record import StreamRecord


class Condition(StrEnum):
    """Why records were given up.

    The first two are Lambda's words. The others are told where the stream has forgotten records, or gives one that cannot
    be read: there are none in the failure then, and its fault says what is known.
    """

    RETRY_ATTEMPTS_EXHAUSTED = "RetryAttemptsExhausted"
    RECORD_AGE_EXCEEDED = "RecordAgeExceeded"
    RECORDS_EXPIRED = "RecordsExpired"
    RECORD_UNREADABLE = "RecordUnreadable"


REPORTED: Final = "BatchItemFailures"
"""The type of a fault: the response named records that failed."""

INVALID_RESPONSE: Final = "InvalidResponse"
"""The type of a fault: the response means nothing, or that the whole batch failed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a consumer raised, in the words of Lambda's error payload, or what its response says. ``trace`` are lines.

    What no encoding can write, as half a surrogate pair, is escaped.
    """

    type: str
    message: str
    trace: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Escape."""
        object.__setattr__(self, "type", _writable(self.type))
        object.__setattr__(self, "message", _writable(self.message))
        object.__setattr__(self, "trace", tuple(_writable(line) for line in self.trace))

    @property
    def raised(self) -> bool:
        """Whether the consumer ended with an error, and gave no response."""
        return bool(self.trace) or self.type not in {REPORTED, INVALID_RESPONSE}


@dataclass(frozen=True, slots=True)
class Failure:
    """Records that were given up, in their order, kept whole beside the reason.

    ``consumer`` is what they were meant for, as the Spicepod names it. ``invoked`` counts how often they were handed
    over. ``at`` is epoch seconds. Of records that the stream has forgotten there are none here: ``fault`` says
    where they were.
    """

    mapping: str
    consumer: str
    condition: Condition
    stream_arn: str
    shard: str
    generation: int
    invoked: int
    records: tuple[StreamRecord, ...]
    fault: Fault | None
    at: float

    @property
    def id(self) -> str:
        """16 hex digits, the same whenever the same records are given up again, and only then."""
        told = blake2b(f"{self.mapping}/{self.stream_arn}/{self.shard}".encode(), digest_size=8)
        for record in self.records:
            told.update(f"/{record.sequence.text}".encode())
        if not self.records:
            # Several may be told at one time: of a page that has two records which cannot be read, for example.
            told.update(f"/{self.at}/{self.fault and self.fault.message}".encode())
        return told.hexdigest()


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """A failure in the ledger. ``sent``: its destination has it, or there is none. ``redriven`` counts tries since."""

    failure: Failure
    sent: bool
    redriven: int = 0


@dataclass(frozen=True, slots=True)
class ParkedRecord:
    """A record that waits because an earlier one of its item, or it itself, keeps failing."""

    stream_arn: str
    shard: str
    generation: int
    record: StreamRecord


@dataclass(frozen=True, slots=True)
class ParkedKey:
    """An item of which records wait: how many, and when the first of them was created (epoch seconds)."""

    key: str
    records: int
    oldest: float


@dataclass(frozen=True, slots=True)
class FailureOutcome:
    """What became of the failures that an operator asked for.

    Of redriven ones ``done`` are settled and gone, ``failing`` failed again; of discarded ones ``done`` are gone. ``released``
    counts parked records that were delivered, or forgotten, along with them. ``left`` failures could not be tried: they have no
    records. ``unknown`` are ids of no failure.
    """

    done: int
    failing: int = 0
    released: int = 0
    left: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShardDelivery:
    """One shard: every record before ``state.position`` is delivered, given up, parked, or left out by the filters.

    ``generation`` is as in Batch. ``window`` is the one that is open at that position, with its state there.
    """

    state: ShardState
    generation: int = 0
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class StreamDelivery:
    """Of which stream all else tells. ``started_at``: when the mapping began (the service's epoch seconds)."""

    table_id: str
    stream_arn: str
    started_at: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """Everything that a restart needs. ``parked`` counts waiting records by the item's key, ``failures`` those that are kept."""

    stream: StreamDelivery
    shards: tuple[ShardDelivery, ...]
    parked: Mapping[str, int] = field(default_factory=dict)
    failures: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryWork:
    """One transaction. Carried out twice, it changes nothing the second time, but that ``again`` counts twice.

    ``anew``: no shard of before is kept. ``shards`` are those that changed, ``forgotten`` ids of those that are no more.
    ``failures`` and ``parked`` are added, ``sent`` and ``resolved`` are ids of failures, the latter removed; ``again`` of those
    that were tried in vain. ``released`` are parked records that are done.
    """

    stream: StreamDelivery
    shards: tuple[ShardDelivery, ...] = ()
    anew: bool = False
    forgotten: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()
    sent: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    parked: tuple[ParkedRecord, ...] = ()
    released: tuple[ParkedRecord, ...] = ()


class Ledger(Protocol):
    """The deliveries of one mapping. Every method raises LedgerError; after one, nothing of the call was done."""

    def open(self) -> Delivery | None:
        """What is durable; None if nothing ever was."""
        ...

    def commit(self, work: DeliveryWork) -> None:
        """Make it durable, whole or not at all: kill -9 and loss of power included."""
        ...

    def failures(
        self,
        ids: Sequence[str] | None = None,
        *,
        unsent: bool = False,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[StoredFailure, ...]:
        """The next failures in the order of their ids: those of ``ids``, None all; of these only ``unsent`` ones.

        Fewer than ``limit`` where they are large: only an empty answer says that there is no other.
        """
        ...

    def parked(self, key: str, limit: int) -> tuple[ParkedRecord, ...]:
        """The first records that wait for an item, by generation and number: the order in which they came to be.

        Fewer than ``limit`` where they are large: only an empty answer says that none waits.
        """
        ...

    def parked_keys(self, after: str | None = None, limit: int = 100) -> tuple[ParkedKey, ...]:
        """The next items of which records wait, in the order of their keys."""
        ...

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        ...


class Destination(Protocol):
    """Where failures are sent: a file, a queue, a topic, a bucket. Any thread may call."""

    def send(self, failure: Failure) -> None:
        """Hand it over; it may come twice. Raises DestinationUnavailable where it was not taken."""
        ...

    def close(self) -> None:
        """Give everything back. Safe to call twice."""
        ...


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
