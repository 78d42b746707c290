"""What a file's columns hold, at a glance: the least and the greatest value, and the number of nulls.

A file of which this says that no row can fulfil a condition need not be read. Lists, structs, maps and columns that
hold nothing have no bounds. Strings are ordered by their UTF-8 bytes, as everywhere here.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.leaf import Comparison, Predicate
from headrace.schema import TableSchema

LONGEST: Final = 256
"""Characters, or bytes, of a bound; a longer least value is cut to them, and a longer greatest one is no bound."""

_NUMBERS: Final = (pa.int64(), pa.bool_())


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a column's values. ``low`` None: there are none; ``high`` None besides: nothing is known of the greatest."""

    low: Any
    high: Any
    nulls: int

    def joined(self, other: Range) -> Range:
        """That of the values of both."""
        nulls = self.nulls + other.nulls
        if self.low is None or other.low is None:
            known = other if self.low is None else self
            return Range(known.low, known.high, nulls)
        open_ = self.high is None or other.high is None
        return Range(min(self.low, other.low), None if open_ else max(self.high, other.high), nulls)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Ranges by column name; columns without bounds are missing. ``types`` are those of the columns."""

    ranges: Mapping[str, Range] = field(default_factory=dict)
    types: Mapping[str, pa.DataType] = field(default_factory=dict)

    def including(self, rows: pa.Table) -> Statistics:
        """These, and those of more rows of the same columns."""
        ranges = dict(self.ranges)
        for name in rows.column_names:
            found = _range(rows.column(name))
            if found is not None:
                known = ranges.get(name)
                ranges[name] = found if known is None else known.joined(found)
        return Statistics(ranges, {one.name: one.type for one in rows.schema})

    def may_hold(self, predicate: Predicate) -> bool:
        """Whether a row may fulfil ``predicate``, whose values have the column's own type."""
        range_ = self.ranges.get(predicate.column)
        if range_ is None:
            return True
        if any(value.type != self.types[predicate.column] for value in predicate.values):
            return True
        values = [_plain(value) for value in predicate.values]
        if any(isinstance(value, float) and math.isnan(value) for value in values):
            return True
        return _may_hold(range_, predicate.comparison, values)

    def encode(self) -> str:
        """As JSON text."""
        columns = {
            name: [_text(range_.low), _text(range_.high), range_.nulls]
            for name, range_ in self.ranges.items()
        }
        return json.dumps(columns, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str, schema: TableSchema) -> Statistics:
        """From ``encode``'s text for a file of this schema."""
        types = {one.name: one.type for one in schema.arrow()}
        ranges = {
            name: Range(_value(low, types[name]), _value(high, types[name]), nulls)
            for name, (low, high, nulls) in json.loads(text).items()
        }
        return cls(ranges, types)


def _range(values: pa.ChunkedArray) -> Range | None:
    type_ = values.type
    if pa.types.is_nested(type_) or pa.types.is_null(type_):
        return None
    if pa.types.is_timestamp(type_):
        values = values.cast(pa.int64())
    bounds = pc.min_max(values).as_py()
    low, high = bounds["min"], bounds["max"]
    if isinstance(low, float) and pc.any(pc.is_nan(values)).as_py():
        # SQL has NaN greater than all else; Arrow leaves it out.
        high = None
        low = -math.inf if math.isnan(low) else low
    if isinstance(low, str | bytes):
        low, high = low[:LONGEST], high if len(high) <= LONGEST else None
    return Range(low, high, values.null_count)


def _may_hold(range_: Range, comparison: Comparison, values: list[Any]) -> bool:  # noqa: PLR0911  # One return each.
    low, high = range_.low, range_.high
    if comparison is Comparison.IS_NULL:
        return range_.nulls > 0
    if low is None:
        return False
    match comparison:
        case Comparison.IS_NOT_NULL:
            return True
        case Comparison.EQUAL | Comparison.IN:
            return any(low <= value and (high is None or value <= high) for value in values)
        case Comparison.LESS:
            return bool(low < values[0])
        case Comparison.LESS_OR_EQUAL:
            return bool(low <= values[0])
        case Comparison.GREATER:
            return high is None or bool(high > values[0])
        case Comparison.GREATER_OR_EQUAL:
            return high is None or bool(high >= values[0])
        case Comparison.STARTS_WITH:
            prefix = values[0]
            return bool(low[: len(prefix)] <= prefix) and (high is None or bool(high >= prefix))
        case _:
            return True


def _plain(value: pa.Scalar) -> Any:
    return value.value if pa.types.is_timestamp(value.type) else value.as_py()


def _text(value: Any) -> Any:
    match value:
        case Decimal():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode()
        case float():
            return repr(value)
        case _:
            return value


def _value(text: Any, type_: pa.DataType) -> Any:
    if text is None or type_ in _NUMBERS:
        return text
    if pa.types.is_decimal(type_):
        return Decimal(text)
    if pa.types.is_floating(type_):
        return float(text)
    return base64.b64decode(text) if pa.types.is_binary(type_) else text
