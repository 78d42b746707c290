"""What one dataset's tables hold, as one commit left it: for readers beside the session that writes."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
import pyarrow as pa

from headrace.accelerator import StoredLetter, Target
from headrace.accelerators.letters import stored_letter
from headrace.accelerators.lookup import MOST_LETTERS, KeyValues
from headrace.accelerators.postgres import copies
from headrace.accelerators.postgres.bulk import copy_out
from headrace.accelerators.postgres.column_forms import literal
from headrace.accelerators.postgres.copies import PostgresCopy
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.letters import LETTER_COLUMNS
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.relational import CopyRow
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema

PATIENCE = 10.0
"""Seconds that a reader waits for tables that are being made, changed or replaced."""


@contextmanager
def reading(connection: psycopg.Connection, names: Names) -> Iterator[dict[Target, PostgresCopy]]:
    """``begin_reading``, and the end of it."""
    try:
        yield begin_reading(connection, names, tuple(Target))
    finally:
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")


def begin_reading(
    connection: psycopg.Connection, names: Names, targets: Sequence[Target]
) -> dict[Target, PostgresCopy]:
    """Begin a transaction that sees one commit: what is stored of those copies of ``targets`` that there are.

    A table is locked before the commit is chosen. Else one that takes its name later would be read in its place, and
    seem empty, for its rows are younger than the commit.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            locked = _begin(connection, names, targets)
            found = _copies(connection, names, targets)
            if _needed(names, found) <= locked:
                return found
        except (psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
            pass
        connection.execute("ROLLBACK")
        if time.monotonic() > until:
            raise AcceleratorError(f"the tables of {names.dataset} are being changed; ask again")
        connection.execute("SELECT pg_sleep(0.01)")


def _begin(connection: psycopg.Connection, names: Names, targets: Sequence[Target]) -> set[str]:
    """Begin a transaction that sees no commit yet, and lock the tables that there are by now."""
    tables = _needed(names, _copies(connection, names, targets))
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    for number, table in enumerate(sorted(tables)):
        # Whoever holds a lock waits for no other: the writer may wait for this one.
        patience = "NOWAIT" if number else ""
        connection.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE {patience}")
    return tables


def _copies(
    connection: psycopg.Connection, names: Names, targets: Sequence[Target]
) -> dict[Target, PostgresCopy]:
    if not copies.exists(connection, names.checkpoint):
        return {}
    found = {target: copies.stored(connection, names, target) for target in targets}
    return {target: copy for target, copy in found.items() if copy is not None}


def _needed(names: Names, known: dict[Target, PostgresCopy]) -> set[str]:
    rows = {names.qualified(names.rows(target)) for target in known}
    return rows | {names.qualified(names.notes(target)) for target, copy in known.items() if copy.row.noted}


class PostgresKeyReader:
    """A KeyReader inside a ``reading`` of ``known`` copies."""

    def __init__(
        self, connection: psycopg.Connection, names: Names, known: dict[Target, PostgresCopy]
    ) -> None:
        self._connection = connection
        self._names = names
        self._known = known

    def stored(self, target: Target) -> CopyRow | None:
        """What is stored of a copy, None where there is none."""
        copy = self._known.get(target)
        return None if copy is None else copy.row

    def row(self, target: Target, schema: TableSchema, key: KeyValues) -> pa.RecordBatch | None:
        """The key's row in a copy of this schema."""
        layout = Layout.of(schema)
        selected = layout.selected(schema.columns)
        listed, types = ", ".join(sql for sql, _ in selected), [type_ for _, type_ in selected]
        query = f"SELECT {listed} FROM {self._table(self._names.rows(target))} WHERE {self._has(layout, key)}"
        for found in copy_out(self._connection, query, types):
            return layout.restored(found, schema.columns)
        return None

    def is_noted(self, target: Target, schema: TableSchema, key: KeyValues) -> bool:
        """Whether a key is among the notes of a copy that has some."""
        layout = Layout.of(schema)
        found = self._connection.execute(
            f"SELECT 1 FROM {self._table(self._names.notes(target))} WHERE {self._has(layout, key)}"
        ).fetchone()
        return found is not None

    def letters(self, target: Target, form: str) -> Iterable[StoredLetter]:
        """The newest letters of a key, the newest first."""
        found = self._connection.execute(
            f"SELECT {LETTER_COLUMNS} FROM {self._names.letters} WHERE dataset = $1 AND copy = $2 AND key_form = $3 "
            f"ORDER BY seen_at DESC LIMIT {MOST_LETTERS}",
            [self._names.dataset, target.value, form],
        ).fetchall()
        return map(stored_letter, found)

    def _has(self, layout: Layout, key: KeyValues) -> str:
        """SQL by which a row has this key."""
        pairs = zip(layout.keys, key, strict=True)
        return " AND ".join(
            f"{place.sql} = {literal(pa.scalar(value, place.column.type.arrow()))}" for place, value in pairs
        )

    def _table(self, name: str) -> str:
        return self._names.qualified(name)
