"""Attribute values: what is valid, what is canonical, what it weighs.

Rules: developer guide, "Constraints in DynamoDB" and "Item sizes and formats". Sets are kept sorted: AWS
promises no order, and sorted sets make equal items equal text.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from typing import Any

from headrace.simulator import number
from headrace.simulator.answers import Refusal, invalid, invalid_values, unreadable

TYPES = ("S", "N", "B", "SS", "NS", "BS", "M", "L", "BOOL", "NULL")
MAX_ITEM_BYTES = 400 * 1024
MAX_NESTING = 32
MAX_NAME_BYTES = 65_535
CONTAINER_BYTES = 3
ELEMENT_BYTES = 1

Value = dict[str, Any]
Item = dict[str, Value]


def canonical_item(attributes: object, member: str = "Item") -> tuple[Item, int]:
    """The item as it will be stored, and its weight in bytes. Does not judge the weight."""
    if type(attributes) is not dict:
        raise unreadable(f"{member}: expected a map of attribute values")
    item: Item = {}
    total = 0
    for name, value in attributes.items():
        item[name], weight = canonical_value(value)
        total += weight + _name_bytes(name)
    return item, total


def canonical_value(value: object, depth: int = 0) -> tuple[Value, int]:
    """One attribute value in canonical form, and its weight in bytes without its name."""
    if type(value) is not dict:
        raise unreadable(
            "Unexpected value type in payload: an AttributeValue is a map of one type to its value"
        )
    present = {kind: content for kind, content in value.items() if content is not None}
    if len(present) > 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )
    kind, content = next(iter(present.items()), ("", None))
    check = _CHECKS.get(kind)
    if check is None:
        raise invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    content, weight = check(content, depth)
    return {kind: content}, weight


def weight_of(value: Value) -> int:
    """What a canonical value weighs."""
    kind, content = next(iter(value.items()))
    return _CHECKS[kind](content, 0)[1]


def item_weight(attributes: Item) -> int:
    """What canonical attributes weigh with their names: the item's size."""
    return sum(_name_bytes(name) + weight_of(value) for name, value in attributes.items())


def _name_bytes(name: str) -> int:
    size = len(name) if name.isascii() else len(name.encode())
    if size > MAX_NAME_BYTES:
        raise invalid_values(f"Attribute name is too large, must be at most {MAX_NAME_BYTES} bytes")
    if not name:
        raise invalid_values("Empty attribute name")
    return size


def _text(content: Any, kind: str) -> str:
    if type(content) is str:
        return content
    raise unreadable(f"{_json_name(content)} can not be converted to a {kind}")


def _json_name(content: object) -> str:
    match content:
        case bool():
            return "TRUE_VALUE" if content else "FALSE_VALUE"
        case int() | float():
            return "NUMBER_VALUE"
        case list():
            return "START_ARRAY"
        case dict():
            return "START_OBJECT"
    return "STRING_VALUE"


def _string(content: Any, _: int) -> tuple[str, int]:
    text = _text(content, "String")
    return text, len(text) if text.isascii() else len(text.encode())


def _number(content: Any, _: int) -> tuple[str, int]:
    text = number.canonical(_text(content, "String"))
    return text, number.stored_bytes(text)


def _binary(content: Any, _: int) -> tuple[str, int]:
    text = _text(content, "Blob")
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as problem:
        raise unreadable(f"'{text[:80]}' can not be converted to a Blob: {problem}") from problem
    return binascii.b2a_base64(raw, newline=False).decode(), len(raw)


def _flag(content: Any, _: int) -> tuple[bool, int]:
    if type(content) is not bool:
        raise unreadable(f"{_json_name(content)} can not be converted to a Boolean")
    return content, 1


def _null(content: Any, depth: int) -> tuple[bool, int]:
    if not _flag(content, depth)[0]:
        raise invalid_values("Null attribute value types must have the value of true")
    return True, 1


def _set(
    of: Callable[[Any, int], tuple[str, int]], empty: str, twice: Callable[[list[str]], Refusal]
) -> Callable[[Any, int], tuple[list[str], int]]:
    def check(content: Any, depth: int) -> tuple[list[str], int]:
        if type(content) is not list:
            raise unreadable("Expected list or null")
        if not content:
            raise invalid_values(empty)
        members = [of(member, depth) for member in content]
        texts = sorted(text for text, _ in members)
        if len(set(texts)) < len(texts):
            raise twice([str(member) for member in content])
        return texts, sum(weight for _, weight in members)

    return check


def _list(content: Any, depth: int) -> tuple[list[Value], int]:
    if type(content) is not list:
        raise unreadable("Expected list or null")
    _check_depth(depth)
    members = [canonical_value(member, depth + 1) for member in content]
    return (
        [member for member, _ in members],
        CONTAINER_BYTES + sum(weight + ELEMENT_BYTES for _, weight in members),
    )


def _map(content: Any, depth: int) -> tuple[Item, int]:
    if type(content) is not dict:
        raise unreadable("Expected map or null")
    _check_depth(depth)
    total = CONTAINER_BYTES
    members: Item = {}
    for name, value in content.items():
        members[name], weight = canonical_value(value, depth + 1)
        total += weight + _name_bytes(name) + ELEMENT_BYTES
    return members, total


def _check_depth(depth: int) -> None:
    if depth >= MAX_NESTING:
        raise invalid(
            "Nesting Levels have exceeded supported limits: "
            "Attributes contained in the item have nested levels beyond supported limit"
        )


_CHECKS: dict[str, Callable[[Any, int], tuple[Any, int]]] = {
    "S": _string,
    "N": _number,
    "B": _binary,
    "BOOL": _flag,
    "NULL": _null,
    "L": _list,
    "M": _map,
    "SS": _set(
        _string,
        "An string set  may not be empty",
        lambda given: invalid_values(f"Input collection [{', '.join(given)}] contains duplicates."),
    ),
    "NS": _set(
        _number, "An number set  may not be empty", lambda _: invalid("Input collection contains duplicates")
    ),
    "BS": _set(
        _binary,
        "Binary sets should not be empty",
        lambda given: invalid_values(f"Input collection [{', '.join(given)}]of type BS contains duplicates."),
    ),
}
