"""A server of ours over a real DuckDB, and a plain client for it."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from headrace.accelerator import LetterOutcome, Which
from headrace.accelerators.duckdb import DuckDBInstance
from headrace.access import Access
from headrace.errors import HeadraceError, QueryError, QueryFault
from headrace.explanation import StreamExplanation
from headrace.ledger import FailureOutcome, ParkedKey, StoredFailure
from headrace.ledgers import Ledgers
from headrace.limits import Caching, Freshness
from headrace.prepared import Prepared
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.results import AnyAnswer, Results
from headrace.query.watch import Bounds
from headrace.refresh import RefreshAsked, RefreshOutcome
from headrace.serve.http import app
from headrace.serve.server import Server
from headrace.status import DatasetStatus, MappingStatus, State
from headrace.verified import Verified
from headrace.versions import Versions

OPEN = Access()

ARROW = "application/vnd.apache.arrow.stream"


class SmallSystem:
    """What ``serve`` asks for: one dataset, ``orders``, with two rows, whose status the test sets."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self.instance = DuckDBInstance({"orders": None})
        writer = self.instance.writer("orders")
        writer.execute("CREATE TABLE orders AS SELECT * FROM (VALUES (1, 'new'), (2, 'paid')) t(id, status)")
        writer.execute("CREATE TABLE headrace_checkpoint AS SELECT 1 AS x")
        self.status = DatasetStatus(
            "orders", "dynamodb:orders", "duckdb", State.READY, True, True, True, 120, 2, None
        )
        self.refreshed: list[tuple[str, RefreshAsked]] = []
        self.outcomes: dict[int, RefreshOutcome] = {}
        self.reselected: list[tuple[str, str]] = []
        self.settled: list[Any] = []
        self.refusal: HeadraceError | None = None
        self.mappings = KnownMappings(self._settle)
        self.engine = QueryEngine(self.instance.cursor, self._catalog, bounds)
        self.versions = Versions(["orders"])
        self.results = Results(self.engine, Caching(), self.versions, self._catalog, frozenset)

    def forget(self) -> None:
        """As new, but for what answers SQL."""
        self.mappings.forget()
        self.settled = []
        self.refusal = None

    def _catalog(self) -> dict[str, TableFacts]:
        return {"orders": TableFacts(self.status.ready, self.status.reason)}

    def statuses(self, *, rows: bool = True) -> Sequence[DatasetStatus]:
        return [self.status]

    def query(
        self, sql: str, parameters: Sequence[pa.Scalar] = (), *, freshness: Freshness = Freshness.KEPT
    ) -> AnyAnswer:
        return self.results.query(sql, parameters, freshness)

    def prepare(self, sql: str) -> Prepared:
        return self.engine.prepare(sql)

    def refresh(self, name: str, asked: RefreshAsked) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.refreshed.append((name, asked))
        return len(self.refreshed)

    def refresh_outcome(self, name: str, number: int) -> RefreshOutcome | None:
        return self.outcomes.get(number)

    def reselect(self, name: str, sql: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.reselected.append((name, sql))

    def explain_stream(self, name: str) -> StreamExplanation:
        return StreamExplanation(name, 0.0, 0.0, 0, keys=(("id", "N"),))

    def retry_letters(self, name: str, letters: tuple[str, ...] | None) -> LetterOutcome:
        return self._settled("retry", name, letters, None)

    def discard_letters(self, name: str, letters: tuple[str, ...] | None, which: Which) -> LetterOutcome:
        return self._settled("discard", name, letters, which)

    def _settled(self, *asked: Any) -> LetterOutcome:
        self._settle(*asked)
        return LetterOutcome(3, 1, 2, 4, ("no-such",))

    def _settle(self, *asked: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.settled.append(asked)

    def close(self) -> None:
        self.mappings.ledgers.close()
        self.engine.close()
        self.instance.close()


class KnownMappings:
    """The mappings that a test says there are; what is durable of them is in memory."""

    def __init__(self, settle: Callable[..., None]) -> None:
        self.known: list[MappingStatus] = []
        self.ledgers = Ledgers(None)
        self.outcome = FailureOutcome(3, 1, 2, 4, ("no-such",))
        self.fills: list[str] = []
        self.verified = Verified(3, 2, 0, ())
        self.verifying = 0.0
        self._settle = settle

    def forget(self) -> None:
        self.ledgers.close()
        self.ledgers = Ledgers(None)
        self.known = []
        self.fills = []
        self.verified = Verified(3, 2, 0, ())
        self.verifying = 0.0

    def statuses(self) -> Sequence[MappingStatus]:
        return self.known

    def failures(
        self, mapping: str, ids: Sequence[str] | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[StoredFailure, ...]:
        return self.ledgers.of(mapping).failures(ids, after=after, limit=limit)

    def parked_keys(self, mapping: str, after: str | None = None, limit: int = 100) -> tuple[ParkedKey, ...]:
        return self.ledgers.of(mapping).parked_keys(after, limit)

    def fill(self, mapping: str) -> None:
        if mapping == "status":
            raise QueryError(QueryFault.INVALID, f"{mapping} is not filled")
        self.fills.append(mapping)

    def verify(self, mapping: str) -> Verified:
        if mapping == "status":
            raise QueryError(QueryFault.INVALID, f"{mapping} is not compared")
        time.sleep(self.verifying)
        return self.verified

    def redrive(self, mapping: str, ids: tuple[str, ...] | None) -> FailureOutcome:
        self._settle("redrive", mapping, ids)
        return self.outcome

    def discard(self, mapping: str, ids: tuple[str, ...] | None) -> FailureOutcome:
        self._settle("discard", mapping, ids)
        return self.outcome


class Reply:
    """One HTTP answer, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json()["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.json()["error"]["message"])


class Caller:
    """Asks the server at ``address``; over TLS that trusts ``authorities``, where they are given."""

    def __init__(self, address: tuple[str, int], authorities: Path | None = None) -> None:
        self.address = address
        self._tls = None if authorities is None else ssl.create_default_context(cafile=str(authorities))

    def connection(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(*self.address, timeout=30, context=self._tls)
        return http.client.HTTPConnection(*self.address, timeout=30)

    def __call__(
        self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = self.connection()
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, headers or {})
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def sql(self, statement: str, accept: str | None = None) -> Reply:
        return self("POST", "/v1/sql", statement, {"Accept": accept} if accept else None)


@contextmanager
def served(system: SmallSystem, access: Access = OPEN, authorities: Path | None = None) -> Iterator[Caller]:
    """The system, served on a free port until the context ends."""
    before = set(threading.enumerate())
    server = Server(app(system, access), "--http", access.tls)
    try:
        yield Caller(server.start("127.0.0.1", 0), authorities)
    finally:
        server.stop()
        system.close()
        assert not [t for t in set(threading.enumerate()) - before if t.name == "headrace--http"]
