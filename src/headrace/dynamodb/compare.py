"""Whether a row is what the table's item says, column by column.

The service promises no order for the members of a set and of a map, so these compare without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from headrace.attribute import AttributeValue, digits_of, tag_of
from headrace.column_name import Path, wish
from headrace.dynamodb.generic import row_of
from headrace.dynamodb.reader import Item, ItemReader
from headrace.explanation import Difference
from headrace.schema import REST, Column, TableSchema

_SETS = ("SS", "NS", "BS")


def differences(
    item: Item | None, row: pa.RecordBatch | None, schema: TableSchema, reader: ItemReader
) -> Iterator[Difference]:
    """The attributes in which ``row`` (one row of ``schema``) is not ``item``; None of either is an empty one.

    Raises BrokenValue where the item is none.
    """
    leaves = dict(reader.leaves(item or {}))
    expected, unheld = _expected(leaves, schema, reader)
    for column in schema.columns:
        stored = None if row is None else _stored(row, column)
        value = leaves.get(column.path)
        loose = column.path == REST or (value is not None and _has_set(value))
        if column.path in unheld or not _same(expected.get(column.path), stored, loose=loose):
            yield Difference(wish(column.path) or column.name, _shown(stored), _written(value))
    for path in unheld:
        if schema.column(path) is None:
            yield Difference(wish(path), None, _written(leaves[path]))


def _expected(
    leaves: dict[Path, AttributeValue], schema: TableSchema, reader: ItemReader
) -> tuple[dict[Path, Any], list[Path]]:
    """The row as it should be, and the paths whose values the schema does not hold yet."""
    held = dict(leaves)
    unheld = []
    for path, value in leaves.items():
        column = schema.column(path)
        if tag_of(value) == "NULL":
            continue
        if column is None:
            lacks = schema.rest is None
        else:
            own = reader.type_of(value, key=column.key)
            lacks = not column.fixed and column.type.join(own).arrow() != column.type.arrow()
        if lacks:
            unheld.append(path)
            del held[path]
    rest_less = {path: value for path, value in held.items() if schema.rest or schema.column(path)}
    return row_of(rest_less, schema, reader), unheld


def _stored(row: pa.RecordBatch, column: Column) -> Any:
    """The value as ``ItemReader.form`` would give it: engines may keep times in another unit."""
    arrow = column.type.arrow()
    return row.column(column.name).cast(arrow).cast(_counted(arrow))[0].as_py()


def _counted(type_: pa.DataType) -> pa.DataType:
    """``type_`` with counts of their unit in place of times."""
    if pa.types.is_timestamp(type_):
        return pa.int64()
    if pa.types.is_list(type_):
        return pa.list_(_counted(type_.value_type))
    if pa.types.is_map(type_):
        return pa.map_(type_.key_type, _counted(type_.item_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, _counted(field.type)) for field in type_])
    return type_


def _same(expected: Any, stored: Any, *, loose: bool) -> bool:
    if expected == stored:
        return True
    if stored is None or expected is None:
        return False
    return bool(_plain(expected, loose=loose) == _plain(stored, loose=loose))


def _plain(value: Any, *, loose: bool) -> Any:
    """One form for what may be written in several: entries of maps, absent members, JSON, and ``loose`` orders."""
    parsed = _parsed(value) if isinstance(value, str) else value
    match parsed:
        case dict():
            return {
                name: _plain(one, loose=loose)
                for name, one in parsed.items()
                if one is not None or isinstance(value, str)
            }
        case list() if parsed and all(isinstance(one, tuple) for one in parsed):
            return _plain(dict(parsed), loose=loose)
        case list():
            members = [_plain(one, loose=loose) for one in parsed]
            return sorted(map(repr, members)) if loose else members
        case Decimal():
            # The scale is the column's, not the value's.
            return digits_of(f"{parsed:f}")
        case _:
            return parsed


def _has_set(value: AttributeValue) -> bool:
    tag = tag_of(value)
    if tag == "M":
        return any(map(_has_set, value["M"].values()))
    return tag in _SETS or (tag == "L" and any(map(_has_set, value["L"])))


def _parsed(text: str) -> Any:
    """JSON arrays and objects with their numbers exact; other texts as they are."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text, parse_int=Decimal, parse_float=Decimal)
    except (ValueError, RecursionError):
        return text


def _shown(stored: object) -> str | None:
    if stored is None or isinstance(stored, str):
        return stored
    return msgspec.json.encode(stored).decode()


def _written(value: AttributeValue | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
