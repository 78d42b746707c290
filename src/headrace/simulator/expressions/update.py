"""Applying an UpdateExpression to an item.

Rules: developer guide, "Update expressions". Operands are read from the item as it was; list elements that
are removed or added keep the numbers that they had before the update.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.simulator import number
from headrace.simulator.answers import Refusal, invalid
from headrace.simulator.expressions.evaluate import look_up
from headrace.simulator.expressions.tree import (
    Action,
    AddAction,
    Call,
    Constant,
    DeleteAction,
    Operand,
    Path,
    RemoveAction,
    SetAction,
    Sum,
)
from headrace.simulator.items import Item, Value, canonical_item

_Change = tuple[Path, Value | None]


def updated(actions: Sequence[Action], before: Item) -> Item:
    """The item after the actions; ``before`` is left as it is.

    Raises a ValidationException for a path that leads nowhere, an operand that is not there or of a wrong
    type, and a sum that does not fit.
    """
    changes = [_change(action, before) for action in actions]
    after, _ = canonical_item(before)
    for path, value in sorted(changes, key=_place):
        if value is not None:
            _put(after, path, value)
    for path, value in sorted(changes, key=_place, reverse=True):
        if value is None:
            _remove(after, path)
    return after


def _place(change: _Change) -> list[tuple[int, str]]:
    """Additions beyond a list's end go in the order of their numbers, removals from the end forwards."""
    return [(part, "") if isinstance(part, int) else (-1, part) for part in change[0].parts]


def _change(action: Action, before: Item) -> _Change:
    """What an action leaves at its path; None removes it."""
    match action:
        case SetAction(path=path, value=operand):
            return path, _value(operand, before)
        case RemoveAction(path=path):
            return path, None
        case AddAction(path=path, value=constant):
            return path, _added(look_up(path, before), constant)
        case DeleteAction(path=path, value=constant):
            return path, _deleted(look_up(path, before), constant)


def _value(operand: Operand, item: Item) -> Value:
    match operand:
        case Constant(value=value):
            return value
        case Path():
            found = look_up(operand, item)
            if found is None:
                raise invalid(
                    "The provided expression refers to an attribute that does not exist in the item"
                )
            return found
        case Sum(sign=sign, left=left, right=right):
            terms = _content(left, "N", item), _content(right, "N", item)
            return {"N": number.add(*terms) if sign == "+" else number.subtract(*terms)}
        case Call(name="if_not_exists", operands=(path, other)) if isinstance(path, Path):
            return look_up(path, item) or _value(other, item)
        case Call(name="list_append", operands=(left, right)):
            return {"L": [*_content(left, "L", item), *_content(right, "L", item)]}
    raise TypeError(f"{operand} is no operand of an update")


def _content(operand: Operand, kind: str, item: Item) -> Any:
    value = _value(operand, item)
    if kind not in value:
        raise _wrong_type()
    return value[kind]


def _added(old: Value | None, constant: Constant) -> Value:
    kind, given = constant.kind, constant.value[constant.kind]
    if old is None:
        return constant.value
    if kind not in old:
        raise _wrong_type()
    return {kind: number.add(old[kind], given) if kind == "N" else sorted({*old[kind], *given})}


def _deleted(old: Value | None, constant: Constant) -> Value | None:
    """The rest of the set; a set that is empty is no more."""
    kind = constant.kind
    if old is None:
        return None
    if kind not in old:
        raise _wrong_type()
    rest = [member for member in old[kind] if member not in constant.value[kind]]
    return {kind: rest} if rest else None


def _parent(item: Item, path: Path) -> dict[str, Value] | list[Value]:
    """The map or list that holds the path's last part."""
    last = path.parts[-1]
    if len(path.parts) == 1:
        return item
    parent = look_up(Path(path.parts[:-1]), item)
    kind = "L" if isinstance(last, int) else "M"
    if parent is None or kind not in parent:
        raise invalid("The document path provided in the update expression is invalid for update")
    holder: dict[str, Value] | list[Value] = parent[kind]
    return holder


def _put(item: Item, path: Path, value: Value) -> None:
    parent, last = _parent(item, path), path.parts[-1]
    if isinstance(parent, dict):
        parent[str(last)] = value
    elif isinstance(last, int) and last < len(parent):
        parent[last] = value
    else:
        parent.append(value)


def _remove(item: Item, path: Path) -> None:
    parent, last = _parent(item, path), path.parts[-1]
    if isinstance(parent, dict):
        parent.pop(str(last), None)
    elif isinstance(last, int) and last < len(parent):
        del parent[last]


def _wrong_type() -> Refusal:
    return invalid("An operand in the update expression has an incorrect data type")
