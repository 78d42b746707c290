"""Statements' way to tables in SQLite: one commit each, columns and conditions as SQL, rows as Arrow batches."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final, cast

import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, Target
from headrace.accelerators.sqlite.conditions import MOST_PARAMETERS, SqlCondition, fit, joined, where
from headrace.accelerators.sqlite.door import quoted, translated
from headrace.accelerators.sqlite.file import SQLiteFile
from headrace.accelerators.sqlite.letters import LETTER_COLUMNS
from headrace.accelerators.sqlite.slices import slices
from headrace.accelerators.sqlite.storage import restored
from headrace.accelerators.sqlite.tables import read_copy
from headrace.accelerators.stored_schema import decode_schema
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.leaf import Condition, Fit
from headrace.schema import Column, TableSchema

BATCH_ROWS: Final = 8192

_Columns = Callable[[sqlite3.Connection], Sequence[Column]]


class SQLiteLeaf:
    """A Leaf: one table of a dataset's database. Its columns are asked for in the commit that is read."""

    def __init__(self, file: SQLiteFile, table: str, columns: _Columns) -> None:
        self._file = file
        self._table = table
        self._columns = columns

    @classmethod
    def of_rows(cls, file: SQLiteFile, dataset: str) -> SQLiteLeaf:
        """The rows of the live copy."""

        def columns(connection: sqlite3.Connection) -> Sequence[Column]:
            row = read_copy(connection, Target.LIVE)
            if row is None:
                raise AcceleratorError(f"{dataset} has no live copy yet; ask again once it is ready")
            return decode_schema(row.schema).columns

        return cls(file, dataset, columns)

    @classmethod
    def of_letters(cls, file: SQLiteFile) -> SQLiteLeaf:
        """The dead letters of both copies."""
        return cls(file, DEAD_LETTERS, lambda _: LETTER_COLUMNS)

    def begin(self) -> SQLiteReading:
        """The newest commit, held until it is closed. Any thread may ask. Raises AcceleratorError."""
        connection = self._file.reader()
        if connection is None:
            raise AcceleratorError(f"the database of {self._file.dataset} is not open; ask again soon")
        try:
            with translated(f"cannot read {self._file.dataset}"):
                connection.execute("BEGIN")
                # The first read takes hold of the commit.
                connection.execute("SELECT 1 FROM headrace_checkpoint LIMIT 1").fetchone()
                return SQLiteReading(connection, self._table, self._columns(connection))
        except BaseException:
            connection.close()
            raise


class SQLiteReading:
    """A LeafReading: a connection in a transaction that reads."""

    def __init__(self, connection: sqlite3.Connection, table: str, columns: Sequence[Column]) -> None:
        self._connection = connection
        self._table = table
        self._columns: Mapping[str, Column] = {column.name: column for column in columns}
        self._types = {column.name: column.type for column in columns}
        self._schema = TableSchema(tuple(columns)).arrow()
        self._cancelled = False

    @property
    def schema(self) -> pa.Schema:
        """The columns as queries see them, in their order."""
        return self._schema

    def fit(self, condition: Condition) -> Fit:
        """How far ``scan`` carries out ``condition``."""
        return fit(condition, self._types)

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows that satisfy ``conditions``, those of ``columns``, as they are read."""
        carried = _fitting([where(one) for one in conditions if self.fit(one) is Fit.EXACT])
        exact = len(carried) == len(conditions)
        return self._batches([self._column(name) for name in columns], carried, limit if exact else None)

    def cancel(self) -> None:
        """Let a scan that runs fail soon."""
        self._cancelled = True
        with suppress(sqlite3.Error):
            self._connection.interrupt()

    def close(self) -> None:
        """Let go of the commit. Safe to call twice."""
        with suppress(sqlite3.Error):
            self._connection.close()

    def _batches(
        self, columns: Sequence[Column], conditions: Sequence[SqlCondition], limit: int | None
    ) -> Iterator[pa.RecordBatch]:
        names = ", ".join(quoted(column.name) for column in columns) or "1"
        every = joined(conditions, " AND ") if conditions else SqlCondition("true")
        most = "" if limit is None else f" LIMIT {limit}"
        with translated(f"cannot read {self._table}"):
            self._expect_going()
            cursor = self._connection.execute(
                f"SELECT {names} FROM {quoted(self._table)} WHERE {every.sql}{most}", every.values
            )
            try:
                for rows in slices(cursor, BATCH_ROWS):
                    self._expect_going()
                    yield _batch(rows, columns)
            finally:
                cursor.close()

    def _expect_going(self) -> None:
        if self._cancelled:
            raise AcceleratorError(f"reading {self._table} was cancelled")

    def _column(self, name: str) -> Column:
        found = self._columns.get(name)
        if found is None:
            raise QueryError(QueryFault.UNKNOWN_NAME, f"{self._table} has no column {name}")
        return found


def _fitting(conditions: Sequence[SqlCondition]) -> list[SqlCondition]:
    """As many, from the first on, as one statement has room for."""
    room, kept = MOST_PARAMETERS, []
    for condition in conditions:
        if len(condition.values) <= room:
            room -= len(condition.values)
            kept.append(condition)
    return kept


def _batch(rows: Sequence[tuple[object, ...]], columns: Sequence[Column]) -> pa.RecordBatch:
    if not columns:
        # Arrow makes no batch of rows without columns, but it leaves columns out.
        return pa.record_batch([pa.nulls(len(rows))], names=["none"]).select([])
    schema = TableSchema(tuple(columns)).arrow()
    arrays = [
        restored(cast("Sequence[str]", values), column.type)
        for values, column in zip(zip(*rows, strict=True), columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
