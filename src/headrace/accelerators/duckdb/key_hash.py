"""The hidden column by which rows of a key are found: 32 bits of a hash of the key.

To find the rows of a batch's keys DuckDB reads the key columns of the whole table, which costs most where they are
long texts. So a table keeps beside each row a hash of its key, four bytes that are cheap to read, and the keys
themselves are read, and compared, only of rows whose hash is one of the batch's. Two keys may have one hash: they are
told apart like any others. A key that is one 64-bit integer is as cheap as its hash would be, and has none.

The hash is of MD5 (RFC 1321), because it stays in the file: DuckDB's own ``hash`` may change with its version
(https://duckdb.org/docs/stable/sql/functions/utility).
"""
# ruff: noqa: S608 - names are quoted or ours

from __future__ import annotations

import pyarrow as pa

from headrace.accelerators.duckdb.door import quoted
from headrace.schema import Column, TableSchema

HASH = "headrace_hash"
"""The column's name."""

HASH_TYPE = "UINTEGER"
"""The column's type. At 100 million rows 23 of them share a hash of 1,000 keys by chance."""


def is_hashed(schema: TableSchema) -> bool:
    """Whether tables with the key of ``schema`` have the column."""
    return [column.type.arrow() for column in schema.keys] != [pa.int64()]


def same_hashes(old: TableSchema, new: TableSchema) -> bool:
    """Whether the hashes of stored keys stay as they are when their table follows its schema."""
    return [c.type.arrow() for c in old.keys] == [c.type.arrow() for c in new.keys]


def key_hash(schema: TableSchema) -> str:
    """The hash of a row that has the key columns of ``schema``."""
    texts = [key_text(column) for column in schema.keys]
    text = texts[0] if len(texts) == 1 else f"concat_ws('/', {', '.join(texts)})"
    return f"CAST(md5_number_lower({text}) >> 32 AS {HASH_TYPE})"


def hashed(relation: str, schema: TableSchema) -> str:
    """A query for the rows of ``relation``, with the column where tables have it."""
    more = f", {key_hash(schema)} AS {HASH}" if is_hashed(schema) else ""
    return f"SELECT *{more} FROM {relation}"


def sought(relation: str, schema: TableSchema) -> str:
    """The same, of rows whose keys are looked for in a large table."""
    # All rows fulfil the condition, but only where there is one DuckDB gives the scan of the table a bloom filter.
    return f"{hashed(relation, schema)} WHERE {quoted(schema.keys[0].name)} IS NOT NULL"


def same_key(one: str, other: str, schema: TableSchema) -> str:
    """The condition that rows of these two relations, both with the column where tables have it, have one key."""
    names = [quoted(column.name) for column in schema.keys]
    same = " AND ".join(f"{one}.{name} = {other}.{name}" for name in names)
    if not is_hashed(schema):
        return same
    # Within coalesce the keys do not become conditions of the join: DuckDB then reads them of few rows only.
    return f"{one}.{HASH} = {other}.{HASH} AND coalesce({same}, false)"


def key_text(column: Column) -> str:
    """SQL for a key column's value as text: different values have different texts."""
    name = quoted(column.name)
    if pa.types.is_binary(column.type.arrow()):
        return f"hex({name})"
    return name if pa.types.is_string(column.type.arrow()) else f"CAST({name} AS VARCHAR)"
