"""DuckDB, in memory or in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits, rows
from headrace.accelerators.duckdb.casts import restored
from support.engines.harness import SCRATCH, FailingCommit, FileHarness


class DuckDBHarness(FileHarness):
    """DuckDB."""

    log = ".wal"
    share = 0.6

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        true = rows.replace_rows

        def replace_rows(connection: Any, merged: Any, *arguments: Any, **options: Any) -> None:
            if "n" in merged.written.column_names and value in merged.written.column("n").to_pylist():
                raise duckdb.ConversionException("Conversion Error: planted")
            true(connection, merged, *arguments, **options)

        with mock.patch.object(rows, "replace_rows", replace_rows):
            yield

    @contextmanager
    def reading(self) -> Iterator[Any]:
        cursor = self.instance.cursor()
        yield cursor
        cursor.close()

    def fail_the_commit(self, *, happens: bool) -> None:
        lane = self.instance._lanes[self.dataset]
        error = duckdb.InvalidInputException("the line went dead")
        lane.connection = FailingCommit(lane.connection, error, happens=happens)

    def _theirs(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path)) as connection:
            return connection.execute(statement).fetchall()

    def plant(self, fault: Callable[..., Any]) -> None:
        self.sink._write = fault

    def close(self) -> None:
        super().close()
        self.instance.close()

    def _new_sink(self) -> DuckDBAccelerator:
        self.instance = DuckDBInstance({self.dataset: self.path}, Limits(memory=2**30, threads=2), SCRATCH)
        return DuckDBAccelerator(self.instance, self.dataset)

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        name = self.dataset if target is Target.LIVE else "headrace_building"
        cursor = self.instance.cursor()
        table = cursor.execute('SELECT * FROM "' + name + '"').to_arrow_table()
        cursor.close()
        assert table.column_names == schema.names
        return restored(table, schema)
