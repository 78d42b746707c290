"""Tables that follow their schema inside a transaction: no value is lost, and readers wait only for its end.

What changes the catalogue alone is an ALTER TABLE. Values that change are written to a new table, which takes the old
one's place at the end: an ALTER that rewrites would shut readers out meanwhile, and show the table empty to those that
have begun before (https://www.postgresql.org/docs/current/mvcc-caveats.html). PostgreSQL's own casts are used where they
give what ``widen`` gives; else the rows are read in slices, widened as Arrow, and written.
"""
# ruff: noqa: S608 - names are quoted or ours, values are Arrow

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pyarrow as pa

from headrace.accelerators import typed_json
from headrace.accelerators.postgres import key_index
from headrace.accelerators.postgres.bulk import copy_in, copy_out
from headrace.accelerators.postgres.door import quoted
from headrace.accelerators.postgres.layout import OTHERS, Layout, Place
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.widen import alike, widen_rows
from headrace.column_type import ColumnType, Kind

SLICE_BYTES = 32 * 2**20
"""What is aimed at for one slice of a table, as CSV."""

_FIRST_PAGES = 8
_MOST_GROWTH = 8
_WIDER = "headrace_wider"
_ASIDE = "headrace_aside_"


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with the columns that it has and shall have: a join of those."""

    names: Names
    table: str
    old: Layout
    new: Layout

    @property
    def name(self) -> str:
        """The name as SQL writes it."""
        return self.names.qualified(self.table)

    @property
    def places(self) -> list[tuple[Place, Place]]:
        """The columns that it has, as they are and as they shall be."""
        # A column keeps its place in the schema, so those that have one of their own now will have it.
        wide = {place.column.path: place for place in self.new.places}
        return [(place, wide[place.column.path]) for place in self.old.places]


def evolve(connection: psycopg.Connection, table: Table, *, long_keys: bool) -> None:
    """Give a table the columns of its new layout."""
    casts = [_cast(one.column.type, two.column.type) for one, two in table.places]
    if None in casts or not _others_stay(table):
        _rewrite(connection, table, long_keys=long_keys)
    elif any(cast not in (_STAYS, _ANEW) for cast in casts):
        _convert(connection, table, [cast or _STAYS for cast in casts], long_keys=long_keys)
    else:
        for statement in _alterations(table):
            connection.execute(statement)


_STAYS = "{}"
_ANEW = "NULL"


def _cast(source: ColumnType, target: ColumnType) -> str | None:  # noqa: PLR0911  # One return per kind.
    """SQL, ``{}`` standing for the column, that makes of each value what ``widen`` makes of it; None: there is none."""
    if alike(source, target):
        return _STAYS
    if source.kind is Kind.NULL:
        return _ANEW
    one, two = source.arrow(), target.arrow()
    if pa.types.is_nested(one) and pa.types.is_nested(two):
        return _STAYS if typed_json.reads_alike(source, target) else None
    if source.kind is Kind.TIME and target.kind is Kind.TIME:
        return _STAYS if one.unit != "ns" and two.unit != "ns" else None
    if source.kind is Kind.NUMBER and target.kind is Kind.NUMBER:
        return _number_cast(one, two)
    if target.kind in (Kind.TEXT, Kind.JSON) and one in (pa.int64(), pa.bool_()):
        return "{}::text"
    return None


def _number_cast(one: pa.DataType, two: pa.DataType) -> str | None:
    # Not of doubles: as decimals PostgreSQL would round them to 15 digits.
    if not (pa.types.is_integer(one) or pa.types.is_decimal(one)):
        return None
    if pa.types.is_decimal(two):
        return f"{{}}::numeric({two.precision},{two.scale})"
    return "{}::double precision" if pa.types.is_floating(two) else None


def _others_stay(table: Table) -> bool:
    """Whether the values of the columns that have none of their own are written as before."""
    wide = {column.path: column.type for column in table.new.others}
    return all(typed_json.reads_alike(column.type, wide[column.path]) for column in table.old.others)


def _alterations(table: Table) -> Iterator[str]:
    """SQL that renames and adds columns; one of nulls alone is made anew."""
    alter = f"ALTER TABLE {table.name}"
    renamed = [(one.sql, two.sql) for one, two in table.places if one.name != two.name]
    # Aside first: one may want a name that another still has.
    for number, (before, _) in enumerate(renamed):
        yield f"{alter} RENAME COLUMN {before} TO {_ASIDE}{number}"
    for number, (_, after) in enumerate(renamed):
        yield f"{alter} RENAME COLUMN {_ASIDE}{number} TO {after}"
    steps = []
    for one, two in table.places:
        if one.type != two.type and _cast(one.column.type, two.column.type) == _ANEW:
            steps += [f"DROP COLUMN {two.sql}", f"ADD COLUMN {two.defined}"]
    known = {one.column.path for one, _ in table.places}
    steps += [f"ADD COLUMN {place.defined}" for place in table.new.places if place.column.path not in known]
    if table.new.others and not table.old.others:
        steps.append(f"ADD COLUMN {OTHERS} jsonb")
    if steps:
        yield f"{alter} {', '.join(steps)}"


def _convert(connection: psycopg.Connection, table: Table, casts: list[str], *, long_keys: bool) -> None:
    """Write all rows anew with PostgreSQL's own casts."""
    wider = _made(connection, table)
    names = [two.sql for _, two in table.places]
    values = [cast.format(one.sql) for (one, _), cast in zip(table.places, casts, strict=True)]
    if table.old.others:
        names.append(OTHERS)
        values.append(OTHERS)
    connection.execute(
        f"INSERT INTO {wider} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table.name}"
    )
    _replace(connection, table, wider, long_keys=long_keys)


def _rewrite(connection: psycopg.Connection, table: Table, *, long_keys: bool) -> None:
    """Write all rows anew, widened as Arrow."""
    wider = _made(connection, table)
    for rows in _slices(connection, table):
        wide = widen_rows(rows, table.old.schema, table.new.schema)
        copy_in(connection, table.new.sent(wide), wider, table.new.names)
    _replace(connection, table, wider, long_keys=long_keys)


def _made(connection: psycopg.Connection, table: Table) -> str:
    """An empty table of the new layout, without an index as long as rows are added."""
    wider = table.names.qualified(f"{_WIDER}_{zlib.crc32(table.table.encode()):08x}")
    connection.execute(f"CREATE TABLE {wider} ({', '.join(table.new.definitions)})")
    return wider


def _replace(connection: psycopg.Connection, table: Table, wider: str, *, long_keys: bool) -> None:
    """Have the wider table take the place of the one whose rows it holds."""
    connection.execute(f"DROP TABLE {table.name}")
    connection.execute(f"ALTER TABLE {wider} RENAME TO {quoted(table.table)}")
    connection.execute(key_index.creation(table.new, table.name, long_keys=long_keys))


def _slices(connection: psycopg.Connection, table: Table) -> Iterator[pa.Table]:
    """The rows of a table, a bounded number of bytes at a time, with the types of its old schema."""
    columns = table.old.schema.columns
    selected = table.old.selected(columns)
    listed, types = ", ".join(sql for sql, _ in selected), [type_ for _, type_ in selected]
    pages = _pages(connection, table.name)
    first, step = 0, _FIRST_PAGES
    while first < pages:
        query = (
            f"SELECT {listed} FROM {table.name} WHERE ctid >= '({first},0)' AND ctid < '({first + step},0)'"
        )
        read = list(copy_out(connection, query, types))
        first += step
        size = sum(part.nbytes for part in read)
        for part in read:
            yield pa.Table.from_batches([table.old.restored(part, columns)])
        step = max(1, min(step * SLICE_BYTES // max(size, 1), step * _MOST_GROWTH))


def _pages(connection: psycopg.Connection, table: str) -> int:
    found = connection.execute(
        "SELECT pg_relation_size(to_regclass($1)) / current_setting('block_size')::bigint", [table]
    ).fetchone()
    assert found is not None, "a size is always one row"
    return int(found[0])
