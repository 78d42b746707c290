"""The indexes that the Spicepod asks for, on the columns that there are."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from headrace.accelerators.indexes import TableIndex, table_indexes
from headrace.accelerators.postgres.door import literal
from headrace.accelerators.postgres.layout import Layout
from headrace.dataset import Index
from headrace.errors import AcceleratorError

_COMMENT = "an index of Headrace's, number "
"""What tells our indexes from others', which are left alone."""


def keep(connection: psycopg.Connection, layout: Layout, table: str, asked: Sequence[Index]) -> None:
    """Make the indexes that a table lacks, and drop those of ours that nobody asks for any more.

    Raises AcceleratorError where the rows forbid a unique one.
    """
    wanted = {index.id: index for index in _possible(layout, asked)}
    known = _all(connection, table)
    there = {
        comment.removeprefix(_COMMENT): name
        for name, comment in known.items()
        if comment.startswith(_COMMENT)
    }
    for id_, name in there.items():
        if id_ not in wanted:
            connection.execute(f"DROP INDEX {name}")
    for id_, index in wanted.items():
        if id_ not in there:
            listed = ", ".join(place.sql for column in index.columns if (place := layout.place(column.path)))
            _create(connection, table, index, listed)
            # PostgreSQL has chosen the name, which is free in the whole schema.
            (made,) = _all(connection, table).keys() - known.keys()
            known[made] = _COMMENT + id_
            connection.execute(f"COMMENT ON INDEX {made} IS {literal(known[made])}")


def have_unique(layout: Layout, asked: Sequence[Index]) -> bool:
    """Whether a row can be in the way of another of another key."""
    return any(index.unique for index in _possible(layout, asked))


def _create(connection: psycopg.Connection, table: str, index: TableIndex, listed: str) -> None:
    try:
        connection.execute(f"CREATE {'UNIQUE ' if index.unique else ''}INDEX ON {table} ({listed})")
    except psycopg.errors.UniqueViolation:
        named = ", ".join(column.name for column in index.columns)
        raise AcceleratorError(
            f"the unique index over {named} cannot be made: two rows of {table} have the same values there; "
            "make it no unique one, or remove it from indexes"
        ) from None


def _possible(layout: Layout, asked: Sequence[Index]) -> list[TableIndex]:
    """Those whose columns have places of their own."""
    indexes = table_indexes(layout.schema, asked) if asked else ()
    return [index for index in indexes if all(layout.place(column.path) for column in index.columns)]


def _all(connection: psycopg.Connection, table: str) -> dict[str, str]:
    """The comments of a table's indexes, by their names."""
    found = connection.execute(
        "SELECT indexrelid::regclass::text, coalesce(obj_description(indexrelid, 'pg_class'), '') "
        "FROM pg_index WHERE indrelid = to_regclass($1)",
        [table],
    ).fetchall()
    return dict(found)
