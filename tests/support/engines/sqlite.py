"""SQLite, in memory or in a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.sqlite import SQLiteAccelerator
from headrace.accelerators.sqlite.storage import restored
from headrace.accelerators.sqlite.tables import SQLiteCopy
from headrace.accelerators.stored_schema import decode_schema
from headrace.dataset import Acceleration, Engine, Index, Mode
from headrace.errors import RowRefused
from support.engines.harness import FailingCommit, FileHarness


class SQLiteHarness(FileHarness):
    """SQLite, with ``indexes`` as a Spicepod asks for them."""

    log = "-wal"

    def __init__(self, path: Path | None, indexes: tuple[Index, ...] = ()) -> None:
        mode = Mode.MEMORY if path is None else Mode.FILE
        self.acceleration = Acceleration(Engine.SQLITE, mode, path=path, indexes=indexes)
        super().__init__(path)

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        true = SQLiteCopy.replace_rows

        def replace_rows(copy: Any, schema: Any, written: Any, removed: Any) -> None:
            if "n" in written.column_names and value in written.column("n").to_pylist():
                raise RowRefused("Conversion Error: planted")
            true(copy, schema, written, removed)

        with mock.patch.object(SQLiteCopy, "replace_rows", replace_rows):
            yield

    @contextmanager
    def reading(self) -> Iterator[Any]:
        with closing(sqlite3.connect(self.sink._file._held.database, isolation_level=None)) as connection:
            yield connection

    def fail_the_commit(self, *, happens: bool) -> None:
        error = sqlite3.OperationalError("the line went dead")
        self.sink._file._connection = FailingCommit(self.sink._file._connection, error, happens=happens)

    def _theirs(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(str(self.path), isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    def plant(self, fault: Callable[..., Any]) -> None:
        self.sink._write = fault

    def _new_sink(self) -> SQLiteAccelerator:
        return SQLiteAccelerator(self.dataset, self.acceleration)

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        name = self.dataset if target is Target.LIVE else "headrace_building"
        with self.reading() as connection:
            (text,) = connection.execute(
                "SELECT schema FROM headrace_checkpoint WHERE target = ?", (target.value,)
            ).fetchone()
            cursor = connection.execute('SELECT * FROM "' + name + '"')
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
        assert names == schema.names
        columns = list(zip(*rows, strict=True)) or [()] * len(names)
        types = [column.type for column in decode_schema(text).columns]
        return pa.table([restored(c, t) for c, t in zip(columns, types, strict=True)], schema=schema)
