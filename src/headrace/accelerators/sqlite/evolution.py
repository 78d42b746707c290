"""Tables that follow their schema inside a transaction that someone else holds: no value is lost.

SQLite adds and renames columns without touching rows. Where values are stored otherwise, all rows are written anew to
another table, which takes this one's place: read in slices, the columns in question widened as Arrow.
"""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.accelerators.renaming import renamings
from headrace.accelerators.sqlite.door import quoted
from headrace.accelerators.sqlite.slices import slices
from headrace.accelerators.sqlite.storage import Stored, is_stored_alike, restored, sql_type, stored
from headrace.accelerators.widen import widen
from headrace.schema import Column, TableSchema

_WIDER = "headrace_wider"
_SLICE_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the columns that it has and shall have; ``creation`` gives SQL that makes one of a name."""

    name: str
    creation: Callable[[str, TableSchema], str]
    old: TableSchema
    new: TableSchema


def evolve(connection: sqlite3.Connection, table: Table) -> None:
    """Give a table the columns of its new schema, a join of the old one."""
    wide = {column.path: column for column in table.new.columns}
    if all(is_stored_alike(column.type, wide[column.path].type) for column in table.old.columns):
        for statement in _alterations(table):
            connection.execute(statement)
    else:
        _rewrite(connection, table)


def _alterations(table: Table) -> Iterator[str]:
    """SQL that renames and adds columns."""
    alter = f"ALTER TABLE {quoted(table.name)}"
    for before, after in renamings(table.old, table.new):
        yield f"{alter} RENAME COLUMN {quoted(before)} TO {quoted(after)}"
    known = {column.path for column in table.old.columns}
    for column in table.new.columns:
        if column.path not in known:
            yield f"{alter} ADD COLUMN {quoted(column.name)} {sql_type(column.type)}"


def _rewrite(connection: sqlite3.Connection, table: Table) -> None:
    """Write all rows anew, in their order."""
    connection.execute(table.creation(_WIDER, table.new))
    names = ", ".join(quoted(column.name) for column in table.old.columns)
    wide = {column.path: column for column in table.new.columns}
    targets = [wide[column.path] for column in table.old.columns]
    wider = ", ".join(quoted(column.name) for column in targets)
    insert = f"INSERT INTO {_WIDER} ({wider}) VALUES ({', '.join('?' * len(targets))})"
    cursor = connection.execute(f"SELECT {names} FROM {quoted(table.name)}")
    for rows in slices(cursor, _SLICE_ROWS):
        connection.executemany(insert, _widened(rows, table.old.columns, targets))
    connection.execute(f"DROP TABLE {quoted(table.name)}")
    connection.execute(f"ALTER TABLE {_WIDER} RENAME TO {quoted(table.name)}")


def _widened(
    rows: Sequence[Sequence[Stored]], sources: Sequence[Column], targets: Sequence[Column]
) -> list[tuple[Stored, ...]]:
    columns: list[Any] = list(zip(*rows, strict=True))
    for place, (source, target) in enumerate(zip(sources, targets, strict=True)):
        if not is_stored_alike(source.type, target.type):
            values = restored(columns[place], source.type)
            columns[place] = stored(widen(values, source.type, target.type), target.type)
    return list(zip(*columns, strict=True))
