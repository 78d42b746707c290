"""What one dataset's database holds of one key."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

import sqlite3
from typing import Any

import pyarrow as pa

from headrace.accelerator import StoredLetter, Target
from headrace.accelerators.lookup import KeyValues
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.sqlite.door import quoted
from headrace.accelerators.sqlite.letters import letters_of_key
from headrace.accelerators.sqlite.storage import parameter, restored
from headrace.accelerators.sqlite.tables import CopyNames, read_copy, same_key
from headrace.schema import TableSchema


class SQLiteKeyReader:
    """A KeyReader over a connection that reads in one transaction."""

    def __init__(self, connection: sqlite3.Connection, dataset: str) -> None:
        self._connection = connection
        self._dataset = dataset

    def stored(self, target: Target) -> CopyRow | None:
        """What is stored of a copy, None where there is none."""
        return read_copy(self._connection, target)

    def row(self, target: Target, schema: TableSchema, key: KeyValues) -> pa.RecordBatch | None:
        """The key's row in a copy of this schema."""
        names = ", ".join(quoted(column.name) for column in schema.columns)
        found = self._where(names, CopyNames.of(self._dataset, target).rows, schema, key)
        if found is None:
            return None
        columns = [
            restored([value], column.type) for value, column in zip(found, schema.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema.arrow())

    def is_noted(self, target: Target, schema: TableSchema, key: KeyValues) -> bool:
        """Whether a key is among the notes of a copy that has some."""
        return self._where("1", CopyNames.of(self._dataset, target).notes, schema, key) is not None

    def letters(self, target: Target, form: str) -> list[StoredLetter]:
        """The newest letters of a key, the newest first."""
        return letters_of_key(self._connection, target, form)

    def _where(self, names: str, table: str, schema: TableSchema, key: KeyValues) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._connection.execute(
            f"SELECT {names} FROM {quoted(table)} WHERE {same_key(schema)}", [parameter(part) for part in key]
        ).fetchone()
        return found
