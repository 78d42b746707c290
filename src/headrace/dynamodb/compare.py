"""Whether a row is what the table's item says, attribute by attribute.

The service promises no order for the members of a set and of a map, so these compare without one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from headrace.dynamodb.attribute import AttributeValue, as_type, element_text, plain_json, tag_of
from headrace.explanation import Difference
from headrace.schema import ColumnType, TableSchema

_SETS = ("SS", "NS", "BS")


def differences(
    item: Mapping[str, AttributeValue] | None, row: Mapping[str, object], schema: TableSchema
) -> Iterator[Difference]:
    """The attributes in which ``row`` (by column name) is not ``item``; None of either is an empty one."""
    item = item or {}
    for column in schema.columns:
        value, stored = item.get(column.attribute), row.get(column.name)
        if not _same(value, stored, column.type, key=column.key):
            yield Difference(column.attribute, _shown(stored), _written(value))
    known = {column.attribute for column in schema.columns}
    for attribute, value in item.items():
        if attribute not in known and tag_of(value) != "NULL":
            yield Difference(attribute, None, _written(value))


def _same(value: AttributeValue | None, stored: object, type_: ColumnType, *, key: bool) -> bool:
    if value is None or tag_of(value) == "NULL":
        return stored is None
    try:
        expected = as_type(value, type_, key=key)
    except ValueError:
        # The column has not widened yet to what the table holds by now.
        return False
    if expected == stored:
        return True
    tag = tag_of(value)
    if tag in _SETS:
        return _members(expected) == _members(stored)
    if tag == "L":
        texts = stored if isinstance(stored, list) else _parsed(stored)
        return _same_texts(value["L"], texts)
    return tag == "M" and _same_json(value, _parsed(stored))


def _same_texts(elements: list[AttributeValue], texts: object) -> bool:
    """Whether a column of a list's element texts holds these elements."""
    if not isinstance(texts, list) or len(texts) != len(elements):
        return False
    return all(_same_text(element, text) for element, text in zip(elements, texts, strict=True))


def _same_text(element: AttributeValue, text: object) -> bool:
    if tag_of(element) == "NULL":
        return text is None
    if element_text(element) == text:
        return True
    return tag_of(element) in ("M", "L", *_SETS) and _same_json(element, _parsed(text))


def _same_json(value: AttributeValue, plain: object) -> bool:
    tag = tag_of(value)
    content = value[tag]
    if tag == "M":
        return (
            isinstance(plain, dict)
            and plain.keys() == content.keys()
            and all(_same_json(inner, plain[name]) for name, inner in content.items())
        )
    if tag == "L":
        return (
            isinstance(plain, list)
            and len(plain) == len(content)
            and all(_same_json(inner, one) for inner, one in zip(content, plain, strict=True))
        )
    expected = _parsed(plain_json(value))
    return _members(expected) == _members(plain) if tag in _SETS else expected == plain


def _members(values: object) -> list[str] | None:
    """The members of a set in an order of their own; None for what is no set."""
    given = _parsed(values) if isinstance(values, str) else values
    return sorted(repr(one) for one in given) if isinstance(given, list) else None


def _parsed(text: object) -> Any:
    """JSON text with its numbers exact; None for what is none."""
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text, parse_int=Decimal, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _shown(stored: object) -> str | None:
    if stored is None or isinstance(stored, str):
        return stored
    return msgspec.json.encode(stored).decode()


def _written(value: AttributeValue | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
