"""Cayenne, with its rows in the metastore or in files."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from headrace.accelerator import Applied, Target, Work
from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
from headrace.accelerators.cayenne.leaf import CayenneReading
from headrace.accelerators.cayenne.metastore import NAME
from headrace.accelerators.cayenne.policy import Policy
from headrace.accelerators.cayenne.transaction import CayenneCopy
from headrace.dataset import Acceleration, CayenneFiles, Engine, Mode
from headrace.errors import RowRefused
from support.engines.harness import FailingCommit, FileHarness

EAGER = Policy(flush_rows=1, fan=3, most_rows=12, dead_share=0.3, dead_rows=0)
"""Every commit becomes a file, and files become others soon."""


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
        self.folder = folder
        self.acceleration = acceleration_of(folder)
        super().__init__(folder / NAME)

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        true = CayenneCopy.replace_rows

        def replace_rows(copy: Any, schema: Any, written: Any, removed: Any) -> None:
            if "n" in written.column_names and value in written.column("n").to_pylist():
                raise RowRefused("Conversion Error: planted")
            true(copy, schema, written, removed)

        with mock.patch.object(CayenneCopy, "replace_rows", replace_rows):
            yield

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Whoever reads keeps the files of its commit; there is no driver."""
        pins = self.sink._table.pins
        number = pins.enter()
        yield None
        pins.leave(number)

    def fail_the_commit(self, *, happens: bool) -> None:
        file = self.sink._table.metastore
        error = sqlite3.OperationalError("the line went dead")
        file._connection = FailingCommit(file._connection, error, happens=happens)

    def _theirs(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(str(self.path), isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    def plant(self, fault: Callable[..., Any]) -> None:
        self.sink._write = fault

    def at(self, path: Path) -> CayenneHarness:
        return CayenneHarness(path.parent, eager=self.eager)

    def _new_sink(self) -> CayenneAccelerator:
        kind, policy = (SteppedCayenne, EAGER) if self.eager else (CayenneAccelerator, None)
        return kind(self.dataset, self.acceleration, policy, background=False)

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        state = self.sink._table.copies[target]
        reading = CayenneReading(self.dataset, state, lambda: None)
        rows = rows_of(reading, schema)
        assert rows.num_rows == state.rows
        return rows


def rows_of(reading: CayenneReading, schema: pa.Schema) -> pa.Table:
    """All rows, with the columns of ``schema``."""
    parts = [pa.Table.from_batches([batch]).cast(schema) for batch in reading.scan(schema.names, [])]
    return pa.concat_tables([schema.empty_table(), *parts])


def acceleration_of(folder: Path) -> Acceleration:
    """A dataset that has all in one folder."""
    return Acceleration(Engine.CAYENNE, Mode.FILE, cayenne=CayenneFiles(folder, folder))
