"""What may stand in the array of alternatives of a field.

The operators and what each takes: Amazon EventBridge user guide, "Comparison operators for use in event patterns"
(its column of pipes is what sources like Lambda's take), AWS Lambda developer guide, "Control which events Lambda sends
to your function", and, where both are silent, the compiler of rules of aws/event-ruler (JsonRuleCompiler).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network

from headrace.filters.document import Field, Number, PatternError, Place, Value

FARTHEST = 5_000_000_000
"""The largest magnitude that ``numeric`` takes (EventBridge user guide, "Numeric matching")."""


@dataclass(frozen=True, slots=True)
class Equals:
    """The value is this string, true, false or null."""

    value: str | bool | None
    place: Place


@dataclass(frozen=True, slots=True)
class EqualsNumber:
    """The value is this number, however it is written."""

    value: Decimal
    place: Place


@dataclass(frozen=True, slots=True)
class Text:
    """The value is a string of which ``operator`` holds: prefix, suffix, equals-ignore-case, wildcard.

    ``ignores_case`` belongs to prefix and suffix.
    """

    operator: str
    text: str
    ignores_case: bool
    place: Place


@dataclass(frozen=True, slots=True)
class AnythingBut:
    """There is a value and none of ``refused`` holds of it; they are all Equals, all EqualsNumber, or all Text."""

    refused: tuple[Equals | EqualsNumber | Text, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Numeric:
    """The value is a number within bounds; None is no bound. ``=`` has both, alike."""

    low: Decimal | None
    high: Decimal | None
    low_included: bool
    high_included: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value, or none."""

    there: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Cidr:
    """The value is an address of this network, as a string."""

    network: IPv4Network | IPv6Network
    place: Place


@dataclass(frozen=True, slots=True)
class Changed:
    """The value before and after differ (true), or not (false), or there is only one after, or only one before."""

    how: str
    place: Place


@dataclass(frozen=True, slots=True)
class Scope:
    """The field whose alternatives are read: its path, and whether in Headrace's grammar or in AWS's."""

    path: tuple[str, ...]
    extended: bool

    def error(self, place: Place, message: str) -> PatternError:
        """What to raise for something wrong there."""
        return PatternError(place, self.path, message)


Alternative = Equals | EqualsNumber | Text | AnythingBut | Numeric | Exists | Cidr | Changed

APPEARS, DISAPPEARS, CHANGES, STAYS = "appears", "disappears", "changes", "stays"

_SCALARS = "a string, a number, true, false, null, or an operator in an object"


def alternative(value: Value, scope: Scope) -> Alternative:
    """What one element of a field's array says. Raises PatternError."""
    place, content = value.place, value.content
    if isinstance(content, Number):
        return EqualsNumber(_decimal(content, place, scope), place)
    if isinstance(content, list):
        raise scope.error(place, f"an array cannot stand in an array: an alternative is {_SCALARS}")
    if isinstance(content, tuple):
        field = _only(content, place, scope)
        return _reader(field, scope)(field.value, scope)
    return Equals(content, place)


def _only(fields: tuple[Field, ...], place: Place, scope: Scope) -> Field:
    rule = "an object among the alternatives has one operator"
    if not fields:
        raise scope.error(
            place, f"{rule}, this has no operator; the operators are {', '.join(_known(scope))}"
        )
    if len(fields) > 1:
        names = ", ".join(field.name for field in fields)
        raise scope.error(
            place, f"{rule}, this has the operators {names}; write each as an object of its own"
        )
    return fields[0]


def _known(scope: Scope) -> list[str]:
    return [name for name in _READERS if scope.extended or name not in _OURS]


_Reader = Callable[[Value, Scope], Alternative]


def _reader(field: Field, scope: Scope) -> _Reader:
    name = field.name
    if name in _READERS:
        if name in _OURS and not scope.extended:
            raise scope.error(field.place, f"{name} {_OURS[name]}; write this filter as extended_pattern")
        return _READERS[name]
    raise scope.error(field.place, f"there is no operator {name!r}{_guess(name, _known(scope))}")


def _guess(name: str, known: list[str]) -> str:
    lowered = name.lower().replace("_", "-")
    near = difflib.get_close_matches(lowered, known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; the operators are {', '.join(known)}"


def _affix(operator: str) -> _Reader:
    def read(value: Value, scope: Scope) -> Alternative:
        place, content = value.place, value.content
        if isinstance(content, tuple):
            field = content[0] if len(content) == 1 else None
            if field is None or field.name != "equals-ignore-case":
                raise scope.error(place, f'within {operator} only {{"equals-ignore-case": ...}} may stand')
            return Text(operator, _string(field.value, scope, operator), ignores_case=True, place=place)
        return Text(operator, _string(value, scope, operator), ignores_case=False, place=place)

    return read


def _equals_ignore_case(value: Value, scope: Scope) -> Alternative:
    return Text(
        "equals-ignore-case",
        _string(value, scope, "equals-ignore-case"),
        ignores_case=True,
        place=value.place,
    )


def _wildcard(value: Value, scope: Scope) -> Alternative:
    text = _string(value, scope, "wildcard")
    _expect_wildcard(text, value.place, scope)
    return Text("wildcard", text, ignores_case=False, place=value.place)


def literals(text: str) -> list[str]:
    r"""What stands before, between and after the ``*`` of a wildcard, ``\*`` and ``\\`` being a star and a backslash.

    Raises ValueError for two ``*`` in a row and any other escape (aws/event-ruler, WildcardParser).
    """
    found, piece, at = [], "", 0
    while at < len(text):
        if text[at] == "*":
            if text[at + 1 : at + 2] == "*":
                raise ValueError(f"two * in a row say no more than one: {text!r}")
            found.append(piece)
            piece = ""
        elif text[at] == "\\":
            at += 1
            if text[at : at + 1] not in ("*", "\\"):
                raise ValueError(rf"a backslash in a wildcard comes before * or \ only: {text!r}")
            piece += text[at]
        else:
            piece += text[at]
        at += 1
    return [*found, piece]


def _expect_wildcard(text: str, place: Place, scope: Scope) -> None:
    try:
        literals(text)
    except ValueError as error:
        raise scope.error(place, str(error)) from error


def _cidr(value: Value, scope: Scope) -> Alternative:
    text = _string(value, scope, "cidr")
    try:
        return Cidr(ip_network(text, strict=False), value.place)
    except ValueError as error:
        raise scope.error(value.place, f"cidr takes a network like 10.0.0.0/24: {error}") from error


def _exists(value: Value, scope: Scope) -> Alternative:
    if not isinstance(value.content, bool):
        raise scope.error(value.place, "exists takes true or false")
    return Exists(value.content, value.place)


def _changed(value: Value, scope: Scope) -> Alternative:
    content = value.content
    if isinstance(content, bool):
        return Changed(CHANGES if content else STAYS, value.place)
    if content not in (APPEARS, DISAPPEARS):
        raise scope.error(value.place, f'changed takes true, false, "{APPEARS}" or "{DISAPPEARS}"')
    return Changed(str(content), value.place)


def _anything_but(value: Value, scope: Scope) -> Alternative:
    content = value.content
    if isinstance(content, tuple):
        return AnythingBut(_forms(content, value.place, scope), value.place)
    listed = content if isinstance(content, list) else [value]
    if not listed:
        raise scope.error(value.place, "anything-but takes at least one value")
    refused: list[Equals | EqualsNumber] = []
    for one in listed:
        if isinstance(one.content, Number):
            refused.append(EqualsNumber(_decimal(one.content, one.place, scope), one.place))
        elif isinstance(one.content, str):
            refused.append(Equals(one.content, one.place))
        else:
            raise scope.error(
                one.place, "anything-but takes strings or numbers, not true, false, null, objects"
            )
    if len({type(one) for one in refused}) > 1:
        raise scope.error(value.place, "anything-but takes only strings or only numbers, not both")
    return AnythingBut(tuple(refused), value.place)


_NEGATED = ("prefix", "suffix", "equals-ignore-case", "wildcard")


def _forms(fields: tuple[Field, ...], place: Place, scope: Scope) -> tuple[Text, ...]:
    if len(fields) != 1 or fields[0].name not in _NEGATED:
        raise scope.error(place, f"within anything-but one of {', '.join(_NEGATED)} may stand")
    field = fields[0]
    if not scope.extended:
        raise scope.error(
            field.place,
            f"event buses take anything-but with {field.name}, Lambda does not; write this filter as extended_pattern",
        )
    content = field.value.content
    listed = content if isinstance(content, list) else [field.value]
    if not listed:
        raise scope.error(field.value.place, f"{field.name} takes at least one string")
    texts = []
    for one in listed:
        text = _string(one, scope, field.name)
        if field.name == "wildcard":
            _expect_wildcard(text, one.place, scope)
        if not text and field.name in ("prefix", "suffix"):
            raise scope.error(one.place, f"every string has an empty {field.name}: this never matches")
        texts.append(Text(field.name, text, ignores_case=field.name == "equals-ignore-case", place=one.place))
    return tuple(texts)


def _numeric(value: Value, scope: Scope) -> Alternative:
    content = value.content
    if not isinstance(content, list) or len(content) not in (2, 4):
        raise scope.error(value.place, 'numeric takes an array like [">", 10] or [">", 10, "<=", 20]')
    terms = [_term(content[at], content[at + 1], scope) for at in range(0, len(content), 2)]
    (first, bound) = terms[0]
    if len(terms) == 1:
        return _one_bound(first, bound, value.place)
    (second, high) = terms[1]
    if first not in (">", ">=") or second not in ("<", "<="):
        raise scope.error(value.place, "a range has its lower bound first, by > or >=, then < or <=")
    if bound >= high:
        raise scope.error(value.place, f"the lower bound {bound:f} is not below the upper one, {high:f}")
    return Numeric(bound, high, low_included=first == ">=", high_included=second == "<=", place=value.place)


def _term(operator: Value, number: Value, scope: Scope) -> tuple[str, Decimal]:
    if operator.content not in ("=", "<", "<=", ">", ">="):
        raise scope.error(operator.place, "a comparison of numeric is =, <, <=, > or >=, as a string")
    if not isinstance(number.content, Number):
        raise scope.error(number.place, f"numeric {operator.content} takes a JSON number, without quotes")
    value = _decimal(number.content, number.place, scope)
    if abs(value) > FARTHEST and not scope.extended:
        raise scope.error(number.place, "numeric takes numbers from -5e9 to 5e9 in AWS's grammar")
    return str(operator.content), value


def _one_bound(operator: str, bound: Decimal, place: Place) -> Numeric:
    match operator:
        case "=":
            return Numeric(bound, bound, low_included=True, high_included=True, place=place)
        case ">" | ">=":
            return Numeric(bound, None, low_included=operator == ">=", high_included=False, place=place)
        case _:
            return Numeric(None, bound, low_included=False, high_included=operator == "<=", place=place)


def _decimal(number: Number, place: Place, scope: Scope) -> Decimal:
    try:
        value = Decimal(number.text)
    except InvalidOperation:  # Its exponent is beyond what Decimal has.
        value = Decimal("Infinity")
    # A double's range, and more than that of DynamoDB's numbers.
    if not value.is_finite() or (value and abs(value.adjusted()) > 300):  # noqa: PLR2004 - said above
        raise scope.error(place, f"{number.text[:40]} is too large or too small for any number of a record")
    return value


def _string(value: Value, scope: Scope, operator: str) -> str:
    if not isinstance(value.content, str):
        raise scope.error(value.place, f"{operator} takes a string")
    return value.content


_READERS: dict[str, _Reader] = {
    "anything-but": _anything_but,
    "prefix": _affix("prefix"),
    "suffix": _affix("suffix"),
    "equals-ignore-case": _equals_ignore_case,
    "numeric": _numeric,
    "exists": _exists,
    "wildcard": _wildcard,
    "cidr": _cidr,
    "changed": _changed,
}

_OURS = {
    "wildcard": "is an operator of event buses, which Lambda does not take",
    "cidr": "is an operator of event buses, which Lambda does not take",
    "changed": "is Headrace's own: AWS's grammar cannot compare old and new",
}
