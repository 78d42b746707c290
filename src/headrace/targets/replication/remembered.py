"""Which version of an item was the last to be written or deleted, where the item itself does not say it.

An item that is gone carries no version, so a replayed older put would bring it back: what was deleted is remembered, durably,
before the deletion is sent. Where others write to the replica too, each write is remembered once it is done, because they take
the version attribute away when they put the item anew.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import LedgerError
from headrace.sqlite_code import is_full, kind, name

_ASKED_AT_ONCE: Final = 500
_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS remembered (
        origin TEXT NOT NULL,
        key TEXT NOT NULL,
        version TEXT NOT NULL,
        done INTEGER NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (origin, key)
    ) STRICT, WITHOUT ROWID
"""
_REMEMBER: Final = """
    INSERT INTO remembered VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (origin, key) DO UPDATE SET
        done = CASE WHEN excluded.version > version THEN excluded.done ELSE max(done, excluded.done) END,
        version = excluded.version,
        at = excluded.at
    WHERE excluded.version >= version
"""


@dataclass(frozen=True, slots=True)
class Passed:
    """No state of an item of this version, or of one before it, may be written any more. ``done``: it is written itself."""

    version: str
    done: bool


class Remembered:
    """A database in ``path``, None in memory. Any thread may call; a change is durable when its method returns.

    Every method raises LedgerError. ``seconds``: for how long anything is remembered.
    """

    def __init__(self, path: Path | None, seconds: float) -> None:
        self._path = path
        self._seconds = seconds
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._pruned_at: float | None = None

    def passed(self, origin: str, keys: Sequence[str]) -> Mapping[str, Passed]:
        """What is remembered of items with these keys."""
        found: dict[str, Passed] = {}
        with self._opened("read") as connection:
            for first in range(0, len(keys), _ASKED_AT_ONCE):
                asked = keys[first : first + _ASKED_AT_ONCE]
                marks = ",".join("?" * len(asked))
                rows = connection.execute(
                    f"SELECT key, version, done FROM remembered WHERE origin = ? AND key IN ({marks})",  # noqa: S608 - question marks
                    (origin, *asked),
                )
                found |= {key: Passed(version, bool(done)) for key, version, done in rows}
        return found

    def remember(self, origin: str, passed: Mapping[str, Passed], now: float) -> None:
        """Remember these, by their keys, unless something newer is. ``now`` is epoch seconds."""
        if not passed:
            return
        rows = [(origin, key, one.version, int(one.done), now) for key, one in passed.items()]
        with self._opened("write") as connection, _whole(connection):
            connection.executemany(_REMEMBER, rows)
            self._prune(connection, now)

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what is old, now and then: it is a search through all."""
        if self._pruned_at is not None and now - self._pruned_at < self._seconds / 100:
            return
        connection.execute("DELETE FROM remembered WHERE at < ?", (now - self._seconds,))
        self._pruned_at = now

    @contextmanager
    def _opened(self, doing: str) -> Iterator[sqlite3.Connection]:
        where = "what a replica remembers" if self._path is None else str(self._path)
        with self._lock:
            try:
                if self._closed:
                    raise LedgerError(f"cannot {doing} {where}: it is closed")
                if self._connection is None:
                    self._connection = _open(self._path)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                raise LedgerError(f"cannot {doing} {where}: {_told(error)}") from error


@contextmanager
def _whole(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # Some errors have ended the transaction already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit outlives a loss of power.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _told(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error}; the file and its folder must be there and writable"
    if is_full(error):
        cure = "make room on the disk, in its quota or in what files may hold; it goes on by itself then"
    elif kind(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        cure = "the file is damaged; move it away, and run `headrace replicate verify --repair` once the mapping has caught up"
    else:
        cure = "the file and its folder must be writable, and no other program may hold it"
    return f"{error} ({name(error)}); {cure}"
