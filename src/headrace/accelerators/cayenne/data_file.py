"""One immutable file of rows and its file of keys: how they are written, and how rows are found in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
import vortex

from headrace.accelerators.cayenne.condition import Expression
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
from headrace.accelerators.cayenne.key_hash import hash_keys
from headrace.accelerators.cayenne.key_index import Flags, Hashes, KeyIndex, Positions, encoded
from headrace.accelerators.cayenne.statistics import Statistics
from headrace.dataset import Compression
from headrace.durable import sync
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema

_BATCH_ROWS: Final = 65_536
_POSITION: Final = (1 << ROW_BITS) - 1
_Item = TypeVar("_Item")


class DataFile:
    """A file that the metastore names. It never changes, so any thread may read it."""

    def __init__(self, folder: Path, record: FileRecord, schema: TableSchema) -> None:
        self.record = record
        self.schema = schema
        self.path = data_path(folder, record.number)
        self.keys_path = keys_path(folder, record.number)

    @property
    def rows(self) -> int:
        """How many rows it has, dead ones too."""
        return self.record.rows

    @cached_property
    def statistics(self) -> Statistics:
        """Least and greatest values by column."""
        return Statistics.decode(self.record.statistics, self.schema)

    @cached_property
    def index(self) -> KeyIndex:
        """Where its keys are. Raises AcceleratorError."""
        with translated(f"cannot read {self.keys_path}"):
            return KeyIndex.open(self.keys_path)

    def keys_at(self, positions: Positions) -> pa.Table:
        """The key columns of the rows at ascending positions. Raises AcceleratorError."""
        # A schema's keys come first.
        return self.rows_at(positions, range(len(self.schema.keys)))

    def rows_at(self, positions: Positions, places: Sequence[int] | None = None) -> pa.Table:
        """The rows at ascending positions, of their columns those at ``places``. Raises AcceleratorError."""
        wanted = range(len(self.schema.columns)) if places is None else places
        with translated(f"cannot read {self.path}"):
            indices = vortex.array(pa.array(positions.astype(np.uint64)))
            scan = self._reader.scan([file_column(place) for place in wanted], indices=indices)
            # As one array: the rows come in as many parts as the file has.
            found = pa.Table.from_struct_array(scan.read_all().to_arrow_array())
            return from_file(found, self.schema, wanted)

    def scan(
        self,
        places: Sequence[int],
        condition: Expression | None = None,
        dead: Flags | None = None,
        *,
        views: bool = False,
    ) -> Iterator[tuple[pa.Table, int]]:
        """Columns at ``places`` of the rows that are not ``dead`` and for which ``condition`` holds, and how many there are.

        Part by part, in the file's order; ``views`` as in ``from_file``. Raises AcceleratorError.
        """
        names = [file_column(place) for place in places]
        numbered = dead is not None or not names
        asked = [*names, ROW] if numbered else names
        with translated(f"cannot read {self.path}"):
            for batch in self._reader.scan(asked, expr=condition, batch_size=_BATCH_ROWS).to_arrow():
                given = pa.Table.from_batches([batch])
                # Arrow cannot take rows out of views.
                rows = from_file(given, self.schema, places, views=views and dead is None)
                count = given.num_rows
                if dead is not None:
                    live = ~dead[given.column(ROW).to_numpy() & _POSITION]
                    rows, count = rows.filter(pa.array(live)) if names else rows, int(np.count_nonzero(live))
                yield rows, count

    def parts(self) -> Iterator[tuple[pa.Table, Positions]]:
        """All rows, as rows of ``schema``, and their ``headrace_row``, part by part. Raises AcceleratorError."""
        names = [*(file_column(place) for place in range(len(self.schema.columns))), ROW]
        with translated(f"cannot read {self.path}"):
            for batch in self._reader.scan(names, batch_size=_BATCH_ROWS).to_arrow():
                part = pa.Table.from_batches([batch])
                yield from_file(part, self.schema), part.column(ROW).to_numpy()

    def expect_whole(self) -> None:
        """Raise AcceleratorError unless both files are there as they were written."""
        for path in (self.path, self.keys_path):
            with translated(f"cannot read {path}"):
                try:
                    fault = damage(path, self.record)
                except FileNotFoundError as error:
                    raise AcceleratorError(f"{path} is not there; {CURE}") from error
            if fault:
                raise AcceleratorError(f"{path} is damaged: it has {fault}; {CURE}")

    @cached_property
    def _reader(self) -> vortex.VortexFile:
        return vortex.open(str(self.path))


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes data files into ``folder``."""

    folder: Path
    compression: Compression

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
        given = _Given(number, schema)
        batches = given.batches(first, parts)
        head = next(batches)
        _options(self.compression).write(
            pa.RecordBatchReader.from_batches(head.schema, _chained(head, batches)), str(path)
        )
        keys.write_bytes(encoded(np.concatenate(given.hashes)))
        for file in (path, keys):
            sync(file)
        sync(self.folder)
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

    def __init__(self, number: int, schema: TableSchema) -> None:
        self.rows = 0
        self.hashes: list[Hashes] = []
        self.statistics = Statistics()
        self._base = number << ROW_BITS
        self._schema = schema

    def batches(self, first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        """The rows as they lie in the file."""
        names = [column.name for column in self._schema.keys]
        for table in _chained(first, rest):
            self.hashes.append(hash_keys(table.select(names)))
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
    options = vortex.io.VortexWriteOptions
    return options.compact() if compression is Compression.ZSTD else options.default()
