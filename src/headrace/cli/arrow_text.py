"""Arrow values as a person reads them."""

from __future__ import annotations

import json
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa

from headrace.cli.table import one_line

NULL = "NULL"
"""How a missing value is shown."""


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
