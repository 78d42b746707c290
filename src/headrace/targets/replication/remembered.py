"""Which version of an item was the last to be written or deleted, where the item itself does not say it.

An item that is gone carries no version, so a replayed older put would bring it back: what was deleted is remembered, durably,
before the deletion is sent. Where others write to the replica too, each write is remembered once it is done, because they take
the version attribute away when they put the item anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.targets.state_file import StateFile, marks, parts

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
_CURE: Final = "run `headrace replicate verify --repair` once the mapping has caught up"


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
        self._file = StateFile(path, (_TABLE,), "what a replica remembers", _CURE)
        self._seconds = seconds
        self._pruned_at: float | None = None

    def passed(self, origin: str, keys: Sequence[str]) -> Mapping[str, Passed]:
        """What is remembered of items with these keys."""
        found: dict[str, Passed] = {}
        with self._file.opened("read") as connection:
            for asked in parts(keys):
                rows = connection.execute(
                    f"SELECT key, version, done FROM remembered WHERE origin = ? AND key IN ({marks(len(asked))})",  # noqa: S608 - question marks
                    (origin, *asked),
                )
                found |= {key: Passed(version, bool(done)) for key, version, done in rows}
        return found

    def remember(self, origin: str, passed: Mapping[str, Passed], now: float) -> None:
        """Remember these, by their keys, unless something newer is. ``now`` is epoch seconds."""
        if not passed:
            return
        rows = [(origin, key, one.version, int(one.done), now) for key, one in passed.items()]
        with self._file.writing() as connection:
            connection.executemany(_REMEMBER, rows)
            self._prune(connection, now)

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._file.close()

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what is old, now and then: it is a search through all."""
        if self._pruned_at is not None and now - self._pruned_at < self._seconds / 100:
            return
        connection.execute("DELETE FROM remembered WHERE at < ?", (now - self._seconds,))
        self._pruned_at = now
