"""What one dataset's database holds of one key."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, StoredLetter
from headrace.accelerators.duckdb.casts import restored, sql_type
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.duckdb.stored_schema import decode_schema
from headrace.accelerators.duckdb.tables import CopyRow, CopyTables, read_copy
from headrace.accelerators.keys import key_of_json, values_of_key
from headrace.change import DeadLetter
from headrace.explanation import ItemKey, StoredKey
from headrace.position import SequenceNumber
from headrace.schema import TableSchema

MOST_LETTERS = 100
"""Dead letters of one key that are told."""


def stored_key(
    cursor: duckdb.DuckDBPyConnection, live: CopyTables, building: CopyTables, key: ItemKey
) -> StoredKey:
    """The key's row in the live copy, its note in the copy that is scanned, its dead letters in both."""
    copies = [(tables, row) for tables in (live, building) if (row := read_copy(cursor, tables.target))]
    noted = any(_is_noted(cursor, tables, row, key) for tables, row in copies)
    served = next((row for tables, row in copies if tables is live), None)
    schema = None if served is None else decode_schema(served.schema)
    found = None if schema is None else _row(cursor, live, schema, key)
    dead = tuple(letter for tables, row in copies for letter in _dead(cursor, tables, row, key))
    return StoredKey(schema, found, noted, dead)


def _row(
    cursor: duckdb.DuckDBPyConnection, tables: CopyTables, schema: TableSchema, key: ItemKey
) -> pa.RecordBatch | None:
    found = _where(cursor, quoted(tables.rows), schema, key)
    if found is None or not found.num_rows:
        return None
    return restored(found, schema.arrow()).combine_chunks().to_batches()[0]


def _is_noted(cursor: duckdb.DuckDBPyConnection, tables: CopyTables, row: CopyRow, key: ItemKey) -> bool:
    if not row.noted:
        return False
    found = _where(cursor, tables.notes, decode_schema(row.schema), key)
    return found is not None and found.num_rows > 0


def _where(
    cursor: duckdb.DuckDBPyConnection, table: str, schema: TableSchema, key: ItemKey
) -> pa.Table | None:
    """The first row of ``table`` with this key; None where its columns cannot hold the key."""
    form = key_of_json(key.text, schema)
    values = None if form is None else values_of_key(form, schema)
    if values is None:
        return None
    # As texts and of the column's own type: DuckDB may compare decimals of two types as doubles.
    same = " AND ".join(
        f"{quoted(column.name)} = CAST(? AS {sql_type(column.type.arrow())})" for column in schema.keys
    )
    given = [value if isinstance(value, bytes) else str(value) for value in values]
    return cursor.execute(f"SELECT * FROM {table} WHERE {same} LIMIT 1", given).to_arrow_table()


def _dead(
    cursor: duckdb.DuckDBPyConnection, tables: CopyTables, row: CopyRow, key: ItemKey
) -> Iterator[StoredLetter]:
    form = key_of_json(key.text, decode_schema(row.schema))
    if form is None or not row.letters:
        return
    letters = cursor.execute(
        'SELECT shard, sequence_number, "key", reason, record, epoch_us(seen_at), epoch_us(superseded_at) '
        f"FROM {DEAD_LETTERS} WHERE copy = {literal(tables.target)} AND key_form = ? "
        f"ORDER BY seen_at DESC LIMIT {MOST_LETTERS}",
        [form],
    ).fetchall()
    for shard, number, text, reason, record, seen, superseded in letters:
        sequence = None if number is None else SequenceNumber(number)
        letter = DeadLetter(shard, sequence, text, reason, record, seen / 1e6)
        yield StoredLetter(letter, None if superseded is None else superseded / 1e6)
