"""By which index a table finds its keys: its primary key, or where keys are too long for that, an index of beginnings.

An entry of a B-tree has at most 2,704 bytes (a third of a page, https://www.postgresql.org/docs/current/btree.html). A
key of DynamoDB has up to 2,048 bytes and a sort key 1,024
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html): together they may be too long. Hardly
any table has such keys. One that meets its first loses the primary key in the same transaction, and is searched from
then on by the partition key and the first letters of the sort key, and both compared whole. That no key is there twice is
held by the one session that writes.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.postgres.layout import Layout, Place

MOST_BYTES = 2_600
"""What both keys together may have beside the head of an entry."""

_LETTERS = 128
"""Letters of the sort key, of at most 4 bytes each, that are in the index beside a whole partition key."""

_BOTH = 2


def have_long(layout: Layout, keys: pa.Table) -> bool:
    """Whether any of these keys, a table of the key columns, is too long for an entry of an index."""
    if not _may_be_long(layout):
        return False
    lengths = [pc.binary_length(keys.column(number)) for number in range(_BOTH)]
    longest = pc.max(pc.add(*lengths)).as_py()
    return longest is not None and longest > MOST_BYTES


def primary_key(layout: Layout) -> str:
    """As CREATE TABLE defines it."""
    return f"PRIMARY KEY ({_names(layout)})"


def creation(layout: Layout, table: str, *, long_keys: bool) -> str:
    """SQL that gives a table of rows or of notes its index of keys."""
    if not long_keys:
        return f"ALTER TABLE {table} ADD {primary_key(layout)}"
    partition, sort = layout.keys
    return f"CREATE INDEX ON {table} ({partition.sql}, substr({sort.sql}, 1, {_LETTERS}))"


def lengthened(connection: psycopg.Connection, layout: Layout, table: str) -> None:
    """Give a table that has a primary key the index for long keys in its place."""
    found = connection.execute(
        "SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = to_regclass($1) AND contype = 'p'",
        [table],
    ).fetchone()
    assert found is not None, "a table has its primary key until a long key comes"
    connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {found[0]}")
    connection.execute(creation(layout, table, long_keys=True))


def same(layout: Layout, one: str, other: str, *, long_keys: bool) -> str:
    """SQL by which the keys of two rows are the same."""
    conditions = [f"{one}.{place.sql} = {other}.{place.sql}" for place in layout.keys]
    return " AND ".join([*conditions, *_beginnings(layout.keys, one, other, long_keys=long_keys)])


def _beginnings(keys: tuple[Place, ...], one: str, other: str, *, long_keys: bool) -> Iterator[str]:
    if long_keys:
        sort = keys[-1].sql
        yield f"substr({one}.{sort}, 1, {_LETTERS}) = substr({other}.{sort}, 1, {_LETTERS})"


def _may_be_long(layout: Layout) -> bool:
    stored = [place.column.type.arrow() for place in layout.keys]
    return len(stored) == _BOTH and all(
        pa.types.is_string(type_) or pa.types.is_binary(type_) for type_ in stored
    )


def _names(layout: Layout) -> str:
    return ", ".join(place.sql for place in layout.keys)
