"""A key in one form, however it was written: as an item's JSON, or as the key columns of a row.

The form is a JSON array of texts, partition key first: strings as they are, numbers in plain digits,
binary as base64. Within one table equal keys, and only those, have equal forms.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
import pyarrow as pa

from headrace.accelerators.value_text import texts
from headrace.decoding import json_decoder
from headrace.schema import TableSchema

_KEY = json_decoder(dict[str, dict[str, str]])
_PARTS = json_decoder(list[str])


def keys_of_rows(rows: pa.RecordBatch, schema: TableSchema) -> list[str]:
    """The key of each row, which has the columns of ``schema``."""
    columns = [texts(rows.column(key.name), key.type).to_pylist() for key in schema.keys]
    return [_form(parts) for parts in zip(*columns, strict=True)]


def key_of_json(text: str | None, schema: TableSchema) -> str | None:
    """The key in DynamoDB JSON (``{"id": {"N": "1.0"}}``); None unless it is the whole key of ``schema``."""
    if text is None:
        return None
    try:
        key = _KEY.decode(text)
        return _form([_tagged(key[column.attribute]) for column in schema.keys])
    except (msgspec.MsgspecError, KeyError, ValueError, InvalidOperation, binascii.Error):
        return None


def values_of_key(key: str, schema: TableSchema) -> tuple[Any, ...] | None:
    """What the key columns of ``schema`` hold for this key; None if they cannot hold it."""
    parts = zip(_PARTS.decode(key), schema.keys, strict=True)
    try:
        return tuple(_value(part, column.type.arrow()) for part, column in parts)
    except (ValueError, OverflowError):
        return None


def _form(parts: Sequence[str]) -> str:
    return msgspec.json.encode(parts).decode()


def _value(part: str, stored: pa.DataType) -> Any:
    """Raises ValueError or OverflowError where nothing that is stored so has this form."""
    if pa.types.is_integer(stored):
        return pa.scalar(int(part), stored).as_py()
    if pa.types.is_decimal(stored):
        return pa.scalar(Decimal(part), stored).as_py()
    return base64.b64decode(part) if pa.types.is_binary(stored) else part


def _tagged(value: dict[str, str]) -> str:
    ((tag, content),) = value.items()
    match tag:
        case "N":
            return _digits(content)
        case "B":
            return base64.b64encode(binascii.a2b_base64(content, strict_mode=True)).decode()
        case "S":
            return content
        case _:
            raise ValueError(f"{tag} is no type of a key")


def _digits(text: str) -> str:
    plain = format(Decimal(text), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain == "-0" else plain
