"""Arrow types by the names that users read: ``Utf8``, ``Int64``, ``List(Utf8)``, ``Timestamp(Microsecond)``."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

_SIMPLE: Final[dict[pa.DataType, str]] = {
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

_LISTS: Final = (
    (pa.types.is_list, "List"),
    (pa.types.is_large_list, "LargeList"),
    (pa.types.is_fixed_size_list, "FixedSizeList"),
)

_UNITS: Final = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}


def arrow_name(type_: pa.DataType) -> str:
    """The name of ``type_``, as Apache Arrow's Rust implementation and the Spice documents write it.

    A timestamp is ``Timestamp(Millisecond)``, with a zone ``Timestamp(Millisecond, UTC)``; a list
    ``List(Utf8)``; a struct ``Struct``, whatever its fields.
    """
    if isinstance(type_, pa.BaseExtensionType):
        return arrow_name(type_.storage_type)
    return _SIMPLE.get(type_) or _measured_name(type_) or _nested_name(type_)


def _measured_name(type_: pa.DataType) -> str | None:
    """The name of a type that has a unit, a precision or a width."""
    if pa.types.is_timestamp(type_):
        zone = f", {type_.tz}" if type_.tz else ""
        return f"Timestamp({_UNITS[type_.unit]}{zone})"
    if pa.types.is_time(type_):
        return f"Time{type_.bit_width}({_UNITS[type_.unit]})"
    if pa.types.is_duration(type_):
        return f"Duration({_UNITS[type_.unit]})"
    if pa.types.is_decimal(type_):
        return f"Decimal{type_.bit_width}({type_.precision}, {type_.scale})"
    if pa.types.is_fixed_size_binary(type_):
        return f"FixedSizeBinary({type_.byte_width})"
    return None


def _nested_name(type_: pa.DataType) -> str:
    if pa.types.is_struct(type_):
        return "Struct"
    if pa.types.is_map(type_):
        return f"Map({arrow_name(type_.key_type)}, {arrow_name(type_.item_type)})"
    if pa.types.is_dictionary(type_):
        return f"Dictionary({arrow_name(type_.index_type)}, {arrow_name(type_.value_type)})"
    for is_one, name in _LISTS:
        if is_one(type_):
            size = f", {type_.list_size}" if pa.types.is_fixed_size_list(type_) else ""
            return f"{name}({arrow_name(type_.value_type)}{size})"
    return "Union" if pa.types.is_union(type_) else str(type_)
