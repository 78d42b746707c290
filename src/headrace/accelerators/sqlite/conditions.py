"""Conditions of statements as SQLite's SQL, where it answers them as DuckDB would.

Texts compare by the bytes of their UTF-8 (the BINARY collation), binary values by their bytes, booleans and times as
their numbers. Decimals are stored as their plain digits: equal ones have equal texts, and that is all.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from headrace.accelerators.sqlite.door import quoted
from headrace.accelerators.sqlite.storage import Stored, parameter
from headrace.column_type import ColumnType
from headrace.leaf import AllOf, Comparison, Condition, Fit, Predicate, affirmed

MOST_VALUES: Final = 1000
"""Values of one IN beyond which DuckDB finds them itself."""

MOST_PARAMETERS: Final = 32_766
"""Values of one statement (sqlite.org/limits.html)."""

MOST_DEPTH: Final = 4
"""Conditions within conditions. Some releases of SQLite read no more than 30 parentheses within one another, and none more than
1,000 levels of a tree, of which a row takes one for each part (sqlite.org/limits.html)."""

_LONGEST_ROW: Final = 100
_NULLS: Final = {Comparison.IS_NULL: "IS NULL", Comparison.IS_NOT_NULL: "IS NOT NULL"}
_EQUALITIES: Final = (Comparison.EQUAL, Comparison.IN)
_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """A condition as SQL, with its parameters."""

    sql: str
    values: tuple[Stored, ...] = ()


def fit(condition: Condition, types: Mapping[str, ColumnType]) -> Fit:
    """Whether SQLite carries a condition out on columns of ``types``: EXACT, or NO."""
    if not isinstance(condition, Predicate):
        exact = all(fit(one, types) is Fit.EXACT for one in condition.conditions)
        return Fit.EXACT if exact and _depth(condition) <= MOST_DEPTH else Fit.NO
    type_ = types.get(condition.column)
    if type_ is None or condition.field:
        return Fit.NO
    return Fit.EXACT if _is_exact(affirmed(condition), type_.arrow()) else Fit.NO


def where(condition: Condition) -> SqlCondition:
    """A condition that SQLite carries out."""
    if not isinstance(condition, Predicate):
        parts = [where(one) for one in condition.conditions]
        return joined(parts, " AND " if isinstance(condition, AllOf) else " OR ")
    plain = affirmed(condition)
    found = _affirmed(plain)
    return found if plain is condition else SqlCondition(f"NOT ({found.sql})", found.values)


def joined(parts: Sequence[SqlCondition], word: str) -> SqlCondition:
    """One or more as one. SQLite takes a long row of them for one that is nested as deep, so such a row is cut."""
    if len(parts) > _LONGEST_ROW:
        rows = [
            joined(parts[first : first + _LONGEST_ROW], word) for first in range(0, len(parts), _LONGEST_ROW)
        ]
        return joined(rows, word)
    values = tuple(value for part in parts for value in part.values)
    return SqlCondition(f"({word.join(part.sql for part in parts)})", values)


def _depth(condition: Condition) -> int:
    return 0 if isinstance(condition, Predicate) else 1 + max(map(_depth, condition.conditions))


def _affirmed(predicate: Predicate) -> SqlCondition:
    column = quoted(predicate.column)
    values = tuple(parameter(value) for value in predicate.values)
    match predicate.comparison:
        case Comparison.IS_NULL | Comparison.IS_NOT_NULL as comparison:
            return SqlCondition(f"{column} {_NULLS[comparison]}")
        case Comparison.IN:
            return SqlCondition(f"{column} IN ({', '.join('?' * len(values))})", values)
        case Comparison.STARTS_WITH:
            return _starting(column, str(values[0]))
        case comparison:
            return SqlCondition(f"{column} {comparison} ?", values)


def _is_exact(predicate: Predicate, stored: pa.DataType) -> bool:
    if predicate.comparison in _NULLS:
        return True
    if pa.types.is_nested(stored) or len(predicate.values) > MOST_VALUES:
        return False
    if pa.types.is_floating(stored) and _has_nan(predicate.values):
        # To DuckDB it is the greatest number, to SQLite it is NULL.
        return False
    if predicate.comparison is Comparison.STARTS_WITH:
        return bool(pa.types.is_string(stored))
    return not pa.types.is_decimal(stored) or predicate.comparison in _EQUALITIES


def _has_nan(values: Sequence[pa.Scalar]) -> bool:
    return any(math.isnan(value.as_py()) for value in values)


def after_prefix(prefix: str) -> str | None:
    """The least text, by bytes, that is greater than all that start with ``prefix``; None if there is none."""
    kept = prefix.rstrip(chr(sys.maxunicode))
    if not kept:
        return None
    after = ord(kept[-1]) + 1
    after = _AFTER_SURROGATES if after == _FIRST_SURROGATE else after
    return kept[:-1] + chr(after)


def _starting(column: str, prefix: str) -> SqlCondition:
    """A range, which an index serves too, and which a NUL does not end."""
    after = after_prefix(prefix)
    if after is None:
        return SqlCondition(f"{column} >= ?", (prefix,))
    return SqlCondition(f"({column} >= ? AND {column} < ?)", (prefix, after))
