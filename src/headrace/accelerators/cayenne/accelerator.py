"""One dataset's rows in Cayenne: immutable Vortex files and a SQLite metastore."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from headrace.accelerator import Applied, Stored, StoredLetter, Target, Which, Work
from headrace.accelerators.cayenne.exporting import export
from headrace.accelerators.cayenne.leaf import CayenneLeaf
from headrace.accelerators.cayenne.lookup import CayenneKeyReader
from headrace.accelerators.cayenne.policy import Policy
from headrace.accelerators.cayenne.table import CayenneTable
from headrace.accelerators.cayenne.transaction import CayenneTransaction, CopyState
from headrace.accelerators.cayenne.upkeep import Upkeep
from headrace.accelerators.disk import translated as disk_translated
from headrace.accelerators.exports import Exports
from headrace.accelerators.lookup import live_schema, stored_key
from headrace.accelerators.refused import apply_the_rest
from headrace.accelerators.relational import WorkWriter
from headrace.accelerators.sqlite.door import translated
from headrace.accelerators.sqlite.leaf import SQLiteLeaf
from headrace.accelerators.sqlite.letters import read_letters
from headrace.dataset import Acceleration
from headrace.errors import AcceleratorError
from headrace.explanation import ItemKey, StoredKey
from headrace.schema import TableSchema
from headrace.snapshot import Exported


class CayenneAccelerator:
    """A ChangeSink on a folder of files; see docs/cayenne-format.md for what lies there.

    ``background`` False: flushes and compactions happen only where ``upkeep.step`` is called.
    """

    def __init__(
        self,
        dataset: str,
        acceleration: Acceleration,
        policy: Policy | None = None,
        *,
        background: bool = True,
    ) -> None:
        assert acceleration.cayenne is not None, "the configuration names folders"
        self._dataset = dataset
        self._table = CayenneTable(dataset, acceleration.cayenne, acceleration.busy_timeout)
        self._writer = WorkWriter()
        self._background = background
        self.upkeep = Upkeep(self._table, policy or Policy())
        self._exports = Exports(dataset)

    def leaf(self) -> CayenneLeaf:
        """How statements read the live copy."""
        return CayenneLeaf(self._table)

    def letters_leaf(self) -> SQLiteLeaf | None:
        """How statements read the dead letters. None while the dataset is not open."""
        metastore = self._table.metastore
        return SQLiteLeaf.of_letters(metastore) if metastore.is_held else None

    def open(self) -> Stored:
        """Open the dataset, anew if it has failed, and read what the last commit left.

        Raises AcceleratorLocked where another process holds it, AcceleratorError otherwise.
        """
        with self.upkeep.paused():
            stored = self._table.load()
        if self._background:
            self.upkeep.start()
        self._exports.allow()
        return Stored(stored.get(Target.LIVE), stored.get(Target.BUILDING))

    def apply(self, work: Work) -> Applied:
        """Do ``work`` as one transaction.

        Raises CommitUnknown if the commit itself failed; AcceleratorFull and AcceleratorError mean that nothing was
        kept. Waits where flushes are far behind.
        """
        self.upkeep.catch_up()
        with self._table.lane():
            applied = apply_the_rest(work, self._apply, self._attempt)
        self.upkeep.wake()
        return applied

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """The next letters of the live copy, in the order of their ids."""
        doing = f"cannot read the dead letters of {self._dataset}"
        with self._table.lane() as connection, translated(doing):
            return read_letters(connection, names, which, after)

    def check(self) -> None:
        """Look whether the metastore still answers. Raises CommitUnknown where it must be opened again."""
        with self._table.lane() as connection, translated(f"{self._dataset} cannot be read"):
            connection.execute("SELECT 1 FROM headrace_checkpoint LIMIT 0")
            self._table.expect_loaded()

    def rows(self) -> int:
        """The number of live rows, 0 where there is no live copy. Any thread may ask."""
        live = self._table.copies.get(Target.LIVE)
        return 0 if live is None else live.rows

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key, as one commit left it. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return StoredKey() if reader is None else stored_key(reader, key)

    def schema(self) -> TableSchema | None:
        """The columns of the live copy as one commit left it, None where there is none. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return None if reader is None else live_schema(reader)

    def export(self, folder: Path, snapshot: str) -> Exported:
        """Write the live copy as one commit left it into the empty ``folder``: a metastore and files of rows."""
        doing = f"cannot export {self._dataset}"
        with self._exports.running(), disk_translated(doing), self._committed(doing) as commit:
            if commit is None:
                raise AcceleratorError(f"{doing}: it is not open; ask again soon")
            connection, copies = commit
            return export(connection, self._dataset, copies, folder, snapshot, self._exports)

    def restore(self, folder: Path) -> None:
        """Put an exported copy in place of whatever the dataset holds; ``open`` must be called next."""
        self._exports.stop()
        with self.upkeep.paused():
            self._table.load()
            self._table.replace(folder)

    def close(self) -> None:
        """Let go of the dataset."""
        self._exports.stop()
        self.upkeep.stop()
        self._table.close()

    def _apply(self, work: Work) -> Applied:
        with self._table.transaction(f"cannot write {self._dataset}") as transaction:
            applied = self._write(work, transaction)
            self._table.commit(transaction)
            return applied

    def _attempt(self, work: Work) -> None:
        """Do ``work`` and roll it back."""
        with self._table.transaction(f"cannot write {self._dataset}") as transaction:
            self._write(work, transaction)

    def _write(self, work: Work, transaction: CayenneTransaction) -> Applied:
        return self._writer.write(transaction, work)

    @contextmanager
    def _key_reader(self, doing: str) -> Iterator[CayenneKeyReader | None]:
        """One commit, None where the dataset is not open."""
        with self._committed(doing) as commit:
            yield None if commit is None else CayenneKeyReader(commit[0], self._dataset, commit[1])

    @contextmanager
    def _committed(
        self, doing: str
    ) -> Iterator[tuple[sqlite3.Connection, Mapping[Target, CopyState]] | None]:
        """One commit: a connection that sees it, and the copies with their files pinned. None where the dataset is not open."""
        connection = self._table.metastore.reader()
        if connection is None:
            yield None
            return
        try:
            with self._table.pins.reading(), translated(doing):
                with self._table.lane():
                    self._table.expect_loaded()
                    connection.execute("BEGIN")
                    connection.execute("SELECT 1 FROM headrace_checkpoint LIMIT 1").fetchone()
                    copies = self._table.copies
                yield connection, copies
        finally:
            connection.close()
