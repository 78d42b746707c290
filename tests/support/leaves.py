"""Leaves over Arrow tables: each with its own idea of how far it carries out what it is asked."""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Fit, Predicate, RemoteLeaf, RemoteReading


@dataclass
class ScanAsked:
    """What one scan was asked, and how many rows it gave until it ended or was closed."""

    columns: tuple[str, ...]
    conditions: tuple[Condition, ...]
    limit: int | None
    given: int = 0
    ended: bool = False


@dataclass
class ArrowLeaf:
    """A leaf over ``table``, in batches of ``batch`` rows, that says ``says`` of every condition.

    EXACT gives just the rows asked for, SUPERSET every batch that has one of them, NO expects not to be asked. ``fault``
    is called before each batch with its number. ``scans`` are all that there were; ``opened`` counts readings that
    are still open, ``readings`` all.
    """

    table: pa.Table
    says: Fit = Fit.EXACT
    batch: int = 2
    fault: Callable[[int], Any] = lambda _: None
    scans: list[ScanAsked] = field(default_factory=list)
    opened: int = 0
    readings: int = 0

    def begin(self) -> ArrowReading:
        self.opened += 1
        self.readings += 1
        return ArrowReading(self)


class ArrowReading:
    def __init__(self, leaf: ArrowLeaf) -> None:
        self.cancelled = threading.Event()
        self._leaf = leaf
        self._table = leaf.table
        self._closed = False
        self._users: set[int] = set()

    @property
    def schema(self) -> pa.Schema:
        return self._table.schema

    def fit(self, condition: Condition) -> Fit:
        for predicate in predicates_of(condition):
            type_ = self._table.schema.field(predicate.column).type
            for name in predicate.field:
                type_ = type_.field(name).type
            assert all(value.is_valid and value.type == type_ for value in predicate.values)
            count = len(predicate.values)
            assert (
                count >= 1
                if predicate.comparison in _LISTS
                else count == _EXPECTED.get(predicate.comparison, 1)
            )
        return self._leaf.says

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        asked = ScanAsked(tuple(columns), tuple(conditions), limit)
        assert not (conditions and self._leaf.says is Fit.NO)
        self._leaf.scans.append(asked)
        for number, batch in enumerate(self._table.to_batches(max_chunksize=self._leaf.batch)):
            with self._alone():
                self._leaf.fault(number)
                chosen = self._chosen(batch, conditions)
                if limit is not None:
                    assert all(self.fit(one) is Fit.EXACT for one in conditions)
                    chosen = chosen.slice(0, limit - asked.given)
                asked.given += chosen.num_rows
                selected = chosen.select(list(columns))
            if selected.num_rows:
                yield selected
        asked.ended = True

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._leaf.opened -= 1

    def _chosen(self, batch: pa.RecordBatch, conditions: Sequence[Condition]) -> pa.RecordBatch:
        holds = [all(satisfied(batch, row, one) for one in conditions) for row in range(batch.num_rows)]
        if self._leaf.says is Fit.EXACT:
            return batch.filter(pa.array(holds, pa.bool_()))
        return batch if any(holds) else batch.slice(0, 0)

    def _alone(self) -> Any:
        return _Alone(self._users)


@dataclass
class FarLeaf(ArrowLeaf, RemoteLeaf):
    """One that is far away, and finds rows by the values of every column but ``m``."""

    def begin(self) -> FarReading:
        self.opened += 1
        self.readings += 1
        return FarReading(self)


class FarReading(ArrowReading, RemoteReading):
    def seeks(self, column: str) -> bool:
        return column != "m"

    def told(self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None) -> str:
        return "asked from afar"


class _Alone:
    """Fails where two threads use a reading at once."""

    def __init__(self, users: set[int]) -> None:
        self._users = users

    def __enter__(self) -> None:
        assert not self._users, "two threads use one reading"
        self._users.add(threading.get_ident())

    def __exit__(self, *_: object) -> None:
        self._users.clear()


_LISTS = (Comparison.IN, Comparison.NOT_IN)
_EXPECTED = {Comparison.IS_NULL: 0, Comparison.IS_NOT_NULL: 0}


_ORDERS: dict[Comparison, Callable[[Any, Any], bool]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.NOT_EQUAL: operator.ne,
    Comparison.LESS: operator.lt,
    Comparison.LESS_OR_EQUAL: operator.le,
    Comparison.GREATER: operator.gt,
    Comparison.GREATER_OR_EQUAL: operator.ge,
}


def predicates_of(condition: Condition) -> Iterator[Predicate]:
    if isinstance(condition, Predicate):
        yield condition
    else:
        for one in condition.conditions:
            yield from predicates_of(one)


def satisfied(batch: pa.RecordBatch, row: int, condition: Condition) -> bool:
    """The law of Condition, of one row."""
    if isinstance(condition, AllOf):
        return all(satisfied(batch, row, one) for one in condition.conditions)
    if isinstance(condition, AnyOf):
        return any(satisfied(batch, row, one) for one in condition.conditions)
    value = batch.column(condition.column)[row]
    for name in condition.field:
        value = value[name] if value.is_valid else pa.scalar(None, value.type.field(name).type)
    return satisfies(value, condition)


def satisfies(value: pa.Scalar, predicate: Predicate) -> bool:
    """The law of Predicate, in plain Python."""
    if predicate.comparison in _EXPECTED:
        return value.is_valid == (predicate.comparison is Comparison.IS_NOT_NULL)
    if not value.is_valid:
        return False
    own, wanted = _comparable(value), [_comparable(one) for one in predicate.values]
    if predicate.comparison in _LISTS:
        return (own in wanted) == (predicate.comparison is Comparison.IN)
    if predicate.comparison in (Comparison.STARTS_WITH, Comparison.NOT_STARTS_WITH):
        starts = own[: len(wanted[0])] == wanted[0]
        return bool(starts == (predicate.comparison is Comparison.STARTS_WITH))
    return bool(_ORDERS[predicate.comparison](own, wanted[0]))


def _comparable(scalar: pa.Scalar) -> Any:
    """Strings by their UTF-8 bytes; NaN equal to itself and above all else; instants by their numbers."""
    if pa.types.is_timestamp(scalar.type):
        return scalar.value
    value = scalar.as_py()
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, float):
        return (math.isnan(value), 0.0 if math.isnan(value) else value)
    return value
