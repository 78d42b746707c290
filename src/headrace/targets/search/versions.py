"""The version book: which change of an item was the last to be sent to the index, and under which number.

Numbers are what OpenSearch compares (``version_type: external``); the book says which number a change has, durably, before it is sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.errors import ConsumerFailed, LedgerError
from headrace.targets.state_file import StateFile, marks, parts

STEP: Final = 1000
"""Between two numbers. A write with if_seq_no adds one to a document's version, and must stay below the next number."""

MOST: Final = 2**63 - 1
"""The largest version of OpenSearch."""

_PAGE: Final = 1000
_CURE: Final = "start again; then run `headrace search verify --repair` once the mapping has caught up"
_SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS documents (
        id TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        number INTEGER NOT NULL,
        gone INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        at REAL NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE TABLE IF NOT EXISTS numbers (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL, settled INTEGER NOT NULL) STRICT",
    "INSERT OR IGNORE INTO numbers VALUES (1, 0, 0)",
    "CREATE TABLE IF NOT EXISTS indexes (at REAL PRIMARY KEY, uuid TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS fills (at REAL PRIMARY KEY, began INTEGER NOT NULL, number INTEGER NOT NULL) STRICT",
)
_PUT: Final = "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A change of a document that is about to be sent. ``version`` is as in Batch."""

    version: str
    gone: bool


@dataclass(frozen=True, slots=True)
class FillNumber:
    """Of a fill: what has a number above ``began`` has changed since it began; ``number`` is what its items are written with."""

    began: int
    number: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The last change of a document: its version, its number, whether it is a deletion, whether the index refused it."""

    version: str
    number: int
    gone: bool
    refused: bool = False

    def is_since(self, fill: FillNumber) -> bool:
        """Whether it was given its number after a fill began, and not by that fill."""
        return self.number > fill.began and self.number != fill.number

    def is_due(self, wanted: Wanted, settled: int) -> bool:
        """Whether ``wanted``, if it is no newer one, is to be sent again under this number."""
        if wanted.version != self.version or wanted.gone != self.gone:
            # It is older; or a fill has found that the item is gone.
            return False
        return self.refused or self.number >= settled


class VersionBook:
    """A database in ``path``, None in memory. Any thread may call; what a method changes is durable when it returns.

    ``seconds``: for how long a document's last change is remembered. ``clock`` gives epoch seconds. Every method raises LedgerError.
    """

    def __init__(self, path: Path | None, seconds: float, clock: Callable[[], float]) -> None:
        self._file = StateFile(path, _SCHEMA, "the version book", _CURE)
        self._seconds = seconds
        self._clock = clock
        self._pruned_at: float | None = None

    def give(self, wanted: Mapping[str, Wanted]) -> dict[str, int]:
        """The numbers of these changes, by the ids of their documents; of those that are done already there is none."""
        given: dict[str, int] = {}
        with self._file.writing() as connection:
            there = _entries(connection, list(wanted))
            settled = _settled(connection)
            fresh: dict[str, Wanted] = {}
            for id_, one in wanted.items():
                entry = there.get(id_)
                if entry is None or one.version > entry.version:
                    fresh[id_] = one
                elif entry.is_due(one, settled):
                    given[id_] = entry.number
            if fresh:
                given |= self._numbered(connection, fresh)
            self._prune(connection)
        return given

    def renew(self, wanted: Mapping[str, Wanted], above: int) -> dict[str, int]:
        """New numbers, greater than ``above``, of these changes, unless something newer was given one since.

        Raises ConsumerFailed where there is no greater one.
        """
        with self._file.writing() as connection:
            there = _entries(connection, list(wanted))
            settled = _settled(connection)
            left = {
                id_: one
                for id_, one in wanted.items()
                if (entry := there.get(id_)) is not None and entry.is_due(one, settled)
            }
            _raise_above(connection, above)
            return self._numbered(connection, left) if left else {}

    def last(self) -> int:
        """The greatest number that was ever given."""
        with self._file.opened("read") as connection:
            return _last(connection)

    def entries(self, ids: Sequence[str]) -> dict[str, Entry]:
        """What is in the book of these documents."""
        with self._file.opened("read") as connection:
            return _entries(connection, ids)

    def refuse(self, numbers: Mapping[str, int]) -> None:
        """The index has refused what was sent under these numbers, by the ids of their documents."""
        if not numbers:
            return
        with self._file.writing() as connection:
            connection.executemany(
                "UPDATE documents SET refused = 1 WHERE id = ? AND number = ?", list(numbers.items())
            )

    # Fills

    def begin_fill(self, at: float, index: str = "") -> FillNumber:
        """The number of the fill that began ``at`` (epoch seconds): always the same, and greater than all that were given before.

        ``index`` is the uuid of the index that it fills; the first that is told for a fill stays.
        """
        with self._file.writing() as connection:
            connection.execute("DELETE FROM indexes WHERE at != ?", (at,))
            connection.execute("INSERT OR IGNORE INTO indexes VALUES (?, ?)", (at, index))
            row = connection.execute("SELECT began, number FROM fills WHERE at = ?", (at,)).fetchone()
            if row is not None:
                return FillNumber(*row)
            number = self._next(connection)
            connection.execute("DELETE FROM fills")
            connection.execute("INSERT INTO fills VALUES (?, ?, ?)", (at, number, number))
            return FillNumber(number, number)

    def raise_fill(self, at: float, above: int) -> FillNumber:
        """Another number for the rest of a fill, greater than ``above``. Raises ConsumerFailed where there is no greater one."""
        with self._file.writing() as connection:
            _raise_above(connection, above)
            number = self._next(connection)
            connection.execute("UPDATE fills SET number = ? WHERE at = ?", (number, at))
            began, number = connection.execute(
                "SELECT began, number FROM fills WHERE at = ?", (at,)
            ).fetchone()
            return FillNumber(began, number)

    def settle(self, fill: FillNumber) -> None:
        """All items of the fill are written: what changed before it began need not be sent any more."""
        with self._file.writing() as connection:
            connection.execute("UPDATE numbers SET settled = max(settled, ?)", (fill.began,))

    def filled_index(self) -> str | None:
        """The uuid of the index that the last fill began with; None where the book knows of none."""
        with self._file.opened("read") as connection:
            row = connection.execute("SELECT uuid FROM indexes").fetchone()
            return None if row is None else str(row[0])

    def bury(self, ids: Sequence[str], fill: FillNumber) -> list[str]:
        """Note those of these documents as deleted by a fill that have not changed since it began; those that it noted."""
        now = self._clock()
        with self._file.writing() as connection:
            there = _entries(connection, ids)
            buried = [id_ for id_ in ids if id_ not in there or not there[id_].is_since(fill)]
            rows = [
                (id_, there[id_].version if id_ in there else "", fill.number, 1, 0, now) for id_ in buried
            ]
            connection.executemany(_PUT, rows)
        return buried

    def gone_since(self, fill: FillNumber) -> Iterator[dict[str, int]]:
        """The documents that were deleted since a fill began, with the numbers of their deletions, page by page."""
        after = ""
        while True:
            with self._file.opened("read") as connection:
                rows = connection.execute(
                    "SELECT id, number FROM documents WHERE id > ? AND gone = 1 AND number > ? ORDER BY id LIMIT ?",
                    (after, fill.began, _PAGE),
                ).fetchall()
            if not rows:
                return
            yield dict(rows)
            after = rows[-1][0]

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._file.close()

    def _numbered(self, connection: sqlite3.Connection, wanted: Mapping[str, Wanted]) -> dict[str, int]:
        number, now = self._next(connection), self._clock()
        connection.executemany(
            _PUT, [(id_, one.version, number, int(one.gone), 0, now) for id_, one in wanted.items()]
        )
        return dict.fromkeys(wanted, number)

    def _next(self, connection: sqlite3.Connection) -> int:
        number = max(int(self._clock() * 1e6) * STEP, _last(connection) + STEP)
        if number > MOST - STEP:
            raise LedgerError(
                f"the version book can give no more numbers: the last is {_last(connection)}; set the clock of this machine, move "
                "the book away, and make the index anew"
            )
        connection.execute("UPDATE numbers SET last = ?", (number,))
        return number

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Forget what is old, now and then: it is a search through all. The last number given is never forgotten."""
        now = self._clock()
        if self._pruned_at is not None and now - self._pruned_at < self._seconds / 100:
            return
        connection.execute("DELETE FROM documents WHERE at < ?", (now - self._seconds,))
        self._pruned_at = now


def _entries(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for asked in parts(ids):
        rows = connection.execute(
            f"SELECT id, version, number, gone, refused FROM documents WHERE id IN ({marks(len(asked))})",  # noqa: S608 - question marks
            asked,
        )
        found |= {
            id_: Entry(version, number, bool(gone), bool(refused))
            for id_, version, number, gone, refused in rows
        }
    return found


def _last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT last FROM numbers").fetchone()
    return int(last)


def _settled(connection: sqlite3.Connection) -> int:
    (settled,) = connection.execute("SELECT settled FROM numbers").fetchone()
    return int(settled)


def _raise_above(connection: sqlite3.Connection, above: int) -> None:
    if above > MOST - 2 * STEP:
        raise ConsumerFailed(
            "VersionTaken",
            f"a document of the index has the version {above}, which leaves no greater one; delete that document, or make the index anew",
        )
    connection.execute("UPDATE numbers SET last = max(last, ?)", (above,))
