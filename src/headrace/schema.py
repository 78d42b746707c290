"""The columns of one table, and how they follow its items."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property

import pyarrow as pa

from headrace.column_name import Path, assign_names
from headrace.column_type import BINARY, JSON, LONG, TEXT, ColumnType, holds

REST: Path = ()
"""The path of the column that holds, as one JSON object, all attributes that have no column of their own."""

UNMAPPED = "_unmapped"
"""The name of that column where the Spicepod gives it none."""


class Origin(IntEnum):
    """Where a column comes from. Of two that want one name, the one of lower origin gets it."""

    KEY = 0
    DECLARED = 1
    ITEMS = 2


@dataclass(frozen=True, slots=True)
class Column:
    """A path into the items and the column that holds what is there.

    ``path`` is an attribute, or where maps are unnested the names down to the value. KEY columns are the
    table's partition and sort key: a string stays text, and a number never becomes a double, because they
    are found by equality. A ``fixed`` column does not widen: what it does not hold goes to the REST.
    """

    path: Path
    name: str
    type: ColumnType
    origin: Origin = Origin.ITEMS
    fixed: bool = False

    @property
    def key(self) -> bool:
        """Whether it is of the table's key."""
        return self.origin is Origin.KEY

    @property
    def attribute(self) -> str:
        """The attribute of the item in which its values are; empty for the REST."""
        return self.path[0] if self.path else ""

    def holds(self, own: ColumnType) -> bool:
        """Whether values of the type ``own`` have their place in this column, and not in the REST.

        A declared time column takes a time for its instant, in whichever of its layouts it is written.
        """
        return not self.fixed or holds(self.type, own, any_layout=self.origin is Origin.DECLARED)

    def joined(self, own: ColumnType) -> ColumnType:
        """The column's type once values of the type ``own`` have come; that of a fixed column stays."""
        return self.type if self.fixed else self.type.join(own)


@dataclass(frozen=True)
class TableSchema:
    """The columns of one table, keys first, then in the order in which they were first seen.

    Their names follow from the set of their paths (``column_name``), so a new column may rename another.
    """

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, columns: Iterable[Column]) -> TableSchema:
        """These columns, with the names that they have beside each other."""
        given = tuple(columns)
        rest = [column.name for column in given if column.path == REST]
        paths = [column.path or tuple(rest) for column in given]
        names = assign_names(paths, [column.origin for column in given])
        named = zip(given, names, strict=True)
        return cls(tuple(c if c.name == name else replace(c, name=name) for c, name in named))

    @classmethod
    def of_keys(cls, keys: tuple[tuple[str, str], ...]) -> TableSchema:
        """A table that knows only its key: pairs of attribute and DynamoDB type (S, N or B)."""
        types = {"S": TEXT, "N": LONG, "B": BINARY}
        return cls.of(Column((name,), name, types[tag], Origin.KEY, fixed=tag != "N") for name, tag in keys)

    @property
    def keys(self) -> tuple[Column, ...]:
        """The key columns, partition key first."""
        return tuple(column for column in self.columns if column.key)

    @property
    def rest(self) -> Column | None:
        """The column of what has none, None where every attribute gets its own."""
        return self.column(REST)

    def column(self, path: Path | str) -> Column | None:
        """The column of ``path``, or of an attribute; None if there is none."""
        return self._by_path.get((path,) if isinstance(path, str) else path)

    def including(self, types: dict[Path, ColumnType]) -> TableSchema:
        """This schema with columns that hold these types too; ``self`` where it does. Fixed ones stay as they are."""
        changed: dict[Path, Column] = {}
        for path, type_ in types.items():
            known = self.column(path)
            if known is None:
                changed[path] = Column(path, "", type_)
            elif (joined := known.joined(type_)) != known.type:
                changed[path] = replace(known, type=joined)
        if not changed:
            return self
        columns = [changed.pop(column.path, column) for column in self.columns]
        return TableSchema.of([*columns, *changed.values()])

    def join(self, other: TableSchema) -> TableSchema:
        """The schema that holds the rows of both; columns of ``self`` keep their places.

        A column that is fixed in either is fixed; types join all the same, for rows of both exist.
        """
        if self is other or self == other:
            return self
        columns = {column.path: column for column in self.columns}
        for column in other.columns:
            known = columns.get(column.path)
            columns[column.path] = column if known is None else _joined(known, column)
        return TableSchema.of(columns.values())

    def arrow(self) -> pa.Schema:
        """The columns as Arrow fields, by column name, all nullable."""
        return self._arrow

    @cached_property
    def _arrow(self) -> pa.Schema:
        return pa.schema([pa.field(column.name, column.type.arrow()) for column in self.columns])

    @cached_property
    def _by_path(self) -> dict[Path, Column]:
        return {column.path: column for column in self.columns}


def rest_column(name: str = UNMAPPED) -> Column:
    """The column of what has none, as JSON."""
    return Column(REST, name, JSON, Origin.DECLARED, fixed=True)


def _joined(one: Column, two: Column) -> Column:
    type_, fixed, origin = one.type.join(two.type), one.fixed or two.fixed, min(one.origin, two.origin)
    if (type_, fixed, origin) == (one.type, one.fixed, one.origin):
        return one
    return replace(one, type=type_, fixed=fixed, origin=origin)
