"""The event source mappings of a Spicepod: each with its stream, its function or target, and what is durable of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

from prometheus_client import CollectorRegistry

from headrace.batch import Consumer
from headrace.dataset import AwsAccess
from headrace.destinations import open_destination
from headrace.dynamodb import TableEvents, place_of, request_signer, service_client
from headrace.errors import ConfigError, QueryError, QueryFault
from headrace.event_source_mapping import EventSourceMapping, Function
from headrace.fill import Fillable
from headrace.filling import FilledTarget, Filling
from headrace.filters import Filters
from headrace.functions.consumer import FunctionConsumer
from headrace.ledger import FailureOutcome, Ledger, ParkedKey, StoredFailure
from headrace.ledgers import Ledgers
from headrace.mapping_facts import FiltersUnmet, MappingFact, MappingObserver
from headrace.metrics.mapping_prometheus import MappingMetrics
from headrace.metrics.mapping_status import MappingBoard, mapping_of
from headrace.observe import Observation
from headrace.read_budget import ReadBudget
from headrace.replicate.delivery.commands import Settled
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.runner import DeliveryRunner
from headrace.row_table import RowKey, RowTable
from headrace.status import MappingStatus
from headrace.target import MaterializedView
from headrace.target_context import TargetContext
from headrace.targets.opening import open_target
from headrace.targets.table import Patience, Table
from headrace.verified import Verifiable, Verified
from headrace.wire import Transport

FILL_PATIENCE: Final = 2.0
"""Seconds that one page of a fill is asked for again before the fill rests, and says why."""

OPERATOR_PATIENCE: Final = 60.0
"""Seconds that whoever redrives or discards failures waits for all of them."""


class Mappings:
    """``mappings``, each over the transport that ``reach`` gives for a table and how to reach it.

    ``dataset`` opens the dataset that is read from a mapping, None where there is none. ``budget`` says within which one a
    mapping's table is read.

    ``observers`` hear every fact; ``registry`` publishes what is counted; ``salt`` spreads backoff over processes.
    Raises ConfigError for what only the rooms can tell to be wrong.
    """

    def __init__(
        self,
        mappings: Sequence[EventSourceMapping],
        reach: Callable[[AwsAccess, str], Transport],
        observers: Sequence[MappingObserver],
        registry: CollectorRegistry,
        salt: str,
        dataset: Callable[[str], Callable[[RowKey], RowTable] | None] = lambda _: None,
        budget: Callable[[EventSourceMapping], ReadBudget | None] = lambda _: None,
    ) -> None:
        self._mappings = {mapping.name: mapping for mapping in mappings}
        self._reach = reach
        self._dataset = dataset
        self._budget = budget
        self._salt = salt
        self._board = MappingBoard(mappings)
        metrics = MappingMetrics(registry, mappings)
        self._observers: tuple[MappingObserver, ...] = (self._board, metrics, *observers)
        self._filters = {mapping.name: filters_of(mapping) for mapping in mappings}
        self._books = Ledgers(next(iter(mappings)).ledger) if mappings else None
        self._ledgers: dict[str, Ledger] = {}
        self._fillings: dict[str, Filling] = {}
        self._verifiable: dict[str, Verifiable] = {}
        self._runners = {mapping.name: self._runner(mapping) for mapping in mappings}

    def start(self) -> None:
        """Begin to deliver; returns at once."""
        for filling in self._fillings.values():
            filling.start()
        for runner in self._runners.values():
            runner.start()

    def stop(self) -> None:
        """Hand nothing more over, wait for what is under way, close everything. Safe to call twice."""
        for runner in self._runners.values():
            runner.rest()
        with ExitStack() as closing:
            if self._books is not None:
                closing.callback(self._books.close)
            for runner in reversed(self._runners.values()):
                closing.callback(runner.stop)

    def statuses(self) -> tuple[MappingStatus, ...]:
        """Every mapping at this moment."""
        return tuple(self._board.statuses())

    def failures(
        self, mapping: str, ids: Sequence[str] | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[StoredFailure, ...]:
        """The next failures of a mapping; see ``serve.running``. Raises HeadraceError."""
        return self._ledger(mapping).failures(ids, after=after, limit=limit)

    def parked_keys(self, mapping: str, after: str | None = None, limit: int = 100) -> tuple[ParkedKey, ...]:
        """The next items of which records wait; see ``serve.running``. Raises HeadraceError."""
        return self._ledger(mapping).parked_keys(after, limit)

    def redrive(self, mapping: str, ids: tuple[str, ...] | None) -> FailureOutcome:
        """Try failures and parked records of a mapping again; see ``serve.running``. Raises QueryError."""
        return self._settled(mapping, lambda runner: runner.redrive(ids))

    def discard(self, mapping: str, ids: tuple[str, ...] | None) -> FailureOutcome:
        """Forget failures and parked records of a mapping; see ``serve.running``. Raises QueryError."""
        return self._settled(mapping, lambda runner: runner.discard(ids))

    def fill(self, mapping: str) -> None:
        """Have a target filled with its table once more; see ``serve.running``. Raises QueryError."""
        if mapping not in self._mappings:
            raise self._unknown(mapping)
        filling = self._fillings.get(mapping)
        if filling is None:
            raise QueryError(
                QueryFault.INVALID,
                f"{mapping}: {self._mappings[mapping].consumer_name} is not filled from the table; targets such as search and "
                "view are",
            )
        filling.ask()

    def verify(self, mapping: str) -> Verified:
        """Compare what a target keeps with its table; see ``serve.running``. Raises QueryError and HeadraceError."""
        if mapping not in self._mappings:
            raise self._unknown(mapping)
        target = self._verifiable.get(mapping)
        if target is None:
            raise QueryError(
                QueryFault.INVALID,
                f"{mapping}: {self._mappings[mapping].consumer_name} is not compared by the runtime; views are (for others see "
                "`headrace replicate verify` and `headrace search verify`)",
            )
        return target.verify()

    def _settled(self, name: str, ask: Callable[[DeliveryRunner], Future[Settled]]) -> FailureOutcome:
        runner = self._runners.get(name)
        if runner is None:
            raise self._unknown(name)
        try:
            settled = ask(runner).result(OPERATOR_PATIENCE)
        except TimeoutError:
            raise QueryError(
                QueryFault.TIMEOUT,
                f"{name}: not all is done after {OPERATOR_PATIENCE:g} s; it goes on, and `headrace failures list` shows "
                "what is left",
            ) from None
        if settled.outcome is None:
            raise QueryError(QueryFault.NOT_READY, f"{name}: {settled.refusal}")
        return settled.outcome

    def _ledger(self, name: str) -> Ledger:
        if name not in self._ledgers:
            raise self._unknown(name)
        return self._ledgers[name]

    def _unknown(self, name: str) -> QueryError:
        known = ", ".join(self._mappings) or "none"
        return QueryError(
            QueryFault.UNKNOWN_NAME, f"there is no event source mapping {name}; there is: {known}"
        )

    def _runner(self, mapping: EventSourceMapping) -> DeliveryRunner:
        delivering = mapping.delivering
        if not isinstance(mapping.consumer, Function):
            # Targets say of each record whether it failed.
            delivering = replace(delivering, reports_item_failures=True)
        place = place_of(mapping.access)
        destination = mapping.on_failure
        machine = DeliveryMachine(
            mapping.name,
            delivering,
            mapping.consumer_name,
            self._salt,
            has_destination=destination is not None,
        )
        assert self._books is not None, "there is a mapping"
        ledger = self._ledgers[mapping.name] = self._books.of(mapping.name)
        return DeliveryRunner(
            machine,
            self._source(mapping),
            self._consumer(mapping),
            ledger,
            None
            if destination is None
            else open_destination(destination, service_client, region=place.region),
            self._observe,
        )

    def _source(self, mapping: EventSourceMapping) -> TableEvents:
        place = place_of(mapping.access)
        filters = self._filters[mapping.name]
        return TableEvents(
            self._reach(mapping.access, mapping.table),
            mapping.table,
            region=place.region,
            endpoint_url=place.endpoint_url,
            passes=None if filters is None else filters.passes,
            views=None if isinstance(mapping.consumer, Function) else mapping.consumer.views,
            described=None if filters is None else self._tell_unmet(mapping.name, filters),
        )

    def _tell_unmet(self, name: str, filters: Filters) -> Callable[[str], None]:
        """Tells once, of each view type of the stream, what filters ask for that its records do not have."""
        told: set[str] = set()

        def described(view: str) -> None:
            unmet = filters.unmet(view) if view not in told else ()
            told.add(view)
            if unmet:
                self._observe(FiltersUnmet(name, view, unmet))

        return described

    def _consumer(self, mapping: EventSourceMapping) -> Consumer:
        consumer = mapping.consumer
        if isinstance(consumer, Function):
            region = place_of(mapping.access).region
            return FunctionConsumer(mapping.name, consumer, self._observe, region=region)
        target = open_target(
            consumer,
            TargetContext(
                mapping.name,
                mapping.table,
                mapping.access,
                self._reach(mapping.access, mapping.table),
                self._reach,
                service_client,
                self._observe,
                mapping.ledger,
                self._dataset(mapping.name),
                sign=request_signer,
                budget=self._budget(mapping),
            ),
        )
        if isinstance(target, Verifiable):
            self._verifiable[mapping.name] = target
        return self._filled(mapping, target) if isinstance(target, Fillable) else target

    def _filled(self, mapping: EventSourceMapping, target: FilledTarget) -> Filling:
        reach = self._reach(mapping.access, mapping.table)

        def pause(seconds: float) -> None:
            self._fillings[mapping.name].pause(seconds)

        patience = Patience(FILL_PATIENCE, self._salt, pause)
        filling = self._fillings[mapping.name] = Filling(
            mapping.name,
            target,
            Table(reach, mapping.table, place_of(mapping.access), patience, self._budget(mapping)),
            mapping.ledger.with_name(f"{mapping.name}.fill.json"),
            self._observe,
            self._salt,
            wanted=getattr(mapping.consumer, "backfill", True),
        )
        return filling

    def _observe(self, fact: MappingFact | Observation) -> None:
        for observer in self._observers:
            observer(fact)
        filling = self._fillings.get(mapping_of(fact))
        if filling is not None:
            filling.hear(fact)


def filters_of(mapping: EventSourceMapping) -> Filters | None:
    """The filters of a mapping, compiled; None if it has none. Raises ConfigError, naming the mapping and the place."""
    if not mapping.filters:
        return None
    try:
        return Filters.compiled(mapping.filters)
    except ConfigError as error:
        raise ConfigError(f"event_source_mappings: {mapping.name}: filter_criteria: {error}") from None


def warnings_of(mappings: Sequence[EventSourceMapping]) -> Mapping[str, tuple[str, ...]]:
    """What the filters of mappings can never let through, by the mappings' names.

    Raises ConfigError as ``filters_of``, and for a view whose SQL is not taken, or is of another table.
    """
    for mapping in mappings:
        if isinstance(mapping.consumer, MaterializedView):
            # It brings DuckDB, which other mappings can do without.
            from headrace.targets.view import defined

            _expect_its_table(mapping, defined(mapping.consumer, mapping.name).source)
    compiled = {mapping.name: filters_of(mapping) for mapping in mappings}
    return {name: filters.warnings for name, filters in compiled.items() if filters is not None}


def _expect_its_table(mapping: EventSourceMapping, source: str) -> None:
    names = [name for name in (mapping.dataset, mapping.table) if name is not None]
    if source.casefold() not in {name.casefold() for name in names}:
        quoted = names[0] if names[0].isidentifier() else f'"{names[0]}"'
        raise ConfigError(
            f"event_source_mappings: {mapping.name}: target.view.sql: FROM {source}: the mapping's records are of table {mapping.table}; "
            f"write FROM {quoted}"
        )
