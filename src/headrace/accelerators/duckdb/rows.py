"""Rows of one copy: found by key, replaced and noted, inside a transaction that someone else holds."""

# ruff: noqa: S608 - names are quoted or ours, values are Arrow
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.duckdb.casts import storable
from headrace.accelerators.duckdb.door import quoted
from headrace.accelerators.duckdb.key_hash import HASH, hashed, is_hashed, same_key, sought
from headrace.accelerators.duckdb.tables import CopyTables
from headrace.accelerators.merge import Merged
from headrace.schema import TableSchema

BATCH = "headrace_batch"
"""The relation that ``registered`` makes."""

_ROW = "headrace_row"

_TWINS_PER_PASS = 2_000_000
"""Rows whose key hashes are held in memory at once when the Scan's rows are checked."""


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> Iterator[None]:
    """``rows`` as the relation ``headrace_batch``."""
    connection.register(BATCH, storable(rows))
    try:
        yield
    finally:
        # After a failure the transaction, and the view with it, may be gone already.
        with suppress(duckdb.Error):
            connection.unregister(BATCH)


def without_noted(
    connection: duckdb.DuckDBPyConnection, merged: Merged, tables: CopyTables, schema: TableSchema
) -> Merged:
    """``merged`` without the Scan's rows whose key the stream has touched."""
    if not merged.scanned:
        return merged
    streamed = merged.written.num_rows - merged.scanned
    scanned = merged.written.slice(streamed)
    keys = scanned.select([column.name for column in schema.keys])
    rows = _without(scanned, noted(connection, keys, tables, schema))
    written = pa.concat_tables([merged.written.slice(0, streamed), rows])
    return Merged(written, merged.removed, rows.num_rows)


def replace_rows(
    connection: duckdb.DuckDBPyConnection,
    merged: Merged,
    tables: CopyTables,
    schema: TableSchema,
    *,
    scanned_first: bool,
) -> None:
    """Delete every row of a key in ``merged``, then insert its rows.

    ``scanned_first`` says that the copy cannot hold a key of the Scan's rows.
    """
    keys = _keys_of(merged, merged.scanned if scanned_first else 0, schema)
    if keys.num_rows:
        with registered(connection, keys):
            connection.execute(
                f"DELETE FROM {tables.rows} t USING ({sought(BATCH, schema)}) b WHERE {same_key('t', 'b', schema)}"
            )
    if merged.written.num_rows:
        insert(connection, merged.written, tables.rows, schema)


def insert(connection: duckdb.DuckDBPyConnection, rows: pa.Table, table: str, schema: TableSchema) -> None:
    """Add rows to a table of rows or of notes, whose key is that of ``schema``."""
    with registered(connection, rows):
        connection.execute(f"INSERT INTO {table} BY NAME {hashed(BATCH, schema)}")


def note(
    connection: duckdb.DuckDBPyConnection, merged: Merged, tables: CopyTables, schema: TableSchema
) -> None:
    """Note the keys of the stream's rows and deletions, each once."""
    keys = _keys_of(merged, merged.scanned, schema)
    insert(connection, _without(keys, noted(connection, keys, tables, schema)), tables.notes, schema)


def noted(
    connection: duckdb.DuckDBPyConnection, keys: pa.Table, tables: CopyTables, schema: TableSchema
) -> list[int]:
    """Which rows of ``keys`` (key columns alone) are noted."""
    numbered = keys.append_column(_ROW, pa.array(range(keys.num_rows), pa.int64()))
    with registered(connection, numbered):
        found = connection.execute(
            f"SELECT b.{_ROW} FROM {tables.notes} t, ({sought(BATCH, schema)}) b WHERE {same_key('t', 'b', schema)}"
        ).fetchall()
    return [row for (row,) in found]


def _without(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    """``rows`` without those at some places."""
    if not places:
        return rows
    left_out = pc.is_in(pa.array(range(rows.num_rows), pa.int64()), pa.array(places, pa.int64()))
    return rows.filter(pc.invert(left_out))


def _keys_of(merged: Merged, leave_out: int, schema: TableSchema) -> pa.Table:
    """The keys written and removed, without the last ``leave_out`` written ones."""
    names = [column.name for column in schema.keys]
    written = merged.written.select(names)
    return pa.concat_tables([written.slice(0, written.num_rows - leave_out), merged.removed.select(names)])


def remove_twins(
    connection: duckdb.DuckDBPyConnection,
    tables: CopyTables,
    schema: TableSchema,
    per_pass: int = _TWINS_PER_PASS,
) -> None:
    """Delete all but the last inserted row of each key; most often there is nothing to delete.

    Finds hashes that are there twice, slice by slice, so that memory stays bounded; only rows with such a hash
    have their keys looked at.
    """
    keys = ", ".join(quoted(column.name) for column in schema.keys)
    of_key = HASH if is_hashed(schema) else f"hash({keys})"
    (total,) = connection.execute(f"SELECT count(*) FROM {tables.rows}").fetchone() or (0,)
    slices = max(1, -(-total // per_pass))
    for place in range(slices):
        twice = (
            f"SELECT {of_key} FROM {tables.rows} WHERE {of_key} % {slices} = {place} "
            f"GROUP BY {of_key} HAVING count(*) > 1"
        )
        connection.execute(
            f"DELETE FROM {tables.rows} WHERE rowid IN (SELECT headrace_r FROM (SELECT rowid AS headrace_r, {keys} "
            f"FROM {tables.rows} WHERE {of_key} IN ({twice})) "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY headrace_r DESC) > 1)"
        )
