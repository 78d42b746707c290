"""One DynamoDB value: what it must look like, and its content as text.

A value is the JSON object that the service sends: one tag and its content, ``{"N": "42"}``. The tags and
their contents are those of AttributeValue in the DynamoDB API reference. Numbers travel as text of up to
38 digits, binary as base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

_SORTED: Final = msgspec.json.Encoder(order="deterministic")

AttributeValue = Mapping[str, Any]
"""One tag and its content, as decoded from JSON."""

Image = dict[str, msgspec.Raw]
"""An item: attributes by their names, each value left as its DynamoDB JSON."""

TAGS: Final = ("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS")

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?0*[0-9]{1,3})?")
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CANONICAL: Final = re.compile(r"0|-?(?:[1-9][0-9]*(?:\.[0-9]*[1-9])?|0\.[0-9]*[1-9])")


class BrokenValue(ValueError):
    """Not a value that DynamoDB could have sent; the message says why."""


def tag_of(value: AttributeValue) -> str:
    """The tag of ``value``. Raises BrokenValue unless it is exactly one of the known."""
    if not isinstance(value, dict) or len(value) != 1:
        raise BrokenValue("an attribute value is an object with exactly one type tag")
    (tag,) = value
    if tag not in _CONTENTS:
        raise BrokenValue(f"{tag!r} is not a type tag of DynamoDB ({', '.join(TAGS)})")
    return str(tag)


def check_value(value: Any) -> None:
    """Raise BrokenValue unless ``value`` is one, down to its last element."""
    tag = tag_of(value)
    _CONTENTS[tag](value[tag])


def number_of(text: Any) -> Decimal:
    """The number that the content of an N says. Raises BrokenValue."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise BrokenValue("the content of N and NS is numbers as text")
    # A zero may be written with an exponent that no column of decimals reaches.
    return Decimal(text) or Decimal(0)


def digits_of(text: str) -> str:
    """A number in plain digits, without leading or trailing zeros: equal numbers become equal texts."""
    if _CANONICAL.fullmatch(text):
        return text
    written = format(number_of(text), "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    sign, digits = ("-", written[1:]) if written.startswith("-") else ("", written)
    digits = digits.lstrip("0") or "0"
    if digits.startswith("."):
        digits = "0" + digits
    return digits if digits == "0" else sign + digits


def binary_of(text: Any) -> bytes:
    """The bytes that the content of a B says. Raises BrokenValue."""
    if not isinstance(text, str):
        raise BrokenValue("the content of B and BS is base64 text")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise BrokenValue("the content of B and BS is base64 text") from error


def base64_of(text: Any) -> str:
    """The content of a B in the one form in which equal bytes are equal texts. Raises BrokenValue."""
    return base64.b64encode(binary_of(text)).decode()


def key_text(keys: Mapping[str, Mapping[str, str]]) -> str:
    """An item's key as JSON: equal for equal keys, whatever the order of attributes and the writing of values.

    Raises BrokenValue.
    """
    if not keys:
        raise BrokenValue("its Keys are empty")
    return _SORTED.encode({name: _key_value(value) for name, value in keys.items()}).decode()


def plain_json(value: AttributeValue) -> str:
    """``value`` as JSON without type tags, with nothing left out.

    Compact, keys in the item's order, numbers exactly as written, sets as arrays, binary as base64.
    """
    out: list[str] = []
    _write(value, out.append)
    return "".join(out)


def plain_number(text: str) -> str:
    """A number as JSON may write it: ``text`` itself unless JSON's grammar is narrower."""
    return text if _JSON_NUMBER.fullmatch(text) else digits_of(text)


def quoted(text: str) -> str:
    """A JSON string."""
    return msgspec.json.encode(text).decode()


def json_array(texts: Iterable[str]) -> str:
    """A JSON array of values that are JSON already."""
    return f"[{','.join(texts)}]"


def _key_value(value: Mapping[str, str]) -> Mapping[str, str]:
    if "N" in value:
        return {"N": digits_of(value["N"])}
    return {"B": base64_of(value["B"])} if "B" in value else value


def _write(value: AttributeValue, put: Callable[[str], None]) -> None:
    tag = tag_of(value)
    content = value[tag]
    if tag == "M":
        put("{")
        for index, (name, inner) in enumerate(content.items()):
            put(f"{',' if index else ''}{quoted(name)}:")
            _write(inner, put)
        put("}")
    elif tag == "L":
        put("[")
        for index, inner in enumerate(content):
            if index:
                put(",")
            _write(inner, put)
        put("]")
    else:
        put(_PLAIN[tag](content))


_PLAIN: Final[dict[str, Callable[[Any], str]]] = {
    "S": quoted,
    "N": plain_number,
    "B": lambda content: quoted(base64_of(content)),
    "BOOL": lambda content: "true" if content else "false",
    "NULL": lambda _: "null",
    "SS": lambda content: json_array([quoted(text) for text in content]),
    "NS": lambda content: json_array([plain_number(text) for text in content]),
    "BS": lambda content: json_array([quoted(base64_of(text)) for text in content]),
}


def _check(type_: type, what: str) -> Callable[[Any], None]:
    def check(content: Any) -> None:
        if not isinstance(content, type_):
            raise BrokenValue(f"the content of {what}")

    return check


def _check_each(check: Callable[[Any], object]) -> Callable[[Any], None]:
    def check_each(content: Any) -> None:
        if not isinstance(content, list):
            raise BrokenValue("the content of L, SS, NS and BS is an array")
        for element in content:
            check(element)

    return check_each


def _check_map(content: Any) -> None:
    if not isinstance(content, dict):
        raise BrokenValue("the content of M is an object")
    for inner in content.values():
        check_value(inner)


_check_text = _check(str, "S and SS is text")

_CONTENTS: Final[dict[str, Callable[[Any], object]]] = {
    "S": _check_text,
    "N": number_of,
    "B": binary_of,
    "BOOL": _check(bool, "BOOL is true or false"),
    "NULL": _check(bool, "NULL is true"),
    "M": _check_map,
    "L": _check_each(check_value),
    "SS": _check_each(_check_text),
    "NS": _check_each(number_of),
    "BS": _check_each(binary_of),
}
