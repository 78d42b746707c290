"""Rows of one copy: found by key, replaced and noted, inside a transaction that someone else holds."""

# ruff: noqa: S608 - names are quoted or ours, values are Arrow
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb
import pyarrow as pa

from headrace.accelerators.duckdb.casts import storable
from headrace.accelerators.duckdb.door import quoted
from headrace.accelerators.duckdb.tables import CopyTables
from headrace.accelerators.merge import Merged
from headrace.schema import TableSchema

BATCH = "headrace_batch"
"""The relation that ``registered`` makes."""

_TWINS_PER_PASS = 2_000_000
"""Rows whose key hashes are held in memory at once, some 20 bytes each, when the Scan's rows are checked."""


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
    numbered = scanned.select([column.name for column in schema.keys]).append_column(
        "headrace_row", pa.array(range(scanned.num_rows))
    )
    with registered(connection, numbered):
        kept = connection.execute(
            f"SELECT headrace_row FROM {BATCH} b WHERE NOT EXISTS "
            f"(FROM {tables.notes} n WHERE {_same_key('n', 'b', schema)}) ORDER BY headrace_row"
        ).to_arrow_table()
    rows = scanned.take(kept.column(0))
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
                f"DELETE FROM {quoted(tables.rows)} t USING {BATCH} b WHERE {_same_key('t', 'b', schema)}"
            )
    if merged.written.num_rows:
        with registered(connection, merged.written):
            connection.execute(f"INSERT INTO {quoted(tables.rows)} BY NAME SELECT * FROM {BATCH}")


def note(
    connection: duckdb.DuckDBPyConnection, merged: Merged, tables: CopyTables, schema: TableSchema
) -> None:
    """Note the keys of the stream's rows and deletions, each once."""
    with registered(connection, _keys_of(merged, merged.scanned, schema)):
        connection.execute(
            f"INSERT INTO {tables.notes} SELECT * FROM {BATCH} b WHERE NOT EXISTS "
            f"(FROM {tables.notes} n WHERE {_same_key('n', 'b', schema)})"
        )


def noted(
    connection: duckdb.DuckDBPyConnection, keys: pa.Table, tables: CopyTables, schema: TableSchema
) -> list[int]:
    """Which rows of ``keys`` (key columns alone) are noted."""
    numbered = keys.append_column("headrace_row", pa.array(range(keys.num_rows)))
    with registered(connection, numbered):
        found = connection.execute(
            f"SELECT headrace_row FROM {BATCH} b WHERE EXISTS "
            f"(FROM {tables.notes} n WHERE {_same_key('n', 'b', schema)})"
        ).fetchall()
    return [row for (row,) in found]


def _keys_of(merged: Merged, leave_out: int, schema: TableSchema) -> pa.Table:
    """The keys written and removed, without the last ``leave_out`` written ones."""
    names = [column.name for column in schema.keys]
    written = merged.written.select(names)
    return pa.concat_tables([written.slice(0, written.num_rows - leave_out), merged.removed.select(names)])


def _same_key(one: str, other: str, schema: TableSchema) -> str:
    names = [quoted(column.name) for column in schema.keys]
    return " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)


def remove_twins(
    connection: duckdb.DuckDBPyConnection,
    tables: CopyTables,
    schema: TableSchema,
    per_pass: int = _TWINS_PER_PASS,
) -> None:
    """Delete all but the last inserted row of each key; most often there is nothing to delete.

    Counts distinct 64-bit hashes of the keys, slice by slice, so that memory stays bounded; only a slice
    that holds a hash twice is looked at row by row.
    """
    table = quoted(tables.rows)
    keys = ", ".join(quoted(column.name) for column in schema.keys)
    (total,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone() or (0,)
    slices = max(1, -(-total // per_pass))
    for place in range(slices):
        within = f"WHERE headrace_h % {slices} = {place}"
        hashed = f"(SELECT *, rowid AS headrace_r, hash({keys}) AS headrace_h FROM {table})"
        twins = connection.execute(
            f"SELECT count(*) - count(DISTINCT headrace_h) FROM {hashed} {within}"
        ).fetchone()
        if twins is not None and twins[0]:
            connection.execute(
                f"DELETE FROM {table} WHERE rowid IN (SELECT headrace_r FROM {hashed} {within} "
                f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY headrace_r DESC) > 1)"
            )
