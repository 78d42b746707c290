"""What a Spicepod has for the records of a table, where AWS Lambda brings them: targets, and datasets in PostgreSQL."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from headrace.batch import Batch
from headrace.config.pod import Pod
from headrace.dataset import AwsAccess, Dataset, Engine
from headrace.dynamodb import botocore_transport, request_signer, service_client
from headrace.errors import ConfigError
from headrace.event_source_mapping import Delivering, EventSourceMapping, Function
from headrace.fill import Fillable
from headrace.filters import Filters
from headrace.lambda_entry.handed import TargetPart
from headrace.lambda_entry.received import StreamName
from headrace.ledger import Fault
from headrace.mapping_facts import MappingObserver
from headrace.stream_record import StreamRecord
from headrace.target import MaterializedView, Outbox, Replica, SearchIndex, Target
from headrace.target_context import TargetContext
from headrace.targets.opening import open_target
from headrace.wire import Transport

_LOG: Final = logging.getLogger("headrace")

_KEYS: Final = {
    "starting_position": "starting_position",
    "starting_timestamp": "starting_position_timestamp",
    "batch_size": "batch_size",
    "maximum_batching_window": "maximum_batching_window",
    "parallelization_factor": "parallelization_factor",
    "tumbling_window": "tumbling_window",
    "bisects": "bisect_batch_on_function_error",
    "maximum_retry_attempts": "maximum_retry_attempts",
    "maximum_record_age": "maximum_record_age",
    "on_poison": "on_poison",
    "redrive_interval": "on_failure.redrive_interval",
}
"""The keys of the Spicepod that Lambda's event source mapping has in its own fields, by those of Delivering."""


class Part(Protocol):
    """Takes the batches of one table: a mapping's target, or a dataset's copy."""

    @property
    def name(self) -> str:
        """Its kind and name, in the words of the Spicepod."""
        ...

    @property
    def views(self) -> frozenset[str] | None:
        """The view types of streams that it can do with, None all of them."""
        ...

    def hand_over(self, batch: Batch, seconds: float) -> tuple[StreamRecord, Fault] | None:
        """The first record that failed, or for which ``seconds`` were too short, and why; None where all are done.

        Raises HeadraceError where the whole batch must come again.
        """
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class Served:
    """The parts of ``pod`` by the tables of their records; each is opened when its first record comes.

    ``names`` are those of mappings and datasets to serve, empty for all. ``connect`` makes a transport, ``client`` a client of botocore for any
    service; ``observe`` hears what targets tell; ``clock`` counts seconds. Raises ConfigError for a name that nothing has.
    """

    def __init__(
        self,
        pod: Pod,
        names: frozenset[str],
        observe: MappingObserver,
        *,
        connect: Callable[[AwsAccess], Transport] = botocore_transport,
        client: Callable[[str, AwsAccess], Any] = service_client,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pod = pod
        self._names = names
        self._observe = observe
        self._clock = clock
        self._connect = connect
        self._client = client
        self._transports: dict[AwsAccess, Transport] = {}
        self._opened: dict[tuple[str, str], tuple[Part, ...]] = {}
        known = {*(one.name for one in pod.mappings), *(one.name for one in pod.datasets)}
        if names - known:
            raise ConfigError(
                f"HEADRACE_MAPPING: {pod.path.name} has no event source mapping or dataset {min(names - known)!r}; it has: "
                f"{', '.join(sorted(known))}"
            )

    def of(self, stream: StreamName) -> tuple[Part, ...]:
        """What takes the records of this stream. Raises ConfigError where there is nothing, or something cannot be served."""
        place = stream.table, stream.region
        if place not in self._opened:
            parts: list[Part] = []
            try:
                parts.extend(self._parts(stream))
            except BaseException:
                for part in parts:
                    part.close()
                raise
            if not parts:
                raise self._nothing(stream)
            self._opened[place] = tuple(parts)
        return self._opened[place]

    def close(self) -> None:
        """Let go of everything. Safe to call twice."""
        for parts in self._opened.values():
            for part in parts:
                part.close()
        self._opened.clear()

    def _parts(self, stream: StreamName) -> Iterator[Part]:
        for mapping in self._pod.mappings:
            if self._is_chosen(mapping.name) and _is_of(mapping.table, mapping.access, stream):
                if not isinstance(mapping.consumer, Function):
                    yield self._target(mapping)
                elif self._names:
                    raise ConfigError(
                        f"HEADRACE_MAPPING: event source mapping {mapping.name} has a function, {mapping.consumer.reference}: "
                        "make that a function of Lambda's own"
                    )
                else:
                    _LOG.warning(
                        "event source mapping %s has a function, which is not called from here", mapping.name
                    )
        for dataset in self._pod.datasets:
            if self._is_chosen(dataset.name) and _is_of(dataset.table, dataset.access, stream):
                copy = self._copy(dataset)
                if copy is not None:
                    yield copy

    def _target(self, mapping: EventSourceMapping) -> Part:
        assert not isinstance(mapping.consumer, Function), "a target was asked for"
        _expect_servable(mapping, self._pod)
        unused = unused_keys(mapping)
        if unused:
            _LOG.warning(
                "event source mapping %s: Lambda's own event source mapping decides what these keys say: %s",
                mapping.name,
                ", ".join(unused),
            )
        context = TargetContext(
            mapping.name,
            mapping.table,
            mapping.access,
            self._reach(mapping.access),
            lambda access, _: self._reach(access),
            self._client,
            self._observe,
            sign=request_signer,
        )
        try:
            filters = Filters.compiled(mapping.filters)
        except ConfigError as error:
            raise ConfigError(f"event_source_mappings: {mapping.name}: filter_criteria: {error}") from None
        target = open_target(mapping.consumer, context)
        if isinstance(target, Fillable):
            _LOG.warning(
                "event source mapping %s: what the table held before is not brought from here; start `headrace run` once for that",
                mapping.name,
            )
        return TargetPart(mapping, filters, target, self._clock)

    def _copy(self, dataset: Dataset) -> Part | None:
        acceleration = dataset.acceleration
        if acceleration is None or acceleration.engine is not Engine.POSTGRES or not dataset.follows:
            if self._names and dataset.name in self._names:
                raise ConfigError(
                    f"HEADRACE_MAPPING: dataset {dataset.name} is no copy that can be written from here; that needs engine: postgres "
                    "and refresh_mode: changes"
                )
            return None
        from headrace.lambda_entry.copied import CopyPart

        return CopyPart(dataset, self._reach(dataset.access))

    def _is_chosen(self, name: str) -> bool:
        return not self._names or name in self._names

    def _reach(self, access: AwsAccess) -> Transport:
        if access not in self._transports:
            self._transports[access] = self._connect(access)
        return self._transports[access]

    def _nothing(self, stream: StreamName) -> ConfigError:
        tables = sorted(
            {
                *(one.table for one in self._pod.mappings if not isinstance(one.consumer, Function)),
                *(one.table for one in self._pod.datasets if one.follows),
            }
        )
        chosen = f" under the names {', '.join(sorted(self._names))}" if self._names else ""
        return ConfigError(
            f"{self._pod.path.name} has nothing{chosen} for table {stream.table} in {stream.region}, of which the event is: no event "
            "source mapping with a target, and no dataset with engine: postgres and refresh_mode: changes; it has some for: "
            f"{', '.join(tables) or 'no table'}"
        )


def unused_keys(mapping: EventSourceMapping) -> tuple[str, ...]:
    """The keys of a mapping that say what Lambda's event source mapping says here, where they are not the defaults."""
    usual = Delivering()
    given = [
        key for field, key in _KEYS.items() if getattr(mapping.delivering, field) != getattr(usual, field)
    ]
    return (*given, *(["on_failure"] if mapping.on_failure is not None else []))


def _is_of(table: str, access: AwsAccess, stream: StreamName) -> bool:
    if table != stream.table:
        return False
    return access.region in (None, stream.region) or access.endpoint_url is not None


def _expect_servable(mapping: EventSourceMapping, pod: Pod) -> None:
    """Raise ConfigError where a target cannot do without what outlives a process; log where it promises less."""
    assert not isinstance(mapping.consumer, Function), "functions are Lambda's own"
    where = f"event source mapping {mapping.name}"
    lacking = _lacking(mapping.consumer)
    if lacking is not None:
        raise ConfigError(
            f"{where}: {lacking}, and nothing of a function's files lasts: run it with `headrace run`"
        )
    fed = [dataset.name for dataset in pod.fed if dataset.fed_by == mapping.name]
    if fed:
        raise ConfigError(
            f"{where} writes to dataset {fed[0]}, which only `headrace run` holds; give its target a table of DynamoDB"
        )
    if isinstance(mapping.consumer, SearchIndex):
        _LOG.warning(
            "%s: the versions of documents are remembered in this environment alone: where a batch comes again in another one, "
            "the index shows older states until what follows has come again too",
            where,
        )


def _lacking(target: Target) -> str | None:
    """What a target needs a file for, None where it does without."""
    match target:
        case MaterializedView():
            return "a view counts each change once, which it remembers in a file"
        case Replica(two_way=True):
            return "a two_way replica remembers in a file what it has written, to overwrite nothing that applications write"
        case Outbox(kind="file"):
            return "its events go to a file"
        case _:
            return None
