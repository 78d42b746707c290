"""What one dataset's database holds of one key."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, StoredLetter, Target
from headrace.accelerators.duckdb.casts import restored, sql_type
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.duckdb.key_hash import same_key, sought
from headrace.accelerators.duckdb.letters import LETTER_COLUMNS
from headrace.accelerators.duckdb.tables import CopyRow, CopyTables, read_copy
from headrace.accelerators.letters import stored_letter
from headrace.accelerators.lookup import MOST_LETTERS, KeyValues
from headrace.schema import Column, TableSchema


class DuckDBKeyReader:
    """A KeyReader over a cursor that reads in one transaction."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, dataset: str) -> None:
        self._cursor = cursor
        self._dataset = dataset

    def stored(self, target: Target) -> CopyRow | None:
        """What is stored of a copy, None where there is none."""
        return read_copy(self._cursor, target)

    def row(self, target: Target, schema: TableSchema, key: KeyValues) -> pa.RecordBatch | None:
        """The key's row in a copy of this schema."""
        found = self._where(self._tables(target).rows, schema.columns, schema, key)
        if not found.num_rows:
            return None
        return restored(found, schema.arrow()).combine_chunks().to_batches()[0]

    def is_noted(self, target: Target, schema: TableSchema, key: KeyValues) -> bool:
        """Whether a key is among the notes of a copy that has some."""
        return bool(self._where(self._tables(target).notes, schema.keys, schema, key).num_rows)

    def letters(self, target: Target, form: str) -> Iterator[StoredLetter]:
        """The newest letters of a key, the newest first."""
        found = self._cursor.execute(
            f"SELECT {LETTER_COLUMNS} FROM {DEAD_LETTERS} WHERE copy = {literal(target)} AND key_form = ? "
            f"ORDER BY seen_at DESC LIMIT {MOST_LETTERS}",
            [form],
        ).fetchall()
        return map(stored_letter, found)

    def _where(self, table: str, columns: Sequence[Column], schema: TableSchema, key: KeyValues) -> pa.Table:
        """``columns`` of the first row of ``table`` with this key."""
        # As texts and of the column's own type: DuckDB may compare decimals of two types as doubles.
        values = ", ".join(
            f"CAST(? AS {sql_type(column.type.arrow())}) AS {quoted(column.name)}" for column in schema.keys
        )
        given = [value if isinstance(value, bytes) else str(value) for value in key]
        return self._cursor.execute(
            f"SELECT {', '.join(f't.{quoted(column.name)}' for column in columns)} FROM {table} t, "
            f"({sought(f'(SELECT {values})', schema)}) b WHERE {same_key('t', 'b', schema)} LIMIT 1",
            given,
        ).to_arrow_table()

    def _tables(self, target: Target) -> CopyTables:
        return CopyTables.of(self._dataset, target)
