"""Values as items hold them, their types, and what they look like in a column of a wider type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from headrace.accelerators.plain import widened
from headrace.column_type import (
    BINARY,
    BOOL,
    NULL,
    TEXT,
    ColumnType,
    Digits,
    Kind,
    Times,
    list_of,
    number_type,
    struct_of,
    time_type,
)
from headrace.time_layout import Layout
from headrace.time_text import layouts_of

NUMBERS = st.sampled_from(
    [
        *(
            "0",
            "-0",
            "1",
            "7",
            "1.50",
            "0.1",
            "-2.5",
            "1e3",
            "1e18",
            "1e20",
            "1e23",
            "-1E-7",
            "1e100",
            "4e-130",
        ),
        *("9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808"),
        *(
            "0.10000000000000000000000000000000000001",
            "12345678901234567890.5",
            "3" * 38,
            "0.30000000000000001",
        ),
    ]
).map(Decimal) | st.decimals(-(10**6), 10**6, places=3)

TIMES = st.sampled_from(
    [
        *("2024-01-02T03:04:05", "2024-01-02T03:04:05.100", "2024-01-02T03:04:05.1", "0000-02-29T00:00:00"),
        *("2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123Z", "2024-01-02T03:04:05.123450Z"),
        *("2024-01-02T03:04:05.120Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00Z"),
        *("2024-01-02T03:04:05+02:00", "2024-01-02T03:04:05.5+02:00", "2024-01-02T03:04:05-07:30"),
    ]
)

TEXTS = (
    st.sampled_from(["", "a", "1", "true", "{}", 'q"\\\n\x1f', "\u2028é\x7f"]) | st.text(max_size=3) | TIMES
)

SCALARS = st.none() | st.booleans() | NUMBERS | st.binary(max_size=3) | TEXTS

ATTRIBUTES = st.sampled_from(["a", "A", "b", "B", "c", "q\".x'", "", "é"])

VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ATTRIBUTES, inner, max_size=3),
    max_leaves=8,
)
"""Of every type, and nested."""


def number(text: str, *, key: bool = False) -> ColumnType:
    """The type of one number."""
    return number_type(Digits.of(Decimal(text), key=key))


def times(zone: str | None, *layouts: str) -> ColumnType:
    """The type of times that any of these layouts writes."""
    return time_type(Times(zone, frozenset(layouts)))


def type_of(value: Any) -> ColumnType:
    """The type of one value of an item."""
    match value:
        case None:
            return NULL
        case bool():
            return BOOL
        case Decimal():
            return number_type(Digits.of(value))
        case bytes():
            return BINARY
        case str():
            reading = layouts_of(value)
            return TEXT if reading is None else time_type(Times(reading.zone, reading.layouts))
        case list():
            return list_of(*map(type_of, value))
        case dict():
            return struct_of({name: type_of(one) for name, one in value.items()})
        case _:
            raise TypeError(type(value))


def in_column(value: Any, column: ColumnType) -> Any:
    """What a value looks like in a column of a type that holds it, as ``plain`` has it."""
    own = type_of(value)
    return widened(_in_own(value, own), own, column)


def _in_own(value: Any, own: ColumnType) -> Any:
    match value:
        case list():
            return [in_column(one, own.element) for one in value]
        case dict() if own.kind is Kind.MAP:
            return {n: in_column(one, own.element) for n, one in sorted(value.items()) if one is not None}
        case dict() if not value:
            return "{}"
        case dict():
            return {name: in_column(value[m.attribute], m.type) for name, m in own.named()}
        case str() if own.times is not None:
            return _layout(own.times).parse(value).count
        case Decimal():
            return in_storage(value, own)
        case _:
            return value


def in_storage(value: Decimal, own: ColumnType) -> Any:
    """A number as its type is stored."""
    stored = str(own.arrow())
    if stored == "int64":
        return int(value)
    if stored == "double":
        return float(value)
    return value if stored.startswith("decimal") else widened(value, own, TEXT)


def _layout(times: Times) -> Layout:
    layouts = [Layout.of(text) for text in times.layouts]
    return next(layout for layout in layouts if layout.unit == times.arrow().unit)
