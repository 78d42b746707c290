"""A dataset's live copy as statements read it: one commit for all of a statement's scans, each by its own COPY."""
# ruff: noqa: S608 - names are quoted or ours, values are written by ``literal``

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, Target
from headrace.accelerators.postgres.bulk import copy_out
from headrace.accelerators.postgres.conditions import fit, where
from headrace.accelerators.postgres.door import literal, translated
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.lookup import begin_reading
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.postgres.readers import Reader, Readers, cancel
from headrace.accelerators.stored_schema import decode_schema
from headrace.column_type import TEXT, Times, time_type
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.leaf import Condition, Fit
from headrace.schema import Column, TableSchema

_SAVEPOINT = "headrace_scan"


class PostgresLeaf:
    """The live copy of a dataset."""

    def __init__(self, readers: Readers, dataset: str) -> None:
        self._readers = readers
        self._dataset = dataset

    def begin(self) -> PostgresReading:
        """The newest commit, held until it is closed. Any thread may ask. Raises AcceleratorError."""
        with self._readers.taken(f"cannot read {self._dataset}") as reader:
            known = begin_reading(reader.connection, reader.names, (Target.LIVE,))
            live = known.get(Target.LIVE)
            if live is None:
                raise AcceleratorError(f"there is no copy of {self._dataset} yet")
            layout = Layout.of(decode_schema(live.row.schema))
            table = reader.names.qualified(reader.names.rows(Target.LIVE))
            return PostgresReading(self._readers, reader, self._dataset, layout, table)


class LettersLeaf:
    """The dead letters of a dataset's copies, under the names that users know."""

    def __init__(self, readers: Readers, dataset: str) -> None:
        self._readers = readers
        self._dataset = dataset

    def begin(self) -> PostgresReading:
        """The newest commit, held until it is closed. Any thread may ask. Raises AcceleratorError."""
        with self._readers.taken(f"cannot read the dead letters of {self._dataset}") as reader:
            begin_reading(reader.connection, reader.names, ())
            return PostgresReading(self._readers, reader, DEAD_LETTERS, _LETTERS, _letters(reader.names))


class PostgresReading:
    """A LeafReading: one transaction of ``reader``, and others on the same commit while it is busy with a scan."""

    def __init__(self, readers: Readers, reader: Reader, called: str, layout: Layout, table: str) -> None:
        self._readers = readers
        self._called = called
        self._layout = layout
        self._table = table
        self._lock = threading.Lock()
        self._first = reader
        self._all = [reader]
        self._free = [reader]
        self._cancelled = False
        self._snapshot = str(_one(reader.connection, "SELECT pg_export_snapshot()"))

    @property
    def schema(self) -> pa.Schema:
        """The columns as queries see them, in their order."""
        return self._layout.schema.arrow()

    def fit(self, condition: Condition) -> Fit:
        """How far ``scan`` carries out ``condition``."""
        return fit(self._layout, condition)

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows that satisfy ``conditions``, those of ``columns``, as they are read."""
        chosen = [self._column(name) for name in columns]
        selected = self._layout.selected(chosen) or [("true", pa.bool_())]
        query = f"SELECT {', '.join(sql for sql, _ in selected)} FROM {self._table}"
        exact = [one for one in conditions if self.fit(one) is Fit.EXACT]
        if exact:
            query += f" WHERE {' AND '.join(where(self._layout, one) for one in exact)}"
        if limit is not None and len(exact) == len(conditions):
            query += f" LIMIT {limit}"
        with (
            translated(f"cannot read {self._called}", self._readers.redact),
            self._connection() as connection,
        ):
            for rows in copy_out(connection, query, [type_ for _, type_ in selected]):
                # The server may have sent everything before it heard of the end.
                self._expect_going()
                # Of no columns a batch has rows all the same.
                yield self._layout.restored(rows, chosen) if chosen else rows.to_batches()[0].select([])

    def cancel(self) -> None:
        """Let a scan that runs fail soon, and those that are still to begin."""
        with self._lock:
            self._cancelled = True
            busy = [reader for reader in self._all if reader not in self._free]
        for reader in busy:
            cancel(reader.connection)

    def close(self) -> None:
        """Let go of the commit. Safe to call twice."""
        with self._lock:
            closing, self._all, self._free = self._all, [], []
            self._cancelled = True
        for reader in closing:
            with suppress(psycopg.Error):
                reader.connection.execute("ROLLBACK")
            self._readers.give_back(reader)

    def _column(self, name: str) -> Column:
        found = next((column for column in self._layout.schema.columns if column.name == name), None)
        if found is None:
            raise QueryError(QueryFault.UNKNOWN_NAME, f"{self._called} has no column {name}")
        return found

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        """A connection that sees the commit, for one scan."""
        reader = self._taken()
        try:
            # A scan that is given up takes its part of the transaction with it, but not the commit that is seen.
            reader.connection.execute(f"SAVEPOINT {_SAVEPOINT}")
            try:
                yield reader.connection
            finally:
                reader.connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        finally:
            with self._lock:
                if reader in self._all:
                    self._free.append(reader)

    def _taken(self) -> Reader:
        with self._lock:
            self._expect_going()
            if self._free:
                return self._free.pop()
        reader = self._readers.take()
        try:
            reader.connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            reader.connection.execute(f"SET TRANSACTION SNAPSHOT {literal(self._snapshot)}")
            with self._lock:
                self._expect_going()
                self._all.append(reader)
        except BaseException:
            with suppress(psycopg.Error):
                reader.connection.execute("ROLLBACK")
            self._readers.give_back(reader)
            raise
        return reader

    def _expect_going(self) -> None:
        if self._cancelled:
            raise AcceleratorError(f"reading {self._called} was cancelled")


def _one(connection: psycopg.Connection, query: str) -> object:
    found = connection.execute(query).fetchone()
    assert found is not None, "a query without FROM is always one row"
    return found[0]


_MOMENT = time_type(Times(None, frozenset({"2006-01-02T15:04:05.999999"})))

_LETTERS = Layout(
    TableSchema(
        tuple(
            Column((name,), name, _MOMENT if name.endswith("_at") else TEXT)
            for name in (
                *("dataset", "id", "shard", "sequence_number", "key", "reason", "record"),
                *("seen_at", "superseded_at", "copy"),
            )
        )
    )
)
"""The columns of the dead letters as users see them."""


def _letters(names: Names) -> str:
    """The dataset's letters among those of all datasets."""
    return f"(SELECT * FROM {names.letters} WHERE dataset = {literal(names.dataset)}) AS letters"
