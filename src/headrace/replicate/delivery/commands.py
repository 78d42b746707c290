"""What the delivery machine asks of the world beside the stream, and what the world answers.

Each request has one outside effect and an id; its outcome comes back as one event with that id, or never. They are
numbered apart from those to the source.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.batch import Batch
from headrace.errors import HeadraceError
from headrace.ledger import Delivery, DeliveryWork, Failure, FailureOutcome, ParkedRecord, StoredFailure
from headrace.mapping_facts import MappingFact
from headrace.replicate.commands import Command, Event
from headrace.source import SourceTable


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """Read what is durable. Answer: Opened."""

    id: int


@dataclass(frozen=True, slots=True)
class CommitDelivery:
    """One transaction in the ledger. Answer: Committed."""

    id: int
    work: DeliveryWork


@dataclass(frozen=True, slots=True)
class Invoke:
    """Hand a batch over. Answer: Returned."""

    id: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class SendFailure:
    """Hand a failure to its destination. Answer: Sent."""

    id: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class ReadFailures:
    """The next failures of the ledger. Answer: FailuresRead."""

    id: int
    ids: tuple[str, ...] | None
    unsent: bool
    after: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class ReadParked:
    """The first records that wait for an item. Answer: ParkedRead."""

    id: int
    key: str
    limit: int


@dataclass(frozen=True, slots=True)
class FindSuccessor:
    """Which stream followed this one, whose records are all delivered. Answer: Successor."""

    id: int
    stream_arn: str


@dataclass(frozen=True, slots=True)
class Successor:
    """The table, with the stream that is to be followed next; none where its ARN is empty."""

    table: SourceTable


@dataclass(frozen=True, slots=True)
class Opened:
    """What is durable; None if nothing ever was."""

    delivery: Delivery | None


@dataclass(frozen=True, slots=True)
class Committed:
    """The transaction is durable."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The consumer's response."""

    response: object


@dataclass(frozen=True, slots=True)
class Sent:
    """The destination has the failure."""


@dataclass(frozen=True, slots=True)
class FailuresRead:
    """In the order of their ids, none at the end."""

    failures: tuple[StoredFailure, ...]


@dataclass(frozen=True, slots=True)
class ParkedRead:
    """In their order."""

    records: tuple[ParkedRecord, ...]


DeliveryRequest = (
    OpenLedger | CommitDelivery | Invoke | SendFailure | ReadFailures | ReadParked | FindSuccessor
)
DeliveryAnswer = Successor | Opened | Committed | Returned | Sent | FailuresRead | ParkedRead


@dataclass(frozen=True, slots=True)
class Answered:
    """The request of this id gave its answer."""

    id: int
    answer: DeliveryAnswer


@dataclass(frozen=True, slots=True)
class Refused:
    """The request of this id raised."""

    id: int
    error: HeadraceError


@dataclass(frozen=True, slots=True)
class RedriveFailures:
    """Try failures again: of these ids, or keys of parked items; None all of both. A Settled with the ticket follows."""

    ticket: int
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class DiscardFailures:
    """Forget failures: named as in RedriveFailures. A Settled with the ticket follows."""

    ticket: int
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Rest:
    """Hand nothing more over; a Rested follows once all that was handed over is settled and durable."""


@dataclass(frozen=True, slots=True)
class Report:
    """State a fact to the observers."""

    fact: MappingFact


@dataclass(frozen=True, slots=True)
class Settled:
    """Tell the operator who gave the ticket: the outcome, or why nothing more was done."""

    ticket: int
    outcome: FailureOutcome | None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Rested:
    """Nothing is under way, and what was done is durable."""


DeliveryEvent = Event | Answered | Refused | RedriveFailures | DiscardFailures | Rest
DeliveryCommand = Command | DeliveryRequest | Report | Settled | Rested
