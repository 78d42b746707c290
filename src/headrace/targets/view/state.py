"""What a view remembers, durably: of each item the version and what it brought, what groups add up to, and which rows are to be written.

A change takes away what is stored of its item, whatever the record's old image says, and adds what the new image brings. So a
record that comes again changes nothing, and one that was lost, or is parked, falsifies nothing but its own item, until
the next one of that item.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.errors import LedgerError
from headrace.targets.state_file import StateFile
from headrace.targets.view.accumulation import ALL, TABLES, Accumulation, totals_of
from headrace.targets.view.contribution import Part
from headrace.targets.view.definition import Definition
from headrace.targets.view.items import Arrival, Arrived, is_news, item_row, known_outcome, stored_items
from headrace.targets.view.totals import Totals

_FORMAT: Final = "1"
_ENDED_AT_ONCE: Final = 2000
"""Items that the end of a fill looks at in one transaction: deliveries wait for it."""

_TABLES: Final = (
    # KiB of pages that are kept in memory.
    "PRAGMA cache_size = -32768",
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE IF NOT EXISTS items (
        key TEXT PRIMARY KEY,
        version TEXT NOT NULL,
        epoch INTEGER NOT NULL,
        name TEXT,
        content BLOB,
        error TEXT,
        idle REAL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS idle_items ON items (idle) WHERE idle IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS waiting (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID",
)


class ViewState:
    """The state of ``definition`` in ``path``, None in memory. Any thread may call; every method raises LedgerError.

    ``tombstones`` (seconds): for how long the version of an item is known that brings nothing. A state of another definition is
    forgotten but for the items' versions: the view is to be filled.
    """

    def __init__(self, path: Path | None, definition: Definition, tombstones: float) -> None:
        self._path = path
        self._file = StateFile(
            path,
            (*TABLES, *_TABLES),
            "what a view keeps in memory",
            "the view is filled anew at the next start",
        )
        self._definition = definition
        self._tombstones = tombstones
        self._guard = threading.Lock()
        self._waiting: dict[str, int] = {}
        self._written: set[str] = set()
        self._turn = 0
        self._pruned_at: float | None = None
        self._lacks: str | None = None
        self._is_ready = False

    def open(self, now: float) -> None:
        """Read what is there, or begin. Safe to call again. ``now`` is epoch seconds."""
        with self._guard:
            if self._is_ready:
                return
            with self._file.writing() as connection:
                if _fact(connection, "definition") != self._signature():
                    self._begin_anew(connection, now)
                waiting = connection.execute("SELECT name FROM waiting ORDER BY name").fetchall()
                if not _fact(connection, "filled") and not _fact(connection, "filling"):
                    self._lacks = "the view has no rows yet of what the table held before"
            self._waiting = dict.fromkeys((name for (name,) in waiting), 0)
            self._is_ready = True

    # Changes

    def take(self, arrivals: Sequence[Arrival], now: float) -> list[Arrived]:
        """Have these, no two of one item, in one transaction. ``now`` is epoch seconds."""
        with self._file.writing() as connection:
            epoch = int(_fact(connection, "epoch") or 0)
            stored = stored_items(connection, [arrival.key for arrival in arrivals])
            groups = Accumulation(connection, self._definition.measures)
            rows: dict[str, None] = {}
            outcomes, kept = [], []
            for arrival in arrivals:
                known = stored.get(arrival.key)
                if not is_news(arrival, known, epoch):
                    outcomes.append(known_outcome(arrival, known))
                    continue
                rows |= dict.fromkeys(self._move(groups, known.part if known else None, arrival.part))
                version = arrival.version or (known.version if known else "")
                kept.append(item_row(arrival, version, epoch, now))
                row = arrival.part.row if arrival.part else None
                outcomes.append(Arrived(row, arrival.error, newer=False))
            connection.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
            groups.close()
            self._prune(connection, now)
            self._mark(connection, rows)
        return outcomes

    def _move(self, groups: Accumulation, old: Part | None, new: Part | None) -> Iterator[str]:
        """Take what an item brought away, and add what it brings; the rows that change."""
        if old == new:
            return
        if self._definition.is_grouped:
            if old is not None:
                groups.take(old.row, old.content)
            if new is not None:
                groups.add(new.row, new.content)
        yield from (part.row for part in (old, new) if part is not None)

    def _prune(self, connection: sqlite3.Connection, now: float) -> None:
        """Forget what has brought nothing for long, now and then."""
        if self._pruned_at is not None and now - self._pruned_at < self._tombstones / 100:
            return
        connection.execute("DELETE FROM items WHERE idle < ?", (now - self._tombstones,))
        self._pruned_at = now

    # Fills

    @property
    def lacks(self) -> str | None:
        """Why the view must be filled anew, as it was opened; None where it need not, or a fill has ended since."""
        return self._lacks

    @property
    def is_filled(self) -> bool:
        """Whether a fill has ended since this definition is the view's."""
        with self._file.opened("read") as connection:
            return _fact(connection, "filled") is not None

    def begin_fill(self, at: float) -> None:
        """From now on, what is stored gives way to what the fill brings. One that has ended already changes nothing any more."""
        with self._file.writing() as connection:
            if repr(at) not in (_fact(connection, "filling"), _fact(connection, "filled")):
                _set(connection, "filling", repr(at))
                _set(connection, "epoch", str(int(_fact(connection, "epoch") or 0) + 1))

    def drop_unseen(self, after: str, now: float) -> str | None:
        """Take away what neither the fill nor a record has brought since it began: some of the items, from ``after`` on.

        The key after which to go on, None at the end.
        """
        with self._file.writing() as connection:
            epoch = int(_fact(connection, "epoch") or 0)
            found = connection.execute(
                "SELECT key, version, epoch, name, content, error FROM items WHERE key > ? ORDER BY key LIMIT ?",
                (after, _ENDED_AT_ONCE),
            ).fetchall()
            groups = Accumulation(connection, self._definition.measures)
            rows: dict[str, None] = {}
            gone = []
            for key, version, of_epoch, name, content, error in found:
                if of_epoch >= epoch or (name is None and error is None):
                    continue
                rows |= dict.fromkeys(self._move(groups, None if name is None else Part(name, content), None))
                gone.append(item_row(Arrival(key, version, None), version, epoch, now))
            connection.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?, ?)", gone)
            groups.close()
            self._mark(connection, rows)
        return found[-1][0] if len(found) == _ENDED_AT_ONCE else None

    def end_fill(self) -> None:
        """The view is complete."""
        with self._file.writing() as connection:
            filling = _fact(connection, "filling")
            if filling is not None:
                _set(connection, "filled", filling)
                connection.execute("DELETE FROM facts WHERE name = 'filling'")
        self._lacks = None

    def recount(self) -> None:
        """Make all groups anew of what items brought. Everybody waits meanwhile."""
        with self._file.writing() as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM groups")}
            for table in ("groups", "extremes"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of two words
            self._begin_whole(connection)
            after = ""
            while True:
                found = connection.execute(
                    "SELECT key, name, content FROM items WHERE key > ? AND name IS NOT NULL ORDER BY key LIMIT ?",
                    (after, _ENDED_AT_ONCE),
                ).fetchall()
                groups = Accumulation(connection, self._definition.measures)
                for _, name, content in found:
                    groups.add(name, content)
                names.update(groups.close())
                if len(found) < _ENDED_AT_ONCE:
                    break
                after = found[-1][0]
            self._mark(connection, names)

    # Rows

    def expect_output(self, identity: str) -> None:
        """What takes the rows is known by ``identity``; where that is another than before, all rows are to be written."""
        with self._file.writing() as connection:
            if _fact(connection, "output") == identity:
                return
            _set(connection, "output", identity)
            table = (
                "SELECT name FROM groups"
                if self._definition.is_grouped
                else "SELECT key FROM items WHERE name IS NOT NULL"
            )
            names = [name for (name,) in connection.execute(table)]
            self._mark(connection, names)

    def waiting(self, limit: int) -> Mapping[str, int]:
        """Some of the rows that are to be written, each with the turn in which it was last changed."""
        with self._guard:
            return {
                name: turn
                for name, turn, _ in zip(self._waiting, self._waiting.values(), range(limit), strict=False)
            }

    def written(self, rows: Mapping[str, int]) -> None:
        """These, as ``waiting`` gave them, are durable where they belong. That is noted with the next change."""
        with self._guard:
            for name, turn in rows.items():
                if self._waiting.get(name) == turn:
                    del self._waiting[name]
                    self._written.add(name)

    def set_aside(self, rows: Mapping[str, int]) -> None:
        """These cannot be written as they are: they wait until they change, or the next process tries them."""
        with self._guard:
            for name, turn in rows.items():
                if self._waiting.get(name) == turn:
                    del self._waiting[name]

    def mark(self, rows: Iterable[str]) -> None:
        """These are to be written once more."""
        names = list(rows)
        with self._file.writing() as connection:
            self._mark(connection, names)

    def totals(self, rows: Iterable[str]) -> dict[str, Totals | None]:
        """What these groups add up to now."""
        with self._file.opened("read") as connection:
            return {name: totals_of(connection, self._definition.measures, name) for name in rows}

    def parts(self, keys: Sequence[str]) -> dict[str, tuple[str, Part | None]]:
        """What these items bring, each with the version of the item."""
        with self._file.opened("read") as connection:
            found = stored_items(connection, keys)
        return {key: (stored.version, stored.part) for key, stored in found.items()}

    def is_waiting(self, row: str) -> bool:
        """Whether a row is to be written yet."""
        with self._guard:
            return row in self._waiting

    def contents(self, rows: Iterable[str]) -> dict[str, bytes | None]:
        """These rows that are items, as they are now."""
        with self._file.opened("read") as connection:
            found = stored_items(connection, list(rows))
        return {
            name: stored.part.content if (stored := found.get(name)) and stored.part else None
            for name in rows
        }

    # Looking at all of it

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """All of it, as it is at one moment; where it is in memory, nothing is changed meanwhile."""
        if self._path is None:
            with self._file.opened("read") as connection:
                yield connection
            return
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("BEGIN")
                # The first read is what it is a snapshot of.
                connection.execute("SELECT count(*) FROM facts").fetchone()
                yield connection
        except sqlite3.Error as error:
            raise LedgerError(f"cannot read {self._path}: {error}") from error

    def names(self) -> Iterator[str]:
        """The names of all rows, some of those that come or go meanwhile among them."""
        table = (
            "SELECT name FROM groups WHERE name > ? ORDER BY name LIMIT ?"
            if self._definition.is_grouped
            else "SELECT key FROM items WHERE key > ? AND name IS NOT NULL ORDER BY key LIMIT ?"
        )
        after = ""
        while True:
            with self._file.opened("read") as connection:
                found = [name for (name,) in connection.execute(table, (after, _ENDED_AT_ONCE))]
            yield from found
            if len(found) < _ENDED_AT_ONCE:
                return
            after = found[-1]

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        if self._is_ready and self._written:
            # Else the next process would write them once more.
            with suppress(LedgerError):
                self.mark(())
        self._file.close()

    def _begin_anew(self, connection: sqlite3.Connection, now: float) -> None:
        for table in ("groups", "extremes", "waiting"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of three words
        connection.execute("DELETE FROM facts WHERE name IN ('filled', 'filling')")
        connection.execute(
            "UPDATE items SET epoch = 0, name = NULL, content = NULL, error = NULL, idle = ?", (now,)
        )
        _set(connection, "definition", self._signature())
        self._begin_whole(connection)
        if self._definition.groups == ():
            connection.execute("INSERT INTO waiting VALUES (?)", (ALL,))

    def _begin_whole(self, connection: sqlite3.Connection) -> None:
        if self._definition.groups == ():
            # SELECT count(*) of nothing is a row.
            kept = "[" + ",".join(["[0,null]"] * len(self._definition.measures)) + "]"
            connection.execute("INSERT INTO groups VALUES (?, 0, ?)", (ALL, kept))

    def _signature(self) -> str:
        return hashlib.sha256(f"{_FORMAT} {self._definition.sql}".encode()).hexdigest()

    def _mark(self, connection: sqlite3.Connection, rows: Iterable[str]) -> None:
        """These are to be written, durably with the rest of the transaction, and others are not any more.

        In memory that holds at once: nobody reads a row before the transaction has ended, and if it is undone, they are written in vain.
        """
        names = list(rows)
        with self._guard:
            self._turn += 1
            done, self._written = self._written, set()
            for name in names:
                # To the end: what changes all the time must not keep others from being written.
                self._waiting.pop(name, None)
                self._waiting[name] = self._turn
        connection.executemany("DELETE FROM waiting WHERE name = ?", [(name,) for name in done])
        connection.executemany("INSERT OR IGNORE INTO waiting VALUES (?)", [(name,) for name in names])


def _fact(connection: sqlite3.Connection, name: str) -> str | None:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _set(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
