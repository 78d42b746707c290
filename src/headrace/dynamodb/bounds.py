"""What conditions that must all hold leave of the values of one column: some values, a range, or nothing at all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Predicate

Target = tuple[str, tuple[str, ...]]
"""A column, and a field within its structs."""

_EQUALS: Final = (Comparison.EQUAL, Comparison.IN)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a range."""

    value: pa.Scalar
    included: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is left of one column's values.

    ``equals`` are all of them, None where they are not listed; ``low``, ``high`` and ``prefix`` bound those that are not.
    ``empty``: nothing is left. ``present``: NULL is not.
    """

    equals: tuple[pa.Scalar, ...] | None = None
    low: End | None = None
    high: End | None = None
    prefix: pa.Scalar | None = None
    empty: bool = False
    present: bool = False


UNBOUND: Final = Bounds()


def conjuncts(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """The parts that must all hold, none of which is an AllOf."""
    for condition in conditions:
        if isinstance(condition, AllOf):
            yield from conjuncts(condition.conditions)
        else:
            yield condition


def targets_of(condition: Condition) -> set[Target]:
    """The columns and fields that a condition is about."""
    if isinstance(condition, Predicate):
        return {(condition.column, condition.field)}
    return {target for inner in condition.conditions for target in targets_of(inner)}


def bounds_of(parts: Sequence[Condition]) -> Mapping[Target, Bounds]:
    """The bounds of each column or field about which conjuncts are that are about nothing else."""
    gathered: dict[Target, list[Condition]] = {}
    for part in parts:
        targets = targets_of(part)
        if len(targets) == 1:
            gathered.setdefault(targets.pop(), []).append(part)
    return {target: _Gathered(about).bounds() for target, about in gathered.items()}


def holds(condition: Condition, value: pa.Scalar) -> bool:
    """Whether a value that is not NULL satisfies a condition about it alone."""
    return _test_of(condition)(comparable(value))


def comparable(value: pa.Scalar) -> Any:
    """Something that Python orders as DuckDB orders the value. NaN is above all numbers, of which none is infinite."""
    if pa.types.is_timestamp(value.type):
        return value.value
    plain = value.as_py()
    if isinstance(plain, float) and math.isnan(plain):
        return math.inf
    return plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain


def _test_of(condition: Condition) -> _Test:
    """The condition as what it says of a ``comparable`` value: one that is asked of thousands turns its own but once."""
    match condition:
        case AllOf(conditions=inner):
            tests = [_test_of(one) for one in inner]
            return lambda own: all(test(own) for test in tests)
        case AnyOf(conditions=inner):
            tests = [_test_of(one) for one in inner]
            return lambda own: any(test(own) for test in tests)
        case Predicate(comparison=Comparison.IS_NULL | Comparison.IS_NOT_NULL as comparison):
            return lambda _: comparison is Comparison.IS_NOT_NULL
        case Predicate(comparison=comparison, values=values):
            wanted = frozenset(map(comparable, values))
            first = comparable(values[0])
            compare = _COMPARE[comparison]
            return lambda own: compare(own, wanted, first)


_Test = Callable[[Any], bool]
_COMPARE: Final[Mapping[Comparison, Callable[[Any, frozenset[Any], Any], bool]]] = {
    Comparison.EQUAL: lambda own, wanted, _: own in wanted,
    Comparison.IN: lambda own, wanted, _: own in wanted,
    Comparison.NOT_EQUAL: lambda own, wanted, _: own not in wanted,
    Comparison.NOT_IN: lambda own, wanted, _: own not in wanted,
    Comparison.STARTS_WITH: lambda own, _, first: bool(own.startswith(first)),
    Comparison.NOT_STARTS_WITH: lambda own, _, first: not own.startswith(first),
    Comparison.LESS: lambda own, _, first: bool(own < first),
    Comparison.LESS_OR_EQUAL: lambda own, _, first: bool(own <= first),
    Comparison.GREATER: lambda own, _, first: bool(own > first),
    Comparison.GREATER_OR_EQUAL: lambda own, _, first: bool(own >= first),
}


@dataclass
class _Gathered:
    """Conjuncts about one column."""

    parts: Sequence[Condition]
    low: End | None = None
    high: End | None = None
    prefix: pa.Scalar | None = None
    listed: list[tuple[pa.Scalar, ...]] = field(default_factory=list)

    def bounds(self) -> Bounds:
        for part in self.parts:
            self._take(part)
        present = any(_excludes_null(part) for part in self.parts)
        null = any(_is_null(part) for part in self.parts)
        if self.listed:
            distinct = {comparable(value): value for value in min(self.listed, key=len)}
            tests = [_test_of(part) for part in self.parts]
            left = [value for own, value in distinct.items() if all(test(own) for test in tests)]
            return Bounds(tuple(left), empty=not left, present=True)
        empty = (present and null) or self._is_crossed()
        return Bounds(None, self.low, self.high, self.prefix, empty=empty, present=present)

    def _take(self, part: Condition) -> None:
        values = _listed(part)
        if values is not None:
            self.listed.append(values)
        if not isinstance(part, Predicate):
            return
        match part.comparison:
            case Comparison.GREATER | Comparison.GREATER_OR_EQUAL as sign:
                end = End(part.values[0], sign is Comparison.GREATER_OR_EQUAL)
                if self.low is None or _inner_low(end) > _inner_low(self.low):
                    self.low = end
            case Comparison.LESS | Comparison.LESS_OR_EQUAL as sign:
                end = End(part.values[0], sign is Comparison.LESS_OR_EQUAL)
                if self.high is None or _inner_high(end) < _inner_high(self.high):
                    self.high = end
            case Comparison.STARTS_WITH:
                if self.prefix is None or len(comparable(part.values[0])) > len(comparable(self.prefix)):
                    self.prefix = part.values[0]
            case _:
                pass

    def _is_crossed(self) -> bool:
        if self.low is None or self.high is None:
            return False
        low, high = comparable(self.low.value), comparable(self.high.value)
        return bool(low > high or (low == high and not (self.low.included and self.high.included)))


def _inner_low(end: End) -> tuple[Any, bool]:
    return comparable(end.value), not end.included


def _inner_high(end: End) -> tuple[Any, bool]:
    return comparable(end.value), end.included


def _listed(part: Condition) -> tuple[pa.Scalar, ...] | None:
    """The values that a conjunct about one column allows, where it lists them."""
    match part:
        case Predicate(comparison=comparison, values=values):
            return values if comparison in _EQUALS else None
        case AnyOf(conditions=inner):
            lists = [_listed(one) for one in inner]
            return (
                None if None in lists else tuple(value for one in lists if one is not None for value in one)
            )
        case AllOf(conditions=inner):
            return next((found for one in inner if (found := _listed(one)) is not None), None)


def _excludes_null(condition: Condition) -> bool:
    match condition:
        case Predicate(comparison=comparison):
            return comparison is not Comparison.IS_NULL
        case AnyOf(conditions=inner):
            return all(map(_excludes_null, inner))
        case AllOf(conditions=inner):
            return any(map(_excludes_null, inner))


def _is_null(condition: Condition) -> bool:
    return isinstance(condition, Predicate) and condition.comparison is Comparison.IS_NULL
