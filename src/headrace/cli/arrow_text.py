"""Arrow values as a person reads them."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from headrace.cli.table import one_line
from headrace.serve.values import values

NULL = "NULL"
"""How a missing value is shown."""


def column_texts(column: Any) -> list[str]:
    """The values of an Arrow array, each as one line of text: as in JSON answers, but binary in hexadecimal."""
    if pa.types.is_duration(column.type):
        unit = column.type.unit
        return [NULL if count is None else f"{count} {unit}" for count in column.cast(pa.int64()).to_pylist()]
    return [_text(value) for value in values(column)]


def _text(value: object) -> str:
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


def _plain(value: object) -> str:
    """What JSON has no form for, as text."""
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
