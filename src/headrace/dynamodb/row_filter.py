"""Conditions carried out on rows, where DynamoDB could carry them out exactly and was not asked to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Predicate

_COMPARE = {
    Comparison.EQUAL: pc.equal,
    Comparison.NOT_EQUAL: pc.not_equal,
    Comparison.LESS: pc.less,
    Comparison.LESS_OR_EQUAL: pc.less_equal,
    Comparison.GREATER: pc.greater,
    Comparison.GREATER_OR_EQUAL: pc.greater_equal,
}


def kept(rows: pa.RecordBatch, conditions: Sequence[Condition]) -> pa.RecordBatch:
    """The rows that satisfy all conditions, which are about columns that they have."""
    for condition in conditions:
        rows = rows.filter(pc.fill_null(_mask(rows, condition), fill_value=False))
    return rows


def _mask(rows: pa.RecordBatch, condition: Condition) -> pa.Array:
    match condition:
        case AllOf(conditions=inner):
            return reduce(pc.and_kleene, [_mask(rows, one) for one in inner])
        case AnyOf(conditions=inner):
            return reduce(pc.or_kleene, [_mask(rows, one) for one in inner])
        case Predicate():
            values = rows.column(condition.column)
            for name in condition.field:
                values = pc.struct_field(values, name)
            return _compared(values, condition)


def _compared(values: pa.Array, predicate: Predicate) -> pa.Array:
    match predicate.comparison:
        case Comparison.IS_NULL:
            return values.is_null()
        case Comparison.IS_NOT_NULL:
            return values.is_valid()
        case Comparison.IN | Comparison.NOT_IN:
            wanted = pa.array(predicate.values, values.type)
            among = pc.is_in(values, value_set=wanted)
            return (
                among
                if predicate.comparison is Comparison.IN
                else pc.and_(pc.invert(among), values.is_valid())
            )
        case Comparison.STARTS_WITH:
            return pc.starts_with(values, predicate.values[0].as_py())
        case Comparison.NOT_STARTS_WITH:
            return pc.invert(pc.starts_with(values, predicate.values[0].as_py()))
        case comparison:
            return _COMPARE[comparison](values, predicate.values[0])
