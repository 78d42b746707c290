"""Arrow columns -> values as JSON shows them, a whole column at a time.

An integer that a double cannot hold exactly and every decimal is a string. A decimal has no zeros at its end: its
scale is the column's, not the value's; one of 38 digits without scale is an integer. Structs are objects (arrays
where their fields have no names of their own), lists arrays, maps objects. Binary is base64. A naive
timestamp is ISO 8601 without offset, a zoned one with (``Z`` for UTC); dates and times are ISO 8601 too,
intervals ISO 8601 durations; infinite dates are ``infinity`` and ``-infinity``. NaN and infinite numbers are
null. This is the contract of ``POST /v1/sql``, which ``json_rows`` and ``csv_rows`` share.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

EXACT: Final = 2**53 - 1
"""The largest integer up to which every integer is exact in a double."""

_HUGEINT: Final = pa.decimal128(38, 0)
"""DuckDB's HUGEINT, such as the sum of a BIGINT column, arrives as this: it is an integer all the same."""

_NS_PER_SECOND: Final = 1_000_000_000
_LONG_DAY: Final = len("2024-01-31")
_DAYS_OF_400_YEARS: Final = 146_097
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_INFINITE: Final = frozenset({2**63 - 1, 2**31 - 1})
_UTC: Final = frozenset({"utc", "etc/utc", "gmt", "etc/gmt", "zulu", "etc/zulu", "+00:00", "z"})

Values = list[Any]
"""One Python value for each row; None is null."""


def values(column: pa.Array) -> Values:
    """The values of ``column``, ready for ``msgspec.json``."""
    if column.null_count == len(column):
        return [None] * len(column)
    if isinstance(column, pa.ExtensionArray):
        return values(column.storage)
    if pa.types.is_dictionary(column.type):
        return values(column.dictionary_decode())
    for is_one, convert in _CONVERSIONS:
        if is_one(column.type):
            return convert(column)
    listed: Values = column.to_pylist()
    return listed


def _integers(column: pa.Array) -> Values:
    listed: Values = column.to_pylist()
    least = pc.min_max(column)
    if least["min"].as_py() >= -EXACT and least["max"].as_py() <= EXACT:
        return listed
    return [_exact(value) for value in listed]


def _exact(value: int | None) -> int | str | None:
    return value if value is None or -EXACT <= value <= EXACT else str(value)


def _decimals(column: pa.Array) -> Values:
    if column.type == _HUGEINT:
        return [None if value is None else _exact(int(value)) for value in column.to_pylist()]
    return [None if value is None else _digits(value) for value in column.to_pylist()]


def _digits(value: Decimal) -> str:
    # Fixed point always: str() would write small ones as 0E-10.
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _timestamps(column: pa.Array) -> Values:
    zone = column.type.tz
    if zone is None:
        return _naive(column)
    counts = column.cast(pa.int64())
    naive = pa.timestamp(column.type.unit)
    if zone.casefold() in _UTC:
        return [_suffixed(text, "Z") for text in _naive(counts.cast(naive))]
    local = pc.local_timestamp(column)
    ahead = pc.subtract(local.cast(pa.int64()), counts).to_pylist()
    second = _PER_SECOND[column.type.unit]
    pairs = zip(_naive(local), ahead, strict=True)
    return [_suffixed(text, _offset((units or 0) // second)) for text, units in pairs]


def _suffixed(text: str | None, suffix: str) -> str | None:
    return text if text is None or text.endswith("infinity") else text + suffix


def _offset(seconds: int) -> str:
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def _naive(column: pa.Array) -> Values:
    unit = column.type.unit
    return [_instant(text, unit) for text in column.cast(pa.string()).to_pylist()]


def _instant(text: str | None, unit: str) -> str | None:
    """ISO 8601 from Arrow's text, with as much of the second's fraction as there is."""
    if text is None:
        return None
    day, space, time = text.partition(" ")
    if day == "<value":
        return _beyond_arrow(int(text.rpartition(" ")[2].rstrip(">")), _PER_SECOND[unit] * 86_400)
    return f"{_signed(day)}T{_time(time)}" if space else day


def _signed(day: str) -> str:
    """ISO 8601 wants the sign of a year of more than four digits."""
    return f"+{day}" if len(day) > _LONG_DAY and day[0] != "-" else day


def _time(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _beyond_arrow(count: int, per_day: int) -> str:
    """A date or timestamp too far off for Arrow to write, from its ``count`` of units since 1970."""
    if abs(count) in _INFINITE:
        return "infinity" if count > 0 else "-infinity"
    days, rest = divmod(count, per_day)
    cycles, days = divmod(days, _DAYS_OF_400_YEARS)
    day = dt.date(1970, 1, 1) + dt.timedelta(days=days)
    text = f"{day.year + 400 * cycles:+d}-{day:%m-%d}"
    if per_day == 1:
        return text
    seconds, fraction = divmod(rest, per_day // 86_400)
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    digits = len(str(per_day // 86_400)) - 1
    return f"{text}T" + _time(f"{clock}.{fraction:0{digits}d}" if digits else clock)


def _dates(column: pa.Array) -> Values:
    texts = column.cast(pa.date32()).cast(pa.string()).to_pylist()
    return [
        _beyond_arrow(int(text.rpartition(" ")[2].rstrip(">")), 1)
        if text and text[0] == "<"
        else text and _signed(text)
        for text in texts
    ]


def _times(column: pa.Array) -> Values:
    # DuckDB knows the time 24:00, which Arrow does not write.
    return [
        "24:00:00" if text and text[0] == "<" else text and _time(text)
        for text in column.cast(pa.string()).to_pylist()
    ]


def _intervals(column: pa.Array) -> Values:
    return [None if value is None else _duration(*value) for value in column.to_pylist()]


def _duration(months: int, days: int, nanoseconds: int) -> str:
    years, months = _divided(months, 12)
    seconds, fraction = _divided(nanoseconds, _NS_PER_SECOND)
    minutes, seconds = _divided(seconds, 60)
    hours, minutes = _divided(minutes, 60)
    date = "".join(f"{count}{unit}" for count, unit in ((years, "Y"), (months, "M"), (days, "D")) if count)
    time = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M")) if count)
    if seconds or fraction:
        sign = "-" if nanoseconds < 0 else ""
        time += sign + _time(f"{abs(seconds)}.{abs(fraction):09d}") + "S"
    if not date and not time:
        return "PT0S"
    return f"P{date}T{time}" if time else f"P{date}"


def _divided(count: int, by: int) -> tuple[int, int]:
    """Quotient and rest, both with the sign of ``count``."""
    quotient, rest = divmod(abs(count), by)
    return (quotient, rest) if count >= 0 else (-quotient, -rest)


def _structs(column: pa.Array) -> Values:
    names = [field.name for field in column.type]
    children = [values(child) for child in column.flatten()]
    rows = zip(*children, strict=True) if children else ((),) * len(column)
    present = column.is_valid().to_pylist()
    if len(set(names)) < len(names) or "" in names:
        return [list(row) if there else None for row, there in zip(rows, present, strict=True)]
    return [
        dict(zip(names, row, strict=True)) if there else None
        for row, there in zip(rows, present, strict=True)
    ]


def _lists(column: pa.Array) -> Values:
    return _cut(column, lambda first, last: values(column.values.slice(first, last - first)))


def _fixed_lists(column: pa.Array) -> Values:
    size = column.type.list_size
    inner = values(column.values.slice(column.offset * size, len(column) * size))
    present = column.is_valid().to_pylist()
    return [inner[n * size : (n + 1) * size] if there else None for n, there in enumerate(present)]


def _maps(column: pa.Array) -> Values:
    def entries(first: int, last: int) -> Values:
        keys = values(column.keys.slice(first, last - first))
        items = values(column.items.slice(first, last - first))
        return [(_key(key), item) for key, item in zip(keys, items, strict=True)]

    return [None if pairs is None else dict(pairs) for pairs in _cut(column, entries)]


def _key(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode().strip('"')


def _cut(column: pa.Array, between: Callable[[int, int], Values]) -> Values:
    """A list for each row, of what ``between`` gives for all of them at once."""
    offsets = column.offsets.to_pylist()
    first = offsets[0]
    inner = between(first, offsets[-1])
    present = column.is_valid().to_pylist()
    return [
        inner[start - first : end - first] if there else None
        for start, end, there in zip(offsets, offsets[1:], present, strict=False)
    ]


def _one_by_one(column: pa.Array) -> Values:
    """For unions: each value by the type that it has."""
    return [
        None if scalar.as_py() is None else values(pa.array([scalar.value.as_py()], scalar.value.type))[0]
        for scalar in column
    ]


def _nothing(column: pa.Array) -> Values:
    return [None] * len(column)


_CONVERSIONS: Final[tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.Array], Values]], ...]] = (
    (pa.types.is_integer, _integers),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (pa.types.is_interval, _intervals),
    (pa.types.is_struct, _structs),
    (pa.types.is_fixed_size_list, _fixed_lists),
    (pa.types.is_map, _maps),
    (pa.types.is_list, _lists),
    (pa.types.is_large_list, _lists),
    (pa.types.is_union, _one_by_one),
    (pa.types.is_null, _nothing),
)
"""Every other type is what ``msgspec.json`` makes of Python's value: it writes NaN as null, bytes as base64."""
