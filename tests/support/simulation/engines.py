"""Copies that outlive a crash: in dictionaries, in DuckDB's memory, in a DuckDB file whose log may be cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import duckdb

from headrace.accelerator import ChangeSink, Target
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.accelerators.duckdb.casts import restored
from headrace.accelerators.duckdb.tables import CopyRow
from headrace.accelerators.memory import MemoryAccelerator
from headrace.accelerators.plain import plain_rows
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint
from headrace.schema import TableSchema
from support.simulation.model import POISON, Broken, Key, Row
from support.simulation.workload import TABLE


@dataclass(frozen=True)
class View:
    """One copy as a reader sees it now."""

    checkpoint: Checkpoint
    schema: TableSchema
    rows: Mapping[Key, Row]


class Engine(Protocol):
    """Where the copy is. ``survives`` says whether it outlives the process."""

    survives: bool
    is_mended: bool
    """Whether it takes the rows that it refused."""

    def boot(self) -> ChangeSink:
        """A new process comes to it."""
        ...

    def crash(self, cut: Random | None) -> None:
        """The process is gone; with ``cut``, in the middle of the last commit."""
        ...

    def view(self, target: Target) -> View | None:
        """The copy, None where there is none."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class InDictionaries:
    """The accelerator of plain dictionaries, which stands for one that outlives its process."""

    survives = True

    def __init__(self) -> None:
        self.is_mended = False
        self._sink = MemoryAccelerator(
            lambda row: "it is poison" if row.get(POISON) == "refused row" and not self.is_mended else None
        )

    def boot(self) -> ChangeSink:
        return self._sink

    def crash(self, cut: Random | None) -> None:
        assert cut is None, "dictionaries have no log"

    def view(self, target: Target) -> View | None:
        stored = self._sink.open()
        copy = stored.live if target is Target.LIVE else stored.building
        if copy is None:
            return None
        rows = self._sink.live_rows() if target is Target.LIVE else self._sink.building_rows()
        return View(copy.checkpoint, copy.schema, rows)

    def close(self) -> None:
        self._sink.close()


class _Watched(DuckDBAccelerator):
    """The real engine, which says when it is about to commit."""

    def __init__(self, instance: DuckDBInstance, before_commit: Callable[[], None]) -> None:
        super().__init__(instance, TABLE)
        self._before_commit = before_commit

    def _commit(self, connection: duckdb.DuckDBPyConnection, target: Target, before: CopyRow | None) -> None:
        self._before_commit()
        super()._commit(connection, target, before)


class InDuckDB:
    """The real engine. In a file, a crash copies database and log as they are and goes on with the copies."""

    def __init__(self, folder: Path | None) -> None:
        self.survives = folder is not None
        self.is_mended = True
        self._folder = folder
        self._lives = 0
        self._log_before = 0
        self._rows_before: list[tuple[Any, ...]] | None = None
        self._instance: DuckDBInstance | None = None
        self._path = self._new_path()

    def boot(self) -> ChangeSink:
        if self._instance is None:
            self._instance = DuckDBInstance({TABLE: self._path}, Limits(memory=2**28, threads=1))
        return _Watched(self._instance, self._about_to_commit)

    def crash(self, cut: Random | None) -> None:
        old = self._path
        if old is not None:
            self._path = self._new_path()
            assert self._path is not None
            for name in _files(old):
                shutil.copy(old.parent / name, self._path.parent / name)
            if cut is not None:
                self._cut(_log(self._path), cut)
        self._close()
        if old is not None:
            shutil.rmtree(old.parent)

    def view(self, target: Target) -> View | None:
        if self._instance is None:
            return None
        cursor = self._instance.cursor()
        try:
            try:
                stored = cursor.execute(
                    "SELECT checkpoint, schema FROM headrace_checkpoint WHERE target = ?", [target.value]
                ).fetchone()
            except duckdb.CatalogException:
                return None
            if stored is None:
                return None
            schema = decode_schema(stored[1])
            table = TABLE if target is Target.LIVE else "headrace_building"
            found = cursor.execute(f"SELECT * FROM {table}").to_arrow_table()
            if found.column_names != [column.name for column in schema.columns]:
                raise Broken("agreement", f"the {target} copy has other columns than its schema")
            listed = plain_rows(restored(found, schema.arrow()))
        finally:
            cursor.close()
        keys = [column.name for column in schema.keys]
        rows = {tuple(row[key] for key in keys): row for row in listed}
        if len(rows) != len(listed):
            raise Broken("agreement", f"a key is in the {target} copy twice")
        return View(Checkpoint.decode(stored[0]), schema, rows)

    def close(self) -> None:
        self._close()

    def _about_to_commit(self) -> None:
        """Another connection still sees what was there before, whole."""
        log = None if self._path is None else _log(self._path)
        self._log_before = log.stat().st_size if log is not None and log.exists() else 0

    def _cut(self, log: Path, random: Random) -> None:
        length = log.stat().st_size if log.exists() else 0
        if length > self._log_before:
            with log.open("r+b") as file:
                file.truncate(random.randint(self._log_before, length))

    def _close(self) -> None:
        if self._instance is not None:
            self._instance.close()
            self._instance = None

    def _new_path(self) -> Path | None:
        if self._folder is None:
            return None
        self._lives += 1
        folder = self._folder / f"life-{self._lives}"
        folder.mkdir()
        return folder / "orders.duckdb"


def _log(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _files(path: Path) -> list[str]:
    return [file.name for file in path.parent.iterdir() if file.is_file()]


class InTemporaryFile(InDuckDB):
    """As InDuckDB, in a folder that goes with it."""

    def __init__(self) -> None:
        self._temporary = TemporaryDirectory(prefix="headrace-simulation-")
        super().__init__(Path(self._temporary.name))

    def close(self) -> None:
        super().close()
        self._temporary.cleanup()


def make_engine(name: str) -> Engine:
    """The engine of this name."""
    match name:
        case "memory":
            return InDictionaries()
        case "duckdb-memory":
            return InDuckDB(None)
        case "duckdb-file":
            return InTemporaryFile()
    raise ValueError(f"{name!r} is no engine; there are memory, duckdb-memory, duckdb-file")
