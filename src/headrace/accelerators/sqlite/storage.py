"""How SQLite stores what Arrow holds.

Booleans are 0 and 1, times counts of their column's unit since 1970, decimals their plain digits as text, nested
values JSON text (``typed_json``); all else is stored as what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from headrace.accelerators import typed_json
from headrace.accelerators.value_text import digits
from headrace.accelerators.widen import alike
from headrace.column_type import ColumnType, Kind
from headrace.schema import TableSchema

Stored = int | float | str | bytes | None
"""A value as SQLite takes and gives it."""


def sql_type(type_: ColumnType) -> str:
    """The type of a STRICT table's column that stores the values of a type; ANY where none is known yet."""
    if type_.kind is Kind.NULL:
        return "ANY"
    arrow = type_.arrow()
    if pa.types.is_integer(arrow) or pa.types.is_boolean(arrow) or pa.types.is_timestamp(arrow):
        return "INTEGER"
    if pa.types.is_floating(arrow):
        return "REAL"
    return "BLOB" if pa.types.is_binary(arrow) else "TEXT"


def stored(values: pa.Array, type_: ColumnType) -> list[Stored]:
    """Values of type ``type_``, stored as ``type_.arrow()`` in Arrow, as SQLite stores them.

    Raises ValueError where one has no such form, as a text that is not UTF-8.
    """
    arrow = values.type
    if pa.types.is_boolean(arrow):
        values = values.cast(pa.int8())
    elif pa.types.is_timestamp(arrow):
        values = values.cast(pa.int64())
    elif pa.types.is_decimal(arrow):
        values = digits(values)
    elif pa.types.is_nested(arrow):
        values = typed_json.encode(values, type_)
    found: list[Stored] = values.to_pylist()
    return found


def restored(values: Sequence[Stored], type_: ColumnType) -> pa.Array:
    """What SQLite gives for a column of type ``type_``, as ``type_.arrow()``.

    Raises ValueError or ArrowInvalid where something else was put there.
    """
    arrow = type_.arrow()
    if pa.types.is_boolean(arrow):
        return pa.array(values, pa.int64()).cast(arrow)
    if pa.types.is_timestamp(arrow):
        return pa.array(values, pa.int64()).cast(arrow)
    if pa.types.is_decimal(arrow):
        return pa.array(values, pa.string()).cast(arrow)
    if pa.types.is_nested(arrow):
        return typed_json.decode(pa.array(values, pa.string()), type_)
    return pa.array(values, arrow)


def stored_rows(rows: pa.Table, schema: TableSchema) -> list[tuple[Stored, ...]]:
    """Rows whose columns are the first ones of ``schema``, or all, as tuples."""
    whole = rows.combine_chunks()
    columns = [
        stored(chunk, column.type)
        for column, chunked in zip(schema.columns, whole.columns, strict=False)
        for chunk in [chunked.chunk(0) if chunked.num_chunks else pa.array([], chunked.type)]
    ]
    return list(zip(*columns, strict=True))


def is_stored_alike(source: ColumnType, target: ColumnType) -> bool:
    """Whether all values of ``source`` are stored for ``target``, a join of it, exactly as they are."""
    if source.kind is Kind.NULL or alike(source, target):
        return True
    one, two = source.arrow(), target.arrow()
    if pa.types.is_decimal(one):
        # Digits are digits, whatever the scale.
        return sql_type(target) == "TEXT"
    if source.kind is Kind.STRUCT and not source.members:
        return target.kind in (Kind.STRUCT, Kind.MAP)
    return pa.types.is_nested(one) and pa.types.is_nested(two) and typed_json.reads_alike(source, target)


def parameter(value: Any) -> Stored:
    """A value that is no null, an Arrow scalar or what its ``as_py`` gives, as SQLite stores it; nested ones have none."""
    if isinstance(value, pa.TimestampScalar):
        return int(value.value)
    plain = value.as_py() if isinstance(value, pa.Scalar) else value
    match plain:
        case bool():
            return int(plain)
        case Decimal():
            return str(digits(pa.array([plain]))[0])
        case int() | float() | str() | bytes():
            return plain
        case _:
            raise TypeError(f"{type(plain)} is not stored as one value")
