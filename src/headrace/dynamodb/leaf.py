"""A table of DynamoDB as statements read it while there is no copy of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Final

import pyarrow as pa

from headrace.dynamodb.gathering import Gathering, Rows
from headrace.leaf import Condition, Fit, RemoteLeaf, RemoteReading

READ_UNIT: Final = 4096
"""Bytes that one read unit reads, twice as many where it reads eventually consistently.

Amazon DynamoDB Developer Guide, "DynamoDB read consistency" and "Capacity unit consumption for read operations".
"""


class TableLeaf(RemoteLeaf):
    """A table that each statement reads by a Scan of its own, made by ``gathering``.

    ``consistent`` says how it reads: it matters for the price alone.
    """

    def __init__(self, gathering: Callable[[], Gathering], *, consistent: bool) -> None:
        self._gathering = gathering
        self._consistent = consistent

    def begin(self) -> TableReading:
        """A reading whose Scan begins with the first question."""
        gathering = self._gathering()
        return TableReading(gathering, gathering.whole, consistent=self._consistent)

    def outline(self) -> TableReading:
        """A reading without a Scan."""
        gathering = self._gathering()
        return TableReading(gathering, gathering.sample, consistent=self._consistent)


class TableReading(RemoteReading):
    """The items of a table as ``gather`` gives them, once."""

    def __init__(self, gathering: Gathering, gather: Callable[[], Rows], *, consistent: bool) -> None:
        self._gathering = gathering
        self._gather = gather
        self._consistent = consistent

    @cached_property
    def _rows(self) -> Rows:
        return self._gather()

    @property
    def schema(self) -> pa.Schema:
        """The columns of all items: known once all are read."""
        return self._rows.schema.arrow()

    def fit(self, condition: Condition) -> Fit:
        """DynamoDB is asked for no condition yet."""
        del condition
        return Fit.NO

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows, those of ``columns``; at most ``limit``, since there are no conditions that it could miss."""
        del conditions
        left = limit
        for batch in self._rows.batches:
            chosen = batch.select(list(columns)).slice(0, left)
            if left is not None:
                left -= chosen.num_rows
            if chosen.num_rows:
                yield chosen

    def told(self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None) -> str:
        """The Scan, and an estimate of the read units that it takes."""
        del columns, conditions, limit
        table = self._gathering.table()
        segments = self._gathering.segments(table)
        units = math.ceil(table.size_bytes / READ_UNIT) * (1 if self._consistent else 0.5)
        reads = "strongly" if self._consistent else "eventually"
        return (
            f"DynamoDB Scan in {segments} segment{'s'[: segments > 1]}, {reads} consistent; about {units:,.0f} read units "
            f"for {table.item_count:,} items of {table.size_bytes:,} bytes"
        )

    def cancel(self) -> None:
        """Let the Scan fail soon."""
        self._gathering.cancel()

    def close(self) -> None:
        """Let go of the rows. Safe to call twice."""
        self._gathering.cancel()
        self.__dict__.pop("_rows", None)
