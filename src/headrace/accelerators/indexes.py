"""Which indexes a table has, of those that the Spicepod asks for."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from headrace.column_reference import referenced
from headrace.dataset import Index
from headrace.schema import Column, TableSchema


@dataclass(frozen=True, slots=True)
class TableIndex:
    """An index over columns of a table, in this order.

    ``id`` is 8 hexadecimal digits that tell it from the table's others; they stay when columns are renamed or
    widened.
    """

    id: str
    columns: tuple[Column, ...]
    unique: bool


def table_indexes(schema: TableSchema, asked: Iterable[Index]) -> tuple[TableIndex, ...]:
    """Those whose columns are all there, each once.

    Left out is what the key's own index does. Columns that hold the whole key are unique anyway.
    """
    found: dict[str, TableIndex] = {}
    for index in asked:
        columns = _columns(schema, index)
        if columns is None:
            continue
        unique = index.unique and not set(schema.keys) <= set(columns)
        if not unique and columns == schema.keys[: len(columns)]:
            continue
        one = TableIndex(_id(columns, unique=unique), columns, unique)
        found[one.id] = one
    return tuple(found.values())


def _columns(schema: TableSchema, index: Index) -> tuple[Column, ...] | None:
    # Two references may mean one column.
    found = dict.fromkeys(referenced(schema, name) for name in index.columns)
    columns = tuple(column for column in found if column is not None)
    return columns if len(columns) == len(found) else None


def _id(columns: Sequence[Column], *, unique: bool) -> str:
    exact = repr((unique, [column.path for column in columns]))
    return f"{zlib.crc32(exact.encode('utf-8', 'surrogatepass')):08x}"
