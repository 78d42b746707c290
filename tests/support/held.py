"""Whether a cell holds a DynamoDB value, exactly: the rules of docs/types.md, written down a second time.

The tests must not believe the code that they judge.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from headrace.column_type import ColumnType, Kind
from headrace.time_layout import Layout

AV = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_UNITS = {"ms": timedelta(milliseconds=1), "us": timedelta(microseconds=1)}


def holds(cell: Any, value: AV, type_: ColumnType, *, structs: bool = True, member: bool = False) -> bool:
    """Whether ``cell``, of a column or member of ``type_``, is ``value``. ``structs``: maps are not flattened."""
    ((tag, content),) = value.items()
    if tag == "NULL":
        return cell is None
    match type_.kind:
        case Kind.TEXT:
            return bool(text_of(value, structs=structs) == cell)
        case Kind.JSON:
            return JsonOf(member_of(value) if member else plain(value)) == cell
        case Kind.STRUCT if type_.members:
            return _holds_struct(cell, tag, content, type_)
        case Kind.STRUCT:
            return tag == "M" and not content and cell == "{}"
        case Kind.MAP:
            return _holds_map(cell, tag, content, type_.element)
        case Kind.LIST:
            return _holds_list(cell, tag, content, type_.element, structs=structs)
        case _:
            return _holds_scalar(cell, tag, content, type_)


def text_of(value: AV, *, structs: bool = True) -> Any:
    """What a column of TEXT, or an element of a list of texts, must hold."""
    ((tag, content),) = value.items()
    match tag:
        case "S":
            return content
        case "N":
            return digits(content)
        case "B":
            return content
        case "BOOL":
            return {True: "true", False: "false"}[content]
        case "NULL":
            return None
        case "M":
            return JsonOf(member_of(value) if structs else plain(value))
        case _:
            return JsonOf([element_of(one, structs=structs) for one in elements(tag, content)])


def element_of(value: AV, *, structs: bool) -> Any:
    """What an element of a list of texts must hold: lists within are JSON as it came."""
    ((tag, _),) = value.items()
    return JsonOf(plain(value)) if tag in ("L", "SS", "NS", "BS") else text_of(value, structs=structs)


def member_of(value: AV) -> Any:
    """The JSON of a map's member: members by name, none of them null, lists as arrays of texts."""
    ((tag, content),) = value.items()
    match tag:
        case "N":
            return Written(digits(content))
        case "M":
            return {name: member_of(content[name]) for name in sorted(content) if "NULL" not in content[name]}
        case "L" | "SS" | "NS" | "BS":
            return [element_of(one, structs=True) for one in elements(tag, content)]
        case _:
            return None if tag == "NULL" else content


def plain(value: AV) -> Any:
    """The value as JSON with nothing left out, numbers as they are written."""
    ((tag, content),) = value.items()
    match tag:
        case "M":
            return {name: plain(inner) for name, inner in content.items()}
        case "L":
            return [plain(inner) for inner in content]
        case "NS":
            return [Written(text) for text in content]
        case "N":
            return Written(content)
        case _:
            return None if tag == "NULL" else content


class Written(str):
    """A number as it is written."""

    __slots__ = ()


class JsonOf:
    """Equal to every JSON text that means ``tree``: numbers by their digits, members in their order."""

    def __init__(self, tree: Any) -> None:
        self.tree = tree

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and _same(self.tree, meaning(other))

    def __repr__(self) -> str:
        return f"JsonOf({self.tree!r})"

    __hash__ = None  # type: ignore[assignment]  # Equal to many texts, so it has no hash.


def meaning(text: str) -> Any:
    """JSON text, with its numbers as they are written."""
    return json.loads(text, parse_int=Written, parse_float=Written)


def _same(tree: Any, found: Any) -> bool:
    if isinstance(tree, JsonOf):
        return tree == found
    if isinstance(tree, dict) and isinstance(found, dict):
        return list(tree) == list(found) and all(_same(tree[name], found[name]) for name in tree)
    if isinstance(tree, list) and isinstance(found, list):
        return len(tree) == len(found) and all(map(_same, tree, found))
    if isinstance(tree, Written) and isinstance(found, Written):
        return Decimal(tree) == Decimal(found)
    return type(tree) is type(found) and tree == found


def digits(text: str) -> str:
    """A number in plain digits: no exponent, no zeros that say nothing."""
    number = Decimal(text)
    if number == 0:
        return "0"
    plain_text = f"{number:f}"
    return plain_text.rstrip("0").rstrip(".") if "." in plain_text else plain_text


def elements(tag: str, content: Any) -> list[AV]:
    """The members of a list or set, each as a value."""
    return list(content) if tag == "L" else [{tag[0]: one} for one in content]


def _holds_struct(cell: Any, tag: str, content: Any, type_: ColumnType) -> bool:
    if tag != "M" or not isinstance(cell, dict):
        return False
    named = type_.named()
    if set(content) - {member.attribute for _, member in named} or list(cell) != [name for name, _ in named]:
        return False
    return all(
        holds(cell[name], content.get(member.attribute, {"NULL": True}), member.type, member=True)
        for name, member in named
    )


def _holds_map(cell: Any, tag: str, content: Any, element: ColumnType | None) -> bool:
    assert element is not None
    present = {name: inner for name, inner in content.items() if "NULL" not in inner} if tag == "M" else {}
    found = dict(cell)
    return (
        tag == "M"
        and list(found) == sorted(present)
        and all(holds(found[name], inner, element, member=True) for name, inner in present.items())
    )


def _holds_list(cell: Any, tag: str, content: Any, element: ColumnType | None, *, structs: bool) -> bool:
    assert element is not None
    if tag not in ("L", "SS", "NS", "BS") or not isinstance(cell, list) or len(cell) != len(content):
        return False
    pairs = zip(cell, elements(tag, content), strict=True)
    if element.kind in (Kind.TEXT, Kind.NULL):
        return all(element_of(one, structs=structs) == each for each, one in pairs)
    return all(holds(each, one, element, structs=structs) for each, one in pairs)


def _holds_scalar(cell: Any, tag: str, content: Any, type_: ColumnType) -> bool:
    match tag, type_.kind:
        case "N", Kind.NUMBER:
            return _holds_number(cell, content, type_)
        case "S", Kind.TIME:
            return _holds_time(cell, content, type_)
        case "B", Kind.BINARY:
            return bool(cell == base64.b64decode(content))
        case "BOOL", Kind.BOOL:
            return cell is content
        case _:
            return False


def _holds_number(cell: Any, content: str, type_: ColumnType) -> bool:
    if type_.digits is not None and type_.digits.rounded and isinstance(cell, float):
        return cell == float(content)
    if isinstance(cell, str):
        return cell == digits(content)
    exact = Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
    return not isinstance(cell, bool) and exact == Decimal(content)


def _holds_time(cell: Any, content: str, type_: ColumnType) -> bool:
    """By writing the cell's time in each of the column's layouts."""
    assert type_.times is not None
    unit = type_.arrow().unit
    for layout in map(Layout.of, type_.times.layouts):
        count = cell if isinstance(cell, int) else _count(cell, unit)
        per = {"ms": 1, "us": 1000, "ns": 1_000_000}
        if layout.format(count * per[layout.unit] // per[unit], type_.times.zone) != content:
            return False
    return True


def _count(time: datetime, unit: str) -> int:
    return (time.replace(tzinfo=None) - _EPOCH) // _UNITS[unit]
