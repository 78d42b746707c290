"""A target's own SQLite file: opened when it is needed, durable at each commit, its errors as ours."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from headrace.errors import LedgerError
from headrace.sqlite_code import is_full, kind, name

ASKED_AT_ONCE: Final = 500
"""Values in one statement: SQLite's parameters are bounded."""


class StateFile:
    """A database in ``path``, None in memory, with the tables that ``schema`` creates where they are missing.

    ``what`` names it in messages where it has no path; ``cure`` says what is to be done where it is damaged. Any thread may use it,
    one at a time.
    """

    def __init__(self, path: Path | None, schema: Sequence[str], what: str, cure: str) -> None:
        self._path = path
        self._schema = schema
        self._what = what
        self._cure = cure
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    @contextmanager
    def opened(self, doing: str) -> Iterator[sqlite3.Connection]:
        """The connection, alone. ``doing`` is read or write, for messages. Raises LedgerError."""
        where = self._what if self._path is None else str(self._path)
        with self._lock:
            try:
                if self._closed:
                    raise LedgerError(f"cannot {doing} {where}: it is closed")
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                raise LedgerError(f"cannot {doing} {where}: {self._told(error)}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, durable when the block is left; nothing of it where an error leaves it. Raises LedgerError."""
        with self.opened("write") as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # Some errors have ended the transaction already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit outlives a loss of power.
            connection.execute("PRAGMA synchronous = FULL")
            for statement in self._schema:
                connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        return connection

    def _told(self, error: sqlite3.Error | OSError) -> str:
        if isinstance(error, OSError):
            return f"{error}; the file and its folder must be there and writable"
        if is_full(error):
            cure = "make room on the disk, in its quota or in what files may hold; it goes on by itself then"
        elif kind(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            cure = f"the file is damaged; move it away, and {self._cure}"
        else:
            cure = "the file and its folder must be writable, and no other program may hold it"
        return f"{error} ({name(error)}); {cure}"


def marks(count: int) -> str:
    """So many question marks for a statement."""
    return ",".join("?" * count)


def parts(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """``values``, as many at once as a statement takes."""
    for first in range(0, len(values), ASKED_AT_ONCE):
        yield values[first : first + ASKED_AT_ONCE]
