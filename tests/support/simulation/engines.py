"""Copies that outlive a crash, or do not: in dictionaries, DuckDB, SQLite, PostgreSQL, Cayenne; a log in a file may be cut."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from random import Random
from typing import Protocol, runtime_checkable

import duckdb
import pyarrow as pa

from headrace.accelerator import ChangeSink, Target
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.accelerators.duckdb.tables import CopyRow
from headrace.accelerators.memory import MemoryAccelerator
from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.sqlite import SQLiteAccelerator
from headrace.accelerators.sqlite.storage import restored
from headrace.accelerators.sqlite.tables import read_copy
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint
from headrace.dataset import Acceleration, Mode
from headrace.dataset import Engine as EngineName
from support.engines.harness import SCRATCH
from support.engines.postgres import PostgresHarness, stored_in
from support.simulation.cayenne import InCayenne
from support.simulation.lives import Lives
from support.simulation.model import POISON, Broken
from support.simulation.view import View, view_of
from support.simulation.workload import TABLE


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

    def lose(self) -> None:
        """The process is gone, and its disk with it."""
        ...

    def view(self, target: Target) -> View | None:
        """The copy, None where there is none."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@runtime_checkable
class Kept(Protocol):
    """An Engine with upkeep of its own, between transactions."""

    @property
    def is_due(self) -> bool:
        """Whether there is upkeep to do."""
        ...

    def keep_up(self, full: Random | None) -> str | None:
        """Do all that is due; with ``full``, the disk is full at some effect of it. What it says then."""
        ...

    def crash_in_upkeep(self, random: Random) -> None:
        """The process is gone in the middle of it; ``crash`` is called next."""
        ...


class InDictionaries:
    """The accelerator of plain dictionaries, which stands for one that outlives its process."""

    survives = True

    def __init__(self) -> None:
        self.is_mended = False
        self._sink = self._new_sink()

    def _new_sink(self) -> MemoryAccelerator:
        return MemoryAccelerator(
            lambda row: "it is poison" if row.get(POISON) == "refused row" and not self.is_mended else None
        )

    def boot(self) -> ChangeSink:
        return self._sink

    def crash(self, cut: Random | None) -> None:
        assert cut is None, "dictionaries have no log"

    def lose(self) -> None:
        self._sink = self._new_sink()

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

    def __init__(self, lives: Lives | None) -> None:
        self.survives = lives is not None
        self.is_mended = True
        self._lives = lives
        self._instance: DuckDBInstance | None = None

    def boot(self) -> ChangeSink:
        if self._instance is None:
            path = None if self._lives is None else self._lives.path
            self._instance = DuckDBInstance({TABLE: path}, Limits(memory=2**28, threads=1), SCRATCH)
        return _Watched(self._instance, self._about_to_commit)

    def crash(self, cut: Random | None) -> None:
        left = None if self._lives is None else self._lives.crash(cut)
        self._close()
        if left is not None:
            shutil.rmtree(left)

    def lose(self) -> None:
        self._close()
        if self._lives is not None:
            shutil.rmtree(self._lives.lose())

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
        finally:
            cursor.close()
        return view_of(target, Checkpoint.decode(stored[0]), schema, found)

    def close(self) -> None:
        self._close()
        if self._lives is not None:
            self._lives.close()

    def _about_to_commit(self) -> None:
        """Another connection still sees what was there before, whole."""
        if self._lives is not None:
            self._lives.about_to_commit()

    def _close(self) -> None:
        if self._instance is not None:
            self._instance.close()
            self._instance = None


class _WatchedSQLite(SQLiteAccelerator):
    """The real engine, which says when it is about to commit."""

    def __init__(self, acceleration: Acceleration, before_commit: Callable[[], None]) -> None:
        super().__init__(TABLE, acceleration)
        self._before_commit = before_commit

    def _commit(self, connection: sqlite3.Connection, target: Target, before: object) -> None:
        self._before_commit()
        super()._commit(connection, target, before)


class InSQLite:
    """The real engine. In a file, a crash copies database and log as they are and goes on with the copies."""

    def __init__(self, lives: Lives | None) -> None:
        self.survives = lives is not None
        self.is_mended = True
        self._lives = lives
        self._sink: SQLiteAccelerator | None = None

    def boot(self) -> ChangeSink:
        self._close()
        if self._lives is None:
            self._sink = SQLiteAccelerator(TABLE, Acceleration(EngineName.SQLITE))
        else:
            acceleration = Acceleration(EngineName.SQLITE, Mode.FILE, path=self._lives.path)
            self._sink = _WatchedSQLite(acceleration, self._lives.about_to_commit)
        return self._sink

    def crash(self, cut: Random | None) -> None:
        left = None if self._lives is None else self._lives.crash(cut)
        self._close()
        if left is not None:
            shutil.rmtree(left)

    def lose(self) -> None:
        self._close()
        if self._lives is not None:
            shutil.rmtree(self._lives.lose())

    def view(self, target: Target) -> View | None:
        connection = None if self._sink is None else self._sink._file.reader()
        if connection is None:
            return None
        table = TABLE if target is Target.LIVE else "headrace_building"
        try:
            connection.execute("BEGIN")
            stored = read_copy(connection, target)
            if stored is None:
                return None
            cursor = connection.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in cursor.description]
            rows = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
        except sqlite3.OperationalError:
            # Before its first opening there are no tables.
            return None
        finally:
            connection.close()
        copy = stored.decoded()
        types = [column.type for column in copy.schema.columns]
        if names != copy.schema.arrow().names:
            raise Broken("agreement", f"the {target} copy has other columns than its schema")
        found = pa.table([restored(values, type_) for values, type_ in zip(rows, types, strict=True)], names)
        return view_of(target, copy.checkpoint, copy.schema, found)

    def close(self) -> None:
        self._close()
        if self._lives is not None:
            self._lives.close()

    def _close(self) -> None:
        if self._sink is not None:
            self._sink.close()
            self._sink = None


class InPostgres:
    """The real engine, in a server that outlives every crash. A crash ends the sessions, with whatever they were at."""

    survives = True
    is_mended = True

    def __init__(self) -> None:
        self._harness = PostgresHarness(dataset=TABLE)
        access = self._harness.server.access(self._harness.schema)
        self._reader = PostgresServer(access, TABLE).connect()

    def boot(self) -> ChangeSink:
        self._harness.restart()
        return self._harness.sink

    def crash(self, cut: Random | None) -> None:
        assert cut is None, "the server is still there"
        session = self._harness.sink._session
        if session is not None:
            session.connection.close()

    def lose(self) -> None:
        self.crash(None)
        self._harness.empty()

    def view(self, target: Target) -> View | None:
        names = Names(self._harness.schema, TABLE)
        found = stored_in(self._reader, names, target)
        return found and view_of(target, found.copy.checkpoint, found.copy.schema, found.rows)

    def close(self) -> None:
        self._reader.close()
        self._harness.close()
        self._harness.drop()


def make_engine(name: str) -> Engine:
    """The engine of this name."""
    match name:
        case "memory":
            return InDictionaries()
        case "duckdb-memory":
            return InDuckDB(None)
        case "duckdb-file":
            return InDuckDB(Lives("orders.duckdb", ".wal"))
        case "sqlite-memory":
            return InSQLite(None)
        case "sqlite-file":
            return InSQLite(Lives("orders.sqlite", "-wal"))
        case "postgres":
            return InPostgres()
        case "cayenne":
            return InCayenne()
    raise ValueError(
        f"{name!r} is no engine; there are memory, duckdb-memory, duckdb-file, sqlite-memory, sqlite-file, postgres, "
        "cayenne"
    )
