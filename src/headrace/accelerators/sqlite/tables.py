"""The tables of one dataset's database, and the steps of a transaction on them.

A database holds the dataset's own table, ``headrace_building`` (a copy being built beside it), for each of the two
a table of notes (keys that the stream touched while the Scan runs), ``headrace_checkpoint`` with one row for each
copy, and ``headrace_dead_letter``.

Rows are found by the index of their primary key, and stand by themselves, not in that index (WITHOUT ROWID): an item
may have 400 KB, and an index whose entries are beyond a quarter of a page is slow.
"""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, Target
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.sqlite.door import quoted
from headrace.accelerators.sqlite.evolution import Table, evolve
from headrace.accelerators.sqlite.indexes import ensure_indexes, has_unique
from headrace.accelerators.sqlite.letters import LETTER_INDEX, LETTER_TABLE, SQLiteLetters
from headrace.accelerators.sqlite.storage import sql_type, stored_rows
from headrace.accelerators.stored_schema import decode_schema
from headrace.dataset import Index
from headrace.errors import AcceleratorError
from headrace.schema import Column, TableSchema

FORMAT = 1
"""The layout of these tables and what they hold; raised when an older Headrace could not work on them."""

MOST_COLUMNS = 2000
"""SQLite's own limit (https://sqlite.org/limits.html)."""

_CHECKPOINT_TABLE = (
    "CREATE TABLE IF NOT EXISTS headrace_checkpoint (target TEXT PRIMARY KEY, dataset TEXT NOT NULL, "
    "format INTEGER NOT NULL, checkpoint TEXT NOT NULL, schema TEXT NOT NULL, noted INTEGER NOT NULL, "
    "letters INTEGER NOT NULL, waiting INTEGER NOT NULL) STRICT"
)


@dataclass(frozen=True, slots=True)
class CopyNames:
    """The names of one copy's tables."""

    rows: str
    notes: str

    @classmethod
    def of(cls, dataset: str, target: Target) -> CopyNames:
        """Those of the live copy of ``dataset``, or of the one being built."""
        if target is Target.LIVE:
            return cls(dataset, "headrace_notes")
        return cls("headrace_building", "headrace_building_notes")


def prepare(connection: sqlite3.Connection, dataset: str) -> None:
    """Make our own tables where they are missing.

    Raises AcceleratorError where the database holds another dataset, or a table of this one's name that is not ours:
    creating a copy would destroy it.
    """
    if dataset.lower().startswith("sqlite_"):
        raise AcceleratorError(f"dataset {dataset}: names that begin with sqlite_ are SQLite's own")
    found = connection.execute("SELECT lower(name) FROM sqlite_schema WHERE type IN ('table', 'view')")
    names = {name for (name,) in found.fetchall()}
    if "headrace_checkpoint" not in names and dataset.lower() in names:
        raise AcceleratorError(
            f"the file holds a table {dataset} that Headrace did not make; name another sqlite_file, or drop that table"
        )
    for statement in (_CHECKPOINT_TABLE, LETTER_TABLE, LETTER_INDEX):
        connection.execute(statement)
    other = connection.execute(
        "SELECT dataset FROM headrace_checkpoint WHERE dataset <> ? LIMIT 1", (dataset,)
    ).fetchone()
    if other is not None:
        raise AcceleratorError(
            f"the file holds the dataset {other[0]}, not {dataset}; "
            "name another sqlite_file, or delete the file to start over"
        )


def read_copy(connection: sqlite3.Connection, target: Target) -> CopyRow | None:
    """What is stored of a copy. Raises AcceleratorError where a newer or an earlier Headrace wrote it."""
    row = connection.execute(
        "SELECT format, checkpoint, schema, noted, letters, waiting FROM headrace_checkpoint WHERE target = ?",
        (target,),
    ).fetchone()
    if row is None:
        return None
    format_, checkpoint, schema, noted, letters, waiting = row
    if format_ > FORMAT:
        raise AcceleratorError(
            f"the accelerator's file has format {format_}, this Headrace knows up to {FORMAT}; "
            "use the newer Headrace, or delete the file to start over"
        )
    if format_ < FORMAT:
        raise AcceleratorError(
            "an earlier Headrace made the accelerator's file, and this one keeps its tables otherwise; "
            "delete the file to copy the table anew"
        )
    return CopyRow(checkpoint, schema, bool(noted), letters, waiting)


def expect_columns(connection: sqlite3.Connection, dataset: str, target: Target, row: CopyRow) -> None:
    """Raise AcceleratorError where a copy's table has other columns than ``row`` says."""
    table = CopyNames.of(dataset, target).rows
    found = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()}
    if found != {column.name for column in decode_schema(row.schema).columns}:
        raise AcceleratorError(
            f"table {table} no longer has the columns that Headrace gave it; "
            "delete the accelerator's file to start over"
        )


class SQLiteTransaction:
    """A RowTransaction on a connection on which one has begun."""

    def __init__(self, connection: sqlite3.Connection, dataset: str, indexes: Sequence[Index]) -> None:
        self._connection = connection
        self._dataset = dataset
        self._indexes = indexes

    def copy(self, target: Target) -> SQLiteCopy:
        """The tables of a copy."""
        return SQLiteCopy(self._connection, self._dataset, target, self._indexes)

    def swap(self, *, noted: bool) -> None:
        """Make the building copy the live one, of which there is none any more."""
        live, building = (CopyNames.of(self._dataset, target) for target in (Target.LIVE, Target.BUILDING))
        self._connection.execute(f"ALTER TABLE {building.rows} RENAME TO {quoted(live.rows)}")
        swap_beside(self._connection, self._dataset, noted=noted)


class SQLiteCopy:
    """The CopyTables of one copy."""

    def __init__(
        self, connection: sqlite3.Connection, dataset: str, target: Target, indexes: Sequence[Index]
    ) -> None:
        self._connection = connection
        self._dataset = dataset
        self._target = target
        self._indexes = indexes
        self._names = CopyNames.of(dataset, target)

    @property
    def letters(self) -> SQLiteLetters:
        """The copy's dead letters."""
        return SQLiteLetters(self._connection, self._dataset, self._target)

    def stored(self) -> CopyRow | None:
        """What is stored of the copy, None where there is none."""
        return read_copy(self._connection, self._target)

    def store(self, row: CopyRow) -> None:
        """Store this in place of what is stored of the copy."""
        self._connection.execute(
            "INSERT OR REPLACE INTO headrace_checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self._target, self._dataset, FORMAT, row.checkpoint, row.schema),
                *(int(row.noted), row.letters, row.waiting),
            ),
        )

    def create(self, schema: TableSchema) -> None:
        """Make an empty table of rows."""
        self._connection.execute(creation(self._names.rows, schema))
        self.ensure_indexes(schema)

    def drop(self, row: CopyRow) -> None:
        """Remove the stored copy."""
        self._connection.execute(f"DROP TABLE {quoted(self._names.rows)}")
        self.drop_beside(row)

    def drop_beside(self, row: CopyRow) -> None:
        """Remove what is stored of the copy beside its rows."""
        if row.noted:
            self.drop_notes()
        if row.letters:
            self._connection.execute(f"DELETE FROM {DEAD_LETTERS} WHERE copy = ?", (self._target,))
        self._connection.execute("DELETE FROM headrace_checkpoint WHERE target = ?", (self._target,))

    def evolve(self, old: TableSchema, new: TableSchema, *, noted: bool) -> None:
        """Give the tables the columns of ``new``, a join of ``old``."""
        expect_room(new)
        evolve(self._connection, Table(self._names.rows, creation, old, new))
        if noted:
            self.evolve_notes(old, new)
        self.ensure_indexes(new)

    def evolve_notes(self, old: TableSchema, new: TableSchema) -> None:
        """Give the table of notes the key columns of ``new``."""
        notes = (TableSchema(schema.keys) for schema in (old, new))
        evolve(self._connection, Table(self._names.notes, notes_creation, *notes))

    def ensure_indexes(self, schema: TableSchema) -> None:
        """Give the table of rows the indexes that the Spicepod asks for, and no others."""
        ensure_indexes(self._connection, self._names.rows, schema, self._indexes)

    def create_notes(self, schema: TableSchema) -> None:
        """Make an empty table of notes."""
        self._connection.execute(notes_creation(self._names.notes, schema))

    def drop_notes(self) -> None:
        """Remove the table of notes."""
        self._connection.execute(f"DROP TABLE {self._names.notes}")

    def replace_rows(self, schema: TableSchema, written: pa.Table, removed: pa.Table) -> None:
        """Store rows in place of those of their keys, and remove those of the keys of ``removed``."""
        gone = _keys(removed, schema)
        if has_unique(schema, self._indexes):
            # What a row gives up another may take: all old rows go before a new one comes.
            gone += _keys(written, schema)
        self._remove(schema, gone)
        if written.num_rows:
            places = ", ".join("?" * len(schema.columns))
            self._connection.executemany(
                f"{self._insert(schema)} VALUES ({places}) {_replacing(schema)}", _by_key(written, schema)
            )

    def replace_unnoted(self, schema: TableSchema, rows: pa.Table) -> int:
        """As ``replace_rows``, but leave out rows whose key is noted; how many were stored."""
        if has_unique(schema, self._indexes):
            noted = set(self.noted(schema, rows.select([key.name for key in schema.keys])))
            kept = rows.filter(pa.array([row not in noted for row in range(rows.num_rows)], pa.bool_()))
            self.replace_rows(schema, kept, rows.slice(0, 0))
            return int(kept.num_rows)
        places = ", ".join(f"?{number}" for number in range(1, len(schema.columns) + 1))
        cursor = self._connection.executemany(
            f"{self._insert(schema)} SELECT {places} WHERE NOT EXISTS {self._noted(schema, numbered=True)} "
            f"{_replacing(schema)}",
            _by_key(rows, schema),
        )
        return cursor.rowcount

    def note(self, schema: TableSchema, keys: pa.Table) -> None:
        """Note keys, some of which may be noted already."""
        places = ", ".join("?" * len(schema.keys))
        self._connection.executemany(
            f"INSERT OR IGNORE INTO {self._names.notes} VALUES ({places})", _keys(keys, schema)
        )

    def noted(self, schema: TableSchema, keys: pa.Table) -> list[int]:
        """Which rows of ``keys`` are noted."""
        statement = f"SELECT 1 WHERE EXISTS {self._noted(schema)}"
        execute = self._connection.execute
        return [row for row, key in enumerate(_keys(keys, schema)) if execute(statement, key).fetchone()]

    def _remove(self, schema: TableSchema, keys: Sequence[tuple[Any, ...]]) -> None:
        if keys:
            self._connection.executemany(
                f"DELETE FROM {quoted(self._names.rows)} WHERE {same_key(schema)}", sorted(keys)
            )

    def _insert(self, schema: TableSchema) -> str:
        names = ", ".join(quoted(column.name) for column in schema.columns)
        return f"INSERT INTO {quoted(self._names.rows)} ({names})"

    def _noted(self, schema: TableSchema, *, numbered: bool = False) -> str:
        same = same_key(schema, numbered=numbered)
        return f"(SELECT 1 FROM {self._names.notes} WHERE {same})"


def swap_beside(connection: sqlite3.Connection, dataset: str, *, noted: bool) -> None:
    """Make what is stored of the building copy beside its rows the live one's, of which there is nothing any more."""
    live, building = (CopyNames.of(dataset, target) for target in (Target.LIVE, Target.BUILDING))
    targets = (Target.LIVE, Target.BUILDING)
    connection.execute(f"UPDATE {DEAD_LETTERS} SET copy = ? WHERE copy = ?", targets)
    if noted:
        connection.execute(f"ALTER TABLE {building.notes} RENAME TO {live.notes}")
    connection.execute("DELETE FROM headrace_checkpoint WHERE target = ?", targets[1:])


def creation(table: str, schema: TableSchema) -> str:
    """SQL that makes a table of rows."""
    expect_room(schema)
    columns = ", ".join(defined(column) for column in schema.columns)
    return f"CREATE TABLE {quoted(table)} ({columns}, PRIMARY KEY ({_key_names(schema)})) STRICT"


def notes_creation(table: str, schema: TableSchema) -> str:
    """SQL that makes a table of notes; its rows are small, and it needs no more than its index."""
    columns = ", ".join(defined(column) for column in schema.keys)
    return (
        f"CREATE TABLE {quoted(table)} ({columns}, PRIMARY KEY ({_key_names(schema)})) STRICT, WITHOUT ROWID"
    )


def defined(column: Column) -> str:
    """A column as CREATE TABLE defines it."""
    return f"{quoted(column.name)} {sql_type(column.type)}{' NOT NULL' if column.key else ''}"


def same_key(schema: TableSchema, *, numbered: bool = False) -> str:
    """SQL for the rows of one key, given by parameters: the first ones of the statement if they are ``numbered``."""
    return " AND ".join(
        f"{quoted(column.name)} = ?{number if numbered else ''}"
        for number, column in enumerate(schema.keys, 1)
    )


def expect_room(schema: TableSchema) -> None:
    """Raise AcceleratorError where SQLite has no table of so many columns."""
    if len(schema.columns) > MOST_COLUMNS:
        raise AcceleratorError(
            f"the items have {len(schema.columns):,} columns, and a table of SQLite at most {MOST_COLUMNS:,}; "
            "declare those that you need and have a json_column hold the rest, or use engine: duckdb"
        )


def _replacing(schema: TableSchema) -> str:
    names = [quoted(column.name) for column in schema.columns if not column.key]
    # A table of keys alone replaces its rows too: DO NOTHING would not count them.
    names = names or [quoted(column.name) for column in schema.keys]
    changes = ", ".join(f"{name} = excluded.{name}" for name in names)
    return f"ON CONFLICT ({_key_names(schema)}) DO UPDATE SET {changes}"


def _key_names(schema: TableSchema) -> str:
    return ", ".join(quoted(column.name) for column in schema.keys)


def _by_key(rows: pa.Table, schema: TableSchema) -> list[tuple[Any, ...]]:
    """Rows as tuples in the order of the key's index: neighbours are written to the same of its pages."""
    found = stored_rows(rows, schema)
    # Keys come first and differ, so nothing else is compared.
    found.sort()
    return found


def _keys(rows: pa.Table, schema: TableSchema) -> list[tuple[Any, ...]]:
    keys = TableSchema(schema.keys)
    return stored_rows(rows.select([column.name for column in keys.columns]), keys)
