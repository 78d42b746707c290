"""Arrow's values, as statements ask for them -> DynamoDB's, where it compares them as DuckDB does."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from headrace.attribute import AttributeValue, BrokenValue, binary_of, digits_of

_MOST_DIGITS: Final = 38
_POWERS: Final = range(-130, 126)
"""Exponents of numbers that DynamoDB holds: Developer Guide, "Supported data types and naming rules" (Number)."""


class Unsayable(ValueError):
    """DynamoDB has no such value."""


def asked_value(scalar: pa.Scalar) -> AttributeValue:
    """A text, a number, a boolean or bytes. Raises Unsayable."""
    value: Any = scalar.as_py()
    match value:
        case bool():
            return {"BOOL": value}
        case int() | float() | Decimal():
            return number(value)
        case bytes():
            return {"B": base64.b64encode(value).decode()}
        case str():
            return text(value)
    raise Unsayable(f"DynamoDB compares no {scalar.type}")


def number(value: int | float | Decimal) -> AttributeValue:
    """A number. A double is the one that its shortest writing says, as for columns of doubles. Raises Unsayable."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    exact = Decimal(value)
    if not exact.is_finite():
        raise Unsayable("DynamoDB has numbers that are finite")
    digits = "".join(map(str, exact.as_tuple().digits)).strip("0")
    if digits and (len(digits) > _MOST_DIGITS or exact.adjusted() not in _POWERS):
        raise Unsayable("DynamoDB has numbers of 38 digits, from 1E-130 to 9.9E+125")
    return {"N": digits_of(str(exact))}


def text(value: str) -> AttributeValue:
    """A string. Raises Unsayable for one that is no Unicode."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unsayable("DynamoDB has texts of Unicode") from None
    return {"S": value}


def written_alike(value: str) -> list[AttributeValue] | None:
    """All values that a column of text writes as ``value``; None where lists and maps may be among them."""
    if value[:1] in ("[", "{"):
        return None
    found: list[AttributeValue] = [text(value)]
    try:
        if digits_of(value) == value:
            found.append(number(Decimal(value)))
    except (BrokenValue, Unsayable):
        pass
    if value in ("true", "false"):
        found.append({"BOOL": value == "true"})
    try:
        if base64.b64encode(binary_of(value)).decode() == value:
            found.append({"B": value})
    except BrokenValue:
        pass
    return found
