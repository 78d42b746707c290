"""Which columns a table in PostgreSQL has for those of a schema.

A row of PostgreSQL must fit into a page of 8 kB, in which a long value takes 18 bytes, a short one up to some 30, and a
table has at most 1,600 columns, dropped ones included (https://www.postgresql.org/docs/current/limits.html). So the
first MOST_COLUMNS columns of a schema have one of their own: of so many, any row fits. All others are together in
one of JSON, by their attributes' paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa

from headrace.accelerators import typed_json
from headrace.accelerators.postgres import column_forms
from headrace.accelerators.postgres.door import quoted
from headrace.accelerators.postgres.names import column_names
from headrace.column_name import Path
from headrace.column_type import ColumnType, Kind, Member
from headrace.schema import Column, TableSchema

MOST_COLUMNS = 250
"""Columns of a schema that have one of their own."""

OTHERS = "headrace_others"
"""The column of all columns that have none of their own; no attribute's column may be called so."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column of the table: its name there, and the column of the schema that is kept in it."""

    name: str
    column: Column

    @property
    def sql(self) -> str:
        """The name as SQL writes it."""
        return quoted(self.name)

    @property
    def type(self) -> str:
        """The type of the table's column."""
        return column_forms.sql_type(self.column.type.arrow())

    @property
    def plain_type(self) -> str:
        """That type without its collation, as the catalogue writes it."""
        return self.type.partition(" COLLATE")[0]

    @property
    def defined(self) -> str:
        """As CREATE TABLE defines it."""
        return f"{self.sql} {self.type}"


class Layout:
    """The columns of the table that holds rows of ``schema``."""

    def __init__(self, schema: TableSchema) -> None:
        self.schema = schema
        own = schema.columns[:MOST_COLUMNS]
        names = column_names([column.name for column in own])
        self.places = tuple(map(Place, names, own))
        self.others = schema.columns[MOST_COLUMNS:]

    @classmethod
    def of(cls, schema: TableSchema) -> Layout:
        """The layout of a schema; the last ones are remembered."""
        return _layout(schema)

    @cached_property
    def keys(self) -> tuple[Place, ...]:
        """The key columns, partition key first."""
        return tuple(place for place in self.places if place.column.key)

    @cached_property
    def definitions(self) -> tuple[str, ...]:
        """The columns as CREATE TABLE defines them."""
        others = (f"{OTHERS} jsonb",) if self.others else ()
        return (*(place.defined for place in self.places), *others)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns as SQL writes them."""
        return (*(place.sql for place in self.places), *((OTHERS,) if self.others else ()))

    def place(self, path: Path) -> Place | None:
        """The place of the column of ``path``, None where it has none of its own."""
        return self._by_path.get(path)

    def sent(self, rows: pa.Table) -> pa.Table:
        """Rows of the schema's columns, in its order, as the table's columns in the form of ``column_forms``."""
        whole = rows.combine_chunks()
        arrays = [
            column_forms.sent(_array(whole.column(number)), place.column.type)
            for number, place in enumerate(self.places)
        ]
        if self.others:
            held = [
                _array(whole.column(number)) for number in range(len(self.places), len(self.schema.columns))
            ]
            struct = pa.StructArray.from_arrays(held, fields=list(self._struct.arrow()))
            arrays.append(typed_json.encode(struct, self._struct))
        return pa.table(dict(zip(map(str, range(len(arrays))), arrays, strict=True)))

    def sent_keys(self, keys: pa.Table) -> pa.Table:
        """Rows of the key columns alone."""
        whole = keys.combine_chunks()
        arrays = [
            column_forms.sent(_array(whole.column(number)), place.column.type)
            for number, place in enumerate(self.keys)
        ]
        return pa.table(dict(zip(map(str, range(len(arrays))), arrays, strict=True)))

    def selected(self, columns: Sequence[Column]) -> list[tuple[str, pa.DataType]]:
        """SQL expressions that give ``columns`` in the form of ``column_forms``, each with its type as it is received.

        Those without a place of their own come in one, the last.
        """
        found = []
        for column in columns:
            place = self.place(column.path)
            if place is not None:
                stored = column.type.arrow()
                found.append((column_forms.selected(place.sql, stored), column_forms.received(stored)))
        if len(found) < len(columns):
            found.append((OTHERS, pa.string()))
        return found

    def restored(self, rows: pa.Table, columns: Sequence[Column]) -> pa.RecordBatch:
        """What was selected of ``columns``, as Arrow has them."""
        arrays = iter([_array(column) for column in rows.combine_chunks().columns])
        own = {
            c.path: column_forms.restored(next(arrays), c.type)
            for c in columns
            if self.place(c.path) is not None
        }
        left = [column for column in columns if column.path not in own]
        if left:
            struct = _struct_of(left)
            decoded = typed_json.decode(next(arrays), struct).flatten()
            own |= dict(zip((column.path for column in left), decoded, strict=True))
        names = [column.name for column in columns]
        types = [column.type.arrow() for column in columns]
        schema = pa.schema(list(zip(names, types, strict=True)))
        return pa.RecordBatch.from_arrays([own[column.path] for column in columns], schema=schema)

    @cached_property
    def _struct(self) -> ColumnType:
        return _struct_of(self.others)

    @cached_property
    def _by_path(self) -> dict[Path, Place]:
        return {place.column.path: place for place in self.places}


def _array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(values, pa.ChunkedArray):
        return values
    return pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], values.type)


def _struct_of(columns: Sequence[Column]) -> ColumnType:
    """The columns as members of one struct, in their order, each called by its path."""
    return ColumnType(Kind.STRUCT, members=tuple(Member(_called(c.path), c.type) for c in columns))


def _called(path: Path) -> str:
    """A path as one name, and no two alike."""
    return ".".join(part.replace("~", "~0").replace(".", "~1") for part in path) if path else "~2"


@lru_cache(maxsize=64)
def _layout(schema: TableSchema) -> Layout:
    return Layout(schema)
