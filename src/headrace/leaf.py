"""Tables that live outside DuckDB, as statements read them: by leaf scans.

A leaf scan reads some columns of one table, without the rows that simple conditions rule out. It may give
rows that the conditions rule out, never fewer than those they let through: the statement is evaluated whole
over what comes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import pyarrow as pa


class Comparison(StrEnum):
    """What a condition asks of a column. All but IS_NULL are false for NULL."""

    EQUAL = "="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    IN = "in"
    STARTS_WITH = "starts with"
    IS_NULL = "is null"
    IS_NOT_NULL = "is not null"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on one column, by SQL's rules as DuckDB has them.

    ``values`` have the column's own Arrow type: one or more of IN, none of IS_NULL and IS_NOT_NULL, else one; none is null.
    Strings compare by their UTF-8 bytes.
    """

    column: str
    comparison: Comparison
    values: tuple[pa.Scalar, ...] = ()


class Fit(StrEnum):
    """How far a leaf carries out a predicate: exactly those rows, perhaps more of them, or all of them."""

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

    def fit(self, predicate: Predicate) -> Fit:
        """How far ``scan`` carries out ``predicate``."""
        ...

    def scan(
        self, columns: Sequence[str], predicates: Sequence[Predicate], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows that satisfy ``predicates``, those of ``columns``, as they are read.

        Strings and binaries may come as Arrow's views. Of no columns the batches still have as many rows. ``limit`` rows suffice; it holds where every predicate
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

    ``schema``, and the first scan, may wait for them. What they raise is QueryError alone.
    """

    @abstractmethod
    def told(self) -> str:
        """What is asked of the service, and what it costs, in words for EXPLAIN. Waits at most for the answer to a small request."""


class RemoteLeaf(Leaf):
    """A Leaf of such rows. ``begin`` asks for nothing yet."""

    @abstractmethod
    def begin(self) -> RemoteReading:
        """One reading, for a statement that needs rows."""

    @abstractmethod
    def outline(self) -> RemoteReading:
        """A reading for a statement that is told about and not run: it has no rows, and the columns of a sample."""
