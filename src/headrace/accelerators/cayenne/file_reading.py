"""What data files hold, row by row, and that each key lives once: the part of a checkup that needs Vortex."""
# ruff: noqa: S608 - names are quoted or ours, values are Arrow

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import vortex  # noqa: F401  # Without it no file can be read, and whoever asks is to know at once.

from headrace.accelerators.cayenne.checkup import CopyContents, Fault
from headrace.accelerators.cayenne.data_file import DataFile
from headrace.accelerators.cayenne.file_record import ROW_BITS, FileRecord, data_path
from headrace.accelerators.cayenne.key_hash import hash_keys
from headrace.accelerators.cayenne.key_index import Positions
from headrace.accelerators.cayenne.recent import last_changes
from headrace.accelerators.cayenne.statistics import Range, Statistics
from headrace.accelerators.duckdb.door import literal, translated
from headrace.accelerators.duckdb.key_hash import key_text
from headrace.accelerators.duckdb.rows import BATCH, registered
from headrace.schema import TableSchema

_MEMORY: Final = 512
"""MiB that keys may take before they go to the disk."""

_TOLD: Final = 20
"""Keys that are told of those that live twice."""

_PLACE: Final = "headrace_place"

_RECENT: Final = 0
"""In place of a file's number, which is greater: level 0."""


class FileReading:
    """Reads files of one folder, and remembers the keys of their rows on the disk. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spill = tempfile.mkdtemp(prefix="headrace-verify-")
        self._begun: set[int] = set()
        self._connection = duckdb.connect(":memory:")
        for statement in (
            f"SET memory_limit = '{_MEMORY}MiB'",
            f"SET temp_directory = {literal(self._spill)}",
            "SET TimeZone = 'UTC'",
            "CREATE TABLE keys (file BIGINT, place BIGINT, key VARCHAR[])",
            "CREATE TABLE dead (file BIGINT, place BIGINT)",
            "CREATE TABLE part (file BIGINT)",
        ):
            self._connection.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def read(self, record: FileRecord, schema: TableSchema) -> list[Fault]:
        """What is wrong with a file whose bytes are those that were written. Raises AcceleratorError."""
        file = DataFile(self._folder, record, schema)
        if record.number in self._begun:
            # It vanished while it was read: what came of it does not count twice.
            self._connection.execute(f"DELETE FROM keys WHERE file = {record.number}")
        self._begun.add(record.number)
        found, statistics, wrong, before = 0, Statistics(), set[str](), None
        for rows, numbers in file.parts():
            places = np.arange(found, found + rows.num_rows)
            keys = rows.select([column.name for column in schema.keys])
            wrong.update(self._wrong(file, keys, numbers, places))
            if not _ascending(keys if before is None else pa.concat_tables([before, keys])):
                wrong.add("its rows are not in the order of their keys")
            statistics = statistics.including(rows)
            self._remember(record.number, keys, schema, places)
            found, before = found + rows.num_rows, keys.slice(rows.num_rows - 1)
        if found != record.rows:
            wrong.add(f"it has {found:,} rows, and should have {record.rows:,}")
        wrong.update(
            f"the statistics of its column {one} are not true" for one in _untrue(file.statistics, statistics)
        )
        return [Fault(file.path.name, one) for one in sorted(wrong)]

    def live(self, copy: CopyContents) -> tuple[int, list[Fault]]:
        """How many rows of a copy live, and a fault for each key that does so twice, up to some."""
        connection = self._connection
        for table in ("dead", "part"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(f"DELETE FROM keys WHERE file = {_RECENT}")
        self._insert("part", pa.table({"file": pa.array([file.number for file in copy.files], pa.int64())}))
        for number, positions in copy.deletions.items():
            self._insert("dead", pa.table({"file": pa.repeat(number, len(positions)), "place": positions}))
        last, removed = last_changes(copy.recent, copy.schema)
        self._remember(_RECENT, last.select(_key_names(copy.schema)), copy.schema, np.arange(last.num_rows))
        living = "FROM keys SEMI JOIN part USING (file) ANTI JOIN dead USING (file, place)"
        with translated("cannot compare the keys"):
            ((rows,),) = connection.execute(f"SELECT count(*) {living}").fetchall()
            twice = connection.execute(
                f"SELECT key, list(file ORDER BY file), list(place ORDER BY file) FROM (SELECT * {living} UNION ALL "
                f"SELECT * FROM keys WHERE file = {_RECENT}) GROUP BY key HAVING count(*) > 1 ORDER BY key LIMIT {_TOLD}"
            ).fetchall()
        faults = [_twice(copy, key, list(zip(files, places, strict=True))) for key, files, places in twice]
        return rows + pc.sum(pc.invert(removed), min_count=0).as_py(), faults

    def _wrong(self, file: DataFile, keys: pa.Table, numbers: Positions, places: Positions) -> Iterator[str]:
        bases = np.unique(numbers - places)
        if len(bases) != 1 or bases[0] % (1 << ROW_BITS):
            yield "its rows do not have the numbers of their places"
        if any(keys.column(name).null_count for name in keys.column_names):
            yield "a row has no key"
        if file.index.rows != file.record.rows:
            yield f"{file.keys_path.name} has {file.index.rows:,} keys, and should have {file.record.rows:,}"
        owners, positions = file.index.candidates(hash_keys(keys))
        lost = np.setdiff1d(places, positions[positions == places[owners]])
        if len(lost):
            yield f"{file.keys_path.name} does not lead to the key of row {lost[0]:,}"

    def _remember(self, file: int, keys: pa.Table, schema: TableSchema, places: Positions) -> None:
        texts = ", ".join(key_text(column) for column in schema.keys)
        with registered(self._connection, keys.append_column(_PLACE, pa.array(places))):
            self._connection.execute(f"INSERT INTO keys SELECT {file}, {_PLACE}, [{texts}] FROM {BATCH}")

    def _insert(self, table: str, rows: pa.Table) -> None:
        with registered(self._connection, rows):
            self._connection.execute(f"INSERT INTO {table} SELECT * FROM {BATCH}")


def _twice(copy: CopyContents, key: list[str], places: list[tuple[int, int]]) -> Fault:
    where = [
        "level 0" if file == _RECENT else f"row {place:,} of {data_path(Path(), file).name}"
        for file, place in places
    ]
    return Fault(
        f"the {copy.target} copy", f"the key {' / '.join(key)} lives {len(where)} times: {', '.join(where)}"
    )


def _key_names(schema: TableSchema) -> list[str]:
    return [column.name for column in schema.keys]


def _ascending(keys: pa.Table) -> bool:
    """Whether each row is greater than the one before it, by its first column, then by the next."""
    columns = [column.combine_chunks() for column in keys.columns]
    later: pa.BooleanArray = pa.repeat(pa.scalar(value=False), max(keys.num_rows - 1, 0))
    for column in reversed(columns):
        one, two = column.slice(0, max(len(column) - 1, 0)), column.slice(1)
        later = pc.or_kleene(pc.less(one, two), pc.and_kleene(pc.equal(one, two), later))
    return pc.all(later, min_count=0).as_py() is True


def _untrue(told: Statistics, true: Statistics) -> Iterator[str]:
    """The columns whose values are not within the bounds that were told of them."""
    for name, bounds in told.ranges.items():
        held = true.ranges.get(name)
        if held is None or not _within(held, bounds):
            yield name


def _within(held: Range, bounds: Range) -> bool:
    if held.nulls != bounds.nulls:
        return False
    if bounds.low is None or held.low is None:
        return held.low is None
    if bounds.low > held.low:
        return False
    return bounds.high is None or (held.high is not None and held.high <= bounds.high)
