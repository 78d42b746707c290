"""Cayenne, with its rows in the metastore or in files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa

from headrace.accelerator import Applied, Target, Work
from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
from headrace.accelerators.cayenne.extension import Workshop, load
from headrace.accelerators.cayenne.metastore import NAME
from headrace.accelerators.cayenne.policy import Policy
from headrace.accelerators.cayenne.transaction import CayenneCopy
from headrace.accelerators.duckdb import DuckDBInstance, Limits
from headrace.accelerators.duckdb.casts import restored
from headrace.dataset import Acceleration, CayenneFiles, Engine, Mode
from support.engines.harness import FailingCommit, FileHarness

EAGER = Policy(flush_rows=1, fan=3, most_rows=12, dead_share=0.3, dead_rows=0)
"""Every commit becomes a file, and files become others soon."""


@contextmanager
def unchecked() -> Iterator[None]:
    """New instances of DuckDB load the extension without hashing its 80 MB, a third of a second each."""
    connect = partial(duckdb.connect, config={"allow_unsigned_extensions": "true"})
    with mock.patch.object(duckdb, "connect", connect):
        yield


class UncheckedWorkshop(Workshop):
    """The instance beside, likewise."""

    def cursor(self) -> duckdb.DuckDBPyConnection:
        with unchecked():
            return super().cursor()


class SteppedCayenne(CayenneAccelerator):
    """After each transaction all upkeep that is due is done."""

    def apply(self, work: Work) -> Applied:
        applied = super().apply(work)
        self.keep_up()
        return applied

    def keep_up(self) -> None:
        """Do what is due."""
        while self.upkeep.step():
            pass


class CayenneHarness(FileHarness):
    """``eager``: rows are in files as soon as they are there; else they stay in the metastore."""

    log = "-wal"

    def __init__(self, folder: Path, *, eager: bool = False) -> None:
        self.eager = eager
        self.acceleration = Acceleration(Engine.CAYENNE, Mode.FILE, cayenne=CayenneFiles(folder, folder))
        super().__init__(folder / NAME)

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        true = CayenneCopy.replace_rows

        def replace_rows(copy: Any, schema: Any, written: Any, removed: Any) -> None:
            if "n" in written.column_names and value in written.column("n").to_pylist():
                raise duckdb.ConversionException("Conversion Error: planted")
            true(copy, schema, written, removed)

        with mock.patch.object(CayenneCopy, "replace_rows", replace_rows):
            yield

    @contextmanager
    def reading(self) -> Iterator[Any]:
        cursor = self.instance.cursor()
        yield cursor
        cursor.close()

    def fail_the_commit(self, *, happens: bool) -> None:
        file = self.sink._table.metastore
        error = sqlite3.OperationalError("the line went dead")
        file._connection = FailingCommit(file._connection, error, happens=happens)

    def _theirs(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(str(self.path), isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    def plant(self, fault: Callable[..., Any]) -> None:
        self.sink._write = fault

    def close(self) -> None:
        super().close()
        self.instance.close()

    def at(self, path: Path) -> CayenneHarness:
        return CayenneHarness(path.parent, eager=self.eager)

    def _new_sink(self) -> CayenneAccelerator:
        with unchecked():
            self.instance = DuckDBInstance({self.dataset: None}, Limits(memory=2**30, threads=2), load)
        kind = SteppedCayenne if self.eager else CayenneAccelerator
        policy = EAGER if self.eager else None
        sink = kind(self.instance, self.dataset, self.acceleration, policy, background=False)
        sink.upkeep._workshop = UncheckedWorkshop(self.path.parent)
        return sink

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        name = self.dataset if target is Target.LIVE else "headrace_building"
        cursor = self.instance.cursor()
        table = cursor.execute('SELECT * FROM "' + name + '"').to_arrow_table()
        cursor.close()
        assert table.column_names == schema.names
        return restored(table, schema)
