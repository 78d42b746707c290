"""Rows that are stored together, some of them dead: of a data file, or of recent changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.cayenne.data_file import DataFile
from headrace.accelerators.cayenne.key_index import Flags, Hashes, KeyIndex, Positions, encoded
from headrace.accelerators.widen import widen_rows
from headrace.schema import TableSchema

NONE: Final = np.empty(0, np.int64)
"""No positions."""


class Source(Protocol):
    """Rows at positions from 0 on, which do not change."""

    @property
    def rows(self) -> int:
        """How many there are."""
        ...

    @property
    def index(self) -> KeyIndex:
        """Where their keys are."""
        ...

    def keys_at(self, positions: Positions) -> pa.Table:
        """The key columns of the rows at ascending positions."""
        ...


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows of recent commits, the last of them ``born``, in memory; ``hashes`` are those of their keys.

    ``mark`` stays the same while the rows only take other forms.
    """

    schema: TableSchema
    table: pa.Table
    hashes: Hashes
    born: int
    mark: object = field(default_factory=object)

    @property
    def rows(self) -> int:
        """How many rows there are, dead ones too."""
        return int(self.table.num_rows)

    @cached_property
    def index(self) -> KeyIndex:
        """Where the keys are."""
        return KeyIndex(encoded(self.hashes))

    def keys_at(self, positions: Positions) -> pa.Table:
        """The key columns of the rows at positions."""
        return self.table.select([key.name for key in self.schema.keys]).take(pa.array(positions))

    def widened(self, schema: TableSchema, hashes: Hashes) -> Segment:
        """The same rows with the columns of ``schema``, a join of theirs; ``hashes`` are those of their keys there."""
        return Segment(schema, widen_rows(self.table, self.schema, schema), hashes, self.born, self.mark)


_Of = TypeVar("_Of", bound=Source)


@dataclass(frozen=True, eq=False, slots=True)
class Part(Generic[_Of]):
    """A source and which of its rows are dead: one flag for each position, None if all live."""

    source: _Of
    dead: Flags | None = None
    dead_rows: int = 0

    @property
    def live_rows(self) -> int:
        """How many rows are not dead."""
        return self.source.rows - self.dead_rows

    def find(self, keys: pa.Table, hashes: Hashes) -> Positions:
        """The positions of live rows that have one of ``keys``, a table of the key columns, whose hashes these are."""
        owners, positions = self.source.index.candidates(hashes)
        if self.dead is not None:
            alive = ~self.dead[positions]
            owners, positions = owners[alive], positions[alive]
        if not len(positions):
            return NONE
        places, inverse = np.unique(positions, return_inverse=True)
        found = self.source.keys_at(places)
        same = _same_keys(found.take(pa.array(inverse)), keys.take(pa.array(owners)))
        return np.unique(positions[same])

    def without(self, positions: Positions) -> Part[_Of]:
        """The same with more rows dead."""
        if not len(positions):
            return self
        dead = np.zeros(self.source.rows, np.bool_) if self.dead is None else self.dead.copy()
        dead[positions] = True
        return replace(self, dead=dead, dead_rows=int(np.count_nonzero(dead)))

    def died_since(self, before: Part[_Of]) -> Positions:
        """The positions of rows that lived in an earlier state of the same source."""
        if self.dead is None or self.dead_rows == before.dead_rows:
            return NONE
        dead = self.dead if before.dead is None else self.dead & ~before.dead
        return np.flatnonzero(dead)

    def live_positions(self) -> Positions:
        """The positions of rows that are not dead."""
        if self.dead is None:
            return np.arange(self.source.rows)
        return np.flatnonzero(~self.dead)


FilePart = Part[DataFile]
RecentPart = Part[Segment]


def live_rows(part: FilePart, schema: TableSchema) -> Iterator[pa.Table]:
    """The rows of a file that are not dead as rows of ``schema``, part by part. Raises AcceleratorError."""
    file = part.source
    for rows, _ in file.scan(range(len(file.schema.columns)), dead=part.dead):
        yield widen_rows(rows, file.schema, schema)


def live_table(part: RecentPart) -> pa.Table:
    """The rows of a segment that are not dead."""
    table = part.source.table
    return table if part.dead is None else table.filter(pa.array(~part.dead))


def merged(parts: tuple[RecentPart, ...], sealed: int) -> tuple[RecentPart, ...]:
    """The same rows in fewer segments: each has twice as many as the next. Those born until ``sealed`` stay as they are."""
    kept = [part for part in parts if part.live_rows or part.source.born <= sealed]
    while len(kept) > 1 and kept[-2].source.born > sealed and kept[-2].live_rows < 2 * kept[-1].live_rows:
        kept[-2:] = [_joined(kept[-2], kept[-1])]
    return tuple(kept)


def _joined(one: RecentPart, other: RecentPart) -> RecentPart:
    table = pa.concat_tables([live_table(one), live_table(other)]).combine_chunks()
    hashes = np.concatenate([part.source.hashes[part.live_positions()] for part in (one, other)])
    return Part(Segment(other.source.schema, table, hashes, max(one.source.born, other.source.born)))


def _same_keys(one: pa.Table, other: pa.Table) -> Flags:
    same = np.ones(one.num_rows, np.bool_)
    for name in other.column_names:
        same &= pc.equal(one.column(name), other.column(name)).to_numpy()
    return same
