"""One dataset's rows in SQLite: found by their primary key, rows and checkpoint in one transaction."""
# ruff: noqa: S608 - names are quoted

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from headrace.accelerator import Applied, Stored, StoredCopy, StoredLetter, Target, Which, Work
from headrace.accelerators.disk import translated as disk_translated
from headrace.accelerators.exports import Exports
from headrace.accelerators.lookup import live_schema, stored_key
from headrace.accelerators.refused import apply_the_rest
from headrace.accelerators.relational import CopyRow, WorkWriter
from headrace.accelerators.sqlite.backup import (
    backed_up,
    expect_live,
    exported,
    keep_live,
    put_in_place,
    readable,
)
from headrace.accelerators.sqlite.door import quoted, translate, translated
from headrace.accelerators.sqlite.file import SQLiteFile
from headrace.accelerators.sqlite.leaf import SQLiteLeaf
from headrace.accelerators.sqlite.letters import read_letters
from headrace.accelerators.sqlite.lookup import SQLiteKeyReader
from headrace.accelerators.sqlite.tables import SQLiteTransaction, expect_columns, prepare, read_copy
from headrace.accelerators.stored_schema import decode_schema
from headrace.dataset import Acceleration, Mode
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.explanation import ItemKey, StoredKey
from headrace.schema import TableSchema
from headrace.snapshot import Exported
from headrace.sqlite_code import is_full

_EXPORTED = "copy.sqlite"
"""The file of an exported copy."""


class SQLiteAccelerator:
    """A ChangeSink on a database file of its own (``mode: file``), or of the process (``mode: memory``)."""

    def __init__(self, dataset: str, acceleration: Acceleration) -> None:
        self._dataset = dataset
        self._indexes = acceleration.indexes
        path: Path | None = acceleration.path if acceleration.mode is Mode.FILE else None
        self._file = SQLiteFile(dataset, path, acceleration.busy_timeout, acceleration.memory_limit)
        self._writer = WorkWriter()
        self._commits = 0
        self._counted = (-1, 0)
        self._exports = Exports(dataset)

    def leaf(self) -> SQLiteLeaf:
        """How statements read the live copy."""
        return SQLiteLeaf.of_rows(self._file, self._dataset)

    def letters_leaf(self) -> SQLiteLeaf | None:
        """How statements read the dead letters: ``letters.LETTER_COLUMNS``. None while the file is not open."""
        return SQLiteLeaf.of_letters(self._file) if self._file.is_held else None

    def open(self) -> Stored:
        """Open the database, anew if it has failed, and read what the last commit left.

        Raises AcceleratorLocked where another process holds the file, AcceleratorError otherwise.
        """
        stored = self._open()
        self._exports.allow()
        return stored

    def _open(self) -> Stored:
        self._file.open()
        with self._file.lane() as connection, self._transaction(connection, f"cannot open {self._dataset}"):
            prepare(connection, self._dataset)
            transaction = SQLiteTransaction(connection, self._dataset, self._indexes)
            copies: dict[Target, StoredCopy | None] = dict.fromkeys(Target)
            for target in Target:
                row = read_copy(connection, target)
                if row is not None:
                    expect_columns(connection, self._dataset, target, row)
                    # The Spicepod may ask for others than it did.
                    transaction.copy(target).ensure_indexes(decode_schema(row.schema))
                    copies[target] = row.decoded()
            connection.execute("COMMIT")
        self._commits += 1
        return Stored(copies[Target.LIVE], copies[Target.BUILDING])

    def apply(self, work: Work) -> Applied:
        """Do ``work`` as one transaction.

        Raises CommitUnknown if the commit itself failed; AcceleratorFull and AcceleratorError mean that nothing was
        kept.
        """
        with self._file.lane():
            return apply_the_rest(work, self._apply, self._attempt)

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """The next letters of the live copy, in the order of their ids."""
        doing = f"cannot read the dead letters of {self._dataset}"
        with self._file.lane() as connection, translated(doing):
            return read_letters(connection, names, which, after)

    def check(self) -> None:
        """Look whether the database still answers. Raises CommitUnknown where it must be opened again."""
        with self._file.lane() as connection, translated(f"{self._dataset} cannot be read"):
            connection.execute("SELECT 1 FROM headrace_checkpoint LIMIT 0")

    def rows(self) -> int:
        """The number of live rows, 0 where there is no live copy. Any thread may ask."""
        # SQLite counts by reading an index, so each commit's rows are counted once.
        commits, (counted, count) = self._commits, self._counted
        if counted != commits:
            count = self._count()
            self._counted = commits, count
        return count

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key, as one commit left it. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return StoredKey() if reader is None else stored_key(reader, key)

    def schema(self) -> TableSchema | None:
        """The columns of the live copy as one commit left it, None where there is none. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return None if reader is None else live_schema(reader)

    def export(self, folder: Path, snapshot: str) -> Exported:
        """Write the live copy as one commit left it into the empty ``folder``, as a database file without a log."""
        doing = f"cannot export {self._dataset}"
        with self._exports.running(), disk_translated(doing), self._reading(doing) as connection:
            if connection is None:
                raise AcceleratorError(f"{doing}: its database is not open; ask again soon")
            row = expect_live(connection, self._dataset)
            with backed_up(connection, folder / _EXPORTED, self._exports) as copy:
                building = SQLiteTransaction(copy, self._dataset, ()).copy(Target.BUILDING)
                other = building.stored()
                if other is not None:
                    building.drop(other)
                checkpoint = keep_live(copy, self._dataset, row, snapshot)
                (rows,) = copy.execute(f"SELECT count(*) FROM {quoted(self._dataset)}").fetchone()
        schema = decode_schema(row.schema)
        return Exported(checkpoint, schema, rows, row.letters, row.waiting, sqlite3.sqlite_version)

    def restore(self, folder: Path) -> None:
        """Put an exported copy in place of whatever the dataset holds; ``open`` must be called next."""
        self._exports.stop()
        self._open()
        with (
            exported(folder / _EXPORTED, self._dataset, ("headrace_checkpoint",)) as source,
            self._file.lane() as connection,
        ):
            with readable(self._dataset):
                expect_columns(source, self._dataset, Target.LIVE, expect_live(source, self._dataset))
            self._take_over(source, connection)

    def _take_over(self, source: sqlite3.Connection, connection: sqlite3.Connection) -> None:
        try:
            with translated(f"cannot restore {self._dataset}"):
                put_in_place(source, connection)
        except BaseException:
            # Whether it was committed, only another connection tells for sure.
            self._file.give_up()
            raise
        finally:
            self._commits += 1

    def close(self) -> None:
        """Let go of the database. In memory, the rows go with it."""
        self._exports.stop()
        self._file.close()
        self._commits += 1

    def _count(self) -> int:
        with self._reading(f"cannot count {self._dataset}") as connection:
            if connection is None or read_copy(connection, Target.LIVE) is None:
                return 0
            (count,) = connection.execute(f"SELECT count(*) FROM {quoted(self._dataset)}").fetchone()
            return int(count)

    def _apply(self, work: Work) -> Applied:
        with self._file.lane() as connection:
            with self._transaction(connection, f"cannot write {self._dataset}"):
                before = read_copy(connection, work.target)
                applied = self._write(connection, work)
            self._commit(connection, work.target, before)
            return applied

    def _attempt(self, work: Work) -> None:
        """Do ``work`` and roll it back."""
        with (
            self._file.lane() as connection,
            self._transaction(connection, f"cannot write {self._dataset}"),
        ):
            self._write(connection, work)
            connection.execute("ROLLBACK")

    def _write(self, connection: sqlite3.Connection, work: Work) -> Applied:
        return self._writer.write(SQLiteTransaction(connection, self._dataset, self._indexes), work)

    def _commit(self, connection: sqlite3.Connection, target: Target, before: CopyRow | None) -> None:
        """Commit. Raises AcceleratorFull where it is proven that nothing was kept, else CommitUnknown."""
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            if is_full(error) and _still(connection, target, before):
                raise translate(error, f"cannot write {self._dataset}") from error
            self._file.give_up()
            raise CommitUnknown(f"the commit of {self._dataset} failed ({error}); it is reopened") from error
        finally:
            self._commits += 1

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection, doing: str) -> Iterator[None]:
        """Begin one for writing, which the block ends; it is rolled back if the block fails."""
        try:
            with translated(doing):
                connection.execute("BEGIN IMMEDIATE")
                yield
        except BaseException:
            _roll_back(connection)
            raise

    @contextmanager
    def _key_reader(self, doing: str) -> Iterator[SQLiteKeyReader | None]:
        with self._reading(doing) as connection:
            yield None if connection is None else SQLiteKeyReader(connection, self._dataset)

    @contextmanager
    def _reading(self, doing: str) -> Iterator[sqlite3.Connection | None]:
        """One commit, None where the database is not open."""
        connection = self._file.reader()
        if connection is None:
            yield None
            return
        try:
            with translated(doing):
                connection.execute("BEGIN")
                yield connection
        finally:
            connection.close()


def _roll_back(connection: sqlite3.Connection) -> None:
    # After some failures SQLite has rolled back by itself.
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def _still(connection: sqlite3.Connection, target: Target, before: CopyRow | None) -> bool:
    """Whether the database still answers, and holds what it held."""
    try:
        return read_copy(connection, target) == before
    except (sqlite3.Error, AcceleratorError):
        return False
