"""What ``headrace tail`` follows, and how the changes come to whoever looks at them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from headrace.batch import Batch
from headrace.config import Pod
from headrace.dataset import AwsAccess
from headrace.dynamodb import TableEvents, botocore_transport, place_of
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.event_source_mapping import Delivering, Pattern, StartingPosition
from headrace.filters import Filters
from headrace.ledgers import Ledgers
from headrace.mapping_facts import MappingFact, MappingStatusChanged, RecordsGivenUp
from headrace.observe import Observation
from headrace.refusal import Place
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.runner import DeliveryRunner
from headrace.status import State
from headrace.stream_record import StreamRecord
from headrace.wire import Transport

_NAME = "tail"
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Followed:
    """A table, and ``what`` it was asked for as. ``filters`` are the mapping's, if it was one."""

    table: str
    access: AwsAccess
    what: str
    filters: tuple[Pattern, ...] = ()

    @property
    def place(self) -> Place:
        """Where the table is."""
        return place_of(self.access)

    @classmethod
    def of(cls, name: str, pod: Pod | None, access: AwsAccess) -> Followed:
        """``dynamodb:TABLE`` or, without a Spicepod, ``TABLE``, reached by ``access``; else what ``pod`` has under that name.

        That is a mapping, a dataset, or a table that all its datasets and mappings reach in one way. Raises HeadraceError where there
        is none.
        """
        scheme, colon, table = name.partition(":")
        if colon and scheme == "dynamodb":
            return cls(table, access, f"table {table}")
        if pod is None:
            return cls(name, access, f"table {name}")
        for mapping in pod.mappings:
            if mapping.name == name:
                return cls(mapping.table, mapping.access, f"mapping {name}", mapping.filters)
        for dataset in pod.datasets:
            if dataset.name == name:
                return cls(dataset.table, dataset.access, f"dataset {name}")
        ways = {each.access for each in pod.datasets if each.table == name}
        ways |= {each.access for each in pod.mappings if each.table == name}
        if len(ways) == 1:
            return cls(name, ways.pop(), f"{name} of the Spicepod")
        known = ", ".join(
            [*(dataset.name for dataset in pod.datasets), *(mapping.name for mapping in pod.mappings)]
        )
        raise HeadraceError(
            f"{pod.path} has no dataset or mapping {name!r}; it has: {known}. For a table of that name, write "
            f"dynamodb:{name}, with --region and --endpoint-url where the environment does not say where it is"
        )


class Tail:
    """Gives each record to ``show``, in the order of its item, from ``beginning`` on (epoch seconds; 0 all there are, None from now).

    ``warn`` is told, once, what keeps it from going on. What ``show`` raises as OSError ends it: ``ended`` is set.
    """

    def __init__(
        self,
        followed: Followed,
        patterns: tuple[Pattern, ...],
        beginning: float | None,
        show: Callable[[StreamRecord], None],
        warn: Callable[[str], None],
        connect: Callable[[AwsAccess], Transport] = botocore_transport,
    ) -> None:
        self._show = show
        self._warn = warn
        self._lock = threading.Lock()
        self._reason: str | None = None
        self.ended = threading.Event()
        filters = Filters.compiled(patterns or followed.filters)
        self.warnings = filters.warnings
        place = followed.place
        self._source = TableEvents(
            connect(followed.access),
            followed.table,
            region=place.region,
            endpoint_url=place.endpoint_url,
            passes=filters.passes,
        )
        self._ledgers = Ledgers(None)
        machine = DeliveryMachine(_NAME, _delivering(beginning), _NAME)
        self._runner = DeliveryRunner(
            machine, self._source, self, self._ledgers.of(_NAME), None, self._observe
        )

    def start(self) -> None:
        """Begin; returns at once. Raises SourceError where the table cannot be followed."""
        self._source.describe()
        self._runner.start()

    def stop(self) -> None:
        """Show nothing more. Safe to call twice."""
        self.ended.set()
        self._runner.stop()
        self._ledgers.close()

    def consume(self, batch: Batch) -> object:
        """As a Consumer: shards do not talk at once."""
        with self._lock:
            for record in batch.records:
                if self.ended.is_set():
                    break
                try:
                    self._show(record)
                except OSError as error:
                    self.ended.set()
                    raise ConsumerFailed(type(error).__name__, str(error)) from error
        return None

    def close(self) -> None:
        """As a Consumer: there is nothing to give back."""

    def _observe(self, fact: MappingFact | Observation) -> None:
        if isinstance(fact, RecordsGivenUp):
            self._warn(f"records of shard {fact.shard} were lost ({fact.condition}): {fact.error or ''}")
        if not isinstance(fact, MappingStatusChanged):
            return
        reason = fact.reason if fact.status is State.ERROR else None
        if reason is not None and reason != self._reason:
            self._warn(reason)
        self._reason = reason


def beginning_text(beginning: float | None) -> str:
    """From when on, in words."""
    if beginning is None:
        return "from now on"
    if not beginning:
        return "from the oldest record on"
    return f"since {datetime.fromtimestamp(beginning, UTC).isoformat().replace('+00:00', 'Z')}"


def _delivering(beginning: float | None) -> Delivering:
    anywhere = Delivering(batch_size=_BATCH)
    if beginning is None:
        return replace(anywhere, starting_position=StartingPosition.LATEST)
    if not beginning:
        return anywhere
    return replace(anywhere, starting_position=StartingPosition.AT_TIMESTAMP, starting_timestamp=beginning)
