"""Statements over Flight: told of, prepared, run, streamed, cancelled."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pyarrow as pa
from pyarrow import flight

from headrace.errors import QueryError, QueryFault
from headrace.serve.flight.fault import Invalid, NotFound, told
from headrace.serve.flight.handles import IDLE_SECONDS, MOST, Handles, PreparedStatement
from headrace.serve.flight.leaving import Leaving
from headrace.serve.flight.parameters import bound_row, scalars
from headrace.serve.flight.runs import Runs
from headrace.serve.flight.ticket import ANY_SCHEMA, StatementTicket, decoded, digest
from headrace.serve.pieces import parts
from headrace.serve.running import Answer, Running

_FORGOTTEN: Final = (
    f"this prepared statement is not known, or not any more: one that is not used for {IDLE_SECONDS / 60:g} minutes goes, "
    f"of more than {MOST:,} the one used longest ago, and all where the runtime starts anew; prepare it again"
)

_STRANGE: Final = "this ticket is none of this process's; ask for the statement anew"


class Statements:
    """What clients make of statements. Any thread may call any method; all raise QueryError or errors of Flight.

    ``random`` gives so many random bytes, ``clock`` seconds that only grow.
    """

    def __init__(
        self,
        running: Running,
        random: Callable[[int], bytes] = os.urandom,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._running = running
        self._random = random
        self._key = random(32)
        self.handles = Handles(random, clock)
        self.runs = Runs()
        self._leaving = Leaving()

    def close(self) -> None:
        """End what looks after clients. Safe to call twice."""
        self._leaving.close()

    def told(self, sql: str) -> tuple[pa.Schema, bytes]:
        """The columns of the rows, and the ticket for them. Nothing runs."""
        prepared = self._running.prepare(sql)
        if prepared.parameters:
            raise QueryError(
                QueryFault.INVALID,
                f"the statement takes {prepared.parameters} parameters: prepare it, and bind them",
            )
        return prepared.schema, self._ticket(sql, prepared.schema, None)

    def told_of_prepared(self, handle: bytes) -> tuple[pa.Schema | None, bytes]:
        """As ``told``, of a prepared statement. The columns are None where parameters may decide on their types."""
        statement = self.prepared(handle)
        if not statement.parameters:
            return statement.schema, self._ticket(statement.sql, statement.schema, None)
        if statement.bound is None:
            raise QueryError(
                QueryFault.INVALID,
                f"the statement takes {statement.parameters} parameters, and none is bound",
            )
        return None, self._ticket(statement.sql, None, statement.bound)

    def _ticket(self, sql: str, schema: pa.Schema | None, bound: bytes | None) -> bytes:
        fingerprint = ANY_SCHEMA if schema is None else digest(schema)
        return StatementTicket(self._random(16), sql, fingerprint, bound).encoded(self._key)

    def prepare(self, sql: str) -> tuple[bytes, PreparedStatement]:
        """A handle, and what it stands for."""
        prepared = self._running.prepare(sql)
        statement = PreparedStatement(sql, prepared.schema, prepared.parameters)
        return self.handles.add(statement), statement

    def prepared(self, handle: bytes) -> PreparedStatement:
        """What a handle stands for. Raises NotFound."""
        statement = self.handles.get(handle)
        if statement is None:
            raise NotFound(_FORGOTTEN)
        return statement

    def bind(self, handle: bytes, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        """Take the values of the parameters for the runs that follow."""
        self.handles.bind(handle, bound_row(batches, schema, self.prepared(handle).parameters))

    def cancel(self, ticket: bytes) -> None:
        """End the statement that runs for ``ticket``. Raises NotFound if none does."""
        statement = decoded(ticket, self._key)
        if statement is None or not self.runs.cancel(statement.number):
            raise NotFound("no statement runs for this ticket: it has ended, or has not begun")

    def rows(self, call: Any, ticket: bytes) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The rows, which the engine makes as they are read; ``call`` is pyarrow's object of the client's call."""
        statement = decoded(ticket, self._key)
        if statement is None:
            raise Invalid(_STRANGE)
        try:
            parameters = scalars(statement.parameters)
        except (pa.ArrowException, OSError):
            raise Invalid(_STRANGE) from None
        answer = self._running.query(statement.sql, parameters)
        rows = self._streamed(call, answer, statement)
        # The generator has begun when Flight gets it, so that it ends the statement however Flight drops it.
        schema = next(rows)
        return schema, rows

    def _streamed(self, call: Any, answer: Answer, statement: StatementTicket) -> Iterator[Any]:
        """The schema, then the batches. It runs on the thread of the call, while the call lives."""
        with told(), self._answering(call, answer, statement.number):
            with self._leaving.watching(call, answer):
                schema = answer.run()
            if statement.digest not in (ANY_SCHEMA, digest(schema)):
                self.handles.renew(statement.sql, schema)
                raise flight.FlightUnavailableError(
                    "the columns of the tables have changed since the client was told of them; ask again"
                )
            yield schema
            batches = answer.batches()
            while True:
                with self._leaving.watching(call, answer):
                    batch = next(batches, None)
                if batch is None:
                    return
                yield from parts(batch)

    @contextmanager
    def _answering(self, call: Any, answer: Answer, number: bytes) -> Iterator[None]:
        """Count the run, and end the statement with it, whatever happens."""
        try:
            with self.runs.running(number, answer) as run:
                try:
                    yield
                except QueryError:
                    if run.cancelled or call.is_cancelled():
                        # Not CANCELLED: pyarrow's clients take that for a Ctrl-C of their own, and raise KeyboardInterrupt.
                        raise flight.FlightServerError("the statement was cancelled") from None
                    raise
        finally:
            with suppress(QueryError):
                answer.close()
