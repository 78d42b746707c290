"""Conditions -> filter expressions, and how far these carry them out.

DynamoDB compares values of one type alone, numbers exactly, strings and binaries by their bytes; a comparison with what is
missing, or of another type, is false, only ``<>`` is then true (Amazon DynamoDB Developer Guide, "Condition and filter
expressions, operators, and functions"). A column knows the types of the items that were seen. What it does not know must
come through, so that it widens before anything is answered: each filter of a column that may widen lets
values of other types through.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from headrace.attribute import AttributeValue, BrokenValue, digits_of
from headrace.column_name import Path
from headrace.column_type import ColumnType, Digits, Kind, Times
from headrace.dynamodb.asked_value import Unsayable, asked_value, number, text, written_alike
from headrace.dynamodb.expression import (
    Expression,
    all_of,
    any_of,
    between,
    called,
    compared,
    negated,
    one_of,
)
from headrace.dynamodb.time_texts import exact_text, first_text, last_text
from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Fit, Predicate
from headrace.mapping import Mapping
from headrace.schema import REST, Column, TableSchema
from headrace.time_text import ISO_8601

_TAGS: Final = {Kind.BOOL: "BOOL", Kind.NUMBER: "N", Kind.BINARY: "B", Kind.TIME: "S", Kind.TEXT: "S"}
_SIGNS: Final = {
    Comparison.LESS: "<",
    Comparison.LESS_OR_EQUAL: "<=",
    Comparison.GREATER: ">",
    Comparison.GREATER_OR_EQUAL: ">=",
}
_EMPTY: Final = ({"S": ""}, {"B": ""})
_LEAST: Final = 1e-130
"""The smallest number of DynamoDB beside zero."""

_WORST: Final = (Fit.EXACT, Fit.SUPERSET, Fit.NO)


@dataclass(frozen=True, slots=True)
class Filter:
    """What DynamoDB is asked, None where it cannot be, and how far that carries a condition out.

    ``sure``: what comes through is what the condition says, whatever types the items have. Else it may be
    what widens a column.
    """

    expression: Expression | None
    fit: Fit
    sure: bool = False


NOTHING: Final = Filter(None, Fit.NO)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the values of a column, or of a field within its structs, are in the items.

    ``above`` are the maps around it, which another type may stand for; ``apart``: a map with members is not a value
    there, but taken apart for other columns. ``spelled``: the Spicepod says how times are written, so that nobody writes
    them otherwise.
    """

    column: Column
    path: Path
    type: ColumnType
    above: tuple[Path, ...] = ()
    apart: bool = False
    spelled: bool = False

    @property
    def sure(self) -> bool:
        """Whether all items have a value of the one type of the table's key."""
        return self.column.key

    @property
    def open(self) -> bool:
        """Whether the column widens for what it does not hold."""
        return not (self.column.fixed or self.column.key)

    @property
    def within(self) -> bool:
        """Whether it is a field: a text there is a string."""
        return bool(self.above)


def place_of(predicate: Predicate, schema: TableSchema, mapping: Mapping) -> Place | None:
    """Where the values are that ``predicate`` asks for; None where they are nowhere, or in JSON."""
    column = next((column for column in schema.columns if column.name == predicate.column), None)
    if column is None or column.path == REST:
        return None
    place = Place(column, column.path, column.type)
    for name in predicate.field:
        member = dict(place.type.named()).get(name) if place.type.kind is Kind.STRUCT else None
        if member is None:
            return None
        place = replace(
            place, path=(*place.path, member.attribute), type=member.type, above=(*place.above, place.path)
        )
    depth = mapping.unnest_depth
    apart = depth is not None and len(column.path) <= depth
    spelled = mapping.layouts != ISO_8601
    return replace(place, apart=apart, spelled=spelled) if all(place.path) else None


def filter_of(  # noqa: PLR0911  # One return per kind of condition, and for what it lacks.
    condition: Condition, schema: TableSchema, mapping: Mapping
) -> Filter:
    """The filter of a condition on items that are read by ``schema``."""
    match condition:
        case Predicate():
            place = place_of(condition, schema, mapping)
            if place is None:
                return NOTHING
            try:
                return _of_predicate(condition, place)
            except Unsayable:
                return NOTHING
        case AllOf(conditions=inner):
            parts = [filter_of(one, schema, mapping) for one in inner]
            said = [part.expression for part in parts if part.expression is not None]
            if not said:
                return NOTHING
            fit = Fit.EXACT if all(part.fit is Fit.EXACT for part in parts) else Fit.SUPERSET
            return Filter(all_of(said), fit, sure=fit is Fit.EXACT and all(part.sure for part in parts))
        case AnyOf(conditions=inner):
            parts = [filter_of(one, schema, mapping) for one in inner]
            said = [part.expression for part in parts if part.expression is not None]
            if len(said) < len(parts):
                return NOTHING
            fit = max((part.fit for part in parts), key=_WORST.index)
            return Filter(any_of(said), fit, sure=all(part.sure for part in parts))


def _of_predicate(predicate: Predicate, place: Place) -> Filter:  # noqa: PLR0911  # One return per comparison.
    match predicate.comparison:
        case Comparison.IS_NULL:
            return _is_null(place)
        case Comparison.IS_NOT_NULL:
            return _is_not_null(place)
        case Comparison.EQUAL | Comparison.IN:
            return _equal(place, predicate.values)
        case Comparison.NOT_EQUAL | Comparison.NOT_IN:
            return _not_equal(place, predicate.values)
        case Comparison.STARTS_WITH:
            return _starts_with(place, predicate.values[0])
        case Comparison.NOT_STARTS_WITH:
            return _not_starts_with(place, predicate.values[0])
        case comparison:
            if place.sure and predicate.values[0].as_py() in ("", b""):
                return NOTHING
            return _ordered(place, comparison, predicate.values[0])


def _is_null(place: Place) -> Filter:
    missing = any_of([called("attribute_not_exists", place.path), _typed(place.path, "NULL")])
    if place.sure:
        return Filter(called("attribute_not_exists", place.path), Fit.EXACT, sure=True)
    if place.open and place.apart:
        return Filter(any_of([missing, _typed(place.path, "M")]), Fit.SUPERSET)
    if place.open:
        return Filter(missing, Fit.EXACT, sure=not place.above)
    # What a column that stays as it is does not hold is NULL in it.
    if place.within or place.apart:
        return NOTHING
    if place.type.kind in (Kind.BOOL, Kind.BINARY):
        return Filter(negated(_typed(place.path, _TAGS[place.type.kind])), Fit.EXACT, sure=True)
    return Filter(missing, Fit.EXACT, sure=True) if place.type.kind in (Kind.TEXT, Kind.JSON) else NOTHING


def _is_not_null(place: Place) -> Filter:
    if place.sure:
        return Filter(called("attribute_exists", place.path), Fit.EXACT, sure=True)
    holds_all = place.open or (place.type.kind in (Kind.TEXT, Kind.JSON) and not place.within)
    exact = holds_all and not place.apart
    fit = Fit.EXACT if exact else Fit.SUPERSET
    return _with_strangers(place, [_present(place.path)], fit, sure=exact and not place.above)


def _equal(place: Place, values: Sequence[pa.Scalar]) -> Filter:
    match place.type:
        case ColumnType(Kind.NULL):
            return _anything(place)
        case ColumnType(Kind.NUMBER, digits=Digits() as digits) if _rounds(digits):
            ranges = [
                between(place.path, number(_next(one, -math.inf)), number(_next(one, math.inf)))
                for one in values
            ]
            return _with_others(place, ranges, Fit.SUPERSET)
        case ColumnType(Kind.TIME, times=Times() as times):
            return _equal_times(place, times, values)
        case ColumnType(Kind.TEXT):
            return _equal_texts(place, [one.as_py() for one in values])
        case ColumnType(Kind.BOOL | Kind.NUMBER | Kind.BINARY):
            said = [one for one in _said(values, place.type) if not place.sure or one not in _EMPTY]
            return _with_others(place, [one_of(place.path, said)] if said else [], Fit.EXACT)
        case _:
            return NOTHING


def _equal_texts(place: Place, texts: Sequence[str]) -> Filter:
    # A key is never empty, and it is not sure that the service lets it be compared with what is.
    strings: list[AttributeValue] = [text(one) for one in texts if one or not place.sure]
    if place.sure:
        return Filter(one_of(place.path, strings), Fit.EXACT, sure=True) if strings else NOTHING
    if place.within:
        return _with_others(place, [one_of(place.path, strings)], Fit.EXACT)
    alike = [written_alike(one) for one in texts]
    if None in alike:
        return _with_others(
            replace(place, column=_widening(place)), [one_of(place.path, strings)], Fit.SUPERSET
        )
    every = [value for values in alike if values is not None for value in values]
    return Filter(one_of(place.path, every), Fit.EXACT, sure=True)


def _equal_times(place: Place, times: Times, values: Sequence[pa.Scalar]) -> Filter:
    exact = [exact_text(times, one, sorting=False) if place.spelled else None for one in values]
    if None not in exact:
        strings = [text(one) for one in exact if one is not None]
        return _with_others(place, [one_of(place.path, strings)], Fit.EXACT)
    first = first_text(times, min(values, key=_count))
    last = last_text(times, max(values, key=_count))
    if first is None or last is None:
        return NOTHING
    # No text of a time is its day's alone without being in the day, so the upper end may be included.
    return _with_others(place, [between(place.path, text(first), text(last))], Fit.SUPERSET)


def _not_equal(place: Place, values: Sequence[pa.Scalar]) -> Filter:
    present = _present(place.path)
    kind = place.type.kind
    if kind in (Kind.NULL, Kind.TIME):
        return _anything(place)
    if kind not in (Kind.BOOL, Kind.NUMBER, Kind.BINARY, Kind.TEXT):
        return NOTHING
    fit, sure = Fit.EXACT if place.open or place.sure else Fit.SUPERSET, place.sure
    if kind is Kind.TEXT and not (place.within or place.sure):
        texts = [one.as_py() for one in values]
        alike = [written_alike(one) for one in texts]
        fit, sure = (Fit.SUPERSET, False) if None in alike or place.apart else (Fit.EXACT, True)
        said: list[AttributeValue] = [
            value for one, values in zip(texts, alike, strict=True) for value in values or [text(one)]
        ]
    else:
        said = [one for one in _said(values, place.type) if not place.sure or one not in _EMPTY]
        if place.type.digits is not None and _rounds(place.type.digits):
            fit = Fit.SUPERSET
    if place.apart:
        fit = Fit.SUPERSET
    kept = [present, negated(one_of(place.path, said))] if said else [present]
    return _with_strangers(place, [all_of(kept)], fit, sure=sure)


def _ordered(  # noqa: PLR0911  # One return per kind of column.
    place: Place, comparison: Comparison, value: pa.Scalar
) -> Filter:
    sign = _SIGNS[comparison]
    match place.type:
        case ColumnType(Kind.NULL):
            return _anything(place)
        case ColumnType(Kind.NUMBER, digits=Digits() as digits) if _rounds(digits):
            bound = number(_next(value, -math.inf if sign[0] == ">" else math.inf))
            return _with_others(place, [compared(place.path, f"{sign[0]}=", bound)], Fit.SUPERSET)
        case ColumnType(Kind.NUMBER) if pa.types.is_string(value.type):
            return NOTHING
        case ColumnType(Kind.NUMBER | Kind.BINARY):
            return _with_others(place, [compared(place.path, sign, asked_value(value))], Fit.EXACT)
        case ColumnType(Kind.TEXT):
            return _of_text(place, compared(place.path, sign, asked_value(value)))
        case ColumnType(Kind.TIME, times=Times() as times):
            return _ordered_times(place, times, sign, value)
        case _:
            return NOTHING


def _ordered_times(place: Place, times: Times, sign: str, value: pa.Scalar) -> Filter:
    exact = exact_text(times, value, sorting=True) if place.spelled else None
    if exact is not None:
        return _with_others(place, [compared(place.path, sign, text(exact))], Fit.EXACT)
    bound = first_text(times, value) if sign[0] == ">" else last_text(times, value)
    if bound is None:
        return NOTHING
    return _with_others(place, [compared(place.path, f"{sign[0]}=", text(bound))], Fit.SUPERSET)


def _starts_with(place: Place, prefix: pa.Scalar) -> Filter:
    if place.type.kind is Kind.NULL or (place.type.kind is Kind.TEXT and not prefix.as_py()):
        return _anything(place)
    if place.type.kind is not Kind.TEXT:
        return NOTHING
    return _of_text(place, called("begins_with", place.path, asked_value(prefix)))


def _not_starts_with(place: Place, prefix: pa.Scalar) -> Filter:
    if place.type.kind is Kind.NULL:
        return _anything(place)
    if place.type.kind is not Kind.TEXT:
        return NOTHING
    kept = all_of([_present(place.path), negated(called("begins_with", place.path, asked_value(prefix)))])
    fit = Fit.EXACT if place.sure or (place.within and place.open) else Fit.SUPERSET
    return _with_strangers(place, [kept], fit, sure=place.sure)


def _of_text(place: Place, asked: Expression) -> Filter:
    """A comparison that numbers, truths, bytes and all else in a column of text may satisfy by their texts."""
    if place.sure or place.within:
        return _with_others(place, [asked], Fit.EXACT)
    return _with_others(replace(place, column=_widening(place)), [asked], Fit.SUPERSET)


def _widening(place: Place) -> Column:
    """The place's column as one that lets other types through: a text that stays text holds them, too."""
    return replace(place.column, fixed=False)


def _anything(place: Place) -> Filter:
    """Whatever is no NULL."""
    return _with_strangers(place, [_present(place.path)], Fit.SUPERSET, sure=False)


def _with_others(place: Place, asked: Sequence[Expression], fit: Fit) -> Filter:
    """What is asked, or what another type stands for where the column would widen for it."""
    if place.sure:
        return Filter(any_of(asked), fit, sure=fit is Fit.EXACT) if asked else NOTHING
    if not place.open:
        return Filter(any_of(asked), Fit.SUPERSET) if asked else NOTHING
    others = _stranger(place.path, _TAGS[place.type.kind])
    fit = Fit.SUPERSET if place.apart else fit
    return _with_strangers(place, [*asked, others], fit, sure=False)


def _with_strangers(place: Place, asked: Sequence[Expression], fit: Fit, *, sure: bool) -> Filter:
    strangers = [_stranger(path, "M") for path in place.above] if place.open else []
    return Filter(any_of([*asked, *strangers]), fit, sure=sure)


def _present(path: Path) -> Expression:
    return all_of([called("attribute_exists", path), negated(_typed(path, "NULL"))])


def _stranger(path: Path, tag: str) -> Expression:
    """A value that is neither NULL nor of a type."""
    known = [called("attribute_not_exists", path), _typed(path, tag), _typed(path, "NULL")]
    return negated(any_of(known))


def _typed(path: Path, tag: str) -> Expression:
    return called("attribute_type", path, {"S": tag})


def _said(values: Sequence[pa.Scalar], type_: ColumnType) -> list[AttributeValue]:
    """The values that DynamoDB has: no item is equal to another one."""
    return [said for value in values for said in _one(value, type_)]


def _one(value: pa.Scalar, type_: ColumnType) -> Iterator[AttributeValue]:
    try:
        if type_.kind is Kind.NUMBER and pa.types.is_string(value.type):
            written: str = value.as_py()
            if digits_of(written) == written:
                yield {"N": written}
        else:
            yield asked_value(value)
    except (Unsayable, BrokenValue):
        return


def _rounds(digits: Digits) -> bool:
    return digits.rounded and bool(pa.types.is_float64(digits.arrow()))


def _next(value: pa.Scalar, towards: float) -> float:
    """The double beside ``value``: its shortest writing lies beyond all numbers that round to ``value``."""
    beside = math.nextafter(value.as_py(), towards)
    if 0 < abs(beside) < _LEAST:
        return math.copysign(_LEAST, towards) if (beside > 0) == (towards > 0) else 0.0
    return beside


def _count(time: pa.Scalar) -> Any:
    return time.value
