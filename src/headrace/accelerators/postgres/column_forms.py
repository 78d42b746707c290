"""How PostgreSQL stores what a column's type holds, and the forms in which values go there and come back.

They go and come as CSV, which Arrow writes and reads at the speed of C. Nanoseconds, which PostgreSQL's times have
not, are stored as counts since 1970; lists, maps and structs as JSON (``typed_json``). Times come back as counts of
microseconds, for Arrow reads no years before the first; binary goes and comes as hexadecimal digits.
"""

from __future__ import annotations

import binascii
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators import typed_json
from headrace.column_type import ColumnType

_SIMPLE: Final = {
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.float64(): "double precision",
    pa.string(): 'text COLLATE "C"',
    pa.binary(): "bytea",
}

_FIRST_YEAR: Final = -62_135_596_800_000_000
"""The first microsecond of the year 1."""

_CYCLES: Final = 5
_CYCLE_YEARS: Final = 400
_CYCLE_DAYS: Final = 146_097
"""Days after which the calendar repeats."""


def sql_type(stored: pa.DataType) -> str:
    """The PostgreSQL type that stores a column of an Arrow type."""
    if pa.types.is_decimal(stored):
        return f"numeric({stored.precision},{stored.scale})"
    if pa.types.is_timestamp(stored):
        if stored.unit == "ns":
            return "bigint"
        return "timestamp" if stored.tz is None else "timestamptz"
    return "jsonb" if pa.types.is_nested(stored) else _SIMPLE[stored]


def selected(name: str, stored: pa.DataType) -> str:
    """SQL that gives the values of a column, a quoted ``name``, as ``restored`` takes them."""
    if _is_time(stored):
        return f"(extract(epoch FROM {name}) * 1000000)::bigint"
    return f"encode({name}, 'hex')" if pa.types.is_binary(stored) else name


def received(stored: pa.DataType) -> pa.DataType:
    """As which type Arrow reads what ``selected`` gives."""
    if pa.types.is_timestamp(stored):
        return pa.int64()
    return pa.string() if pa.types.is_nested(stored) or pa.types.is_binary(stored) else stored


def sent(values: pa.Array, type_: ColumnType) -> pa.Array:
    """Values of a type in the form in which Arrow writes them as PostgreSQL reads them.

    Raises ValueError where they have none.
    """
    return typed_json.encode(values, type_) if pa.types.is_nested(values.type) else _sent(values)


def restored(values: pa.Array, type_: ColumnType) -> pa.Array:
    """What was read as ``received`` says, as ``type_.arrow()``."""
    stored = type_.arrow()
    if pa.types.is_timestamp(stored):
        counts = values if stored.unit == "ns" else values.cast(_in_micros(stored))
        return counts.cast(stored)
    if pa.types.is_binary(stored):
        return _bytes(values)
    return typed_json.decode(values, type_) if pa.types.is_nested(stored) else values


def literal(value: pa.Scalar) -> str:
    """A value of a type that is not nested as SQL writes it; not null, and without NUL."""
    stored = value.type
    written = _sent(pa.array([value], stored)).cast(pa.string())[0].as_py()
    return f"{_quoted(written)}::{sql_type(stored)}"


def _quoted(text: str) -> str:
    """A text as an SQL string, whatever its letters."""
    assert "\0" not in text, "PostgreSQL knows no NUL"
    doubled = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{doubled}'" if "\\" in text else f"'{doubled}'"


def _sent(values: pa.Array) -> pa.Array:
    stored = values.type
    if pa.types.is_timestamp(stored):
        return values.cast(pa.int64()) if stored.unit == "ns" else _clock(values.cast(_in_micros(stored)))
    if pa.types.is_decimal(stored):
        return values.cast(pa.string())
    return _hexadecimal(values) if pa.types.is_binary(stored) else values


def _is_time(stored: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(stored) and stored.unit != "ns")


def _in_micros(stored: pa.DataType) -> pa.DataType:
    return pa.timestamp("us", stored.tz)


def _clock(values: pa.Array) -> pa.Array:
    """Times of years before the first with the letters by which PostgreSQL knows them; all others as they are."""
    counts = values.cast(pa.int64())
    early = pc.fill_null(pc.less(counts, _FIRST_YEAR), fill_value=False)
    if not pc.any(early).as_py():
        return values
    zone = "" if values.type.tz is None else "Z"
    written = [_before_christ(count) + zone + " BC" for count in counts.filter(early).to_pylist()]
    return pc.replace_with_mask(values.cast(pa.string()), early, pa.array(written, pa.string()))


def _before_christ(count: int) -> str:
    """The clock at a count of microseconds, in a year that is counted backwards: the year 0 is 1 BC."""
    later = datetime(1970, 1, 1) + timedelta(days=_CYCLES * _CYCLE_DAYS, microseconds=count)  # noqa: DTZ001 - a wall clock
    year = 1 - (later.year - _CYCLES * _CYCLE_YEARS)
    return f"{year:04}-{later:%m-%d %H:%M:%S.%f}"


def _hexadecimal(values: pa.BinaryArray) -> pa.StringArray:
    """Bytes as hexadecimal digits, as PostgreSQL reads them."""
    offsets, data = _parts(values)
    digits = pa.py_buffer(binascii.hexlify(data))
    doubled = pc.multiply(offsets, pa.scalar(2, pa.int32()))
    plain = pa.Array.from_buffers(pa.string(), len(values), [None, doubled.buffers()[1], digits])
    return pc.if_else(values.is_valid(), pc.binary_join_element_wise("\\x", plain, ""), None)


def _bytes(values: pa.StringArray) -> pa.BinaryArray:
    offsets, data = _parts(values.cast(pa.binary()))
    halved = pc.divide(offsets, pa.scalar(2, pa.int32()))
    raw = pa.py_buffer(binascii.unhexlify(data))
    plain = pa.Array.from_buffers(pa.binary(), len(values), [None, halved.buffers()[1], raw])
    return pc.if_else(values.is_valid(), plain, None)


def _parts(values: pa.BinaryArray) -> tuple[pa.Int32Array, memoryview]:
    """Where each of the values begins in their bytes, and these; a null has none."""
    whole = pc.fill_null(values, b"")
    whole = pa.concat_arrays([whole]) if whole.offset == 0 else pa.array(whole.to_pylist(), pa.binary())
    _, places, data = whole.buffers()
    offsets = pa.Array.from_buffers(pa.int32(), len(whole) + 1, [None, places])
    last = offsets[-1].as_py() if len(whole) else 0
    return offsets, memoryview(data or b"")[:last]
