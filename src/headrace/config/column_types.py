"""What a declared column's type may be called: Arrow's names as Headrace prints them, and SQL's."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from headrace.arrow_name import arrow_name
from headrace.column_type import (
    BINARY,
    BOOL,
    JSON,
    LONG,
    MOST_DIGITS,
    TEXT,
    ColumnType,
    Digits,
    Times,
    list_of,
    map_of,
    number_type,
    time_type,
)
from headrace.config.kind import Kind
from headrace.config.problem import BadValueError, not_one_of
from headrace.time_layout import Layout
from headrace.time_text import ISO_8601

DOUBLE = number_type(Digits(whole=MOST_DIGITS + 1, fraction=MOST_DIGITS + 1, long=False, double=True))
"""Numbers whose digits a double gives back."""

_SIMPLE = {
    "Utf8": TEXT,
    "Int64": LONG,
    "Float64": DOUBLE,
    "Boolean": BOOL,
    "Binary": BINARY,
    "JSON": JSON,
    "VARCHAR": TEXT,
    "TEXT": TEXT,
    "STRING": TEXT,
    "BIGINT": LONG,
    "INT": LONG,
    "INTEGER": LONG,
    "DOUBLE": DOUBLE,
    "DOUBLE PRECISION": DOUBLE,
    "FLOAT": DOUBLE,
    "BOOL": BOOL,
    "BLOB": BINARY,
    "BYTEA": BINARY,
}
_TIMESTAMPS = {
    "timestamp": None,
    "timestamptz": "UTC",
    "timestamp without time zone": None,
    "timestamp with time zone": "UTC",
}
_UNITS = {"millisecond": "ms", "microsecond": "us", "nanosecond": "ns"}

TYPE_NAMES = (
    *("Utf8", "Int64", "Float64", "Boolean", "Binary", "JSON"),
    *("Decimal128(38, 2)", "Timestamp(Millisecond)", "Timestamp(Millisecond, UTC)"),
    *("List(Utf8)", "Map(Utf8, Int64)"),
    *("VARCHAR", "TEXT", "STRING", "BIGINT", "INT", "INTEGER", "DOUBLE", "FLOAT", "BOOLEAN", "BLOB"),
    *("DECIMAL(18, 2)", "TIMESTAMP", "TIMESTAMPTZ", "VARCHAR[]"),
)
"""Every form of name, by examples. Case does not matter."""

MOST_SCALE = MOST_DIGITS // 2
"""Digits after the point of a declared decimal: as many before it are kept for any 64-bit integer."""

_ANY_TIMES = (
    *ISO_8601,
    Layout.of("2006-01-02T15:04:05.000000000"),
    Layout.of("2006-01-02T15:04:05 MST"),
)

_DEEPEST = 32
"""Levels to which DynamoDB nests (Amazon DynamoDB Developer Guide, "Service, account, and table quotas")."""

_CALL = re.compile(r"(\w[\w ]*?)\s*\(\s*(.*?)\s*\)")
_BY_LOWER = {name.lower(): type_ for name, type_ in _SIMPLE.items()}


def declared_type() -> Kind[str]:
    """The name of a type; gives it as written. ``read_type`` reads it, once the dataset's layouts are known."""

    def parse(given: str) -> str:
        # Which times the dataset has is not known here: only the name is judged.
        read_type(given, _ANY_TIMES)
        return given

    return Kind(parse, "a type such as `Int64`, `Timestamp(Millisecond)` or `VARCHAR[]`", {"type": "string"})


def read_type(name: str, layouts: Sequence[Layout]) -> ColumnType:
    """The type that ``name`` names, its times being strings of ``layouts``.

    Raises BadValueError for what is no name of a type, and for times that none of the layouts writes.
    """
    if name.count("(") + name.count("[") > _DEEPEST:
        raise BadValueError(f"the type is nested deeper than DynamoDB nests ({_DEEPEST} levels)")
    return _read(name, layouts)


def _read(name: str, layouts: Sequence[Layout]) -> ColumnType:
    plain = " ".join(name.split()).lower()
    if plain.endswith("[]"):
        return list_of(_read(name.strip()[:-2], layouts))
    if plain in _BY_LOWER:
        return _BY_LOWER[plain]
    if plain in _TIMESTAMPS:
        return _times(name, None, _TIMESTAMPS[plain], layouts)
    call = _CALL.fullmatch(" ".join(name.split()))
    return _read_call(name, call[1].lower(), call[2], layouts) if call else _unknown(name)


def _read_call(name: str, of: str, arguments: str, layouts: Sequence[Layout]) -> ColumnType:
    match of:
        case "list":
            return list_of(_read(arguments, layouts))
        case "map":
            key, _, value = arguments.partition(",")
            if _read(key, layouts) != TEXT:
                raise BadValueError(f"'{name}': the keys of a map are text; write Map(Utf8, {value.strip()})")
            return map_of(_read(value, layouts))
        case "timestamp":
            unit, _, zone = (part.strip() for part in arguments.partition(","))
            if unit.lower() not in _UNITS:
                raise BadValueError(
                    f"'{name}': '{unit}' is no unit of a timestamp; write Millisecond, Microsecond or Nanosecond"
                )
            return _times(name, _UNITS[unit.lower()], zone or None, layouts)
        case "decimal128" | "decimal" | "numeric":
            return _decimal(name, arguments)
        case _:
            return _unknown(name)


def _decimal(name: str, arguments: str) -> ColumnType:
    numbers = re.fullmatch(r"([0-9]{1,3})(?:\s*,\s*([0-9]{1,3}))?", arguments)
    digits, scale = (int(numbers[1]), int(numbers[2] or 0)) if numbers else (0, 0)
    if not 0 < digits <= MOST_DIGITS or scale > min(digits, MOST_SCALE):
        raise BadValueError(
            f"'{name}': write the digits in all, at most {MOST_DIGITS}, and those after the point, at most "
            f"{MOST_SCALE}, such as Decimal128(38, 2)"
        )
    # Decimals are stored with 38 digits: all that the scale leaves may stand before the point.
    return number_type(Digits(whole=MOST_DIGITS - scale, fraction=scale, long=False, double=False))


def _times(name: str, unit: str | None, zone: str | None, layouts: Sequence[Layout]) -> ColumnType:
    zone = "UTC" if zone is not None and zone.lower() in ("utc", "z", "+00:00") else zone
    if unit == "ns" and zone is not None:
        raise BadValueError(f"'{name}': instants are kept to the microsecond; write Microsecond, or no zone")
    if not any(_writes(layout, zone) for layout in _ANY_TIMES):
        raise BadValueError(f"'{name}': '{zone}' is no zone; write UTC, or an offset such as +02:00")
    fitting = [layout for layout in layouts if _writes(layout, zone)]
    units = [one for one in _UNITS.values() if any(layout.unit == one for layout in fitting)]
    if not units or unit not in (None, *units):
        raise BadValueError(_not_written(name, layouts))
    texts = frozenset(layout.text for layout in fitting if layout.unit == (unit or units[0]))
    return time_type(Times(zone, texts))


def _writes(layout: Layout, zone: str | None) -> bool:
    """Whether times of this zone can be texts of the layout."""
    if layout.zoned != (zone is not None):
        return False
    try:
        layout.format(0, zone)
    except ValueError:
        return False
    return True


def _not_written(name: str, layouts: Sequence[Layout]) -> str:
    """What to declare instead of a type of times that none of the layouts writes."""
    said = (
        f"the time_format {layouts[0].text}"
        if len(layouts) == 1
        else "ISO 8601, for there is no time_format,"
    )
    kinds = sorted({(layout.zoned, layout.unit) for layout in layouts})
    forms = [arrow_name(pa.timestamp(unit, "UTC" if zoned else None)) for zoned, unit in kinds]
    return f"'{name}' is no type of the times of this dataset: {said} writes {' or '.join(forms)}"


def _unknown(name: str) -> ColumnType:
    if name.lower().split("(")[0].strip() == "struct":
        raise BadValueError("a struct's members come from the items; leave the type out, or write JSON")
    raise BadValueError(not_one_of(" ".join(name.split()), TYPE_NAMES))
