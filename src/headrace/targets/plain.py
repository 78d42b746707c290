"""Items as plain JSON: without DynamoDB's type tags, equal items in one text, whatever the order of members and sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from headrace.attribute import (
    AttributeValue,
    Image,
    base64_of,
    binary_of,
    digits_of,
    number_of,
    plain_number,
    quoted,
    tag_of,
)
from headrace.decoding import json_decoder

Plain = str | dict[str, "Plain"] | list["Plain"]
"""A JSON value: a scalar as its text, an object with its members by name, an array."""

NULL: Final = "null"
"""The item that is not there."""

_VALUE: Final = json_decoder(dict[str, Any])
_DIGITS: Final = frozenset("-0123456789")


class PlainSet(list[Plain]):
    """A set as an array: texts by their code points, numbers by their size, binary by its bytes. ``tag`` is SS, NS or BS."""

    def __init__(self, tag: str, members: list[str]) -> None:
        super().__init__(members)
        self.tag = tag


def plain(image: Image | None) -> bytes:
    """An item as one JSON object, compact, its members and those of maps by the order of their names; ``null`` for none.

    Numbers are written as DynamoDB wrote them, with up to 38 digits; sets are arrays in the order of ``PlainSet``; binary is
    base64 text; NULL is ``null``. Raises BrokenValue.
    """
    return text_of(NULL if image is None else plain_item(image)).encode()


def plain_item(image: Image) -> dict[str, Plain]:
    """The same, taken apart. Raises BrokenValue."""
    return {name: plain_value(value) for name, value in image.items()}


def plain_value(value: msgspec.Raw) -> Plain:
    """One attribute's value. Raises BrokenValue."""
    return _plain(_VALUE.decode(value))


def text_of(value: Plain) -> str:
    """Its JSON text."""
    return "".join(_written(value))


def alike(one: Plain, other: Plain) -> bool:
    """Whether both are the same JSON value. Numbers are compared by what they say: 1.50 is 1.5 (RFC 6902, section 4.6)."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other or (
            _is_number(one) and _is_number(other) and same_member(one) == same_member(other)
        )
    if isinstance(one, dict) or isinstance(other, dict):
        return (
            isinstance(one, dict)
            and isinstance(other, dict)
            and one.keys() == other.keys()
            and all(alike(value, other[name]) for name, value in one.items())
        )
    return len(one) == len(other) and all(map(alike, one, other))


def same_member(scalar: Any) -> str:
    """A scalar's text, the same for equal ones."""
    text = str(scalar)
    return digits_of(text) if _is_number(text) else text


def _is_number(value: Plain) -> bool:
    return isinstance(value, str) and value[:1] in _DIGITS


def _plain(value: AttributeValue) -> Plain:
    tag = tag_of(value)
    content = value[tag]
    if tag == "M":
        return {name: _plain(inner) for name, inner in content.items()}
    if tag == "L":
        return [_plain(inner) for inner in content]
    if tag in _ORDERS:
        write = _SCALARS[tag[0]]
        return PlainSet(tag, [write(member) for member in sorted(content, key=_ORDERS[tag])])
    return _SCALARS[tag](content)


def _written(value: Plain) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield "{"
        for place, name in enumerate(sorted(value)):
            yield f"{',' if place else ''}{quoted(name)}:"
            yield from _written(value[name])
        yield "}"
    else:
        yield "["
        for place, inner in enumerate(value):
            if place:
                yield ","
            yield from _written(inner)
        yield "]"


_SCALARS: Final[Mapping[str, Callable[[Any], str]]] = {
    "S": quoted,
    "N": plain_number,
    "B": lambda content: quoted(base64_of(content)),
    "BOOL": lambda content: "true" if content else "false",
    "NULL": lambda _: NULL,
}

_ORDERS: Final[Mapping[str, Callable[[Any], Any]]] = {"SS": str, "NS": number_of, "BS": binary_of}
