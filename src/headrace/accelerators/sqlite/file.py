"""One dataset's database file: held by one process, written by one connection, read by any number."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from headrace.accelerators.private_folder import PrivateFolder
from headrace.accelerators.sqlite.door import translate, translated
from headrace.errors import AcceleratorError, AcceleratorLocked, CommitUnknown
from headrace.file_lock import FileLock

OLDEST: Final = (3, 37, 0)
"""The first SQLite with STRICT tables."""

_FOLDER: Final = "headrace-sqlite-"
_WRITER_CACHE: Final = 64 * 2**20
_READER_CACHE: Final = 8 * 2**20
_PAGE_BYTES: Final = 4096
_LOG_BYTES: Final = 64 * 2**20
"""Size of the log at which its pages move into the database: each page once, however often it was written."""


class Reader(sqlite3.Connection):
    """A connection that reads: one that can be referred to weakly, as SQLite's own cannot."""


_Connection = TypeVar("_Connection", bound=sqlite3.Connection)


class SQLiteFile:
    """The database of one dataset. ``path`` None: in memory.

    In a file, a commit is durable when it returns: the log is synced each time (WAL, ``synchronous`` FULL).

    *In memory* is a file all the same, of this process alone: readers of a database that SQLite itself keeps in memory
    block its writer. It lies in a new folder among the system's temporary files, is never synced, so that the
    system writes of it what it has no memory for, and is removed when it is closed. What processes have left
    that were killed is removed by the next that opens one.
    """

    def __init__(
        self,
        dataset: str,
        path: Path | None,
        patience: float,
        cache: int | None = None,
        *,
        setting: str = "sqlite_file",
        shrinks: bool = False,
    ) -> None:
        """``setting`` is the key that names another file; ``shrinks`` says that ``shrink`` will be called."""
        self.dataset = dataset
        self._setting = setting
        self._shrinks = shrinks
        self.path = path
        self._patience = patience
        self._cache = cache or _WRITER_CACHE
        self._lock = threading.RLock()
        self._held: _Held | None = None
        self._connection: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._readers: weakref.WeakSet[Reader] = weakref.WeakSet()

    def open(self) -> None:
        """Take hold of the file, made where it is missing, and open the writing connection if there is none that answers.

        Raises AcceleratorLocked where another process holds it, AcceleratorError where it cannot be opened.
        """
        with self._lock:
            if sqlite3.sqlite_version_info < OLDEST:
                raise AcceleratorError(
                    f"this Python has SQLite {sqlite3.sqlite_version}, and {'.'.join(map(str, OLDEST))} is the first "
                    "that will do; use another Python, or engine: duckdb"
                )
            if self._answers():
                return
            self._disconnect()
            if self._held is None:
                self._held = _private() if self.path is None else _shared(self.path, self._setting)
            try:
                self._connection = self._connected()
            except BaseException:
                self._let_go()
                raise

    @contextmanager
    def lane(self) -> Iterator[sqlite3.Connection]:
        """Hold the writing connection. Raises CommitUnknown where ``open`` must be called first."""
        with self._lock:
            if self._connection is None:
                raise CommitUnknown(
                    f"{self.dataset}: the database must be opened again and its checkpoint read"
                )
            yield self._connection

    def give_up(self) -> None:
        """Have the next caller open the database again: only its checkpoint tells what was committed."""
        with self._lock:
            self._disconnect()

    def shrink(self) -> None:
        """Give back to the disk what neither database nor log needs any more; the log's only if nobody reads just now."""
        with self.lane() as connection, translated(f"cannot shrink {self.path}"):
            # Each of its steps frees one page, and execute takes but one step of what gives no columns.
            connection.executescript("PRAGMA incremental_vacuum")
            connection.execute("PRAGMA busy_timeout = 0")
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.execute(f"PRAGMA busy_timeout = {round(self._patience * 1000)}")

    @property
    def is_held(self) -> bool:
        """Whether what is committed may be read."""
        return self._held is not None

    def reader(self) -> Reader | None:
        """A connection that reads, None while the file is not held. Any thread may use it, one at a time.

        What is committed may be read while the writing connection waits to be opened again.
        """
        held = self._held
        if held is None:
            return None
        with translated(f"cannot open a connection to {self.dataset}"):
            connection = self._connect(held.database, Reader)
            try:
                connection.execute(f"PRAGMA cache_size = {-_READER_CACHE // 1024}")
                connection.execute("PRAGMA query_only = ON")
            except BaseException:
                connection.close()
                raise
        with self._reading:
            self._readers.add(connection)
        return connection

    def close(self) -> None:
        """Interrupt readers, and let go of the file; in memory, of its rows. Safe to call twice."""
        with self._lock:
            with self._reading:
                readers = tuple(self._readers)
            for reader in readers:
                # Its thread may be inside SQLite: it closes it itself.
                with suppress(sqlite3.Error):
                    reader.interrupt()
            self._let_go()

    def _answers(self) -> bool:
        """Whether there is a connection to go on with: to open another needs room on the disk."""
        if self._connection is None:
            return False
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        except sqlite3.Error:
            return False
        return True

    def _connected(self) -> sqlite3.Connection:
        assert self._held is not None, "the file is held"
        where = f"cannot open {self._held.database}"
        try:
            connection = self._connect(self._held.database, sqlite3.Connection)
        except sqlite3.Error as error:
            raise translate(error, where) from error
        try:
            with translated(where):
                for setting, value in self._settings().items():
                    connection.execute(f"PRAGMA {setting} = {value}")
                _expect_log(connection, where)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, database: Path, kind: type[_Connection]) -> _Connection:
        return sqlite3.connect(
            database, timeout=self._patience, isolation_level=None, check_same_thread=False, factory=kind
        )

    def _settings(self) -> dict[str, str]:
        # Only a database without tables takes this, and so it comes first.
        before = {"auto_vacuum": "INCREMENTAL"} if self._shrinks else {}
        return before | {
            "journal_mode": "WAL",
            # Beyond what SQLite does by itself on macOS, where a sync leaves data in the drive's cache.
            "synchronous": "OFF" if self.path is None else "FULL",
            "fullfsync": "OFF" if self.path is None else "ON",
            "wal_autocheckpoint": str(_LOG_BYTES // _PAGE_BYTES),
            "journal_size_limit": str(_LOG_BYTES),
            "cache_size": str(-self._cache // 1024),
            # Some builds overwrite what is deleted; that is a secret nowhere: the log has it too.
            "secure_delete": "OFF",
            "trusted_schema": "OFF",
        }

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _let_go(self) -> None:
        self._disconnect()
        if self._held is not None:
            self._held.release()
            self._held = None


def _expect_log(connection: sqlite3.Connection, where: str) -> None:
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    if journal != "wal":
        raise AcceleratorError(
            f"{where}: its file system lets processes share no memory, so readers would stop the writer; "
            "keep the file on a local disk"
        )


class _Held:
    """A database file that no other process may open, until ``let_go`` is called."""

    def __init__(self, database: Path, let_go: Callable[[], None]) -> None:
        self.database = database
        self.release = let_go


def _shared(path: Path, setting: str) -> _Held:
    """Hold a file at a place that other processes know: SQLite's own locks are there only while it writes."""
    try:
        lock = FileLock(path)
    except OSError as error:
        raise AcceleratorError(f"cannot make {path}: {error}") from error
    if lock.holder is not None:
        raise AcceleratorLocked(
            f"{path} is held by {lock.holder}; stop that process, or give this dataset another {setting}"
        )
    return _Held(path, lock.release)


def _private() -> _Held:
    """Hold a new file in a folder of its own."""
    parent = Path(tempfile.gettempdir())
    try:
        folder = PrivateFolder(parent, _FOLDER)
    except OSError as error:
        raise AcceleratorError(f"cannot make a temporary file in {parent}: {error}") from error
    return _Held(folder.path / "rows.sqlite", folder.release)
