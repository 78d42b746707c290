"""Arrow types and values as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa

from headrace.cli.table import one_line

NULL = "NULL"
"""How a missing value is shown."""

_UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}

_PLAIN = {
    pa.null(): "Null",
    pa.bool_(): "Boolean",
    pa.int8(): "Int8",
    pa.int16(): "Int16",
    pa.int32(): "Int32",
    pa.int64(): "Int64",
    pa.uint8(): "UInt8",
    pa.uint16(): "UInt16",
    pa.uint32(): "UInt32",
    pa.uint64(): "UInt64",
    pa.float16(): "Float16",
    pa.float32(): "Float32",
    pa.float64(): "Float64",
    pa.string(): "Utf8",
    pa.large_string(): "LargeUtf8",
    pa.string_view(): "Utf8View",
    pa.binary(): "Binary",
    pa.large_binary(): "LargeBinary",
    pa.binary_view(): "BinaryView",
    pa.date32(): "Date32",
    pa.date64(): "Date64",
    pa.month_day_nano_interval(): "Interval(MonthDayNano)",
}


def type_name(type_: Any) -> str:
    """The type's name as the Spice documents write it: ``Int64``, ``Utf8``, ``List(Struct)``."""
    if isinstance(type_, pa.BaseExtensionType):
        return type_name(type_.storage_type)
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if pa.types.is_struct(type_):
        return "Struct"
    return _timed(type_) or _nested(type_) or str(type_)


def _timed(type_: Any) -> str | None:
    if pa.types.is_timestamp(type_):
        zone = f", {type_.tz}" if type_.tz else ""
        return f"Timestamp({_UNITS[type_.unit]}{zone})"
    if pa.types.is_time(type_):
        return f"Time{type_.bit_width}({_UNITS[type_.unit]})"
    if pa.types.is_duration(type_):
        return f"Duration({_UNITS[type_.unit]})"
    if pa.types.is_decimal(type_):
        return f"Decimal{type_.bit_width}({type_.precision}, {type_.scale})"
    return None


def _nested(type_: Any) -> str | None:
    return next((name(type_) for is_shape, name in _SHAPES if is_shape(type_)), None)


_SHAPES: tuple[tuple[Callable[[Any], bool], Callable[[Any], str]], ...] = (
    (pa.types.is_fixed_size_binary, lambda type_: f"FixedSizeBinary({type_.byte_width})"),
    (
        pa.types.is_fixed_size_list,
        lambda type_: f"FixedSizeList({type_name(type_.value_type)}, {type_.list_size})",
    ),
    (pa.types.is_large_list, lambda type_: f"LargeList({type_name(type_.value_type)})"),
    (pa.types.is_list, lambda type_: f"List({type_name(type_.value_type)})"),
    (pa.types.is_map, lambda type_: f"Map({type_name(type_.key_type)}, {type_name(type_.item_type)})"),
    (
        pa.types.is_dictionary,
        lambda type_: f"Dictionary({type_name(type_.index_type)}, {type_name(type_.value_type)})",
    ),
)


def column_texts(column: Any) -> list[str]:
    """The values of an Arrow array, each as one line of text."""
    if (
        pa.types.is_timestamp(column.type)
        or pa.types.is_time(column.type)
        or pa.types.is_duration(column.type)
    ):
        # Python's own times end at microseconds and at the year 9999.
        return [NULL if text is None else text for text in _times(column)]
    return [value_text(value) for value in column.to_pylist()]


def value_text(value: object) -> str:
    """One value as one line of text: lists and structs as JSON, bytes in hexadecimal."""
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case list() | dict():
            text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)
        case _:
            text = _plain(value)
    return one_line(text)


def _times(column: Any) -> list[str | None]:
    type_ = column.type
    if pa.types.is_duration(type_):
        unit = type_.unit
        return [None if count is None else f"{count} {unit}" for count in column.cast(pa.int64()).to_pylist()]
    zone = pa.types.is_timestamp(type_) and type_.tz is not None
    naive = column.cast(pa.timestamp(type_.unit, "UTC")).cast(pa.timestamp(type_.unit)) if zone else column
    texts = naive.cast(pa.string()).to_pylist()
    return [None if text is None else text.replace(" ", "T") + ("Z" if zone else "") for text in texts]


def _plain(value: object) -> str:
    """What JSON has no form for, as text."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return str(value)
