"""One running system: the only place that knows all the rooms."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future

import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, LetterOutcome, Which
from headrace.accelerators.duckdb import Limits
from headrace.accelerators.engines import Engines
from headrace.accelerators.versioned import VersionedCopy
from headrace.address import Address
from headrace.config import Pod
from headrace.dataset import AwsAccess, Dataset
from headrace.dynamodb import Key, botocore_transport
from headrace.errors import HeadraceError, QueryError, QueryFault
from headrace.explanation import KeyExplanation, StreamExplanation
from headrace.kept_rows import KeptDatasets
from headrace.leaf import Leaf
from headrace.limits import Freshness
from headrace.mapping_facts import MappingObserver
from headrace.mappings import Mappings
from headrace.metrics.prometheus import PrometheusObserver
from headrace.metrics.results import ResultsCollector
from headrace.metrics.status import StatusBoard
from headrace.observe import ColumnsKnown, Observation, Observer, StatusChanged
from headrace.prepared import Prepared
from headrace.query.catalog import Beside, Catalog, TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.kept import SqlKept
from headrace.query.parser import Parser
from headrace.query.pod_sql import expect_sql
from headrace.query.results import AnyAnswer, Results
from headrace.query.watch import Bounds
from headrace.refresh import RefreshAsked, RefreshOutcome
from headrace.refreshes import Refreshes
from headrace.replicate.commands import Refreshed, Reply
from headrace.replicate.machine import Machine
from headrace.replicate.refresher import Refresher
from headrace.replicate.runner import ThreadRunner
from headrace.serve.servers import Addresses, Servers
from headrace.shelves import scratch_of, shelf_of
from headrace.snapshot import Manifest
from headrace.status import DatasetStatus
from headrace.tables import Tables
from headrace.versions import Versions
from headrace.views import Views
from headrace.wire import Transport

MOST_EVENTS = 20
"""Changes of one key that are told."""


SNAPSHOT_PATIENCE = 600.0
"""Seconds that whoever asks for a snapshot waits for it."""

ASKED_BY_REFRESHES = Bounds(places=4, wait=600.0, timeout=600.0)
"""What refreshes may ask of copies at once, beside the statements of users, and how long that may take."""

OPERATOR_PATIENCE = 60.0
"""Seconds that whoever retries or discards dead letters waits for all of them."""


class Runtime:
    """Everything that a Spicepod asks for, from ``start`` to ``stop``.

    ``observers`` hear every fact of every dataset, ``mapping_observers`` those of event source mappings. ``connect`` makes the transport to a table's service. It
    answers the outside at ``http``, ``flight`` and ``metrics``, each unless it is None.
    Raises ConfigError for what only the rooms can tell to be wrong.
    """

    def __init__(
        self,
        pod: Pod,
        *,
        http: Address | None = None,
        flight: Address | None = None,
        metrics: Address | None = None,
        observers: Sequence[Observer] = (),
        mapping_observers: Sequence[MappingObserver] = (),
        connect: Callable[[AwsAccess], Transport] = botocore_transport,
    ) -> None:
        every = [*pod.datasets, *pod.fed]
        self._prometheus = PrometheusObserver(every)
        # What it refuses is refused before anything is opened.
        at = Addresses(http, flight, metrics)
        self._servers = Servers(self, pod.access, self._prometheus.render, at)
        self._datasets = pod.datasets
        self._observers = tuple(observers)
        self._parser = Parser()
        expect_sql(pod.datasets, self._parser)
        names = [*(dataset.name for dataset in every), DEAD_LETTERS]
        self._views = Views(pod.views, names, self._parser)
        copied = [dataset for dataset in pod.datasets if dataset.acceleration is not None]
        self._scratch = scratch_of(pod, copied)
        limits = Limits(memory=pod.limits.memory, spill=pod.limits.spill)
        scratch = self._scratch.path if self._scratch is not None else None
        held = [*copied, *pod.fed]
        self._engines = Engines(held, limits, scratch, self._views.stored_names)
        rows = {dataset.name: self._engines.sink(dataset.name).rows for dataset in held}
        self._board = StatusBoard(every, rows)
        self._tables = {dataset.name: TableFacts(ready=False) for dataset in every}
        self._columns: dict[str, Mapping[str, str]] = {}
        self._remote = Tables(pod.datasets, connect, self._observe, pod.mappings)
        self._engine = QueryEngine(
            self._engines.cursor,
            self._catalog,
            Bounds(places=pod.limits.places, timeout=pod.limits.timeout),
            declared=self._declared,
            leaves=self._leaves,
            parser=self._parser,
        )
        self._versions = Versions([*(dataset.name for dataset in held), *self._views.stored_names])
        self._results = Results(
            self._engine, pod.caching, self._versions, self._catalog, self._answered_remotely
        )
        self._prometheus.registry.register(ResultsCollector(lambda: self._results.tally))
        # A refresh asks the copy, which may be shut to queries and never is what DynamoDB answers in its place.
        always = {dataset.name: TableFacts(ready=True) for dataset in held}
        self._copies = QueryEngine(
            self._engines.cursor,
            lambda: always,
            ASKED_BY_REFRESHES,
            leaves=lambda: self._engines.leaves,
            parser=self._parser,
        )
        self._viewed = QueryEngine(
            self._engines.cursor, self._catalog, ASKED_BY_REFRESHES, leaves=self._leaves, parser=self._parser
        )
        # Processes that are throttled together must not come back together.
        self._salt = f"{socket.gethostname()}/{uuid.uuid4()}"
        self._views.keep(self._engines, self._viewed.query, self._catalog, self._versions, self._salt)
        self._kept = KeptDatasets(
            pod.fed, self._engines, self._copies.query, self._observe, self._versions, self._salt
        )
        self.mappings = Mappings(
            pod.mappings,
            self._remote.streams.transport,
            mapping_observers,
            self._prometheus.registry,
            self._salt,
            self._kept.of,
            self._remote.budget,
        )
        self._runners: dict[str, ThreadRunner] = {}
        self._refreshes = Refreshes(pod.datasets, self._views, self._kept, self._runners, self._parser)
        self._runners.update({dataset.name: self._runner(dataset) for dataset in copied})
        self._probes = self._remote.probes(self._observe, self._salt)

    def start(self) -> None:
        """Listen, and begin to replicate; returns at once.

        Raises ConfigError, with everything closed again, if an address cannot be listened on.
        """
        try:
            self._servers.start()
        except HeadraceError:
            self.stop()
            raise
        for runner in self._runners.values():
            runner.start()
        for probe in self._probes:
            probe.start()
        self._views.start()
        self._kept.start()
        self.mappings.start()

    def stop(self) -> None:
        """Stop answering, let transactions under way finish, close everything. Safe to call twice."""
        # Statements first: a download without end would use up the server's grace.
        self._engine.close()
        self._copies.close()
        self._viewed.close()
        self._views.stop()
        self._servers.stop()
        self.mappings.stop()
        self._kept.stop()
        for runner in self._runners.values():
            runner.stop()
        for probe in self._probes:
            probe.stop()
        self._engines.close()
        if self._scratch is not None:
            self._scratch.release()
            self._scratch = None

    @property
    def http_url(self) -> str:
        """Where SQL is answered over HTTP, once started; empty if nowhere."""
        return self._servers.url("http")

    @property
    def flight_url(self) -> str:
        """Where SQL is answered over Arrow Flight, once started; empty if nowhere."""
        return self._servers.url("flight")

    @property
    def metrics_url(self) -> str:
        """Where metrics are served, once started; empty if nowhere."""
        return self._servers.url("metrics")

    def statuses(self, *, rows: bool = True) -> tuple[DatasetStatus, ...]:
        """Every dataset and stored view now; without ``rows``, which the engines must count, at once."""
        return self._board.statuses(rows=rows) + self._views.statuses()

    def query(
        self, sql: str, parameters: Sequence[pa.Scalar] = (), *, freshness: Freshness = Freshness.KEPT
    ) -> AnyAnswer:
        """A checked statement, to be run and closed by the caller. Raises QueryError."""
        return self._results.query(sql, parameters, freshness)

    def prepare(self, sql: str) -> Prepared:
        """What is known of a statement without running it. Raises QueryError."""
        return self._engine.prepare(sql)

    def rows(self, sql: str) -> pa.Table:
        """The whole answer to a statement, made anew. Raises QueryError."""
        with self._engine.query(sql) as statement:
            return statement.reader().read_all()

    def refresh(self, name: str, asked: RefreshAsked) -> int:
        """Begin a refresh of a dataset or stored view, as it is asked for; its number. Raises ConfigError, QueryError."""
        return self._refreshes.ask(name, asked)

    def refresh_outcome(self, name: str, number: int) -> RefreshOutcome | None:
        """What became of a refresh; see ``serve.running``. Raises ConfigError."""
        return self._refreshes.outcome(name, number)

    def reselect(self, name: str, sql: str) -> None:
        """Have another ``refresh_sql`` until the process ends. Raises ConfigError, QueryError."""
        self._refreshes.reselect(name, sql)

    def explain_stream(self, name: str) -> StreamExplanation:
        """What is known of a dataset's shards now. Raises QueryError if it is not being replicated."""
        return self._replicated(name).explain().stream

    def explain_key(self, name: str, parts: Sequence[str]) -> KeyExplanation:
        """The life of the key that ``parts`` write. Raises QueryError for one that cannot be the table's."""
        runner = self._replicated(name)
        stream = runner.explain().stream
        if not stream.keys:
            raise QueryError(
                QueryFault.NOT_READY, f"{name}: the key of the table is not known yet ({stream.reason})"
            )
        key = Key.written(name, stream.keys, parts)
        stored = self._engines.sink(name).look_up(key)
        item = self._remote.sources[name].compared(key, stored)
        # Asked last, so that it tells what the row or the item may show already.
        explained = runner.explain()
        trail = explained.trail
        events = trail.events(key, MOST_EVENTS)
        return KeyExplanation(
            explained.stream, key.text, stored, events, trail.remembered, trail.since, trail.whole, item
        )

    def _replicated(self, name: str) -> ThreadRunner:
        runner = self._runners.get(name)
        if name in self._views:
            raise QueryError(
                QueryFault.NOT_READY, f"{name} is a view: it has no stream, snapshots or dead letters"
            )
        if name in self._kept:
            raise QueryError(QueryFault.NOT_READY, self._kept.why(name))
        if runner is None:
            raise QueryError(
                QueryFault.NOT_READY,
                f"{name} has no copy that could be asked about: it has no acceleration, and statements read DynamoDB itself",
            )
        return runner

    def retry_letters(self, name: str, letters: tuple[str, ...] | None) -> LetterOutcome:
        """Try dead letters of a dataset again; see ``serve.running``. Raises QueryError."""
        return self._settled(name, lambda runner: runner.redrive(letters))

    def discard_letters(self, name: str, letters: tuple[str, ...] | None, which: Which) -> LetterOutcome:
        """Forget dead letters of a dataset; see ``serve.running``. Raises QueryError."""
        return self._settled(name, lambda runner: runner.discard(letters, which))

    def take_snapshot(self, name: str) -> Manifest:
        """Store the copy of a dataset as a snapshot, and wait for it; see ``serve.running``. Raises QueryError."""
        reply = self._reply(name, self._replicated(name).snapshot(), SNAPSHOT_PATIENCE)
        assert isinstance(reply, Manifest)
        return reply

    def _settled(self, name: str, ask: Callable[[ThreadRunner], Future[Reply]]) -> LetterOutcome:
        outcome = self._reply(name, ask(self._replicated(name)), OPERATOR_PATIENCE)
        assert isinstance(outcome, LetterOutcome)
        return outcome

    def _reply(self, name: str, future: Future[Reply], patience: float) -> LetterOutcome | Manifest:
        """What came of what an operator asked for. Raises QueryError."""
        try:
            reply = future.result(patience)
        except TimeoutError:
            raise QueryError(
                QueryFault.TIMEOUT,
                f"{name}: not all is done after {patience:g} s; it goes on, and `headrace status` or the table "
                f"{DEAD_LETTERS} shows what is left",
            ) from None
        if reply.outcome is None:
            raise QueryError(QueryFault.NOT_READY, f"{name}: {reply.refusal}")
        assert not isinstance(reply.outcome, Refreshed), "nobody waits here for a refresh"
        return reply.outcome

    def _catalog(self) -> Catalog:
        early = [name for name in self._answered_remotely() if name in self._runners]
        answered = dict.fromkeys(early, TableFacts(ready=True))
        tables = {**self._tables, **answered, DEAD_LETTERS: TableFacts(ready=True)}
        return {**tables, **self._views.facts(tables)}

    def _leaves(self) -> Mapping[str, Leaf | Beside]:
        own, letters = self._engines.letters
        beside = {DEAD_LETTERS: Beside(own, letters)} if letters else {}
        return {**self._engines.leaves, **self._answered_remotely(), **beside}

    def _answered_remotely(self) -> Mapping[str, Leaf]:
        """The datasets without a copy, and those that are answered from DynamoDB until theirs is complete."""
        return {
            name: leaf
            for name, leaf in self._remote.leaves.items()
            if name not in self._runners or not self._tables[name].ready
        }

    def _declared(self, name: str) -> Mapping[str, str]:
        return self._columns.get(name, {})

    def _runner(self, dataset: Dataset) -> ThreadRunner:
        source, accelerator = self._remote.sources[dataset.name], self._engines.sink(dataset.name)
        sink = VersionedCopy(accelerator, dataset.name, self._versions)
        shelf = shelf_of(dataset, sink, self._scratch)
        if dataset.follows:
            claims = dataset.acceleration.key_claims if dataset.acceleration is not None else {}
            engine = dataset.acceleration.engine if dataset.acceleration is not None else None
            snapshots = dataset.acceleration.snapshots if dataset.acceleration is not None else None
            machine = Machine(
                dataset.name, dataset.replication, claims, self._salt, engine=engine, snapshots=snapshots
            )
            return ThreadRunner(machine, source, sink, self._observe, shelf)
        refresher = Refresher(dataset, self._refreshes.selection(dataset), self._salt)
        kept = SqlKept(dataset, self._copies, accelerator.schema, self._parser)
        return ThreadRunner(refresher, source, sink, self._observe, shelf, kept)

    def _observe(self, observation: Observation) -> None:
        if isinstance(observation, StatusChanged):
            facts = TableFacts(observation.ready, observation.reason)
            self._tables = {**self._tables, observation.dataset: facts}
        elif isinstance(observation, ColumnsKnown):
            self._columns[observation.dataset] = dict(observation.columns)
        everyone: tuple[Observer, ...] = (self._board, self._prometheus, *self._observers)
        for observer in everyone:
            observer(observation)
