"""Tables that live outside DuckDB, as statements read them: by leaf scans.

A leaf scan reads some columns of one table, without the rows that conditions rule out. It may give
rows that the conditions rule out, never fewer than those they let through: the statement is evaluated whole
over what comes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

import pyarrow as pa


class Comparison(StrEnum):
    """What a predicate asks of a value. All but IS_NULL are not true for NULL."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "in"
    NOT_IN = "not in"
    STARTS_WITH = "starts with"
    NOT_STARTS_WITH = "not starts with"
    IS_NULL = "is null"
    IS_NOT_NULL = "is not null"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on one column, or with ``field`` on what stands in its structs under these names, outermost first.

    It holds by SQL's rules as DuckDB has them. ``values`` have the Arrow type of the column or the field: one or more of
    IN and NOT_IN, none of IS_NULL and IS_NOT_NULL, else one; none is null. Strings compare by their UTF-8 bytes.
    """

    column: str
    comparison: Comparison
    values: tuple[pa.Scalar, ...] = ()
    field: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AllOf:
    """Conditions that are all true; two or more."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Conditions of which one at least is true; two or more."""

    conditions: tuple[Condition, ...]


Condition = Predicate | AllOf | AnyOf
"""What rows must satisfy. There is no NOT: each comparison has its opposite, which is not true for NULL either."""

_AFFIRMED: Final = {
    Comparison.NOT_EQUAL: Comparison.EQUAL,
    Comparison.NOT_IN: Comparison.IN,
    Comparison.NOT_STARTS_WITH: Comparison.STARTS_WITH,
}


def affirmed(predicate: Predicate) -> Predicate:
    """The predicate whose NOT it is, if its comparison is an opposite; else itself."""
    comparison = _AFFIRMED.get(predicate.comparison)
    return predicate if comparison is None else replace(predicate, comparison=comparison)


def simple(condition: Condition) -> Predicate | None:
    """``condition`` if it is one predicate on a whole column and none of the opposites; else None."""
    if isinstance(condition, Predicate) and not condition.field and condition.comparison not in _AFFIRMED:
        return condition
    return None


class Fit(StrEnum):
    """How far a leaf carries out a condition: exactly those rows, perhaps more of them, or all of them."""

    EXACT = "exact"
    SUPERSET = "superset"
    NO = "no"


class LeafReading(Protocol):
    """One commit of a table, for one statement. All of its scans see that commit, whatever commits meanwhile.

    Methods raise AcceleratorError, or QueryError where the statement is at fault. ``cancel`` may be called by any thread,
    all else by several threads in turn.
    """

    @property
    def schema(self) -> pa.Schema:
        """The columns as queries see them, in their order."""
        ...

    def fit(self, condition: Condition) -> Fit:
        """How far ``scan`` carries out ``condition``."""
        ...

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows that satisfy ``conditions``, those of ``columns``, as they are read.

        Strings and binaries may come as Arrow's views. Of no columns the batches still have as many rows. ``limit`` rows suffice; it holds where every condition
        is EXACT. Scans may be read in turn. One that is not read to its end is closed.
        """
        ...

    def cancel(self) -> None:
        """Let a scan that runs fail soon."""
        ...

    def close(self) -> None:
        """Let go of the commit. Safe to call twice."""
        ...


class Leaf(Protocol):
    """A table outside DuckDB that statements may read."""

    def begin(self) -> LeafReading:
        """The newest commit, held until it is closed. Any thread may ask. Raises AcceleratorError."""
        ...


class RemoteReading(LeafReading):
    """A LeafReading of rows that are far away: to read them takes long, and costs something.

    Its scans are not of one moment, and each asks anew. ``schema`` may wait for the columns of a sample; a scan that
    meets an item that these do not hold raises LeafWidened before it gives a row that lacks something, and another reading
    knows the item's columns too. All else that they raise is QueryError.
    """

    @abstractmethod
    def seeks(self, column: str) -> bool:
        """Whether rows with given values in ``column`` are found without reading all others."""

    @abstractmethod
    def told(self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None) -> str:
        """What such a scan asks of the service, and what that costs, in words for EXPLAIN.

        Waits at most for the answer to small requests.
        """


class RemoteLeaf(Leaf):
    """A Leaf of such rows. ``begin`` asks for nothing yet."""

    @abstractmethod
    def begin(self) -> RemoteReading:
        """One reading, for one run of a statement."""
