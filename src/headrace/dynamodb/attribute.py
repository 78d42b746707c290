"""One DynamoDB value: the type that holds it, and its form in a column of that type or of a wider one.

A value is the JSON object that the service sends: one tag and its content, ``{"N": "42"}``. The tags and
their contents are those of AttributeValue in the DynamoDB API reference. Numbers travel as text of up to
38 digits, binary as base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from headrace.schema import EXACT_IN_DOUBLE, NULL, TEXT, ColumnType, Kind

AttributeValue = Mapping[str, Any]
"""One tag and its content, as decoded from JSON."""

TAGS = ("S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?0*[0-9]{1,3})?")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_INT64 = range(-(2**63), 2**63)

_TYPES = {
    "S": TEXT,
    "B": ColumnType(Kind.BINARY),
    "BOOL": ColumnType(Kind.BOOL),
    "NULL": NULL,
    "M": ColumnType(Kind.JSON),
    "L": ColumnType(Kind.TEXT, many=True),
    "SS": ColumnType(Kind.TEXT, many=True),
    "BS": ColumnType(Kind.BINARY, many=True),
}


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


def infer(value: AttributeValue, *, key: bool = False) -> ColumnType:
    """The narrowest type that holds ``value``, checked down to its last element. Raises BrokenValue.

    A number is INT up to 2^53, LONG where it fits 64 bits, FLOAT where the nearest double writes the
    same number, TEXT otherwise. The number of a key is never FLOAT. A list is always a list of TEXT,
    because its elements need not agree; a map is JSON.
    """
    tag = tag_of(value)
    content = value[tag]
    _CONTENTS[tag](content)
    if tag == "N":
        return ColumnType(number_kind(content, key=key))
    if tag == "NS":
        joined = NULL
        for text in content:
            joined = joined.join(ColumnType(number_kind(text)))
        return ColumnType(joined.kind, many=True)
    return _TYPES[tag]


def number_kind(text: str, *, key: bool = False) -> Kind:
    """INT, LONG, FLOAT or TEXT for a number as DynamoDB writes it. Raises BrokenValue."""
    number = _decimal(text)
    if number == number.to_integral_value():
        integer = int(number)
        if abs(integer) <= EXACT_IN_DOUBLE:
            return Kind.INT
        if integer in _INT64:
            return Kind.LONG
    if key or Decimal(repr(float(text))) != number:
        return Kind.TEXT
    return Kind.FLOAT


def as_type(value: AttributeValue, type_: ColumnType, *, key: bool = False) -> Any:
    """``value`` as a column of ``type_`` holds it, nothing lost.

    As TEXT a number is its own text (that of a key in canonical form, so that equal keys are equal
    texts), a boolean ``true`` or ``false``, binary base64, a map plain JSON, a list or set a JSON array
    of its elements' texts. Raises
    BrokenValue, or ValueError where ``type_`` is not wide enough for the value.
    """
    own = infer(value, key=key)
    tag = tag_of(value)
    content = value[tag]
    if tag == "NULL":
        return None
    if own.join(type_) != type_ and not (key and type_ == TEXT):
        raise ValueError(f"a column of {type_} does not hold a {tag}")
    if type_ == TEXT:
        return _canonical(content) if key and tag == "N" else text_form(value)
    if type_.many:
        return _elements(tag, content, type_.kind)
    return _scalar(content, type_.kind) if tag != "M" else plain_json(value)


def text_form(value: AttributeValue) -> str:
    """``value`` as a column of TEXT holds it.

    A list or set is a JSON array of its elements' texts, as it is where a column of lists widens to TEXT:
    so the text does not depend on which was there first.
    """
    tag = tag_of(value)
    if tag not in ("L", "SS", "NS", "BS"):
        return element_text(value)
    texts = _elements(tag, value[tag], Kind.TEXT)
    return _array(["null" if text is None else _quoted(text) for text in texts])


def element_text(value: AttributeValue) -> str:
    """``value`` as text: itself, its digits, ``true``, base64 or plain JSON."""
    tag = tag_of(value)
    content = value[tag]
    if tag in ("S", "N"):
        return str(content)
    if tag == "B":
        return _base64_text(content)
    return plain_json(value)


def plain_json(value: AttributeValue) -> str:
    """``value`` as JSON without type tags.

    Compact, keys in the item's order, numbers exactly as written, sets as arrays, binary as base64.
    """
    out: list[str] = []
    _write(value, out.append)
    return "".join(out)


def plain_number(text: str) -> str:
    """A number as JSON may write it: ``text`` itself unless JSON's grammar is narrower."""
    return text if _JSON_NUMBER.fullmatch(text) else _canonical(text)


def _write(value: AttributeValue, put: Callable[[str], None]) -> None:
    tag = tag_of(value)
    content = value[tag]
    if tag == "M":
        put("{")
        for index, (name, inner) in enumerate(content.items()):
            put(f"{',' if index else ''}{_quoted(name)}:")
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


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _array(texts: list[str]) -> str:
    return f"[{','.join(texts)}]"


_PLAIN: dict[str, Callable[[Any], str]] = {
    "S": _quoted,
    "N": plain_number,
    "B": lambda content: _quoted(_base64_text(content)),
    "BOOL": lambda content: "true" if content else "false",
    "NULL": lambda _: "null",
    "SS": lambda content: _array([_quoted(text) for text in content]),
    "NS": lambda content: _array([plain_number(text) for text in content]),
    "BS": lambda content: _array([_quoted(_base64_text(text)) for text in content]),
}


def _scalar(content: Any, kind: Kind) -> Any:
    if kind in (Kind.INT, Kind.LONG):
        return int(Decimal(content))
    if kind is Kind.FLOAT:
        return float(content)
    if kind is Kind.BINARY:
        return _binary(content)
    return content


def _elements(tag: str, content: Any, kind: Kind) -> list[Any]:
    if tag == "L":
        return [None if "NULL" in element else element_text(element) for element in content]
    if kind is Kind.TEXT:
        return [_base64_text(text) for text in content] if tag == "BS" else list(content)
    return [_scalar(text, kind) for text in content]


def _decimal(text: Any) -> Decimal:
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise BrokenValue("the content of N and NS is numbers as text")
    return Decimal(text)


def _canonical(text: str) -> str:
    """Digits without exponent, leading or trailing zeros: equal numbers become equal texts."""
    written = format(_decimal(text), "f")
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    sign, digits = ("-", written[1:]) if written.startswith("-") else ("", written)
    digits = digits.lstrip("0") or "0"
    if digits.startswith("."):
        digits = "0" + digits
    return digits if digits == "0" else sign + digits


def _binary(text: Any) -> bytes:
    if not isinstance(text, str):
        raise BrokenValue("the content of B and BS is base64 text")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise BrokenValue("the content of B and BS is base64 text") from error


def _base64_text(text: Any) -> str:
    return base64.b64encode(_binary(text)).decode()


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
        _check_value(inner)


def _check_value(value: Any) -> None:
    tag = tag_of(value)
    _CONTENTS[tag](value[tag])


_check_text = _check(str, "S and SS is text")

_CONTENTS: dict[str, Callable[[Any], object]] = {
    "S": _check_text,
    "N": _decimal,
    "B": _binary,
    "BOOL": _check(bool, "BOOL is true or false"),
    "NULL": _check(bool, "NULL is true"),
    "M": _check_map,
    "L": _check_each(_check_value),
    "SS": _check_each(_check_text),
    "NS": _check_each(_decimal),
    "BS": _check_each(_binary),
}
