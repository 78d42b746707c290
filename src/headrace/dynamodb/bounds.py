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
    match condition:
        case AllOf(conditions=inner):
            return all(holds(one, value) for one in inner)
        case AnyOf(conditions=inner):
            return any(holds(one, value) for one in inner)
        case Predicate():
            return _compares(condition, comparable(value))


def comparable(value: pa.Scalar) -> Any:
    """Something that Python orders as DuckDB orders the value. NaN is above all numbers, of which none is infinite."""
    if pa.types.is_timestamp(value.type):
        return value.value
    plain = value.as_py()
    if isinstance(plain, float) and math.isnan(plain):
        return math.inf
    return plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain


def _compares(predicate: Predicate, own: Any) -> bool:
    if predicate.comparison in (Comparison.IS_NULL, Comparison.IS_NOT_NULL):
        return predicate.comparison is Comparison.IS_NOT_NULL
    return bool(_COMPARE[predicate.comparison](own, [comparable(value) for value in predicate.values]))


_COMPARE: Final[Mapping[Comparison, Callable[[Any, list[Any]], bool]]] = {
    Comparison.EQUAL: lambda own, values: own in values,
    Comparison.IN: lambda own, values: own in values,
    Comparison.NOT_EQUAL: lambda own, values: own not in values,
    Comparison.NOT_IN: lambda own, values: own not in values,
    Comparison.STARTS_WITH: lambda own, values: own.startswith(values[0]),
    Comparison.NOT_STARTS_WITH: lambda own, values: not own.startswith(values[0]),
    Comparison.LESS: lambda own, values: own < values[0],
    Comparison.LESS_OR_EQUAL: lambda own, values: own <= values[0],
    Comparison.GREATER: lambda own, values: own > values[0],
    Comparison.GREATER_OR_EQUAL: lambda own, values: own >= values[0],
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
            left = [value for value in distinct.values() if all(holds(part, value) for part in self.parts)]
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
