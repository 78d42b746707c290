"""One checked statement: run once, read batch by batch, cancelled from any thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Final, Self

import duckdb
import pyarrow as pa

from headrace.errors import LeafWidened, QueryError, QueryFault
from headrace.limits import Origin
from headrace.query.allow_list import Checked
from headrace.query.door import translated
from headrace.query.leaf_readings import Readings
from headrace.query.parser import Verb
from headrace.query.repeatable import is_repeatable
from headrace.query.watch import Watch

Connect = Callable[[], duckdb.DuckDBPyConnection]
"""Gives a fresh connection in which each dataset answers to its bare name."""

Read = Callable[[duckdb.DuckDBPyConnection], pa.RecordBatchReader]
"""Runs a statement in a connection whose transaction has begun."""

Attempt = Callable[[], tuple[Read, Readings]]
"""How to run a statement once, and the leaves that this opens."""

MOST_ATTEMPTS: Final = 10
"""Each one knows the columns of all items that those before it met."""

_SAMPLED: Final = (
    "a dataset without a copy has the columns of the items that were met so far: name others under columns: in the "
    "Spicepod, or raise schema_infer_max_records"
)


class _Stage(Enum):
    NEW = "new"
    OPEN = "open"
    CLOSED = "closed"


class Statement:
    """A statement that has been checked and not yet run.

    ``run`` waits for a free place and starts it, ``batches`` gives the rows, ``close`` rolls back and gives
    the place up; the end of the rows and any error close by themselves. These three belong to one thread
    at a time; ``cancel`` may come from any other at any moment. ``attempt`` is asked again where a leaf turns out, before
    the first row is there, to have other columns than it said.
    """

    origin = Origin.BYPASS

    def __init__(self, checked: Checked, attempt: Attempt, connect: Connect, watch: Watch) -> None:
        self._checked = checked
        self._attempt = attempt
        self._connect = connect
        self._watch = watch
        self._readings = Readings({})
        self._first: pa.RecordBatch | None = None
        self._stage = _Stage.NEW
        self._reader: pa.RecordBatchReader | None = None
        self._stopped: QueryError | None = None
        self._inside = threading.Lock()
        self._working_since: float | None = None
        self._idle_since = watch.clock()
        self._timeout = watch.bounds.timeout
        self._worked = 0.0
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._cursor_gate = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def tables(self) -> frozenset[str]:
        """The datasets that it reads."""
        return self._checked.tables

    @property
    def repeatable(self) -> bool:
        """Whether its rows are the same as long as its tables are."""
        trees = [self._checked.parsed.tree, *(view.parsed.tree for view in self._checked.views.values())]
        return self._checked.verb is Verb.RUN and all(is_repeatable(tree) for tree in trees)

    def limit(self, seconds: float) -> None:
        """Have it end after so many seconds of the engine's work, where that is less than all may have."""
        self._timeout = min(self._timeout, seconds)

    def run(self) -> pa.Schema:
        """Start, and give the schema of the rows.

        Raises QueryError: BUSY where no place becomes free in time, TIMEOUT, and whatever the engine finds.
        """
        if self._stage is not _Stage.NEW:
            raise QueryError(QueryFault.FAILED, "a statement runs once only")
        self._stage = _Stage.OPEN
        self._watch.enter(self)
        with self._working():
            for _ in range(MOST_ATTEMPTS - 1):
                try:
                    return self._begun()
                except LeafWidened:
                    self._let_go()
            return self._begun()

    def _begun(self) -> pa.Schema:
        read, self._readings = self._attempt()
        self._cursor = cursor = self._connect()
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        self._raise_if_stopped()
        with self._leaves_own_words():
            self._reader = reader = read(cursor)
            if self._readings.far_away:
                self._first = next(reader, None)
            return reader.schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows. Raises QueryError as ``run``, at any batch."""
        while True:
            with self._working():
                batch, self._first = self._first, None
                if batch is None:
                    batch = None if self._reader is None else next(self._reader, None)
            if batch is None:
                self.close()
                return
            yield batch

    def reader(self) -> pa.RecordBatchReader:
        """``run``, and the rows as an Arrow reader. Closing that does nothing: close the statement."""
        return pa.RecordBatchReader.from_batches(self.run(), self.batches())

    def cancel(self) -> None:
        """Stop as soon as may be; the thread that runs or reads it gets QueryError."""
        self._stop(QueryError(QueryFault.FAILED, "the statement was cancelled"))

    def close(self) -> None:
        """Roll back and give the place up. Safe to call twice."""
        with self._inside:
            self._finish()

    def tick(self, now: float) -> None:
        """Stop if the time is over; the watch calls this again and again."""
        bounds, since = self._watch.bounds, self._working_since
        if self._stopped is not None:
            self._interrupt()
            self._abandon()
        elif since is not None:
            if self._worked + now - since > self._timeout:
                self._stop(
                    QueryError(QueryFault.TIMEOUT, f"the statement took longer than {self._timeout:g} s")
                )
        elif now - self._idle_since > bounds.idle:
            self._stop(QueryError(QueryFault.TIMEOUT, f"nobody read the rows for {bounds.idle:g} s"))

    @contextmanager
    def _working(self) -> Iterator[None]:
        """The engine works, for this thread alone. Any error closes the statement."""
        with self._inside:
            clock = self._watch.clock
            self._working_since = began = clock()
            try:
                self._raise_if_stopped()
                with translated(self._checked.sql, self._checked.tables), self._leaves_own_words():
                    yield
            except BaseException as error:
                far_away = self._readings.far_away
                self._finish()
                if self._stopped is not None and error is not self._stopped:
                    raise self._stopped from error
                if far_away and isinstance(error, QueryError) and error.fault is QueryFault.UNKNOWN_NAME:
                    raise QueryError(error.fault, f"{error}; {_SAMPLED}") from error
                raise
            finally:
                self._idle_since = now = clock()
                self._worked += now - began
                self._working_since = None

    @contextmanager
    def _leaves_own_words(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._readings.raise_failure(error)
            raise

    def _raise_if_stopped(self) -> None:
        if self._stopped is not None:
            raise self._stopped

    def _stop(self, why: QueryError) -> None:
        if self._stopped is None:
            self._stopped = why
        # It may come between two things that the engine does, and be lost: the watch repeats it.
        self._interrupt()

    def _interrupt(self) -> None:
        with self._cursor_gate, suppress(duckdb.Error):
            if self._cursor is not None:
                self._cursor.interrupt()
        self._readings.cancel()

    def _abandon(self) -> None:
        """Close, if no thread is inside that will."""
        if self._inside.acquire(blocking=False):
            try:
                self._finish()
            finally:
                self._inside.release()

    def _finish(self) -> None:
        self._stage = _Stage.CLOSED
        self._let_go()
        self._watch.leave(self)

    def _let_go(self) -> None:
        reader, self._reader, self._first = self._reader, None, None
        with self._cursor_gate:
            cursor, self._cursor = self._cursor, None
        if reader is not None:
            with suppress(pa.ArrowException, OSError):
                reader.close()
        if cursor is not None:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            with suppress(duckdb.Error):
                cursor.close()
        self._readings.close()
