"""Attributes without their type tags, for the paths of extended patterns that begin with new, old or keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from headrace.filters.checks import number_of
from headrace.filters.operators import APPEARS, CHANGES, DISAPPEARS


def plain(attribute: object) -> object:
    """An attribute value as a JSON value: strings and binary (base64) are strings, numbers Decimal, sets and lists arrays.

    UNSET where it is none.
    """
    if not isinstance(attribute, dict) or len(attribute) != 1:
        return UNSET
    ((tag, value),) = attribute.items()
    if tag not in _FORMS:
        return UNSET
    kind, make = _FORMS[tag]
    return make(value) if isinstance(value, kind) else UNSET


def _number(text: Any) -> object:
    number = number_of(text)
    return UNSET if number is None else number


def _listed(make: Callable[[object], object]) -> Callable[[list[object]], list[object]]:
    return lambda values: [made for made in map(make, values) if made is not UNSET]


_FORMS: dict[str, tuple[type, Callable[[Any], object]]] = {
    "S": (str, str),
    "B": (str, str),
    "N": (str, _number),
    "BOOL": (bool, bool),
    "NULL": (object, lambda _: None),
    "M": (dict, lambda value: {name: plain(inner) for name, inner in value.items()}),
    "L": (list, _listed(plain)),
    "SS": (list, list),
    "BS": (list, list),
    "NS": (list, _listed(_number)),
}


def has_changed(how: str, old: object, new: object, path: tuple[str, ...]) -> bool:
    """Whether what is at ``path`` beneath two attribute values has changed so; UNSET where there is none.

    Through a list the path goes to all its elements together. Sets are equal whatever the order of their elements.
    """
    before, after = _beneath(old, path), _beneath(new, path)
    was, is_there = before != (), after != ()
    if how == APPEARS:
        return is_there and not was
    if how == DISAPPEARS:
        return was and not is_there
    return (before != after) is (how == CHANGES)


def _beneath(attribute: object, path: tuple[str, ...]) -> tuple[object, ...]:
    """The values at ``path``, in a form that is equal for equal values; empty where there is none."""
    if not isinstance(attribute, dict):
        return ()
    if not path:
        return (_comparable(attribute),)
    if isinstance(attribute.get("L"), list):
        return tuple(found for element in attribute["L"] for found in _beneath(element, path))
    inner = attribute.get("M")
    return _beneath(inner.get(path[0]), path[1:]) if isinstance(inner, dict) else ()


def _comparable(attribute: object) -> object:
    if not isinstance(attribute, dict) or len(attribute) != 1:
        return attribute
    ((tag, value),) = attribute.items()
    if tag == "M" and isinstance(value, dict):
        return tag, {name: _comparable(inner) for name, inner in value.items()}
    if tag == "L" and isinstance(value, list):
        return tag, [_comparable(element) for element in value]
    if tag in ("SS", "NS", "BS") and isinstance(value, list):
        return tag, frozenset(value)
    return tag, value
