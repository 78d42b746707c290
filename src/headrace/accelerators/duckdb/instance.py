"""One DuckDB per process: every dataset has a database in it, and one connection that writes there."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from headrace.accelerator import DEAD_LETTERS
from headrace.accelerators import disk
from headrace.accelerators.duckdb.door import (
    interrupted,
    is_broken,
    literal,
    quoted,
    translate_attach,
    translated,
)
from headrace.accelerators.duckdb.files import beside, move_beside, take_place
from headrace.accelerators.duckdb.letters import union
from headrace.accelerators.duckdb.limits import Limits, settings
from headrace.column_name import RESERVED_PREFIX
from headrace.errors import AcceleratorError, CommitUnknown

ALL_LETTERS = f"memory.main.{DEAD_LETTERS}"
"""The dead letters of all datasets that are open, as SQL writes the view in full."""

CURSOR_PATIENCE = 5.0
"""Seconds that a reader waits while a database is being opened, which may replay a long log."""

CLOSING_PATIENCE = 5.0
"""Seconds that closing waits for interrupted readers to end."""

_REPLACED = "headrace_replaced"


@dataclass(slots=True)
class _Lane:
    """One dataset's database. ``lock`` is held by whoever uses ``connection``.

    ``lettered`` says that its dead letters are among those that readers see.
    """

    alias: str
    path: Path | None
    attached: bool = False
    lettered: bool = False
    connection: duckdb.DuckDBPyConnection | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)


@dataclass(frozen=True, slots=True)
class _Retired:
    """An instance that was given up, and who still reads from it."""

    connection: duckdb.DuckDBPyConnection
    readers: weakref.WeakSet[duckdb.DuckDBPyConnection]


class DuckDBInstance:
    """The engine behind all accelerated datasets: ``files`` maps each dataset to its file, None in memory.

    The instance is locked down from its first moment: only the files named here, those in the folder ``scratch``
    and DuckDB's spill folder can be opened, no extension can be loaded, no setting changed. Databases are attached
    when their accelerator opens, so that one file that cannot be opened keeps no other dataset waiting.

    Locks are taken in this order: the instance's, then a lane's.
    """

    def __init__(
        self, files: Mapping[str, Path | None], limits: Limits | None = None, scratch: Path | None = None
    ) -> None:
        _refuse(files)
        self._limits = limits or Limits()
        self._scratch = scratch
        self._lanes = {name: _Lane(f"headrace_{n}", path) for n, (name, path) in enumerate(files.items())}
        self._lock = threading.RLock()
        self._readers: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._retired: list[_Retired] = []
        self._connection = self._connect()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A fresh connection in which each attached dataset's table answers to its bare name.

        One thread at a time may use it; closing it is the caller's. Whoever begins a transaction on it
        must end it (ROLLBACK, whatever that raises) before closing: DuckDB 1.5 aborts the process where a
        connection is closed inside a transaction on a database that has failed. After a failure of the
        engine, ask for another cursor. Raises AcceleratorError, also while a database is being opened for long.
        """
        with self._held(CURSOR_PATIENCE), translated("cannot open a connection to DuckDB"):
            cursor = self._connection.cursor()
            attached = [lane for lane in self._lanes.values() if lane.attached]
            try:
                _search(cursor, attached)
            except duckdb.Error:
                # One failed database must not take the others' names away.
                _search(cursor, [lane for lane in attached if not self._is_invalid(lane)])
            self._readers.add(cursor)
            return cursor

    def reader(self, dataset: str) -> duckdb.DuckDBPyConnection | None:
        """A cursor in which all tables of one dataset's database answer to their names; None: it is not open."""
        lane = self._lanes[dataset]
        if not lane.attached:
            return None
        cursor = self.cursor()
        try:
            with translated(f"cannot open a connection to {dataset}"):
                cursor.execute(f"USE {lane.alias}.main")
        except BaseException:
            cursor.close()
            raise
        return cursor

    def writer(self, dataset: str) -> duckdb.DuckDBPyConnection:
        """Open the one connection that writes to the dataset's database, attaching it where needed.

        What has invalidated itself is opened anew first: the database alone where that suffices, else
        the whole instance. Raises AcceleratorLocked, CommitUnknown while a running query still holds a
        database that must be opened anew, AcceleratorError otherwise.
        """
        lane = self._lanes[dataset]
        with self._lock:
            if self._is_dead():
                self.reopen()
            with lane.lock:
                _close(lane)
                if lane.attached and self._is_invalid(lane):
                    self._detach(lane)
                if not lane.attached:
                    self._attach(lane)
                with translated(f"cannot open a connection for {dataset}"):
                    lane.connection = self._connection.cursor()
                    lane.connection.execute(f"USE {lane.alias}.main")
                return lane.connection

    @contextmanager
    def lane(self, dataset: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Hold the dataset's writing connection. Raises CommitUnknown where ``writer`` must open it first."""
        lane = self._lanes[dataset]
        with lane.lock:
            if lane.connection is None:
                raise CommitUnknown(f"{dataset}: the database must be opened again and its checkpoint read")
            yield lane.connection

    def show_letters(self, dataset: str) -> None:
        """Let readers see the dead letters of the dataset, whose tables are made, among those of all others."""
        with self._lock:
            lane = self._lanes[dataset]
            if lane.attached and not lane.lettered:
                lane.lettered = True
                self._make_letters()

    def qualified(self, dataset: str) -> str:
        """The dataset's live table as SQL writes it in full."""
        return f"{self._lanes[dataset].alias}.main.{quoted(dataset)}"

    def in_file(self, dataset: str) -> bool:
        """Whether the dataset's database is a file."""
        return self._lanes[dataset].path is not None

    def replace(self, dataset: str, file: Path) -> None:
        """Put a database file in place of the dataset's, which is let go of and must be opened again; ``file`` is used up.

        All of it happens or nothing, also where power is lost. Raises AcceleratorFull, AcceleratorLocked,
        CommitUnknown where a query does not end that reads the database, AcceleratorError.
        """
        lane = self._lanes[dataset]
        assert lane.path is not None, "it is in a file"
        with disk.translated(f"cannot replace {lane.path}"):
            # From another file system all of it is copied: the other datasets are not kept waiting for that.
            waiting = move_beside(file, lane.path)
            try:
                with self._lock, lane.lock:
                    _close(lane)
                    if lane.attached:
                        self._detach(lane)
                    self._wait_until_unused(lane)
                    take_place(waiting, lane.path)
            except BaseException:
                waiting.unlink(missing_ok=True)
                raise

    def release(self, dataset: str) -> None:
        """Close the dataset's connection and let go of its database; in memory, its rows go with it."""
        lane = self._lanes[dataset]
        with self._lock, lane.lock:
            _close(lane)
            if lane.attached:
                self._detach(lane)

    def reopen(self) -> None:
        """Discard the instance and start another: every file is attached anew when its lane is opened.

        Datasets in memory are empty afterwards. Readers' cursors of before are interrupted; until their owners
        have closed them, the old instance stays, and no file is attached to the new one.
        """
        with self._lock:
            self._close_lanes()
            self._retired.append(_Retired(self._connection, self._readers))
            self._readers = weakref.WeakSet()
            self._are_buried()
            for lane in self._lanes.values():
                lane.attached = lane.lettered = False
            self._connection = self._connect()

    def close(self) -> None:
        """Interrupt readers, wait for them a little, and let go of everything. Safe to call twice."""
        with self._lock:
            self._close_lanes()
            self._retired.append(_Retired(self._connection, self._readers))
            until = time.monotonic() + CLOSING_PATIENCE
            while not self._are_buried() and time.monotonic() < until:
                time.sleep(0.01)

    def _close_lanes(self) -> None:
        for lane in self._lanes.values():
            with lane.lock:
                _close(lane)

    def _are_buried(self) -> bool:
        """Close the instances of before whose readers are all gone; whether that is each of them.

        Closing an instance closes its readers' connections with it, and DuckDB 1.5 aborts the process where
        one of them is inside a transaction on a database that has failed. So they are only interrupted.
        """
        for one in tuple(self._retired):
            reading = [reader for reader in tuple(one.readers) if interrupted(reader)]
            if not reading:
                one.connection.close()
                self._retired.remove(one)
        return not self._retired

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """A new locked-down instance without databases."""
        connection = duckdb.connect(":memory:")
        with translated("cannot configure DuckDB"):
            for setting, value in self._settings(connection):
                connection.execute(f"SET GLOBAL {setting} = {value}")
            connection.execute(f"CREATE VIEW {ALL_LETTERS} AS {union(())}")
        return connection

    def _make_letters(self) -> None:
        """Make the view of all dead letters anew, over the databases that answer."""
        shown = [lane.alias for lane in self._lanes.values() if lane.lettered and not self._is_invalid(lane)]
        with translated("cannot show the dead letters"):
            self._connection.execute(f"CREATE OR REPLACE VIEW {ALL_LETTERS} AS {union(shown)}")

    def _settings(self, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
        paths = [lane.path for lane in self._lanes.values() if lane.path is not None]
        return settings(connection, self._limits, paths, self._scratch)

    def _attach(self, lane: _Lane) -> None:
        if lane.path is not None and not self._are_buried():
            raise CommitUnknown(
                f"{lane.path} is still being read by a running query; it is reopened once that ends"
            )
        try:
            if lane.path is not None:
                lane.path.parent.mkdir(parents=True, exist_ok=True)
                beside(lane.path).unlink(missing_ok=True)
            file = literal(str(lane.path or ":memory:"))
            # Without the type, DuckDB looks at the file and for an extension that reads it.
            self._connection.execute(f"ATTACH {file} AS {lane.alias} (TYPE duckdb)")
        except OSError as error:
            raise AcceleratorError(f"cannot make the folder of {lane.path}: {error}") from error
        except duckdb.Error as error:
            raise translate_attach(error, lane.path) from error
        lane.attached = True

    def _detach(self, lane: _Lane) -> None:
        self._interrupt_readers()
        lane.attached = False
        if lane.lettered:
            lane.lettered = False
            self._make_letters()
        with translated(f"cannot let go of {lane.path or 'an in-memory database'}"):
            self._connection.execute(f"DETACH {lane.alias}")

    def _wait_until_unused(self, lane: _Lane) -> None:
        """Wait for those who still read a database that is detached: as the last of them ends, it writes to its files.

        DuckDB tells by refusing to attach the file again. Under a name that no reader searches it can be attached
        for a moment, and then no log is left beside it.
        """
        until = time.monotonic() + CLOSING_PATIENCE
        while True:
            try:
                self._connection.execute(f"ATTACH {literal(str(lane.path))} AS {_REPLACED} (TYPE duckdb)")
                break
            except duckdb.Error as error:
                reason = translate_attach(error, lane.path)
                if not isinstance(reason, CommitUnknown) or time.monotonic() > until:
                    raise reason from error
            self._interrupt_readers()
            time.sleep(0.01)
        with translated(f"cannot let go of {lane.path}"):
            self._connection.execute(f"DETACH {_REPLACED}")

    def _interrupt_readers(self) -> None:
        # Never closed from here: their threads may be inside DuckDB.
        for reader in tuple(self._readers):
            interrupted(reader)

    @contextmanager
    def _held(self, patience: float) -> Iterator[None]:
        """The instance's lock, waited for no longer than ``patience``."""
        if not self._lock.acquire(timeout=patience):
            raise AcceleratorError("a database is being opened; ask again")
        try:
            yield
        finally:
            self._lock.release()

    def _is_dead(self) -> bool:
        try:
            self._connection.execute("SELECT 1").fetchone()
        except duckdb.Error:
            return True
        return False

    def _is_invalid(self, lane: _Lane) -> bool:
        try:
            self._connection.execute(
                f"SELECT 1 FROM {lane.alias}.main.headrace_checkpoint LIMIT 0"
            ).fetchone()
        except duckdb.Error as error:
            return is_broken(error)
        return False


def _search(cursor: duckdb.DuckDBPyConnection, lanes: Sequence[_Lane]) -> None:
    # The instance's own database first: it holds the letters of all, each dataset's database only its own.
    names = ["memory", *(lane.alias for lane in lanes)]
    cursor.execute(f"SET search_path = {literal(','.join(f'{name}.main' for name in names))}")


def _close(lane: _Lane) -> None:
    if lane.connection is not None:
        with suppress(duckdb.Error):
            lane.connection.execute("ROLLBACK")
        lane.connection.close()
        lane.connection = None


def _refuse(files: Mapping[str, Path | None]) -> None:
    """Raise AcceleratorError for names that SQL cannot tell apart or that are ours, and for shared files."""
    names: dict[str, str] = {}
    holders: dict[Path, str] = {}
    for name, path in files.items():
        if name.lower().startswith(RESERVED_PREFIX):
            raise AcceleratorError(
                f"dataset {name}: names that begin with {RESERVED_PREFIX} are Headrace's own"
            )
        twin = names.setdefault(name.lower(), name)
        if twin != name:
            raise AcceleratorError(f"datasets {twin} and {name} differ only in case; SQL takes them for one")
        other = name if path is None else holders.setdefault(path.resolve(), name)
        if other != name:
            raise AcceleratorError(
                f"datasets {other} and {name} both name the file {path}; give each its own duckdb_file"
            )
