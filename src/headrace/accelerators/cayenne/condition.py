"""Conditions of statements on the columns of a file, as Vortex carries them out.

They make a scan read less: parts of a file whose least and greatest values rule them out are skipped. A condition may let
more rows through than the predicate, never fewer. Vortex tells -0.0 from 0.0 and knows no order of NaN, so doubles are asked
by ranges, and never about NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import pyarrow as pa
import vortex as vx
import vortex.expr as ve

from headrace.accelerators.cayenne.forms import file_column
from headrace.accelerators.sqlite.conditions import after_prefix
from headrace.accelerators.widen import alike
from headrace.column_type import Kind
from headrace.leaf import Comparison, Predicate
from headrace.schema import Column, TableSchema

Expression = Any
"""One of Vortex's (``vortex.expr.Expr``), which has no type that a checker knows."""

MOST_ASKED: Final = 100
"""Values of one IN that a file is asked."""


def condition(predicate: Predicate, column: Column, file: TableSchema) -> Expression | None:  # noqa: PLR0911  # One return per comparison.
    """What a file of schema ``file`` is asked for a predicate on ``column``; None: nothing."""
    place = next((place for place, known in enumerate(file.columns) if known.path == column.path), None)
    if place is None:
        return None
    narrow = file.columns[place].type
    if narrow.kind is Kind.NULL or pa.types.is_nested(narrow.arrow()) or not alike(narrow, column.type):
        return None
    name = ve.column(file_column(place))
    match predicate.comparison:
        case Comparison.IS_NULL:
            return ve.is_null(name)
        case Comparison.IS_NOT_NULL:
            return ve.is_not_null(name)
        case _ if pa.types.is_floating(narrow.arrow()):
            return _range_of_doubles(name, predicate)
        case Comparison.IN:
            if len(predicate.values) > MOST_ASKED:
                return None
            return ve.or_collect([ve.eq(name, _literal(value)) for value in predicate.values])
        case Comparison.STARTS_WITH:
            return _starting(name, predicate.values[0])
        case comparison:
            return _operators()[comparison](name, _literal(predicate.values[0]))


def all_of(conditions: list[Expression]) -> Expression | None:
    """All of them together; None of none."""
    return ve.and_collect(conditions) if conditions else None


def _range_of_doubles(name: Any, predicate: Predicate) -> Expression | None:
    values = [value.as_py() for value in predicate.values]
    if any(math.isnan(value) for value in values):
        return None
    low, high = (pa.scalar(bound, pa.float64()) for bound in (min(values), max(values)))
    match predicate.comparison:
        case Comparison.EQUAL | Comparison.IN:
            return ve.and_(ve.gt_eq(name, _literal(_below(low))), ve.lt_eq(name, _literal(_above(high))))
        case Comparison.LESS | Comparison.LESS_OR_EQUAL:
            return ve.lt_eq(name, _literal(_above(high)))
        case _:
            # NaN is greater than all else.
            return None


def _below(value: pa.Scalar) -> pa.Scalar:
    return pa.scalar(math.nextafter(value.as_py(), -math.inf), pa.float64())


def _above(value: pa.Scalar) -> pa.Scalar:
    return pa.scalar(math.nextafter(value.as_py(), math.inf), pa.float64())


def _starting(name: Any, prefix: pa.Scalar) -> Expression | None:
    if not pa.types.is_string(prefix.type):
        return None
    after = after_prefix(prefix.as_py())
    least = ve.gt_eq(name, _literal(prefix))
    return least if after is None else ve.and_(least, ve.lt(name, _literal(pa.scalar(after))))


def _operators() -> Mapping[Comparison, Callable[[Any, Any], Any]]:
    return {
        Comparison.EQUAL: ve.eq,
        Comparison.LESS: ve.lt,
        Comparison.LESS_OR_EQUAL: ve.lt_eq,
        Comparison.GREATER: ve.gt,
        Comparison.GREATER_OR_EQUAL: ve.gt_eq,
    }


def _literal(value: pa.Scalar) -> Any:
    type_ = value.type
    if pa.types.is_timestamp(type_):
        return ve.literal(vx.int_(64, nullable=True), value.value)
    if pa.types.is_decimal(type_):
        return ve.literal(
            vx.decimal(precision=type_.precision, scale=type_.scale, nullable=True), value.as_py()
        )
    dtype = {
        pa.int64(): vx.int_(64, nullable=True),
        pa.float64(): vx.float_(64, nullable=True),
        pa.bool_(): vx.bool_(nullable=True),
        pa.string(): vx.utf8(nullable=True),
        pa.binary(): vx.binary(nullable=True),
    }[type_]
    return ve.literal(dtype, value.as_py())
