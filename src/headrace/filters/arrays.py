"""Conditions upon a value that may have arrays in it.

As in aws/event-ruler, an array stands for its elements: a field within them has the values of all. But what one pattern
says of several fields must hold within one element of each array (its README, "JSON Array Matching"). The order
of the fields' names decides what ``exists: false`` means there: before an element is chosen, that none of them has the
field; thereafter, that the one does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET

from headrace.filters.checks import Check


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field beneath a value, and its check. Of several, those come first whose dotted path is lower as a text."""

    path: tuple[str, ...]
    check: Check


NONE, OTHER, GOOD = 0, 1, 2
"""A field has no value, none that will do, or one that will; an array's is the best of its elements'."""


def holds(value: object, leaves: Sequence[Leaf]) -> bool:
    """Whether all ``leaves`` hold beneath ``value``, a JSON value or UNSET."""
    if len(leaves) == 1:
        return _is_enough(_look(value, leaves[0].path, leaves[0].check), leaves[0].check)
    groups: dict[int, tuple[list[object], list[Leaf]]] = {}
    for leaf in leaves:
        found, rest = _descend(value, leaf.path)
        if isinstance(found, list) and rest:
            groups.setdefault(id(found), (found, []))[1].append(Leaf(rest, leaf.check))
        elif not value_holds(UNSET if rest else found, leaf.check):
            return False
    return all(_within(array, group) for array, group in groups.values())


def value_holds(value: object, check: Check) -> bool:
    """Whether a field with this value, UNSET if it has none, is as the check wants it."""
    return _is_enough(_look_at(value, check), check)


def found_at(value: object, path: tuple[str, ...]) -> object:
    """The value of a field beneath ``value``, UNSET if it has none; through an array, the array of those of its elements."""
    found, rest = _descend(value, path)
    if isinstance(found, list) and rest:
        values = [inner for element in found if (inner := found_at(element, rest)) is not UNSET]
        return values or UNSET
    return UNSET if rest else found


def _within(array: list[object], group: list[Leaf]) -> bool:
    """Whether one element has all that is asked for; those leaves that may be absent come first if none has them."""
    for at, leaf in enumerate(group):
        rest = [Leaf(leaf.path, leaf.check.present_only()), *group[at + 1 :]]
        if any(holds(element, rest) for element in array if isinstance(element, dict | list)):
            return True
        if not leaf.check.absent or _look(array, leaf.path, leaf.check) != NONE:
            return False
    return True


def _descend(value: object, path: tuple[str, ...]) -> tuple[object, tuple[str, ...]]:
    """How far ``path`` goes through objects: to its value, to an array, or to where it ends before."""
    for at, name in enumerate(path):
        if not isinstance(value, dict):
            return value, path[at:]
        value = value.get(name, UNSET)
    return value, ()


def _is_enough(found: int, check: Check) -> bool:
    return found == GOOD or (found == NONE and check.absent)


def _look(value: object, path: tuple[str, ...], check: Check, at: int = 0) -> int:
    """What the field has beneath ``value``, from step ``at`` of its path on."""
    for step in range(at, len(path)):
        if isinstance(value, dict):
            value = value.get(path[step], UNSET)
        elif isinstance(value, list):
            best = NONE
            for element in value:
                if isinstance(element, dict | list):
                    best = max(best, _look(element, path, check, step))
                    if best == GOOD:
                        break
            return best
        else:
            return NONE
    return _look_at(value, check)


def _look_at(value: object, check: Check) -> int:
    """What a field with this value has."""
    if value is UNSET:
        return NONE
    if isinstance(value, dict | list):
        kept = (GOOD if check.exists else OTHER) if check.containers else NONE
        return kept if kept == GOOD or isinstance(value, dict) else max(kept, _look_into(value, check))
    return GOOD if check.scalar(value) else OTHER


def _look_into(array: list[object], check: Check) -> int:
    best = NONE
    for element in array:
        if isinstance(element, list):
            best = max(best, _look_into(element, check))
        elif not isinstance(element, dict):
            best = max(best, GOOD if check.scalar(element) else OTHER)
        if best == GOOD:
            break
    return best
