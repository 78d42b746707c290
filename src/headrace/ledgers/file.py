"""The ledger's file: held by one process, one connection, each transaction durable when it returns."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.durable import sync
from headrace.errors import LedgerError
from headrace.file_lock import FileLock
from headrace.ledgers.door import translated
from headrace.ledgers.tables import prepare

_PATIENCE: Final = 5.0
_LOG_BYTES: Final = 16 * 2**20
_SPARE_BYTES: Final = 16 * 2**20
"""What removed failures may leave in the file before it shrinks."""

Step = Callable[[sqlite3.Connection], None]
"""What one caller wants done in a transaction. Carried out again if that of several callers fails."""


class LedgerFile:
    """A database in ``path``, None in memory. Any thread may call.

    It is opened, and held against other processes, by the first call that needs it, and again after it has failed.
    Commits of threads that wait for each other become one transaction: the disk is slower than they are.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._queue = threading.Lock()
        self._waiting: list[_Wish] = []
        self._held: FileLock | None = None
        self._inode: int | None = None
        self._connection: sqlite3.Connection | None = None
        self._failed = False
        self._closed = False

    @property
    def where(self) -> str:
        """The file, in messages."""
        return "the ledger in memory" if self._path is None else str(self._path)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for questions. Raises LedgerError."""
        with self._lock, self._noticed(), translated(f"cannot read {self.where}"):
            yield self._opened()

    def write(self, step: Step) -> None:
        """Carry it out, durably and whole, or not at all. Raises LedgerError, and what ``step`` raises."""
        wish = _Wish(step)
        with self._queue:
            self._waiting.append(wish)
        with self._lock:
            # Another thread may have taken it along.
            if not wish.done and wish.error is None:
                with self._queue:
                    wishes, self._waiting = self._waiting, []
                self._fulfil(wishes)
        if wish.error is not None:
            raise wish.error

    def shrink(self) -> None:
        """Give back to the disk what was removed, once it is much. Never raises: it can wait."""
        with self._lock, suppress(sqlite3.Error, LedgerError), self._noticed():
            connection = self._opened()
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            if free * size > _SPARE_BYTES:
                # Each of its steps frees one page, and execute takes but one step of what gives no columns.
                connection.executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Let go of the file; nothing can be asked any more. Safe to call twice."""
        with self._lock:
            self._closed = True
            self._disconnect()
            if self._held is not None:
                self._held.release()
                self._held = None

    def _fulfil(self, wishes: Sequence[_Wish]) -> None:
        try:
            self._carry_out(wishes)
        except Exception as error:  # noqa: BLE001 - it is raised in the thread of whoever wished it
            if len(wishes) == 1:
                wishes[0].error = error
            else:
                # Whatever failed is no fault of the others.
                for wish in wishes:
                    self._fulfil([wish])
        finally:
            for wish in wishes:
                if not wish.done and wish.error is None:
                    wish.error = LedgerError(f"cannot write {self.where}: interrupted")

    def _carry_out(self, wishes: Sequence[_Wish]) -> None:
        with self._noticed(), translated(f"cannot write {self.where}"):
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE")
            try:
                for wish in wishes:
                    wish.step(connection)
                connection.execute("COMMIT")
            except BaseException:
                # Some errors have ended the transaction already.
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise
        for wish in wishes:
            wish.done = True

    @contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, LedgerError, OSError):
            self._failed = True
            raise

    def _opened(self) -> sqlite3.Connection:
        if self._closed:
            raise LedgerError(f"{self.where} is closed")
        if self._path is not None:
            self._expect_same(self._path)
        if self._failed and self._connection is not None and not _answers(self._connection):
            self._disconnect()
        if self._connection is None:
            self._connection = self._connected()
        self._failed = False
        return self._connection

    def _expect_same(self, path: Path) -> None:
        """Raise LedgerError where the file is gone: what was committed lies in it, and nothing else may be taken for it."""
        if self._inode is None:
            return
        try:
            same = path.stat().st_ino == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            raise LedgerError(
                f"{path} was removed or replaced while Headrace ran; put it back, or stop Headrace first"
            )

    def _connected(self) -> sqlite3.Connection:
        if self._path is not None:
            self._hold(self._path)
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=_PATIENCE, isolation_level=None, check_same_thread=False
        )
        try:
            for setting, value in _SETTINGS.items():
                connection.execute(f"PRAGMA {setting} = {value}")
            _expect_log(connection, self.where)
            prepare(connection, self.where)
        except BaseException:
            connection.close()
            raise
        if self._path is not None:
            self._inode = self._path.stat().st_ino
        return connection

    def _hold(self, path: Path) -> None:
        if self._held is None:
            lock = FileLock(path)
            if lock.holder is not None:
                raise LedgerError(
                    f"{path} is held by {lock.holder}: one Headrace at a time runs the event_source_mappings of a "
                    "Spicepod; stop that process"
                )
            self._held = lock
        # SQLite's own files beside it have the same permissions.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            sync(path.parent)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None


@dataclass(eq=False, slots=True)
class _Wish:
    step: Step
    done: bool = False
    error: Exception | None = None


_SETTINGS: Final = {
    # Only a database without tables takes this, and so it comes first.
    "auto_vacuum": "INCREMENTAL",
    "journal_mode": "WAL",
    # Beyond what SQLite does by itself on macOS, where a sync leaves data in the drive's cache.
    "synchronous": "FULL",
    "fullfsync": "ON",
    "journal_size_limit": str(_LOG_BYTES),
    "trusted_schema": "OFF",
}


def _expect_log(connection: sqlite3.Connection, where: str) -> None:
    (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
    if journal not in ("wal", "memory"):
        raise LedgerError(f"{where} is on a file system without shared memory; use a local disk")


def _answers(connection: sqlite3.Connection) -> bool:
    """Whether there is a connection to go on with: to open another needs room on the disk."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
    except sqlite3.Error:
        return False
    return True
