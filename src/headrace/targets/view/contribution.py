"""What an item brings to a view: which row it belongs to, and what of it counts there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from headrace.attribute import Image
from headrace.decoding import json_decoder
from headrace.row_table import RowKey
from headrace.targets.view.definition import Definition
from headrace.targets.view.value import (
    EXACT,
    Document,
    Unevaluable,
    Value,
    attribute_of,
    expect_range,
    group_text,
    shown,
    told,
    value_in,
    value_of,
)

_SORTED: Final = msgspec.json.Encoder(order="deterministic")
_ATTRIBUTES: Final = json_decoder(list[dict[str, Any] | None])
_LONGEST_NULL: Final = 64


@dataclass(frozen=True, slots=True)
class Part:
    """``row`` names a row: the values of a group, or an item's key. ``content``: what is measured of the item, or the row itself."""

    row: str
    content: bytes


def parts_of(definition: Definition, keys: RowKey) -> Callable[[str, Image], Part | None]:
    """A function from an item's key, as text, and the item, to what it brings; None for nothing.

    ``keys`` is the key of the table. It raises Unevaluable.
    """
    if definition.groups is None:
        return lambda key, item: _projected(definition, keys, key, item)
    return lambda _, item: _grouped(definition, item)


def measured(content: bytes) -> tuple[Value, ...]:
    """The values of an item's measures, in their order."""
    return tuple(None if each is None else value_in(each) for each in _ATTRIBUTES.decode(content))


def _grouped(definition: Definition, item: Image) -> Part | None:
    if not definition.takes(item):
        return None
    assert definition.groups is not None, "its rows are groups"
    row = group_text(evaluate(item) for evaluate in definition.groups)
    content = []
    for measure in definition.measures:
        value = measure.evaluate(item)
        if measure.adds and value is not None and not isinstance(value, Decimal):
            raise Unevaluable(f"sum and avg of {measure.text} take numbers, and got {told(value)}")
        if measure.sorts and isinstance(value, Document):
            raise Unevaluable(f"min and max of {measure.text} take plain values, and got {told(value)}")
        content.append(_kept(value, only_counted=not (measure.adds or measure.sorts)))
    return Part(row, _SORTED.encode(content))


def _kept(value: Value, *, only_counted: bool) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if only_counted:
        return {"BOOL": True}
    if isinstance(value, Decimal):
        expect_range(value)
        # Equal numbers are kept alike: a change that is none is seen as none.
        value = value.normalize(EXACT)
    return attribute_of(value)


def _projected(definition: Definition, keys: RowKey, key: str, item: Image) -> Part | None:
    if not definition.takes(item):
        return None
    names = [name for name, _ in keys]
    if not item.keys() >= set(names):
        raise Unevaluable(
            f"the item lacks the key that the table had when the view was opened ({', '.join(names)}); restart Headrace, and redrive it"
        )
    row: dict[str, Any] = {name: item[name] for name in names}
    if definition.everything:
        row |= {
            name: raw for name, raw in item.items() if name not in definition.left_out and not _is_null(raw)
        }
    for column in definition.columns:
        if column.name in names:
            continue
        row.pop(column.name, None)
        if column.attribute is not None:
            if column.attribute in item and not _is_null(item[column.attribute]):
                row[column.name] = item[column.attribute]
            continue
        value = column.evaluate(item)
        if value is not None:
            row[column.name] = shown(value)
    return Part(key, _SORTED.encode(row))


def _is_null(raw: msgspec.Raw) -> bool:
    # Others need not be decoded.
    return b"NULL" in (text := bytes(raw)) and len(text) < _LONGEST_NULL and value_of(raw) is None
