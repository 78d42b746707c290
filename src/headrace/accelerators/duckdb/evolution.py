"""Tables that follow their schema inside a transaction that someone else holds: no value and no place is lost.

DuckDB's own ALTER does what it does exactly and fast. Where it does not, the table is read in slices, widened
as Arrow, and written to a new one, which takes its place.
"""
# ruff: noqa: S608 - names are quoted or ours, values are Arrow

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from headrace.accelerators.duckdb.casts import is_native, restored, sql_type
from headrace.accelerators.duckdb.door import quoted
from headrace.accelerators.duckdb.key_hash import is_hashed, same_hashes
from headrace.accelerators.duckdb.rows import insert
from headrace.accelerators.duckdb.tables import (
    CopyTables,
    addition,
    defined,
    rehash,
    table_creation,
    view,
)
from headrace.accelerators.renaming import renamings
from headrace.accelerators.widen import widen_rows
from headrace.schema import TableSchema

SLICE_BYTES = 64 * 2**20
"""What is aimed at for one slice of a table, as Arrow."""

_FIRST_SLICE = 2_000
_LARGEST_SLICE = 250_000
_MOST_GROWTH = 8
_WIDER = "headrace_wider"


@dataclass(frozen=True, slots=True)
class _Table:
    """A table by its name as SQL, with the columns that it has and shall have."""

    name: str
    old: TableSchema
    new: TableSchema


def evolve(
    connection: duckdb.DuckDBPyConnection,
    tables: CopyTables,
    old: TableSchema,
    new: TableSchema,
    *,
    noted: bool,
) -> None:
    """Give a copy the columns of ``new``, a join of ``old``.

    ``noted`` says that there is a table of notes, whose key columns must follow. Nothing may be written in
    the transaction before.
    """
    if old == new:
        return
    changing = [_Table(tables.rows, old, new)]
    if noted:
        changing.append(_Table(tables.notes, TableSchema(old.keys), TableSchema(new.keys)))
    altered = [table for table in changing if _is_altered(table)]
    # ALTER first: DuckDB refuses the commit of one that follows a change of rows.
    for table in altered:
        for statement in _alterations(table):
            connection.execute(statement)
    connection.execute(f"DROP VIEW {quoted(tables.shown)}")
    for table in [table for table in changing if table not in altered]:
        _rewrite(connection, table)
    connection.execute(view(tables, new))
    for table in altered:
        if not same_hashes(old, new):
            for statement in rehash(table.name, new):
                connection.execute(statement)


def _is_altered(table: _Table) -> bool:
    wide = {column.path: column.type for column in table.new.columns}
    return all(is_native(column.type, wide[column.path]) for column in table.old.columns)


def _alterations(table: _Table) -> Iterator[str]:
    """SQL that renames, widens and adds columns."""
    alter = f"ALTER TABLE {table.name}"
    wide = {column.path: column for column in table.new.columns}
    for before, after in renamings(table.old, table.new):
        yield f"{alter} RENAME COLUMN {quoted(before)} TO {quoted(after)}"
    for column in table.old.columns:
        target = wide[column.path]
        type_ = sql_type(target.type.arrow())
        if type_ != sql_type(column.type.arrow()):
            yield f"{alter} ALTER COLUMN {quoted(target.name)} SET DATA TYPE {type_}"
    known = {column.path for column in table.old.columns}
    for column in table.new.columns:
        if column.path not in known:
            yield f"{alter} ADD COLUMN {defined(column)}"
    if not is_hashed(table.old):
        yield from addition(table.name, table.new)


def _rewrite(connection: duckdb.DuckDBPyConnection, table: _Table) -> None:
    """Write all rows anew, in their order."""
    connection.execute(table_creation(_WIDER, table.new))
    for rows in _slices(connection, table):
        insert(connection, widen_rows(rows, table.old, table.new), _WIDER, table.new)
    connection.execute(f"DROP TABLE {table.name}")
    connection.execute(f"ALTER TABLE {_WIDER} RENAME TO {table.name}")


def _slices(connection: duckdb.DuckDBPyConnection, table: _Table) -> Iterator[pa.Table]:
    """The rows of a table in their order, a bounded number of bytes at a time, with the types of its schema."""
    names = [quoted(column.name) for column in table.old.columns]
    arrow = table.old.arrow()
    (last,) = connection.execute(f"SELECT max(rowid) FROM {table.name}").fetchone() or (None,)
    first, size = 0, _FIRST_SLICE
    while last is not None and first <= last:
        found = connection.execute(
            f"SELECT {', '.join(names)} FROM {table.name} WHERE rowid BETWEEN {first} AND {first + size - 1}"
        ).to_arrow_table()
        first += size
        if found.num_rows:
            yield restored(found, arrow)
            fitting = found.num_rows * SLICE_BYTES // max(found.nbytes, 1)
            size = max(1, min(fitting, size * _MOST_GROWTH, _LARGEST_SLICE))
