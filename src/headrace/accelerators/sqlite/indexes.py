"""Indexes that a copy's table has for the Spicepod, beside that of its key."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from headrace.accelerators.indexes import table_indexes
from headrace.accelerators.sqlite.door import quoted
from headrace.dataset import Index
from headrace.schema import TableSchema

_PREFIX = "headrace_index_"


def ensure_indexes(
    connection: sqlite3.Connection, table: str, schema: TableSchema, asked: Sequence[Index]
) -> None:
    """Make those that are missing and asked for, and remove ours that nobody asks for any more.

    Raises sqlite3.IntegrityError where rows forbid a unique one.
    """
    wanted = {index.id: index for index in table_indexes(schema, asked)}
    found = {name.split("_")[2]: name for name in _ours(connection, table)}
    for id_, name in found.items():
        if id_ not in wanted:
            connection.execute(f"DROP INDEX {quoted(name)}")
    for id_, index in wanted.items():
        if id_ not in found:
            columns = ", ".join(quoted(column.name) for column in index.columns)
            unique = "UNIQUE " if index.unique else ""
            name = _free_name(connection, id_)
            connection.execute(f"CREATE {unique}INDEX {quoted(name)} ON {quoted(table)} ({columns})")


def has_unique(schema: TableSchema, asked: Sequence[Index]) -> bool:
    """Whether a row can be in the way of another of another key."""
    return any(index.unique for index in table_indexes(schema, asked))


def _ours(connection: sqlite3.Connection, table: str) -> list[str]:
    found = connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall()
    return [name for _, name, *_ in found if name.startswith(_PREFIX)]


def _free_name(connection: sqlite3.Connection, id_: str) -> str:
    """Indexes of all tables share their names, and keep them when a table is renamed."""
    taken = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'").fetchall()
    }
    number = 1
    while f"{_PREFIX}{id_}_{number}" in taken:
        number += 1
    return f"{_PREFIX}{id_}_{number}"
