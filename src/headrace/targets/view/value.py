"""The values that a view computes with: SQL's, of DynamoDB's types, and exact.

NULL is None, and so are an attribute that is missing and one of the type NULL. Numbers are Decimals of any number of digits. A
map, a list or a set is a Document, which is passed on and not computed with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
    Underflow,
)
from typing import Any, Final

import msgspec

from headrace.attribute import (
    AttributeValue,
    BrokenValue,
    binary_of,
    digits_of,
    json_array,
    number_of,
    quoted,
    tag_of,
)
from headrace.decoding import json_decoder

MOST_DIGITS: Final = 38
"""Significant digits of a number (Amazon DynamoDB developer guide, "Supported data types and naming rules": Number)."""

_LARGEST: Final = Decimal(10) ** 126
_SMALLEST: Final = Decimal(10) ** -130
"""Magnitudes lie between: from 1E-130 to 9.9...E+125, as the same page says."""

EXACT: Final = Context(
    prec=10_000,
    Emax=999_999,
    Emin=-999_999,
    traps=[Inexact, InvalidOperation, Overflow, Underflow, DivisionByZero],
)
"""What would need more digits than that raises: nothing is ever rounded by it."""

_SHOWN: Final = Context(
    prec=MOST_DIGITS,
    rounding=ROUND_HALF_EVEN,
    Emax=999_999,
    Emin=-999_999,
    traps=[InvalidOperation, DivisionByZero],
)
_VALUE: Final = json_decoder(dict[str, Any])


class Unevaluable(ValueError):
    """An expression has no value for an item; the message says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A map, a list or a set: its DynamoDB JSON."""

    attribute: AttributeValue


Value = bool | Decimal | str | bytes | Document | None


def value_of(raw: msgspec.Raw | bytes | None) -> Value:
    """An attribute's value, None for one that is missing. Raises Unevaluable where it is none."""
    if raw is None:
        return None
    try:
        return value_in(_VALUE.decode(raw))
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unevaluable(f"it is no attribute value ({error})") from error


def value_in(attribute: AttributeValue) -> Value:
    """The value of a decoded attribute. Raises Unevaluable where it is none."""
    try:
        tag = tag_of(attribute)
        content = attribute[tag]
        match tag:
            case "N":
                return number_of(content)
            case "B":
                return binary_of(content)
            case "NULL":
                return None
            case "S" | "BOOL":
                return _plain_content(tag, content)
            case _:
                return Document(attribute)
    except BrokenValue as error:
        raise Unevaluable(str(error)) from error


def _plain_content(tag: str, content: Any) -> str | bool:
    if isinstance(content, str if tag == "S" else bool):
        plain: str | bool = content
        return plain
    raise BrokenValue(f"the content of {tag} is {content!r}")


def attribute_of(value: Value) -> AttributeValue:
    """``value`` as an attribute, numbers with all their digits."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case Decimal():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case bytes():
            return {"B": base64_of_bytes(value)}
        case Document():
            return value.attribute


def shown(value: Value) -> AttributeValue:
    """``value`` as an attribute that DynamoDB takes: of a number with more than 38 digits the nearest, ties to even.

    Raises Unevaluable where a number is too large or too small for that.
    """
    if not isinstance(value, Decimal):
        return attribute_of(value)
    # A product with zero may have an exponent that no attribute has.
    near = _SHOWN.plus(value) or Decimal(0)
    expect_range(near)
    return {"N": digits_of(str(near))}


def quotient(total: Decimal, count: int) -> Decimal:
    """``total / count`` to 38 digits, ties to even: rounded once, from the exact quotient."""
    return _SHOWN.divide(total, Decimal(count))


def expect_range(number: Decimal) -> None:
    """Raises Unevaluable unless DynamoDB has numbers of this magnitude."""
    if number and not _SMALLEST <= abs(number) < _LARGEST:
        raise Unevaluable(
            f"{_brief(str(number))} is beyond DynamoDB's numbers, which lie between 1E-130 and 9.99E+125 in magnitude"
        )


def kind_of(value: Value) -> str:
    """What ``value`` is, in a word."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "a boolean"
        case Decimal():
            return "a number"
        case str():
            return "a text"
        case bytes():
            return "binary"
        case Document():
            return {"M": "a map", "L": "a list"}.get(tag_of(value.attribute), "a set")


def told(value: Value) -> str:
    """What ``value`` is and, in short, says."""
    match value:
        case None | Document():
            return kind_of(value)
        case bool():
            return str(value).lower()
        case str():
            return f"the text {_brief(value)!r}"
        case bytes():
            return f"binary of {len(value):,} bytes"
        case Decimal():
            return f"the number {_brief(str(value))}"


# Groups


def group_text(values: Iterable[Value]) -> str:
    """The values of a group as a JSON array: equal for equal values alone.

    Numbers are in plain digits, binary is ``{"B": base64}``. Raises Unevaluable for a document.
    """
    return json_array(map(_plain, values))


def group_values(text: str) -> tuple[Value, ...]:
    """The values that ``group_text`` wrote. Raises ValueError where it did not."""
    found = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    if not isinstance(found, list):
        raise ValueError("not a group")  # noqa: TRY004 - a wrong text, as any other
    return tuple(_unplain(each) for each in found)


def _plain(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case Decimal():
            expect_range(value)
            return digits_of(str(value or Decimal(0)))
        case str():
            return quoted(value)
        case bytes():
            return f'{{"B":"{base64_of_bytes(value)}"}}'
        case Document():
            raise Unevaluable(
                f"{kind_of(value)} cannot be grouped by; group by a text, a number, a boolean or binary"
            )


def _unplain(found: Any) -> Value:
    if isinstance(found, dict) and found.keys() == {"B"}:
        return binary_of(found["B"])
    if found is None or isinstance(found, (bool, Decimal, str)):
        plain: bool | Decimal | str | None = found
        return plain
    raise ValueError("not a group")


# An order


def sortable(value: bool | Decimal | str | bytes) -> bytes:  # noqa: FBT001 - a value, no switch
    """``value`` as bytes that sort as values do: booleans, numbers, texts (by code points), binary; ``unsorted`` reads it."""
    match value:
        case bool():
            return b"\x10\x01" if value else b"\x10\x00"
        case Decimal():
            return _sortable_number(value)
        case str():
            return b"\x30" + value.encode()
        case bytes():
            return b"\x40" + value


def unsorted(written: bytes) -> Value:
    """The value that ``sortable`` wrote."""
    kind, rest = written[0], written[1:]
    match kind:
        case 0x10:
            return rest == b"\x01"
        case 0x20:
            number = _number(bytes(255 - byte for byte in rest[:-1]))
            return number.copy_negate()
        case 0x21:
            return Decimal(0)
        case 0x22:
            return _number(rest)
        case 0x30:
            return rest.decode()
        case _:
            return rest


def _sortable_number(number: Decimal) -> bytes:
    if not number:
        return b"\x21"
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "DynamoDB has no infinities"
    written = "".join(map(str, digits)).lstrip("0")
    # As 0.DIGITS * 10^point, without zeros at the end: then digits compare as texts.
    point = exponent + len(written)
    body = (point + 2**31).to_bytes(4, "big") + written.rstrip("0").encode()
    if not sign:
        return b"\x22" + body
    # The last byte is above all others, so that of two numbers the one with more digits comes first.
    return b"\x20" + bytes(255 - byte for byte in body) + b"\xff"


def _number(body: bytes) -> Decimal:
    digits = body[4:].decode()
    point = int.from_bytes(body[:4], "big") - 2**31
    return Decimal(f"{digits}E{point - len(digits)}")


def base64_of_bytes(content: bytes) -> str:
    """The base64 of binary."""
    return msgspec.json.decode(msgspec.json.encode(content), type=str)


def _brief(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - a line's worth
