"""Alternatives -> functions of one value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address

from headrace import attribute
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
    literals,
)
from headrace.filters.pattern import Condition

Scalar = str | int | float | Decimal | bool | None

Test = Callable[[object], bool]
"""Whether one scalar is as an alternative wants it."""


class Numbers(Enum):
    """Where a field's numbers are: JSON numbers, values that were made Decimal, or the texts of DynamoDB's ``N``."""

    JSON = "json"
    DECIMAL = "decimal"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Check:
    """What a field's alternatives say together.

    ``scalar`` holds of a value that will do. ``absent``: no value will do. ``containers``: an object or array is a value
    of which only ``exists`` can tell; in AWS's grammar it is as if the field were not there.
    """

    scalar: Test
    absent: bool
    containers: bool = False
    exists: bool = False

    def present_only(self) -> Check:
        """The same, but that there must be a value."""
        return Check(self.scalar, absent=False, containers=self.containers, exists=self.exists)


def check_of(condition: Condition) -> Check:
    """The check of a condition; ``changed`` is none of one value, and left out."""
    numbers = _numbers(condition)
    tests = [_test(one, numbers) for one in condition.alternatives if not isinstance(one, Changed)]
    strings = _strings(condition.alternatives)
    exists = {one.there for one in condition.alternatives if isinstance(one, Exists)}
    return Check(
        _among(strings) if strings is not None else _any(tests),
        absent=False in exists,
        containers=condition.is_plain,
        exists=True in exists,
    )


def _numbers(condition: Condition) -> Numbers:
    if condition.is_plain:
        return Numbers.DECIMAL
    root, *rest = condition.path
    is_tagged = root == "dynamodb" and len(rest) > 2 and rest[-1] in ("N", "NS")  # noqa: PLR2004 - image and attribute
    return Numbers.TEXT if is_tagged and condition.extended else Numbers.JSON


def _strings(alternatives: Sequence[Alternative]) -> frozenset[str] | None:
    """The strings, if they are all that is asked for: by far the most common."""
    strings = [one.value for one in alternatives if isinstance(one, Equals) and isinstance(one.value, str)]
    return frozenset(strings) if len(strings) == len(alternatives) else None


def _among(strings: frozenset[str]) -> Test:
    if len(strings) == 1:
        (only,) = strings
        return lambda value: value.__class__ is str and value == only
    return lambda value: value.__class__ is str and value in strings


def _any(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _test(alternative: Alternative, numbers: Numbers) -> Test:  # noqa: PLR0911 - one for each operator
    match alternative:
        case Equals(str() as wanted):
            return _among(frozenset((wanted,)))
        case Equals(wanted):
            return lambda value: value is wanted
        case EqualsNumber(number):
            return _numeric(
                Numeric(number, number, low_included=True, high_included=True, place=alternative.place),
                _unless_text(numbers),
            )
        case Numeric():
            return _numeric(alternative, numbers)
        case Text():
            return _text(alternative)
        case AnythingBut(refused):
            unwanted = _any([_test(one, numbers) for one in refused])
            return lambda value: not unwanted(value)
        case Exists(there):
            return lambda _: there
        case Cidr(network):
            return lambda value: value.__class__ is str and _address_in(str(value), network)
        case Changed():
            return lambda _: False


def _unless_text(numbers: Numbers) -> Numbers:
    """A number in a pattern is never the text of one; only comparisons by ``numeric`` look into texts."""
    return Numbers.JSON if numbers is Numbers.TEXT else numbers


def _numeric(bounds: Numeric, numbers: Numbers) -> Test:
    number = _READERS[numbers]
    low, high = bounds.low, bounds.high
    if numbers is Numbers.JSON:
        # A record's fractions are doubles (aws/event-ruler compares them as such): so are the bounds.
        low, high = _as_double(low), _as_double(high)
    low_included, high_included = bounds.low_included, bounds.high_included

    def test(value: object) -> bool:
        found = number(value)
        if found is None:
            return False
        if low is not None and not (found >= low if low_included else found > low):
            return False
        return high is None or (found <= high if high_included else found < high)

    return test


def _as_double(bound: Decimal | None) -> Decimal | None:
    return None if bound is None else Decimal(float(bound))


def _json_number(value: object) -> Decimal | None:
    if value.__class__ is int or value.__class__ is float:
        return Decimal(value)
    return None


def _decimal(value: object) -> Decimal | None:
    return value if isinstance(value, Decimal) else None


def number_of(value: object) -> Decimal | None:
    """The number that a text of DynamoDB's ``N`` says; None if it is none."""
    try:
        return attribute.number_of(value)
    except attribute.BrokenValue:
        return None


_READERS: dict[Numbers, Callable[[object], Decimal | None]] = {
    Numbers.JSON: _json_number,
    Numbers.DECIMAL: _decimal,
    Numbers.TEXT: number_of,
}


def _text(wanted: Text) -> Test:
    text = wanted.text.casefold() if wanted.ignores_case else wanted.text
    holds: Callable[[str], bool]
    match wanted.operator:
        case "prefix":
            holds = lambda value: value.startswith(text)  # noqa: E731 - one of four
        case "suffix":
            holds = lambda value: value.endswith(text)  # noqa: E731 - one of four
        case "wildcard":
            holds = _wildcard(literals(text))
        case _:
            holds = lambda value: value == text  # noqa: E731 - one of four
    if wanted.ignores_case:
        return lambda value: value.__class__ is str and holds(str(value).casefold())
    return lambda value: value.__class__ is str and holds(str(value))


def _wildcard(pieces: list[str]) -> Callable[[str], bool]:
    """Whether the pieces stand in a text in their order, the first at its beginning and the last at its end.

    Taking the leftmost of each is enough, so that it takes no more than the length of the text.
    """
    first, *rest = pieces
    if not rest:
        return lambda value: value == first
    *middle, last = rest

    def holds(value: str) -> bool:
        if not value.startswith(first):
            return False
        at = len(first)
        for piece in middle:
            found = value.find(piece, at)
            if found < 0:
                return False
            at = found + len(piece)
        return len(value) - at >= len(last) and value.endswith(last)

    return holds


def _address_in(text: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(text) in network
    except ValueError:
        return False
