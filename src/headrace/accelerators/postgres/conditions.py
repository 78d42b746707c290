"""Conditions of statements as PostgreSQL's SQL: exactly those that it carries out as DuckDB does."""

from __future__ import annotations

import pyarrow as pa

from headrace.accelerators.postgres.column_forms import literal, sql_type
from headrace.accelerators.postgres.layout import Layout, Place
from headrace.leaf import AllOf, Comparison, Condition, Fit, Predicate, affirmed

_OPERATORS = {
    Comparison.EQUAL: "=",
    Comparison.LESS: "<",
    Comparison.LESS_OR_EQUAL: "<=",
    Comparison.GREATER: ">",
    Comparison.GREATER_OR_EQUAL: ">=",
    # Of texts, and by their bytes, as our columns' collation is C.
    Comparison.STARTS_WITH: "^@",
}


def fit(layout: Layout, condition: Condition) -> Fit:
    """How far ``where`` carries out a condition: all of it, or nothing."""
    if not isinstance(condition, Predicate):
        exact = all(fit(layout, one) is Fit.EXACT for one in condition.conditions)
        return Fit.EXACT if exact else Fit.NO
    return Fit.NO if condition.field else _fit(layout, affirmed(condition))


def _fit(layout: Layout, predicate: Predicate) -> Fit:
    place = _place(layout, predicate)
    if place is None:
        return Fit.NO
    stored = place.column.type.arrow()
    match predicate.comparison:
        case Comparison.IS_NULL | Comparison.IS_NOT_NULL:
            return Fit.EXACT
        case Comparison.STARTS_WITH if not pa.types.is_string(stored):
            return Fit.NO
    # A text with NUL is in no row of ours, but PostgreSQL does not take it to compare with either.
    strange = pa.types.is_nested(stored) or any(_has_nul(value) for value in predicate.values)
    return Fit.NO if strange else Fit.EXACT


def where(layout: Layout, condition: Condition) -> str:
    """SQL that is true for just the rows of the condition, which must fit."""
    if not isinstance(condition, Predicate):
        word = " AND " if isinstance(condition, AllOf) else " OR "
        return f"({word.join(where(layout, one) for one in condition.conditions)})"
    plain = affirmed(condition)
    sql = _where(layout, plain)
    return sql if plain is condition else f"NOT ({sql})"


def _where(layout: Layout, predicate: Predicate) -> str:
    place = _place(layout, predicate)
    assert place is not None, "a predicate of a column without a place does not fit"
    match predicate.comparison:
        case Comparison.IS_NULL:
            return f"{place.sql} IS NULL"
        case Comparison.IS_NOT_NULL:
            return f"{place.sql} IS NOT NULL"
        case Comparison.IN:
            values = ", ".join(map(literal, predicate.values))
            return f"{place.sql} = ANY (ARRAY[{values}]::{sql_type(place.column.type.arrow()).partition(' COLLATE')[0]}[])"
        case comparison:
            return f"{place.sql} {_OPERATORS[comparison]} {literal(predicate.values[0])}"


def _place(layout: Layout, predicate: Predicate) -> Place | None:
    return next((place for place in layout.places if place.column.name == predicate.column), None)


def _has_nul(value: pa.Scalar) -> bool:
    return bool(pa.types.is_string(value.type) and "\0" in value.as_py())
