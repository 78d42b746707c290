"""Columns, their types, and how types join when a table's items disagree.

The types form a lattice: ``join`` is commutative, associative and idempotent, so the schema does not
depend on the order in which items are seen. A join never loses a value: where two types share no wider
one, both become text.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from enum import StrEnum

import pyarrow as pa

EXACT_IN_DOUBLE = 2**53
"""Integers up to this magnitude survive a column's widening to double."""

RESERVED_PREFIX = "headrace_"
"""Column and table names with this prefix are Headrace's own."""


class Kind(StrEnum):
    """What one value of a column is.

    INT is an integer of at most 2^53 in magnitude, LONG any other that fits 64 bits: both are stored as
    int64, but only INT may join FLOAT without rounding. JSON is plain JSON text with numbers as
    written. TEXT holds strings, and every value that fits nothing narrower, as its text.
    """

    NULL = "null"
    BOOL = "bool"
    INT = "int"
    LONG = "long"
    FLOAT = "float"
    BINARY = "binary"
    JSON = "json"
    TEXT = "text"


_ARROW = {
    Kind.NULL: pa.null(),
    Kind.BOOL: pa.bool_(),
    Kind.INT: pa.int64(),
    Kind.LONG: pa.int64(),
    Kind.FLOAT: pa.float64(),
    Kind.BINARY: pa.binary(),
    Kind.JSON: pa.string(),
    Kind.TEXT: pa.string(),
}

_NUMBERS = {
    frozenset({Kind.INT, Kind.LONG}): Kind.LONG,
    frozenset({Kind.INT, Kind.FLOAT}): Kind.FLOAT,
}


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A kind, or a list of that kind."""

    kind: Kind
    many: bool = False

    def join(self, other: ColumnType) -> ColumnType:
        """The narrowest type that holds every value of both."""
        if self == other or other == NULL:
            return self
        if self == NULL:
            return other
        if self.many != other.many:
            return TEXT
        if Kind.NULL in (self.kind, other.kind):
            # Only lists get here: a list of nothing but nulls says nothing of its elements.
            return other if self.kind is Kind.NULL else self
        kind = _NUMBERS.get(frozenset({self.kind, other.kind}), Kind.TEXT)
        return self if kind is self.kind else ColumnType(kind, self.many)

    def arrow(self) -> pa.DataType:
        """The Arrow type that carries this one."""
        value = _ARROW[self.kind]
        return pa.list_(value) if self.many else value


NULL = ColumnType(Kind.NULL)
TEXT = ColumnType(Kind.TEXT)


@dataclass(frozen=True, slots=True)
class Column:
    """An attribute of the items and the column that holds it.

    ``key`` columns are the table's partition and sort key. A numeric key never becomes FLOAT: its values
    must compare equal however they were written, so it is INT, LONG or canonical text.
    """

    attribute: str
    name: str
    type: ColumnType
    key: bool = False

    def widened(self, other: ColumnType) -> Column:
        """This column, wide enough for ``other`` too."""
        joined = self.type.join(other)
        if self.key and joined.kind is Kind.FLOAT:
            joined = TEXT
        return self if joined == self.type else replace(self, type=joined)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """The columns of one table, keys first, then in the order in which they were first seen."""

    columns: tuple[Column, ...]

    @classmethod
    def of_keys(cls, keys: tuple[tuple[str, str], ...]) -> TableSchema:
        """A table that knows only its key: pairs of attribute and DynamoDB type (S, N or B)."""
        kinds = {"S": Kind.TEXT, "N": Kind.INT, "B": Kind.BINARY}
        schema = cls(())
        for attribute, tag in keys:
            schema = schema.including(attribute, ColumnType(kinds[tag]), key=True)
        return schema

    @property
    def keys(self) -> tuple[Column, ...]:
        """The key columns, partition key first."""
        return tuple(column for column in self.columns if column.key)

    def column(self, attribute: str) -> Column | None:
        """The column that holds ``attribute``, None if it was never seen."""
        return next((column for column in self.columns if column.attribute == attribute), None)

    def including(self, attribute: str, type_: ColumnType, *, key: bool = False) -> TableSchema:
        """This schema with a column for ``attribute`` that holds ``type_`` too."""
        known = self.column(attribute)
        if known is None:
            column = Column(attribute, self._free_name(attribute), type_, key)
            return TableSchema((*self.columns, column))
        wider = known.widened(type_)
        if wider is known:
            return self
        return TableSchema(tuple(wider if column is known else column for column in self.columns))

    def join(self, other: TableSchema) -> TableSchema:
        """The schema that holds the rows of both; columns of self keep their names and places."""
        schema = self
        for column in other.columns:
            schema = schema.including(column.attribute, column.type, key=column.key)
        return schema

    def arrow(self) -> pa.Schema:
        """The columns as Arrow fields, by column name, all nullable."""
        return pa.schema([pa.field(column.name, column.type.arrow()) for column in self.columns])

    def _free_name(self, attribute: str) -> str:
        """The attribute's own name, or one with a checksum where that cannot be.

        SQL engines take names that differ only in case for one, know no empty name and no NUL, and the
        prefix ``headrace_`` is ours.
        """
        taken = {column.name.lower() for column in self.columns}
        plain = attribute.replace("\0", "")
        if plain == attribute != "" and plain.lower() not in taken and not _is_reserved(plain):
            return attribute
        stem = f"item_{plain}" if _is_reserved(plain) else plain or "column"
        name = f"{stem}_{zlib.crc32(attribute.encode('utf-8', 'surrogatepass')):08x}"
        while name.lower() in taken:
            name += "_"
        return name


def _is_reserved(name: str) -> bool:
    return name.lower().startswith(RESERVED_PREFIX)
