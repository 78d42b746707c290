"""An event source mapping: a table's stream, and what is invoked with its records."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from headrace.dataset import AwsAccess
from headrace.target import Target


class StartingPosition(StrEnum):
    """Where a mapping begins that has never run: with the oldest records, with new ones, or with those since a time."""

    TRIM_HORIZON = "TRIM_HORIZON"
    LATEST = "LATEST"
    AT_TIMESTAMP = "AT_TIMESTAMP"


class OnPoison(StrEnum):
    """What becomes of a record that keeps failing.

    BLOCK is Lambda's way: its shard waits, until the record is given up. PARK puts it aside with its item: later records
    of the item wait behind it, in order, and all others go on.
    """

    BLOCK = "block"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Delivering:
    """How records become batches, and what follows a failure. Times are seconds.

    The fields are those of AWS Lambda's event source mapping. ``starting_timestamp`` (epoch seconds) belongs to AT_TIMESTAMP.
    ``maximum_retry_attempts`` and ``maximum_record_age`` None: without end. ``tumbling_window`` 0: none.
    ``redrive_interval``: how often failures and parked records are tried again by themselves, None never (parked
    records then wait for an operator).
    """

    starting_position: StartingPosition = StartingPosition.TRIM_HORIZON
    starting_timestamp: float | None = None
    batch_size: int = 100
    maximum_batching_window: float = 0.0
    parallelization_factor: int = 1
    tumbling_window: float = 0.0
    reports_item_failures: bool = False
    bisects: bool = False
    maximum_retry_attempts: int | None = None
    maximum_record_age: float | None = None
    on_poison: OnPoison = OnPoison.BLOCK
    redrive_interval: float | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """One filter, as its JSON text. ``extended``: by the grammar of Headrace, of which AWS knows a part."""

    text: str
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """A Python function that runs in child processes: ``module:name``, found from ``folder`` on.

    ``timeout`` (seconds) ends an invocation, ``memory`` (bytes) is what a process may use. At most ``processes`` run
    at once. ``environment`` is added to that of Headrace.
    """

    reference: str
    folder: Path
    timeout: float = 60.0
    memory: int = 512 * 2**20
    processes: int = 1
    environment: abc.Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class FailureDestination:
    """Where failures go: ``kind`` is file, sqlite, sqs, sns or s3.

    ``place`` is an absolute path, the URL or ARN of a queue, the ARN of a topic, or ``bucket/prefix``.
    """

    kind: str
    place: str
    access: AwsAccess = field(default_factory=AwsAccess)


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping. ``dataset`` names the dataset of which it takes the table; ``consumer`` is a function or a target.

    ``read_units`` a second are what reading the table beside its stream may consume, together with the dataset; None is no bound.
    ``filters`` are alternatives; none lets every record through. ``ledger`` is the file of what is durable, absolute; it is one for a whole Spicepod.
    """

    name: str
    table: str
    consumer: Function | Target
    ledger: Path
    access: AwsAccess = field(default_factory=AwsAccess)
    dataset: str | None = None
    read_units: int | None = None
    delivering: Delivering = field(default_factory=Delivering)
    filters: tuple[Pattern, ...] = ()
    on_failure: FailureDestination | None = None

    @property
    def consumer_name(self) -> str:
        """What takes its records, in the words of the Spicepod: ``handlers:on_change``, ``replicate:orders-replica``."""
        consumer = self.consumer
        return consumer.reference if isinstance(consumer, Function) else str(consumer)
