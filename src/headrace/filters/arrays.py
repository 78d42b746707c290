"""Conditions upon a value that may have arrays in it.

As in aws/event-ruler, an array stands for its elements: a field within them has the values of all. But what one pattern
says of several fields must hold within one element of each array (its README, "JSON Array Matching"). The order
of the fields' names decides what ``exists: false`` means there: before an element is chosen, that none of them has the
field; thereafter, that the one does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from headrace.filters.checks import Check


@dataclass(frozen=True, slots=True)
class Leaf:
    """A field beneath a value, and its check. Of several, those come first whose dotted path is lower as a text."""

    path: tuple[str, ...]
    check: Check


def holds(value: object, leaves: Sequence[Leaf]) -> bool:
    """Whether all ``leaves`` hold beneath ``value``, a JSON value or UNSET."""
    groups: dict[int, tuple[list[object], list[Leaf]]] = {}
    for leaf in leaves:
        found, rest = _descend(value, leaf.path)
        if isinstance(found, list) and rest:
            groups.setdefault(id(found), (found, []))[1].append(Leaf(rest, leaf.check))
        elif not value_holds(UNSET if rest else found, leaf.check):
            return False
    return all(_within(array, group) for array, group in groups.values())


def value_holds(value: object, check: Check) -> bool:  # noqa: PLR0911 - one for each kind of value
    """Whether a field with this value, UNSET if it has none, is as the check wants it."""
    if value.__class__ is str:
        return check.scalar(value)
    if value is UNSET:
        return check.absent
    if isinstance(value, dict):
        return check.exists if check.containers else check.absent
    if isinstance(value, list):
        if check.containers and check.exists:
            return True
        scalars = list(_scalars(value))
        if scalars:
            return any(check.scalar(scalar) for scalar in scalars)
        return check.absent and not check.containers
    return check.scalar(value)


def found_at(value: object, path: tuple[str, ...]) -> object:
    """The value of a field beneath ``value``, UNSET if it has none; through an array, the array of those of its elements."""
    found, rest = _descend(value, path)
    if isinstance(found, list) and rest:
        values = [inner for element in found if (inner := found_at(element, rest)) is not UNSET]
        return values or UNSET
    return UNSET if rest else found


def _descend(value: object, path: tuple[str, ...]) -> tuple[object, tuple[str, ...]]:
    """How far ``path`` goes through objects: to its value, to an array, or to where it ends before."""
    for at, name in enumerate(path):
        if not isinstance(value, dict):
            return value, path[at:]
        value = value.get(name, UNSET)
    return value, ()


def _within(array: list[object], group: list[Leaf]) -> bool:
    for at, leaf in enumerate(group):
        there = Leaf(leaf.path, leaf.check.present_only())
        rest = [there, *group[at + 1 :]]
        if any(holds(element, rest) for element in array if isinstance(element, dict | list)):
            return True
        if not leaf.check.absent or any(_has(element, leaf) for element in array):
            return False
    return True


def _has(value: object, leaf: Leaf) -> bool:
    """Whether the field has any value beneath ``value``."""
    found, rest = _descend(value, leaf.path)
    if isinstance(found, list) and rest:
        return any(_has(element, Leaf(rest, leaf.check)) for element in found)
    if rest or found is UNSET:
        return False
    if isinstance(found, dict | list) and leaf.check.containers:
        return True
    if isinstance(found, list):
        return next(_scalars(found), UNSET) is not UNSET
    return not isinstance(found, dict)


def _scalars(array: list[object]) -> Iterator[object]:
    for element in array:
        if isinstance(element, list):
            yield from _scalars(element)
        elif not isinstance(element, dict):
            yield element
