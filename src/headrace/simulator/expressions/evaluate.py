"""What an expression says of an item: conditions, paths, projections.

Rules: developer guide, "Condition and filter expressions, operators, and functions". A comparison with an
attribute that is not there, or of another type, is false; only ``<>`` is then true.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from operator import ge, gt, le, lt
from typing import Any

from headrace.simulator.expressions.tree import (
    And,
    Between,
    Call,
    Comparison,
    Condition,
    Constant,
    In,
    Not,
    Operand,
    Or,
    Path,
)
from headrace.simulator.items import Item, Value
from headrace.simulator.keys import sortable

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_ORDERED = ("S", "N", "B")
_ELEMENTS = {"SS": "S", "NS": "N", "BS": "B"}


def holds(condition: Condition, item: Item) -> bool:  # noqa: PLR0911  # One return per kind of node.
    """Whether the item meets the condition. An item that is not there is an empty one."""
    match condition:
        case And(terms=terms):
            return all(holds(term, item) for term in terms)
        case Or(terms=terms):
            return any(holds(term, item) for term in terms)
        case Not(term=term):
            return not holds(term, item)
        case Comparison(sign=sign, left=left, right=right):
            return _compare(sign, value_of(left, item), value_of(right, item))
        case Between(operand=operand, low=low, high=high):
            value = value_of(operand, item)
            return _compare(">=", value, value_of(low, item)) and _compare("<=", value, value_of(high, item))
        case In(operand=operand, choices=choices):
            value = value_of(operand, item)
            return any(_compare("=", value, value_of(choice, item)) for choice in choices)
        case Call():
            return _call(condition, item)


def value_of(operand: Operand, item: Item) -> Value | None:
    """What an operand of a condition stands for; None where there is nothing."""
    match operand:
        case Constant(value=value):
            return value
        case Path():
            return look_up(operand, item)
        case Call(name="size", operands=(inner,)):
            size = _size(value_of(inner, item))
            return None if size is None else {"N": str(size)}
    raise TypeError(f"{operand} is no operand of a condition")


def look_up(path: Path, item: Item) -> Value | None:
    """The value at a path."""
    value: Value | None = {"M": item}
    for part in path.parts:
        if value is None:
            return None
        if isinstance(part, str):
            value = value.get("M", {}).get(part)
        else:
            members = value.get("L", [])
            value = members[part] if part < len(members) else None
    return value


class Projection:
    """The part of an item that some paths lead to."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._tree: dict[str | int, Any] = {}
        for path in paths:
            branch = self._tree
            for part in path.parts[:-1]:
                branch = branch.setdefault(part, {})
            branch[path.parts[-1]] = None

    def of(self, item: Item) -> Item:
        """A new item; list members that were not asked for close up."""
        part = _project({"M": item}, self._tree)
        return {} if part is None else part["M"]


def _project(value: Value, branch: dict[str | int, Any] | None) -> Value | None:
    if branch is None:
        return value
    if "M" in value:
        found: dict[str, Value] = {}
        for name, below in branch.items():
            if isinstance(name, str) and name in value["M"]:
                part = _project(value["M"][name], below)
                if part is not None:
                    found[name] = part
        return {"M": found} if found else None
    if "L" in value:
        members = value["L"]
        wanted = sorted(index for index in branch if isinstance(index, int) and index < len(members))
        parts = [_project(members[index], branch[index]) for index in wanted]
        kept = [part for part in parts if part is not None]
        return {"L": kept} if kept else None
    return None


def _compare(sign: str, left: Value | None, right: Value | None) -> bool:
    if sign == "=":
        return left is not None and left == right
    if sign == "<>":
        return left is None or right is None or left != right
    if left is None or right is None:
        return False
    kind = next(iter(left))
    return kind in right and kind in _ORDERED and _ORDERS[sign](sortable(left), sortable(right))


def _call(call: Call, item: Item) -> bool:
    first = value_of(call.operands[0], item)
    if call.name == "attribute_exists":
        return first is not None
    if call.name == "attribute_not_exists":
        return first is None
    second = value_of(call.operands[1], item)
    if first is None or second is None:
        return False
    if call.name == "attribute_type":
        return second["S"] in first
    return _begins_with(first, second) if call.name == "begins_with" else _contains(first, second)


def _begins_with(value: Value, prefix: Value) -> bool:
    kind = next(iter(value))
    return kind in {"S", "B"} and kind in prefix and bool(sortable(value).startswith(sortable(prefix)))


def _contains(value: Value, member: Value) -> bool:
    kind, content = next(iter(value.items()))
    if kind == "L":
        return member in content
    if kind in _ELEMENTS:
        return _ELEMENTS[kind] in member and member[_ELEMENTS[kind]] in content
    return kind in {"S", "B"} and kind in member and sortable(member) in sortable(value)


def _size(value: Value | None) -> int | None:
    if value is None:
        return None
    kind, content = next(iter(value.items()))
    if kind == "B":
        return len(binascii.a2b_base64(content))
    return len(content) if kind in {"S", "SS", "NS", "BS", "L", "M"} else None
