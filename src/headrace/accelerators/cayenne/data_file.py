"""One immutable file of rows and its file of keys: how they are written, and how rows are found in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.cayenne.door import translated
from headrace.accelerators.cayenne.file_record import (
    CURE,
    ROW_BITS,
    FileRecord,
    Written,
    checksum_of,
    damage,
    data_path,
    discard,
    keys_path,
)
from headrace.accelerators.cayenne.forms import ROW, file_column, from_file, in_file
from headrace.accelerators.cayenne.key_index import Hashes, KeyIndex, Positions, encoded
from headrace.accelerators.cayenne.statistics import Statistics
from headrace.dataset import Compression
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema

if TYPE_CHECKING:
    import vortex

_BATCH_ROWS: Final = 65_536
NONE: Final = np.empty(0, np.int64)
"""No positions."""

_Item = TypeVar("_Item")


class DataFile:
    """A file that the metastore names, and which of its rows are dead (deleted, or replaced elsewhere).

    ``dead`` has one flag for each position. It changes with commits only, under the accelerator's lock.
    """

    def __init__(self, folder: Path, record: FileRecord, schema: TableSchema) -> None:
        self.record = record
        self.schema = schema
        self.path = data_path(folder, record.number)
        self.keys_path = keys_path(folder, record.number)
        self.dead: npt.NDArray[np.bool_] = np.zeros(record.rows, np.bool_)
        self.dead_rows = 0

    @property
    def number(self) -> int:
        """The file's number."""
        return self.record.number

    @property
    def live_rows(self) -> int:
        """How many rows are not dead."""
        return self.record.rows - self.dead_rows

    @cached_property
    def statistics(self) -> Statistics:
        """Least and greatest values by column."""
        return Statistics.decode(self.record.statistics, self.schema)

    def kill(self, positions: Positions) -> None:
        """Mark rows as dead."""
        self.dead[positions] = True
        self.dead_rows = int(np.count_nonzero(self.dead))

    def find(self, keys: pa.Table, hashes: Hashes) -> Positions:
        """The positions of live rows that have one of ``keys``, a table of the key columns, whose hashes these are.

        Raises AcceleratorError.
        """
        owners, positions = self.index.candidates(hashes)
        alive = ~self.dead[positions]
        owners, positions = owners[alive], positions[alive]
        if not len(positions):
            return NONE
        places, inverse = np.unique(positions, return_inverse=True)
        found = self.keys_at(places)
        same = _same_keys(found.take(pa.array(inverse)), keys.take(pa.array(owners)))
        return np.unique(positions[same])

    def keys_at(self, positions: Positions) -> pa.Table:
        """The key columns of the rows at ascending positions. Raises AcceleratorError."""
        # A schema's keys come first.
        keys = TableSchema(self.schema.keys)
        names = [file_column(place) for place in range(len(keys.columns))]
        with translated(f"cannot read {self.path}"):
            import vortex

            scan = self._reader.scan(names, indices=vortex.array(pa.array(positions.astype(np.uint64))))
            return from_file(scan.to_arrow().read_all(), keys)

    def live(self) -> Iterator[pa.Table]:
        """The rows that are not dead, part by part, as rows of ``schema``. Raises AcceleratorError."""
        first = 0
        for rows, _ in self.parts():
            alive = ~self.dead[first : first + rows.num_rows]
            first += rows.num_rows
            yield rows.filter(pa.array(alive))
        if first != self.record.rows:
            raise AcceleratorError(f"{self.path} has {first:,} rows, and should have {self.record.rows:,}")

    def parts(self) -> Iterator[tuple[pa.Table, Positions]]:
        """All rows, as rows of ``schema``, and their ``headrace_row``, part by part. Raises AcceleratorError."""
        names = [*(file_column(place) for place in range(len(self.schema.columns))), ROW]
        with translated(f"cannot read {self.path}"):
            for batch in self._reader.scan(names, batch_size=_BATCH_ROWS).to_arrow():
                part = pa.Table.from_batches([batch])
                yield from_file(part, self.schema), part.column(ROW).to_numpy()

    def expect_whole(self) -> None:
        """Raise AcceleratorError unless both files are there as they were written.

        A Vortex file that is damaged may end the process that reads it: it must not come so far.
        """
        for path in (self.path, self.keys_path):
            with translated(f"cannot read {path}"):
                try:
                    fault = damage(path, self.record)
                except FileNotFoundError as error:
                    raise AcceleratorError(f"{path} is not there; {CURE}") from error
            if fault:
                raise AcceleratorError(f"{path} is damaged: it has {fault}; {CURE}")

    @cached_property
    def index(self) -> KeyIndex:
        """Where its keys are. Raises AcceleratorError."""
        with translated(f"cannot read {self.keys_path}"):
            return KeyIndex.open(self.keys_path)

    @cached_property
    def _reader(self) -> vortex.VortexFile:
        import vortex

        return vortex.open(str(self.path))


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes data files into ``folder``; ``hash_keys`` gives the hashes of a table of key columns."""

    folder: Path
    compression: Compression
    hash_keys: Callable[[pa.Table, TableSchema], Hashes]

    def write(self, number: int, schema: TableSchema, tables: Iterable[pa.Table]) -> Written | None:
        """Write rows of ``schema``, ordered by key, as the file of this number; durable on return.

        None, and no file, if there are no rows. Raises AcceleratorFull, AcceleratorError: then there are no files either.
        """
        path, keys = data_path(self.folder, number), keys_path(self.folder, number)
        try:
            with translated(f"cannot write {path}"):
                return self._written(number, schema, tables, path, keys)
        except BaseException:
            discard(self.folder, number)
            raise

    def _written(
        self, number: int, schema: TableSchema, tables: Iterable[pa.Table], path: Path, keys: Path
    ) -> Written | None:
        parts = (part for table in tables for part in _parts(table))
        first = next(parts, None)
        if first is None:
            return None
        given = _Given(number, schema, self.hash_keys)
        batches = given.batches(first, parts)
        head = next(batches)
        _options(self.compression).write(
            pa.RecordBatchReader.from_batches(head.schema, _chained(head, batches)), str(path)
        )
        keys.write_bytes(encoded(np.concatenate(given.hashes)))
        for file in (path, keys):
            _sync(file)
        _sync(self.folder)
        return Written(
            number,
            given.rows,
            path.stat().st_size,
            checksum_of(path),
            keys.stat().st_size,
            checksum_of(keys),
            given.statistics.encode(),
        )


class _Given:
    """The rows on their way into a file: numbered, hashed and measured as they pass."""

    def __init__(
        self, number: int, schema: TableSchema, hash_keys: Callable[[pa.Table, TableSchema], Hashes]
    ) -> None:
        self.rows = 0
        self.hashes: list[Hashes] = []
        self.statistics = Statistics()
        self._base = number << ROW_BITS
        self._schema = schema
        self._hash_keys = hash_keys

    def batches(self, first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        """The rows as they lie in the file."""
        names = [column.name for column in self._schema.keys]
        for table in _chained(first, rest):
            self.hashes.append(self._hash_keys(table.select(names), self._schema))
            self.statistics = self.statistics.including(table)
            places = np.arange(self.rows, self.rows + table.num_rows) + self._base
            self.rows += table.num_rows
            stored = in_file(table, self._schema).append_column(ROW, pa.array(places))
            (batch,) = stored.combine_chunks().to_batches()
            yield batch


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    for first in range(0, table.num_rows, _BATCH_ROWS):
        yield table.slice(first, _BATCH_ROWS).combine_chunks()


def _chained(first: _Item, rest: Iterator[_Item]) -> Iterator[_Item]:
    yield first
    yield from rest


def _options(compression: Compression) -> vortex.io.VortexWriteOptions:
    import vortex

    options = vortex.io.VortexWriteOptions
    return options.compact() if compression is Compression.ZSTD else options.default()


def _same_keys(one: pa.Table, other: pa.Table) -> npt.NDArray[np.bool_]:
    same = np.ones(one.num_rows, np.bool_)
    for name in other.column_names:
        same &= pc.equal(one.column(name), other.column(name)).to_numpy()
    return same


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
