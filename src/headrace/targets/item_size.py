"""What an item weighs, and whether a table takes it.

Rules: Amazon DynamoDB developer guide, "DynamoDB item sizes and formats", and "Quotas" (400 KB an item, names included).
"""

from __future__ import annotations

from collections import abc
from collections.abc import Callable
from typing import Any, Final

from headrace.attribute import AttributeValue, Image, binary_of, number_of, tag_of
from headrace.decoding import json_decoder

MOST_BYTES: Final = 400 * 1024
"""Of an item."""

_CONTAINER: Final = 3
_ELEMENT: Final = 1
_VALUE: Final = json_decoder(dict[str, Any])


def item_size(item: Image) -> int:
    """Bytes: of names and values, as DynamoDB counts them; of numbers about as it does. Raises BrokenValue or msgspec.MsgspecError."""
    return sum(_length(name) + _size(_VALUE.decode(value)) for name, value in item.items())


def is_too_large(item: Image) -> bool:
    """Whether no table takes it for its size. Raises as ``item_size``."""
    # Its JSON is never shorter than what it weighs, and is there already.
    written = sum(_length(name) + len(memoryview(value)) for name, value in item.items())
    return written > MOST_BYTES and item_size(item) > MOST_BYTES


def _size(value: AttributeValue) -> int:
    tag = tag_of(value)
    return _SIZES[tag](value[tag])


def _map(content: abc.Mapping[str, AttributeValue]) -> int:
    return _CONTAINER + sum(_ELEMENT + _length(name) + _size(inner) for name, inner in content.items())


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _number(text: str) -> int:
    """A byte for two digits of those that count, one more, and one for a sign."""
    number = number_of(text)
    if not number:
        return 1
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    return (len(digits) + 1) // 2 + 1 + number.is_signed()


_SIZES: Final[dict[str, Callable[[Any], int]]] = {
    "S": _length,
    "N": _number,
    "B": lambda content: len(binary_of(content)),
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "M": _map,
    "L": lambda content: _CONTAINER + sum(_ELEMENT + _size(each) for each in content),
    "SS": lambda content: sum(map(_length, content)),
    "NS": lambda content: sum(map(_number, content)),
    "BS": lambda content: sum(len(binary_of(each)) for each in content),
}
