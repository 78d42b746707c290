"""How the rows of a copy lie in a Vortex file.

Columns have the names of their places, ``c0``, ``c1``...; struct fields keep their names. Two kinds of value have a form
of their own there: times are their counts since 1970 in the column's unit, as 64-bit integers, because Vortex 0.91 warns, with a
backtrace, of each condition on times of its own; maps are lists of structs of ``key`` and ``value``, because not every reader knows Vortex's maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from headrace.accelerators.nested import Lists
from headrace.accelerators.widen import alike
from headrace.arrow_view import VIEWS
from headrace.schema import Column, TableSchema

ROW: Final = "headrace_row"
"""The column of row numbers, beside those of the schema."""


def file_column(place: int) -> str:
    """The name in a file of the column at a place of its schema."""
    return f"c{place}"


def in_file(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Rows of ``schema.arrow()`` as they are written to a file, under the file's names."""
    columns = [
        _unsliced(_converted(column, file_type(field.type)))
        for column, field in zip(rows.columns, schema.arrow(), strict=True)
    ]
    return pa.Table.from_arrays(columns, names=[file_column(place) for place in range(len(columns))])


def from_file(
    rows: pa.Table, schema: TableSchema, places: Sequence[int] | None = None, *, views: bool = False
) -> pa.Table:
    """Columns at ``places`` of a schema, all by default, from what a file of it gives, perhaps with others beside them.

    ``views``: strings and binaries may stay Arrow's views, as Vortex gives them.
    """
    arrow = schema.arrow()
    names, columns = [], []
    for place in range(len(arrow)) if places is None else places:
        field, values = arrow.field(place), rows.column(file_column(place))
        names.append(field.name)
        kept = views and values.type == VIEWS.get(field.type)
        columns.append(values if kept else _converted(values, field.type))
    return pa.Table.from_arrays(columns, names=names)


def file_type(type_: pa.DataType) -> pa.DataType:
    """The type in a file of a column of an Arrow type, or of a part of one."""
    if pa.types.is_timestamp(type_):
        return pa.int64()
    if pa.types.is_list(type_):
        return pa.list_(file_type(type_.value_type))
    if pa.types.is_map(type_):
        return pa.list_(pa.struct([("key", type_.key_type), ("value", file_type(type_.item_type))]))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, file_type(field.type)) for field in type_])
    return type_


def has_same_keys(old: TableSchema, new: TableSchema) -> bool:
    """Whether rows of ``old`` have the same keys, and in the same order, as rows of ``new``, a join of it."""
    return [_as_key(column) for column in old.keys] == [_as_key(column) for column in new.keys] and all(
        alike(one.type, other.type) for one, other in zip(old.keys, new.keys, strict=True)
    )


def _as_key(column: Column) -> tuple[object, ...]:
    return column.path, column.name, column.type.arrow()


def _unsliced(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Nested values in arrays that begin where their buffers do: of structs in a slice Vortex 0.91 writes what is not there."""
    if not pa.types.is_nested(values.type):
        return values
    return pa.chunked_array([chunk.take(pa.arange(0, len(chunk))) for chunk in values.chunks], values.type)


def _converted(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([_as(chunk, target) for chunk in values.chunks], target)


def _as(values: pa.Array, target: pa.DataType) -> pa.Array:
    """A value's one form as the other, part by part; what lies under a null is not looked at."""
    source = values.type
    if source == target:
        return values
    if pa.types.is_struct(source):
        parts = [_as(part, field.type) for part, field in zip(values.flatten(), target, strict=True)]
        return pa.StructArray.from_arrays(parts, fields=list(target), mask=values.is_null())
    if pa.types.is_map(target):
        lists = Lists.of(values)
        keys, items = lists.items.flatten()
        return lists.of_entries(_as(keys, target.key_type), _as(items, target.item_type), target)
    if pa.types.is_list(target):
        lists = Lists.of(values)
        return lists.of_items(_as(lists.items, target.value_type))
    return values.cast(target)
