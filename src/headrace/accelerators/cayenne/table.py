"""A dataset in Cayenne: metastore, files and face held together, one commit after the other."""

from __future__ import annotations

import itertools
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from headrace.accelerator import StoredCopy, Target
from headrace.accelerators.cayenne import door as files_door
from headrace.accelerators.cayenne.data_file import DataFile, Writer
from headrace.accelerators.cayenne.face import Face, hash_keys
from headrace.accelerators.cayenne.key_index import Hashes
from headrace.accelerators.cayenne.metastore import NAME, Metastore, prepare_metastore
from headrace.accelerators.cayenne.pins import Pins
from headrace.accelerators.cayenne.recent import remaining
from headrace.accelerators.cayenne.transaction import CayenneTransaction, CopyState, Surroundings
from headrace.accelerators.duckdb import DuckDBInstance
from headrace.accelerators.duckdb import door as duckdb_door
from headrace.accelerators.sqlite import door as sqlite_door
from headrace.accelerators.sqlite.file import SQLiteFile
from headrace.accelerators.sqlite.tables import prepare, read_copy
from headrace.accelerators.stored_schema import decode_schema
from headrace.dataset import CayenneFiles
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.schema import TableSchema

_PLAIN: Final = frozenset(f"{string.ascii_letters}{string.digits}/!$&'()+,-.:;=@^_|~")
"""The characters of paths that ``read_vortex`` finds: of others it makes a pattern or a part of an address
(vortex-data 0.91, DuckDB 1.5.5)."""


class CayenneTable:
    """The copies of one dataset.

    Locks are taken in this order: that of the dataset's database in DuckDB, then that of the metastore.
    """

    def __init__(self, instance: DuckDBInstance, dataset: str, files: CayenneFiles, patience: float) -> None:
        odd = set(str(files.folder)) - _PLAIN
        if odd:
            raise AcceleratorError(
                f"dataset {dataset}: the folder {files.folder} has {' and '.join(map(repr, sorted(odd)))} in its path, where "
                "DuckDB's extension finds no files; name another cayenne_file_path, of ASCII letters, digits, - and _"
            )
        self.dataset = dataset
        self.files = files
        self.metastore = SQLiteFile(dataset, files.metadata / NAME, patience)
        self.pins = Pins(instance.readers)
        self._instance = instance
        self._numbers = itertools.count(1)
        self._copies: dict[Target, CopyState] = {}
        self._loaded = False
        self._verified: set[int] = set()

    @property
    def copies(self) -> dict[Target, CopyState]:
        """The copies as the last commit left them. Hold the lane for more than a glance."""
        return self._copies

    def load(self) -> dict[Target, StoredCopy]:
        """Take hold of the metastore and make the face, anew if either has failed; what the last commit left.

        Nobody writes files meanwhile. Raises AcceleratorLocked, AcceleratorError.
        """
        doing = f"cannot open {self.dataset}"
        self.metastore.open()
        with files_door.translated(doing):
            self.files.folder.mkdir(parents=True, exist_ok=True)
        self._instance.writer(self.dataset)
        with self.both() as (connection, face), self._undone(connection, face, doing):
            connection.execute("BEGIN IMMEDIATE")
            prepare(connection, self.dataset)
            prepare_metastore(connection)
            stored = {target: row for target in Target if (row := read_copy(connection, target)) is not None}
            if not (self._loaded and self._has_face(face)):
                self._loaded = False
                schemas = {target: decode_schema(row.schema) for target, row in stored.items()}
                self._remake(Metastore(connection), face, schemas)
            connection.execute("COMMIT")
            self._loaded = True
        return {target: row.decoded() for target, row in stored.items()}

    def close(self) -> None:
        """Let go of both databases. Safe to call twice."""
        self._copies, self._loaded = {}, False
        self._instance.release(self.dataset)
        self.metastore.close()

    @contextmanager
    def both(self) -> Iterator[tuple[sqlite3.Connection, Face]]:
        """Hold both databases. Raises CommitUnknown where ``load`` must be called first."""
        with self._instance.lane(self.dataset) as face, self.metastore.lane() as connection:
            yield connection, Face(face, self.dataset)

    @contextmanager
    def reading(self) -> Iterator[Face]:
        """The face in a transaction that reads only. Raises CommitUnknown where ``load`` must be called first."""
        cursor = self._instance.reader(self.dataset)
        if cursor is None:
            raise self._unloaded()
        try:
            with duckdb_door.translated(f"cannot read {self.dataset}"):
                cursor.execute("BEGIN TRANSACTION READ ONLY")
                yield Face(cursor, self.dataset)
        finally:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            cursor.close()

    @contextmanager
    def transaction(self, doing: str) -> Iterator[CayenneTransaction]:
        """A transaction, which ``commit`` ends; it is undone where the block fails or leaves it open."""
        with self.both() as (connection, face):
            self.expect_loaded()
            with self._undone(connection, face, doing):
                connection.execute("BEGIN IMMEDIATE")
                face.connection.execute("BEGIN TRANSACTION")
                transaction = CayenneTransaction(self._around(connection, face), self._copies)
                committed = False
                try:
                    yield transaction
                    committed = not connection.in_transaction
                finally:
                    if not committed and self._loaded:
                        transaction.discard()
                        _roll_back(connection, face)

    def commit(self, transaction: CayenneTransaction) -> None:
        """Commit the metastore, then the face.

        Raises AcceleratorFull where it is proven that nothing was kept, else CommitUnknown.
        """
        with self.both() as (connection, face):
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                _roll_back(connection, face)
                if sqlite_door.is_full(error) and _still(connection, transaction):
                    raise sqlite_door.translate(error, f"cannot write {self.dataset}") from error
                raise self._unknown(error) from error
            try:
                face.connection.execute("COMMIT")
            except duckdb.Error as error:
                raise self._unknown(error) from error
            self._copies = transaction.publish()
        self.pins.give_up([path for file in transaction.dropped for path in (file.path, file.keys_path)])

    def _unknown(self, error: Exception) -> CommitUnknown:
        self._loaded = False
        self.metastore.give_up()
        return CommitUnknown(f"the commit of {self.dataset} failed ({error}); it is reopened")

    def expect_loaded(self) -> None:
        """Raise CommitUnknown where ``load`` must be called first."""
        if not self._loaded:
            raise self._unloaded()

    def _unloaded(self) -> CommitUnknown:
        return CommitUnknown(f"{self.dataset}: the dataset must be opened again and its checkpoint read")

    def _around(self, connection: sqlite3.Connection, face: Face) -> Surroundings:
        return Surroundings(connection, face, self.writer(face.connection), self.next_number)

    def writer(self, connection: duckdb.DuckDBPyConnection) -> Writer:
        """What writes files; keys are hashed on ``connection``."""

        def hashed(keys: pa.Table, schema: TableSchema) -> Hashes:
            return hash_keys(connection, keys, schema)

        return Writer(self.files.folder, self.files.compression, hashed)

    def next_number(self) -> int:
        """A number that no file has had."""
        return next(self._numbers)

    def _has_face(self, face: Face) -> bool:
        """Whether the face is that of the last commit: a database in memory may have been lost."""
        try:
            for state in self._copies.values():
                face.recent_rows(state.number)
        except duckdb.Error:
            return False
        return True

    def _remake(self, metastore: Metastore, face: Face, schemas: dict[Target, TableSchema]) -> None:
        """Read the copies from the metastore, and make the face of them."""
        numbers = metastore.copies()
        if numbers.keys() != schemas.keys():
            raise AcceleratorError(
                f"the metastore of {self.dataset} names copies {sorted(numbers)}, and checkpoints of {sorted(schemas)}; "
                "delete the dataset's folder to copy the table anew"
            )
        self._numbers = itertools.count(max(metastore.last_file() + 1, next(self._numbers)))
        face.connection.execute("BEGIN TRANSACTION")
        face.clear()
        copies = {
            target: self._copy_state(metastore, face, target, number, schemas[target])
            for target, number in numbers.items()
        }
        face.connection.execute("COMMIT")
        self._copies = copies
        self._remove_orphans()

    def _copy_state(
        self, metastore: Metastore, face: Face, target: Target, number: int, schema: TableSchema
    ) -> CopyState:
        known = metastore.schemas()
        files: dict[int, DataFile] = {}
        face.create(number, schema)
        for record in metastore.files(number):
            file = files[record.number] = DataFile(self.files.folder, record, known[record.schema])
            if record.number not in self._verified:
                file.expect_whole()
                self._verified.add(record.number)
            dead = metastore.deletions(record.number)
            file.kill(dead)
            face.bury(number, record.number, dead)
        rows = remaining(list(metastore.recent(number)), schema)
        face.replace(number, rows.slice(0, 0), rows, 0)
        dirty = {number for number, file in files.items() if file.dead_rows}
        face.show(number, target, schema, files.values(), dirty)
        return CopyState(number, schema, files, rows.num_rows, rows.num_rows, metastore.recent_bytes(number))

    def _remove_orphans(self) -> None:
        """Remove files that no copy has and nobody reads: a process was gone before it could name or remove them."""
        kept = {
            path for state in self._copies.values() for file in state.files.values() for path in _paths(file)
        }
        kept |= self.pins.files
        with files_door.translated(f"cannot clear {self.files.folder}"):
            for path in (*self.files.folder.glob("part-*.vortex"), *self.files.folder.glob("part-*.keys")):
                if path not in kept:
                    path.unlink(missing_ok=True)

    @contextmanager
    def _undone(self, connection: sqlite3.Connection, face: Face, doing: str) -> Iterator[None]:
        """Translate what the block raises, and roll both databases back then."""
        try:
            with sqlite_door.translated(doing), duckdb_door.translated(doing):
                yield
        except BaseException:
            _roll_back(connection, face)
            raise


def _roll_back(connection: sqlite3.Connection, face: Face) -> None:
    # After some failures they have rolled back by themselves.
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")
    with suppress(duckdb.Error):
        face.connection.execute("ROLLBACK")


def _still(connection: sqlite3.Connection, transaction: CayenneTransaction) -> bool:
    """Whether the metastore still answers, and holds what it held before the transaction."""
    try:
        return Metastore(connection).last_commit() == transaction.commit - 1
    except sqlite3.Error:
        return False


def _paths(file: DataFile) -> tuple[Path, Path]:
    return file.path, file.keys_path
