"""How a table or an index is asked by its key: which partitions, and what of the sort key.

Rules: Amazon DynamoDB Developer Guide, "Key condition expressions for the Query operation", "Constraints in Amazon
DynamoDB" (partition keys of 1 to 2,048 bytes, sort keys of 1 to 1,024).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from headrace.attribute import AttributeValue, BrokenValue, digits_of
from headrace.column_name import Path
from headrace.column_type import ColumnType, Kind
from headrace.dynamodb.asked_value import Unsayable, asked_value, text
from headrace.dynamodb.bounds import Bounds, End, comparable, holds
from headrace.dynamodb.expression import Expression, all_of, between, called, compared, one_of
from headrace.dynamodb.time_texts import first_text, last_text
from headrace.leaf import Comparison, Condition, Predicate
from headrace.schema import Column
from headrace.table_shape import KeyPart, Shelf

MOST_PARTITION_BYTES: Final = 2048
MOST_SORT_BYTES: Final = 1024

_KINDS: Final = {"S": Kind.TEXT, "N": Kind.NUMBER, "B": Kind.BINARY}
_LOW: Final = (Comparison.GREATER, Comparison.GREATER_OR_EQUAL)
_HIGH: Final = (Comparison.LESS, Comparison.LESS_OR_EQUAL)


@dataclass(frozen=True, slots=True)
class SortRange:
    """One condition on a sort key: between two values, from one, up to one, or by a prefix.

    ``low`` and ``high`` are the ends as they were asked for; None where the range has none, or only a wider one.
    """

    expression: Expression
    low: End | None = None
    high: End | None = None
    prefix: pa.Scalar | None = None

    def carries(self, part: Condition) -> bool:
        """Whether all that is in the range satisfies a conjunct about the sort key."""
        if not isinstance(part, Predicate):
            return False
        if part.comparison is Comparison.IS_NOT_NULL:
            return True
        if part.comparison is Comparison.STARTS_WITH:
            return self.prefix is not None and holds(part, self.prefix)
        low, high = self.low is not None, self.high is not None
        if low and high:
            # Of a range with both ends, both are in it.
            return part.comparison in (*_LOW, *_HIGH) and all(
                holds(part, end.value) for end in (self.low, self.high) if end is not None
            )
        # A range with one end has the innermost of those that were asked for.
        return (low and part.comparison in _LOW) or (high and part.comparison in _HIGH)


@dataclass(frozen=True, slots=True)
class Way:
    """The keys by which a shelf is asked: pairs of partition key and sort key, or of the partition key and None.

    ``full``: the shelf's whole key is known.
    """

    shelf: Shelf
    keys: tuple[tuple[AttributeValue, AttributeValue | None], ...]
    full: bool
    range: SortRange | None = None

    @property
    def rank(self) -> tuple[int, int, int, int, str]:
        """The less, the cheaper."""
        shelf, name = self.shelf, self.shelf.name or ""
        if shelf.name is None and self.full:
            return 0, 0, 0, 0, name
        bound = 0 if self.full else 2 if self.range is None else 1
        if shelf.name is None or shelf.local:
            return 1, int(bound == 2), int(shelf.local), 0, name  # noqa: PLR2004  # Not bound at all.
        return 2, bound, 0, shelf.size_bytes, name

    @property
    def text(self) -> str:
        """The key condition of all requests, for people."""
        said = [one_of((self.shelf.partition.name,), _distinct(one for one, _ in self.keys))]
        sorts = _distinct(sort for _, sort in self.keys if sort is not None)
        if self.shelf.sort is not None and sorts:
            said.append(one_of((self.shelf.sort.name,), sorts))
        if self.range is not None:
            said.append(self.range.expression)
        return all_of(said).text

    def condition(self, key: tuple[AttributeValue, AttributeValue | None]) -> Expression:
        """The key condition of the request for one of ``keys``."""
        partition, sort = key
        said = [compared((self.shelf.partition.name,), "=", partition)]
        if self.shelf.sort is not None and sort is not None:
            said.append(compared((self.shelf.sort.name,), "=", sort))
        if self.range is not None:
            said.append(self.range.expression)
        return all_of(said)


def usable_values(
    part: KeyPart, column: Column | None, bounds: Bounds, most_bytes: int
) -> tuple[AttributeValue, ...] | None:
    """The values of a key attribute that ``bounds`` leave, where these are listed; None where they are not.

    A value that no key has is left out.
    """
    if column is None or bounds.equals is None or not _is_alike(part, column.type):
        return None
    found: list[AttributeValue] = []
    for value in bounds.equals:
        said = _key_value(value, column.type)
        if said is not None and 0 < _size(said) <= most_bytes:
            found.append(said)
    return tuple(found)


def sort_range(part: KeyPart, column: Column | None, bounds: Bounds) -> SortRange | None:
    """The one condition on a sort key that leaves the least; None where there is none."""
    if column is not None and part.tag == "S" and column.type.kind is Kind.TIME:
        return _time_range((part.name,), column.type, bounds)
    as_text = column is not None and part.tag == "N" and pa.types.is_string(column.type.arrow())
    if column is None or as_text or not _is_alike(part, column.type):
        return None
    if bounds.prefix is not None and (prefix := _bound(bounds.prefix, column.type)) is not None:
        return SortRange(called("begins_with", (part.name,), prefix), prefix=bounds.prefix)
    return _between((part.name,), column.type, bounds)


def _between(path: Path, type_: ColumnType, bounds: Bounds) -> SortRange | None:
    low = None if bounds.low is None else _bound(bounds.low.value, type_)
    high = None if bounds.high is None else _bound(bounds.high.value, type_)
    if low is not None and high is not None:
        return SortRange(between(path, low, high), bounds.low, bounds.high)
    if low is not None and bounds.low is not None:
        return SortRange(compared(path, ">=" if bounds.low.included else ">", low), low=bounds.low)
    if high is not None and bounds.high is not None:
        return SortRange(compared(path, "<=" if bounds.high.included else "<", high), high=bounds.high)
    return None


def _time_range(path: Path, type_: ColumnType, bounds: Bounds) -> SortRange | None:
    """A range of days, which carries no condition wholly."""
    assert type_.times is not None, "a TIME has times"
    equals = bounds.equals or ()
    least = min(equals, key=comparable) if equals else None if bounds.low is None else bounds.low.value
    most = max(equals, key=comparable) if equals else None if bounds.high is None else bounds.high.value
    low = None if least is None else first_text(type_.times, least)
    high = None if most is None else last_text(type_.times, most)
    if low is not None and high is not None:
        return SortRange(between(path, text(low), text(high)))
    if low is not None:
        return SortRange(compared(path, ">=", text(low)))
    return None if high is None else SortRange(compared(path, "<=", text(high)))


def _is_alike(part: KeyPart, type_: ColumnType) -> bool:
    """Whether the column has the values of the key's type as they are."""
    rounded = type_.digits is not None and type_.digits.rounded
    return _KINDS[part.tag] is type_.kind and not rounded


def _key_value(value: pa.Scalar, type_: ColumnType) -> AttributeValue | None:
    try:
        if type_.kind is Kind.NUMBER and pa.types.is_string(value.type):
            written: str = value.as_py()
            return {"N": written} if digits_of(written) == written else None
        return asked_value(value)
    except (Unsayable, BrokenValue):
        return None


def _bound(value: pa.Scalar, type_: ColumnType) -> AttributeValue | None:
    said = _key_value(value, type_)
    return said if said is not None and 0 < _size(said) <= MOST_SORT_BYTES else None


def _size(value: AttributeValue) -> int:
    ((tag, content),) = value.items()
    if tag == "B":
        return len(base64.b64decode(content))
    return len(content.encode()) if tag == "S" else 1


def _distinct(values: Iterable[AttributeValue]) -> list[AttributeValue]:
    return list({next(iter(value.values())): value for value in values}.values())
