"""What DuckDB holds of a dataset: its recent rows, which rows of its files are dead, and the view that unites them.

The face is a database in memory that follows the metastore: made from it when the dataset is opened, changed with each
of its commits, and lost with the process. Each copy has a table of recent rows, one of dead rows of files, and a view;
that of the live copy bears the dataset's name and is what users query. The view reads files without dead rows as they
are: only for the others DuckDB asks of each row whether it is dead, some ten nanoseconds a row.
"""
# ruff: noqa: S608 - names are quoted or ours, values are Arrow

from __future__ import annotations

from collections.abc import Container, Generator, Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.cayenne.data_file import DataFile
from headrace.accelerators.cayenne.file_record import ROW_BITS
from headrace.accelerators.cayenne.forms import ROW, select_list
from headrace.accelerators.cayenne.key_index import Hashes, Positions
from headrace.accelerators.duckdb.casts import restored, sql_type
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.accelerators.duckdb.key_hash import key_hash
from headrace.accelerators.duckdb.rows import BATCH, registered
from headrace.accelerators.widen import widen_rows
from headrace.schema import TableSchema

BUILDING_VIEW = "headrace_building"
"""The view of the copy that is being built."""


@dataclass(frozen=True, slots=True)
class Face:
    """The tables inside a transaction of DuckDB's that someone else holds. Methods raise what DuckDB raises."""

    connection: duckdb.DuckDBPyConnection
    dataset: str

    def clear(self) -> None:
        """Remove everything."""
        for kind in ("view", "table"):
            found = self.connection.execute(
                f"SELECT {kind}_name FROM duckdb_{kind}s() WHERE database_name = current_database() AND NOT internal"
            ).fetchall()
            for (name,) in found:
                self.connection.execute(f"DROP {kind} {quoted(name)}")

    def create(self, copy: int, schema: TableSchema) -> None:
        """Make the empty tables of a copy."""
        self.connection.execute(_creation(copy, schema))
        self.connection.execute(f"CREATE TABLE {_dead(copy)} ({ROW} BIGINT NOT NULL)")

    def drop(self, copy: int, target: Target) -> None:
        """Remove the tables and the view of a copy."""
        self.hide(target)
        self.connection.execute(f"DROP TABLE {_recent(copy)}")
        self.connection.execute(f"DROP TABLE {_dead(copy)}")

    def show(
        self, copy: int, target: Target, schema: TableSchema, files: Iterable[DataFile], dirty: Container[int]
    ) -> None:
        """Make the view of a copy anew: its columns are those of ``schema``; files of ``dirty`` have dead rows."""
        names = ", ".join(quoted(column.name) for column in schema.columns)
        parts = [f"SELECT {names} FROM {_recent(copy)}"]
        for some in _by_schema(files):
            columns = ", ".join(select_list(some[0].schema, schema))
            for is_dirty, lived in (
                (False, ""),
                (True, f" WHERE {ROW} NOT IN (SELECT {ROW} FROM {_dead(copy)})"),
            ):
                paths = [str(file.path) for file in some if (file.number in dirty) is is_dirty]
                if paths:
                    parts.append(f"SELECT {columns} FROM {read(paths)}{lived}")
        view = quoted(self._view(target))
        self.connection.execute(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL '.join(parts)}")

    def hide(self, target: Target) -> None:
        """Remove the view of a copy."""
        self.connection.execute(f"DROP VIEW {quoted(self._view(target))}")

    def replace(self, copy: int, keys: pa.Table, written: pa.Table, first: int) -> None:
        """Remove the recent rows of ``keys``, and add ``written``, numbered from ``first`` on."""
        if keys.num_rows:
            same = " AND ".join(f"t.{name} = b.{name}" for name in map(quoted, keys.column_names))
            with registered(self.connection, keys):
                self.connection.execute(f"DELETE FROM {_recent(copy)} t USING {BATCH} b WHERE {same}")
        if written.num_rows:
            numbers = pa.array(np.arange(first, first + written.num_rows))
            with registered(self.connection, written.append_column(ROW, numbers)):
                self.connection.execute(f"INSERT INTO {_recent(copy)} BY NAME SELECT * FROM {BATCH}")

    def evolve(self, copy: int, old: TableSchema, new: TableSchema) -> None:
        """Give the recent rows the columns of ``new``, a join of ``old``."""
        found = self.connection.execute(f"SELECT * FROM {_recent(copy)} ORDER BY {ROW}").to_arrow_table()
        numbers = found.column(ROW)
        rows = widen_rows(restored(found.drop_columns(ROW), old.arrow()), old, new)
        self.connection.execute(f"DROP TABLE {_recent(copy)}")
        self.connection.execute(_creation(copy, new))
        if rows.num_rows:
            with registered(self.connection, rows.append_column(ROW, numbers)):
                self.connection.execute(f"INSERT INTO {_recent(copy)} BY NAME SELECT * FROM {BATCH}")

    def recent_rows(self, copy: int) -> int:
        """How many rows are in no file."""
        counted = self.connection.execute(f"SELECT count(*) FROM {_recent(copy)}").fetchone()
        return int(counted[0]) if counted else 0

    def sorted_recent(self, copy: int, schema: TableSchema, end: int) -> tuple[pa.Table, Positions]:
        """The recent rows with numbers below ``end``, ordered by key, and their numbers."""
        keys = ", ".join(quoted(column.name) for column in schema.keys)
        found = self.connection.execute(
            f"SELECT * FROM {_recent(copy)} WHERE {ROW} < {end} ORDER BY {keys}"
        ).to_arrow_table()
        return restored(found.drop_columns(ROW), schema.arrow()), _numbers(found.select([ROW]))

    def remaining(self, copy: int, end: int) -> Positions:
        """The numbers below ``end`` that recent rows still have."""
        found = self.connection.execute(f"SELECT {ROW} FROM {_recent(copy)} WHERE {ROW} < {end}")
        return _numbers(found.to_arrow_table())

    def remove_recent(self, copy: int, end: int) -> None:
        """Remove the recent rows with numbers below ``end``."""
        self.connection.execute(f"DELETE FROM {_recent(copy)} WHERE {ROW} < {end}")

    def bury(self, copy: int, file: int, positions: Positions) -> None:
        """Let rows of a file be dead."""
        if len(positions):
            rows = pa.table({ROW: pa.array(positions + (file << ROW_BITS))})
            with registered(self.connection, rows):
                self.connection.execute(f"INSERT INTO {_dead(copy)} SELECT {ROW} FROM {BATCH}")

    def forget(self, copy: int, files: Sequence[int]) -> None:
        """Forget which rows of files are dead: no view reads the files any more."""
        numbers = ", ".join(map(str, files))
        self.connection.execute(f"DELETE FROM {_dead(copy)} WHERE {ROW} >> {ROW_BITS} IN ({numbers})")

    def row(self, target: Target, schema: TableSchema, key: Sequence[object]) -> pa.Table:
        """The row of one key in a copy."""
        # As texts and of the column's own type: DuckDB may compare decimals of two types as doubles.
        same = " AND ".join(
            f"{quoted(column.name)} = CAST(? AS {sql_type(column.type.arrow())})" for column in schema.keys
        )
        given = [value if isinstance(value, bytes) else str(value) for value in key]
        found = self.connection.execute(f"SELECT * FROM {quoted(self._view(target))} WHERE {same}", given)
        return restored(found.to_arrow_table(), schema.arrow())

    def _view(self, target: Target) -> str:
        return self.dataset if target is Target.LIVE else BUILDING_VIEW


def hash_keys(connection: duckdb.DuckDBPyConnection, keys: pa.Table, schema: TableSchema) -> Hashes:
    """The hashes by which keys, a table of the key columns, are found in files."""
    with registered(connection, keys):
        found = connection.execute(f"SELECT {key_hash(schema)} FROM {BATCH}").to_arrow_table()
    hashes: Hashes = found.column(0).to_numpy()
    return hashes


def sorted_live(
    connection: duckdb.DuckDBPyConnection, files: Sequence[DataFile], dead: Positions, schema: TableSchema
) -> Generator[pa.Table]:
    """The rows of files, without the ``dead`` ones (by ROW), as rows of ``schema`` ordered by key, part by part.

    ``connection`` is used by nobody else until all have come.
    """
    keys = ", ".join(quoted(column.name) for column in schema.keys)
    parts = []
    for some in _by_schema(files):
        columns = ", ".join(select_list(some[0].schema, schema))
        lived = f"{ROW} NOT IN (SELECT {ROW} FROM headrace_dead)"
        parts.append(f"SELECT {columns} FROM {read([str(file.path) for file in some])} WHERE {lived}")
    connection.register("headrace_dead", pa.table({ROW: pa.array(dead)}))
    try:
        reader = connection.execute(f"{' UNION ALL '.join(parts)} ORDER BY {keys}").to_arrow_reader(65_536)
        for batch in reader:
            yield restored(pa.Table.from_batches([batch]), schema.arrow())
    finally:
        connection.unregister("headrace_dead")


def read(paths: Sequence[str]) -> str:
    """SQL for the rows of files of one schema."""
    return f"read_vortex([{', '.join(map(literal, paths))}])"


def _numbers(rows: pa.Table) -> Positions:
    numbers: Positions = rows.column(0).to_numpy()
    return numbers


def _by_schema(files: Iterable[DataFile]) -> Iterable[list[DataFile]]:
    found: dict[int, list[DataFile]] = {}
    for file in files:
        found.setdefault(file.record.schema, []).append(file)
    return found.values()


def _creation(copy: int, schema: TableSchema) -> str:
    columns = ", ".join(f"{quoted(column.name)} {sql_type(column.type.arrow())}" for column in schema.columns)
    return f"CREATE TABLE {_recent(copy)} ({columns}, {ROW} BIGINT)"


def _recent(copy: int) -> str:
    return f"headrace_recent_{copy}"


def _dead(copy: int) -> str:
    return f"headrace_dead_{copy}"
