"""How the rows of a copy lie in a Vortex file, and how DuckDB reads them there.

Columns have the names of their places, ``c0``, ``c1``...: DuckDB's ``vortex`` extension (of 1.5.5) shows a name with a
quote or a control character in it as Rust would escape it. Struct fields keep their names.

Three kinds of value lie there in a form of their own:

- Times are their counts, as BIGINT. The extension makes of a timestamp a date of its own, which ends 26 hours before
  the year 9999 does, and beyond it ends the process: whether a file holds it or a statement compares with it.
- Maps are lists of structs of ``key`` and ``value``. Vortex's own maps end the process too.
- A column of structs that have structs in them is one of lists of at most one such struct: where an inner one is
  null, the extension would give null for the outer one.

No condition of a statement may reach the extension. It fails on IS DISTINCT FROM, whatever it compares; it compares NaN
and -0.0 otherwise than DuckDB, and ends texts at a NUL; it takes the text sought by ``contains``, ``prefix`` and
``suffix`` for a pattern; and applied to an expression that it does not know, it passes them as true. So each column is
an expression with a volatile function in it: DuckDB moves no condition past such a one
(https://duckdb.org/docs/stable/sql/functions/overview has what volatile means). The function is evaluated
once per vector, and the CASE passes the vector on as it is. What is safe to ask of the extension, ``conditions`` says.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.duckdb.casts import is_native, sql_type
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.nested import Lists, running_sum
from headrace.accelerators.widen import alike
from headrace.column_type import Kind
from headrace.schema import Column, TableSchema

ROW: Final = "headrace_row"
"""The hidden BIGINT column, beside those of the schema."""

_GUARDED: Final = "CASE WHEN current_connection_id() IS NOT NULL THEN greatest({}) END"


def file_column(place: int) -> str:
    """The name in a file of the column at a place of its schema."""
    return f"c{place}"


def in_file(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Rows of ``schema.arrow()`` as they are written to a file, under the file's names."""
    columns = [
        _unsliced(_converted(column, column_type(field.type)))
        for column, field in zip(rows.columns, schema.arrow(), strict=True)
    ]
    return pa.Table.from_arrays(columns, names=[file_column(place) for place in range(len(columns))])


def from_file(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Rows of ``schema.arrow()`` from what a file of that schema gives, perhaps with columns beside them."""
    arrow = schema.arrow()
    columns = [_converted(rows.column(file_column(place)), field.type) for place, field in enumerate(arrow)]
    return pa.Table.from_arrays(columns, schema=arrow)


def column_type(type_: pa.DataType) -> pa.DataType:
    """The type in a file of a column of an Arrow type."""
    return pa.list_(file_type(type_)) if _is_boxed(type_) else file_type(type_)


def file_type(type_: pa.DataType) -> pa.DataType:
    """The type in a file of a part of a column."""
    if pa.types.is_timestamp(type_):
        return pa.int64()
    if pa.types.is_list(type_):
        return pa.list_(file_type(type_.value_type))
    if pa.types.is_map(type_):
        return pa.list_(pa.struct([("key", type_.key_type), ("value", file_type(type_.item_type))]))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, file_type(field.type)) for field in type_])
    return type_


def is_lazy(old: TableSchema, new: TableSchema) -> bool:
    """Whether files of ``old`` may stay when the copy's schema becomes ``new``, a join of it.

    The keys are stored as they were, and DuckDB makes of all other columns what ``widen`` makes of them.
    """
    if [_as_key(column) for column in old.keys] != [_as_key(column) for column in new.keys]:
        return False
    wide = {column.path: column.type for column in new.columns}
    if not all(alike(column.type, wide[column.path]) for column in old.keys):
        return False
    return all(is_native(column.type, wide[column.path]) for column in old.columns)


def select_list(old: TableSchema, new: TableSchema) -> tuple[str, ...]:
    """SQL for each column of ``new`` over what ``read_vortex`` gives for files of ``old``, for which ``is_lazy`` holds."""
    places = {column.path: place for place, column in enumerate(old.columns)}
    return tuple(
        f"{_expression(old, places.get(column.path), column)} AS {quoted(column.name)}"
        for column in new.columns
    )


def _expression(old: TableSchema, place: int | None, column: Column) -> str:
    stored = column.type.arrow()
    if place is None or old.columns[place].type.kind is Kind.NULL:
        return f"CAST(NULL AS {sql_type(stored)})"
    narrow = old.columns[place].type.arrow()
    value = _GUARDED.format(quoted(file_column(place)))
    value = _decoded(f"list_extract({value}, 1)" if _is_boxed(narrow) else value, narrow)
    return value if sql_type(narrow) == sql_type(stored) else f"CAST({value} AS {sql_type(stored)})"


def _decoded(value: str, type_: pa.DataType, depth: int = 0) -> str:
    """``value``, of a file's type for ``type_``, as DuckDB stores ``type_``."""
    if file_type(type_) == type_:
        return value
    if pa.types.is_timestamp(type_):
        return _time(value, type_)
    item = f"headrace_{depth}"
    if pa.types.is_list(type_):
        return f"list_transform({value}, lambda {item}: {_decoded(item, type_.value_type, depth + 1)})"
    if pa.types.is_map(type_):
        if file_type(type_.item_type) == type_.item_type:
            return f"map_from_entries({value})"
        key, held = (f"struct_extract({item}, '{part}')" for part in ("key", "value"))
        entry = f"struct_pack(key := {key}, value := {_decoded(held, type_.item_type, depth + 1)})"
        return f"map_from_entries(list_transform({value}, lambda {item}: {entry}))"
    members = ", ".join(
        f"{quoted(field.name)} := "
        + _decoded(f"struct_extract({value}, {literal(field.name)})", field.type, depth)
        for field in type_
    )
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({members}) END"


def _time(count: str, type_: pa.TimestampType) -> str:
    """A count as DuckDB stores times of ``type_``, whatever the session's time zone."""
    match type_.unit, type_.tz:
        case "ns", _:
            return f"make_timestamp_ns({count})"
        case "us", None:
            return f"make_timestamp({count})"
        case "ms", None:
            return f"CAST(make_timestamp_ms({count}) AS TIMESTAMP_MS)"
        case "us", _:
            return f"make_timestamptz({count})"
        case _:
            return f"make_timestamptz({count} * 1000)"


def _as_key(column: Column) -> tuple[object, ...]:
    return column.path, column.name, column.type.arrow()


def _is_boxed(type_: pa.DataType) -> bool:
    return pa.types.is_struct(type_) and any(pa.types.is_struct(field.type) for field in type_)


def _unsliced(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values in arrays that begin where their buffers do.

    Of a slice the extension takes the nulls from where its first byte begins; of structs within a slice Vortex writes
    what is not there.
    """
    sliced = pa.types.is_nested(values.type) or any(chunk.offset for chunk in values.chunks)
    if not sliced:
        return values
    return pa.chunked_array([chunk.take(pa.arange(0, len(chunk))) for chunk in values.chunks], values.type)


def _converted(values: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([_as(chunk, target) for chunk in values.chunks], target)


def _as(values: pa.Array, target: pa.DataType) -> pa.Array:  # noqa: PLR0911  # One return per kind.
    """A value's one form as the other, part by part; what lies under a null is not looked at."""
    source = values.type
    if source == target:
        return values
    if pa.types.is_struct(source) and pa.types.is_list(target):
        held = values.is_valid()
        boxed = Lists(
            running_sum(held.cast(pa.int32())), _as(values.filter(held), target.value_type), values.is_null()
        )
        return boxed.of_items(boxed.items)
    if pa.types.is_struct(target) and not pa.types.is_struct(source):
        lists = Lists.of(values)
        places = pc.if_else(lists.missing, None, lists.offsets.slice(0, len(values)))
        return _as(lists.items, target).take(places)
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
