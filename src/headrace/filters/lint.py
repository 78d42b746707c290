"""Warnings of patterns that are valid, and can never match, or always do.

What a record holds: Amazon DynamoDB API reference, "Record", "StreamRecord" and "AttributeValue", in the form that AWS Lambda
gives to functions (developer guide, "Using AWS Lambda with Amazon DynamoDB").
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from headrace.attribute import TAGS, digits_of
from headrace.filters.checks import number_of
from headrace.filters.document import told, written
from headrace.filters.operators import (
    Alternative,
    AnythingBut,
    Changed,
    Cidr,
    Equals,
    EqualsNumber,
    Exists,
    Numeric,
    Text,
)
from headrace.filters.pattern import IMAGES, Branch, Condition, Parsed

ROOTS = (
    "eventID",
    "eventName",
    "eventVersion",
    "eventSource",
    "awsRegion",
    "dynamodb",
    "userIdentity",
    "eventSourceARN",
)
CHANGE = (
    "ApproximateCreationDateTime",
    "Keys",
    "NewImage",
    "OldImage",
    "SequenceNumber",
    "SizeBytes",
    "StreamViewType",
)
IDENTITY = ("type", "principalId")
NAMES = ("INSERT", "MODIFY", "REMOVE")

_ITEMS = ("Keys", "NewImage", "OldImage")
_LACKING = {"NewImage": ("REMOVE",), "OldImage": ("INSERT",)}
"""For each image, the events that have none."""

_VIEWS = {
    "KEYS_ONLY": (),
    "NEW_IMAGE": ("NewImage",),
    "OLD_IMAGE": ("OldImage",),
    "NEW_AND_OLD_IMAGES": ("NewImage", "OldImage"),
}

_STRINGS = frozenset(("S", "N", "B", "SS", "NS", "BS"))

_NEVER = "this never matches"


def warnings(parsed: Parsed, *, extended: bool) -> tuple[str, ...]:
    """What is probably not meant, each with its place in the pattern, each once."""
    found: dict[str, None] = {}
    for branch in parsed.branches:
        for condition in branch:
            for message in _of_condition(condition, extended=extended):
                found[told(condition.place, condition.path, message)] = None
        for condition, message in _of_events(branch):
            found[told(condition.place, condition.path, message)] = None
    return tuple(found)


def by_view(parsed: Parsed, view_type: str) -> tuple[str, ...]:
    """Conditions upon images that no record of a stream of this view type has."""
    has = _VIEWS.get(view_type, _VIEWS["NEW_AND_OLD_IMAGES"])
    found: dict[str, None] = {}
    for condition in (one for branch in parsed.branches for one in branch):
        for image in _images(condition):
            if image not in has:
                message = f"{_without_image(condition)}: records of a stream of {view_type} have no {image}"
                found[told(condition.place, condition.path, message)] = None
    return tuple(found)


def _without_image(condition: Condition) -> str:
    if any(isinstance(one, Changed) for one in condition.alternatives):
        return "this has nothing to compare"
    return "this always matches" if _takes_absence(condition) else _NEVER


def _images(condition: Condition) -> tuple[str, ...]:
    """The images that the condition needs."""
    if any(isinstance(one, Changed) for one in condition.alternatives):
        return ("OldImage", "NewImage")
    path = condition.path
    image = (
        IMAGES[path[0]] if condition.is_plain else path[1] if path[0] == "dynamodb" and len(path) > 1 else ""
    )
    return (image,) if image in ("NewImage", "OldImage") else ()


def _takes_absence(condition: Condition) -> bool:
    return any(isinstance(one, Exists) and not one.there for one in condition.alternatives)


def _of_condition(condition: Condition, *, extended: bool) -> Iterator[str]:
    if condition.is_plain:
        return
    path = condition.path
    unknown = _unknown_field(path)
    if unknown is not None:
        ours = (
            f"; {path[0]!r} begins paths without type tags in extended_pattern" if path[0] in IMAGES else ""
        )
        yield (
            unknown + (", so that this always matches" if _takes_absence(condition) else f": {_NEVER}") + ours
        )
    elif path[0] == "eventName":
        yield from _of_names(condition.alternatives)
    elif path[0] == "dynamodb" and len(path) > 1 and path[1] in _ITEMS:
        yield from _of_item(condition, extended=extended)
    elif path in (("dynamodb",), ("userIdentity",)):
        yield from _of_container(condition, "an object")


def _unknown_field(path: tuple[str, ...]) -> str | None:
    """What to say of a field that no record has."""
    levels: list[tuple[str, ...]] = [ROOTS]
    if path[0] == "dynamodb":
        levels.append(CHANGE)
    elif path[0] == "userIdentity":
        levels.append(IDENTITY)
    for name, known in zip(path, levels, strict=False):
        if name not in known:
            return f"no record has a field {name!r} there{_guess(name, known)}"
    if len(path) > len(levels) and path[: len(levels)][-1] not in _ITEMS:
        return f"no record has anything beneath {written(path[: len(levels)])}, which is no object"
    return None


def _guess(name: str, known: Iterable[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower().replace("_", ""), by_lower, n=1, cutoff=0.7)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def _of_names(alternatives: Iterable[Alternative]) -> Iterator[str]:
    for one in alternatives:
        if isinstance(one, Equals) and one.value not in NAMES:
            yield f"no event is called {one.value!r}; they are {', '.join(NAMES)}"
        elif isinstance(one, EqualsNumber | Numeric):
            yield f"names of events are strings: {_NEVER}"


def _of_container(condition: Condition, what: str) -> Iterator[str]:
    """Of a field that is an object where it is there, or an array of objects: in AWS's grammar neither is a value."""
    if _takes_absence(condition):
        yield f"this matches whether or not it is there: it is {what}, and exists tells of values only"
    else:
        yield f"{_NEVER}: it is {what}, not a value"


def _of_item(condition: Condition, *, extended: bool) -> Iterator[str]:
    path = condition.path
    if len(path) == 2:  # noqa: PLR2004 - dynamodb and the image
        yield from _of_container(condition, "an object")
        return
    if len(path) == 3:  # noqa: PLR2004 - dynamodb, the image and the attribute
        yield from _untagged(condition, extended=extended)
        return
    yield from _of_tagged(condition, path[3:], extended=extended)


def _untagged(condition: Condition, *, extended: bool) -> Iterator[str]:
    name = written(condition.path[-1:])
    example = f'{{"{name}": {{"S": [...]}}}}'
    if _takes_absence(condition):
        yield f"this matches whether or not {name} is there, as the type tag is missing; write {example}"
        return
    root = {image: root for root, image in IMAGES.items()}[condition.path[1]]
    ours = f", or begin the path with {root!r} in place of dynamodb.{condition.path[1]}" if extended else ""
    yield f"{_NEVER}: the type tag is missing; write {example}, or N, BOOL, ...{ours}"


def _of_tagged(condition: Condition, path: tuple[str, ...], *, extended: bool) -> Iterator[str]:
    """Follow ``path`` from an attribute's type tag on."""
    tag, rest = path[0], path[1:]
    if tag not in TAGS:
        yield f"{_NEVER}: {tag!r} is no type tag; they are {', '.join(TAGS)}"
    elif tag == "M" and len(rest) > 1:
        yield from _of_tagged(condition, rest[1:], extended=extended)
    elif tag == "M" and rest:
        yield from _untagged(condition, extended=extended)
    elif tag == "L" and rest:
        yield from _of_tagged(condition, rest, extended=extended)
    elif tag in ("M", "L"):
        yield from _of_container(condition, "an object" if tag == "M" else "an array of objects")
    elif rest:
        yield f"{_NEVER}: nothing is beneath {tag}"
    else:
        for one in condition.alternatives:
            yield from _mismatch(tag, one, extended=extended)


def _mismatch(tag: str, alternative: Alternative, *, extended: bool) -> Iterator[str]:
    match alternative:
        case Equals(value):
            yield from _unequal(tag, value)
        case EqualsNumber(number) if tag in ("N", "NS"):
            yield f'{_NEVER}: numbers are texts in a record; write "{digits_of(format(number, "f"))}" with quotes'
        case EqualsNumber():
            yield f"{_NEVER}: a value of type {tag} is no number"
        case Numeric() if tag in ("N", "NS"):
            if not extended:
                yield (
                    f"{_NEVER}: numbers are texts in a record, and numeric takes JSON numbers only; extended_pattern compares "
                    "them as numbers"
                )
        case Numeric():
            yield f"{_NEVER}: a value of type {tag} is no number"
        case Text() | Cidr() if tag not in _STRINGS:
            named = alternative.operator if isinstance(alternative, Text) else "cidr"
            yield f"{_NEVER}: {named} takes strings, and a value of type {tag} is none"
        case AnythingBut(refused) if tag in ("N", "NS"):
            yield from _negated(refused)
        case _:
            pass


def _unequal(tag: str, value: str | bool | None) -> Iterator[str]:  # noqa: FBT001 - a JSON value
    if tag in _STRINGS and not isinstance(value, str):
        yield f"{_NEVER}: a value of type {tag} is a string"
    elif tag in ("N", "NS") and isinstance(value, str):
        if number_of(value) is None:
            yield f"{_NEVER}: {value!r} is no number"
        elif digits_of(value) != value:
            yield f"{_NEVER}: DynamoDB writes {value!r} as {digits_of(value)!r}"
    elif tag == "BOOL" and not isinstance(value, bool):
        yield f"{_NEVER}: a value of type BOOL is true or false, without quotes"
    elif tag == "NULL" and value is not True:
        yield f"{_NEVER}: a value of type NULL is true"


def _negated(refused: Iterable[Alternative]) -> Iterator[str]:
    for one in refused:
        if isinstance(one, EqualsNumber):
            yield (
                f"this leaves out no number: numbers are texts in a record; write "
                f'"{digits_of(format(one.value, "f"))}" with quotes'
            )
        elif isinstance(one, Equals) and isinstance(one.value, str):
            for message in _unequal("N", one.value):
                yield message.replace(_NEVER, "this leaves out no number")


def _of_events(branch: Branch) -> Iterator[tuple[Condition, str]]:
    """Conditions upon an image that none of the events asked for has."""
    names = set(NAMES)
    for condition in branch:
        asked = [one.value for one in condition.alternatives if isinstance(one, Equals)]
        if condition.path == ("eventName",) and len(asked) == len(condition.alternatives):
            names.intersection_update(asked)
    for condition in branch:
        images = () if any(isinstance(one, Changed) for one in condition.alternatives) else _images(condition)
        for image in images:
            if names and names <= set(_LACKING[image]) and not _takes_absence(condition):
                yield condition, f"{_NEVER}: a record of {', '.join(sorted(names))} has no {image}"
