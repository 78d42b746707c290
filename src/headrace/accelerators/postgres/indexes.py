"""The indexes that the Spicepod asks for, on the columns that there are.

An entry of a B-tree has at most 2,704 bytes (https://www.postgresql.org/docs/current/btree.html). An index that only
makes queries faster gives way to a row that is too long for it; a unique one does not, or it would be none.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.indexes import TableIndex, table_indexes
from headrace.accelerators.postgres.door import literal
from headrace.accelerators.postgres.layout import Layout
from headrace.dataset import Index
from headrace.errors import AcceleratorError
from headrace.schema import Column

MOST_BYTES = 2_400
"""What the texts of one entry may have together, beside its head and up to 30 columns of bounded size."""

_COMMENT = "an index of Headrace's, number "
"""What tells our indexes from others', which are left alone."""


def keep(connection: psycopg.Connection, layout: Layout, table: str, asked: Sequence[Index]) -> None:
    """Make the indexes that a table lacks and can have, and drop those of ours that nobody asks for any more.

    Raises AcceleratorError where the rows forbid a unique one.
    """
    wanted = {index.id: index for index in _possible(layout, asked)}
    known = _all(connection, table)
    there = _ours(known)
    for id_, name in there.items():
        if id_ not in wanted:
            connection.execute(f"DROP INDEX {name}")
    for id_, index in wanted.items():
        if id_ not in there and (index.unique or not _has_long(connection, layout, table, index)):
            listed = ", ".join(place.sql for column in index.columns if (place := layout.place(column.path)))
            _create(connection, table, index, listed)
            # PostgreSQL has chosen the name, which is free in the whole schema.
            (made,) = _all(connection, table).keys() - known.keys()
            known[made] = _COMMENT + id_
            connection.execute(f"COMMENT ON INDEX {made} IS {literal(known[made])}")


def give_way(
    connection: psycopg.Connection, layout: Layout, table: str, rows: pa.Table, asked: Sequence[Index]
) -> None:
    """Drop the indexes of a table for which one of ``rows`` is too long, unless they are unique."""
    short = {index.id for index in _possible(layout, asked) if not index.unique and _are_long(index, rows)}
    there = _ours(_all(connection, table)) if short else {}
    for id_ in short & there.keys():
        connection.execute(f"DROP INDEX {there[id_]}")


def have_unique(layout: Layout, asked: Sequence[Index]) -> bool:
    """Whether a row can be in the way of another of another key."""
    return any(index.unique for index in _possible(layout, asked))


def _create(connection: psycopg.Connection, table: str, index: TableIndex, listed: str) -> None:
    try:
        connection.execute(f"CREATE {'UNIQUE ' if index.unique else ''}INDEX ON {table} ({listed})")
    except (psycopg.errors.UniqueViolation, psycopg.errors.ProgramLimitExceeded) as error:
        named = ", ".join(column.name for column in index.columns)
        twice = isinstance(error, psycopg.errors.UniqueViolation)
        why = (
            f"two rows of {table} have the same values" if twice else f"a row of {table} has too long values"
        )
        raise AcceleratorError(
            f"the {'unique ' if index.unique else ''}index over {named} cannot be made: {why} there; "
            "make it no unique one, or remove it from indexes"
        ) from None


def _possible(layout: Layout, asked: Sequence[Index]) -> list[TableIndex]:
    """Those whose columns have places of their own. Nested values, which no condition compares, need none but a unique one."""
    indexes = table_indexes(layout.schema, asked) if asked else ()
    return [
        index
        for index in indexes
        if all(layout.place(column.path) for column in index.columns)
        and (index.unique or not any(pa.types.is_nested(column.type.arrow()) for column in index.columns))
    ]


def _texts(index: TableIndex) -> list[Column]:
    """The columns whose values may have any length."""
    stored = [(column, column.type.arrow()) for column in index.columns]
    return [column for column, type_ in stored if pa.types.is_string(type_) or pa.types.is_binary(type_)]


def _are_long(index: TableIndex, rows: pa.Table) -> bool:
    lengths = [pc.fill_null(pc.binary_length(rows.column(column.name)), 0) for column in _texts(index)]
    longest = pc.max(reduce(pc.add, lengths)).as_py() if lengths else None
    return longest is not None and longest > MOST_BYTES


def _has_long(connection: psycopg.Connection, layout: Layout, table: str, index: TableIndex) -> bool:
    """Whether a row of the table is too long for an index."""
    places = [place.sql for column in _texts(index) if (place := layout.place(column.path))]
    if not places:
        return False
    length = " + ".join(f"coalesce(octet_length({place}), 0)" for place in places)
    found = connection.execute(
        f"SELECT EXISTS (SELECT FROM {table} WHERE {length} > {MOST_BYTES})"  # noqa: S608 - names are quoted
    ).fetchone()
    return found is not None and bool(found[0])


def _ours(known: dict[str, str]) -> dict[str, str]:
    """The names of our indexes by their ids."""
    return {
        comment.removeprefix(_COMMENT): name
        for name, comment in known.items()
        if comment.startswith(_COMMENT)
    }


def _all(connection: psycopg.Connection, table: str) -> dict[str, str]:
    """The comments of a table's indexes, by their names."""
    found = connection.execute(
        "SELECT indexrelid::regclass::text, coalesce(obj_description(indexrelid, 'pg_class'), '') "
        "FROM pg_index WHERE indrelid = to_regclass($1)",
        [table],
    ).fetchall()
    return dict(found)
