"""A dataset in Cayenne: metastore, files and recent rows held together, one commit after the other."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from headrace.accelerator import StoredCopy, Target
from headrace.accelerators.cayenne import door
from headrace.accelerators.cayenne.data_file import DataFile, Writer
from headrace.accelerators.cayenne.exporting import (
    TABLES,
    expect_exported,
    place,
    renumber,
)
from headrace.accelerators.cayenne.file_record import discard
from headrace.accelerators.cayenne.key_hash import hash_keys
from headrace.accelerators.cayenne.metastore import NAME, Metastore, prepare_metastore
from headrace.accelerators.cayenne.part import FilePart, Part, RecentPart, Segment
from headrace.accelerators.cayenne.pins import Pins
from headrace.accelerators.cayenne.recent import remaining
from headrace.accelerators.cayenne.transaction import CayenneTransaction, CopyState, Surroundings
from headrace.accelerators.disk import translated as disk_translated
from headrace.accelerators.sqlite.backup import backed_up, exported, put_in_place, readable
from headrace.accelerators.sqlite.door import translate, translated
from headrace.accelerators.sqlite.file import SQLiteFile
from headrace.accelerators.sqlite.tables import prepare, read_copy
from headrace.accelerators.stored_schema import decode_schema
from headrace.dataset import CayenneFiles
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.schema import TableSchema
from headrace.sqlite_code import is_full


class CayenneTable:
    """The copies of one dataset.

    ``copies`` are values, and replaced with each commit: any thread may read what it took, as long as its files are
    pinned.
    """

    def __init__(self, dataset: str, files: CayenneFiles, patience: float) -> None:
        self.dataset = dataset
        self.files = files
        self.metastore = SQLiteFile(
            dataset, files.metadata / NAME, patience, setting="cayenne_metadata_dir", shrinks=True
        )
        self.writer = Writer(files.folder, files.compression)
        self.pins = Pins()
        self._numbers = itertools.count(1)
        self._copies: Mapping[Target, CopyState] = {}
        self._loaded = False
        self._verified: set[int] = set()

    @property
    def copies(self) -> Mapping[Target, CopyState]:
        """The copies as the last commit left them."""
        return self._copies

    def load(self) -> dict[Target, StoredCopy]:
        """Take hold of the metastore, and read the copies from it unless they are known; what the last commit left.

        Nobody writes files meanwhile. Raises AcceleratorLocked, AcceleratorError.
        """
        self.metastore.open()
        with door.translated(f"cannot make {self.files.folder}"):
            self.files.folder.mkdir(parents=True, exist_ok=True)
        with self.lane() as connection, _undone(connection, f"cannot open {self.dataset}"):
            connection.execute("BEGIN IMMEDIATE")
            prepare(connection, self.dataset)
            prepare_metastore(connection)
            stored = {target: row for target in Target if (row := read_copy(connection, target)) is not None}
            if not self._loaded:
                schemas = {target: decode_schema(row.schema) for target, row in stored.items()}
                before = _files_of(self._copies)
                self._copies = self._read(Metastore(connection), schemas)
                # Whoever reads what there was before still needs its files.
                self.pins.give_up(before - _files_of(self._copies))
                self._remove_orphans()
            connection.execute("COMMIT")
            self._loaded = True
        return {target: row.decoded() for target, row in stored.items()}

    def close(self) -> None:
        """Let go of the metastore. Safe to call twice."""
        self._copies, self._loaded, self._verified = {}, False, set()
        self.metastore.close()

    @contextmanager
    def lane(self) -> Iterator[sqlite3.Connection]:
        """Hold the metastore: nothing is committed meanwhile. Raises CommitUnknown where ``load`` must be called first."""
        with self.metastore.lane() as connection:
            yield connection

    @contextmanager
    def transaction(self, doing: str) -> Iterator[CayenneTransaction]:
        """A transaction, which ``commit`` ends; it is undone where the block fails or leaves it open."""
        with self.lane() as connection, _undone(connection, doing):
            self.expect_loaded()
            connection.execute("BEGIN IMMEDIATE")
            around = Surroundings(connection, self.dataset, self.writer, self.next_number)
            transaction = CayenneTransaction(around, self._copies)
            try:
                yield transaction
            finally:
                if not transaction.ended:
                    transaction.discard()
                    _roll_back(connection)

    def commit(self, transaction: CayenneTransaction) -> None:
        """Commit. Raises AcceleratorFull where it is proven that nothing was kept, else CommitUnknown."""
        transaction.ended = True
        with self.lane() as connection:
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                _roll_back(connection)
                if is_full(error) and _still(connection, transaction):
                    transaction.discard()
                    raise translate(error, f"cannot write {self.dataset}") from error
                self._loaded = False
                self.metastore.give_up()
                raise CommitUnknown(
                    f"the commit of {self.dataset} failed ({error}); it is reopened"
                ) from error
            self._copies = transaction.states()
            self._verified |= {file.record.number for file in transaction.made}
        self.pins.give_up([path for file in transaction.dropped for path in _paths(file)])

    def replace(self, folder: Path) -> None:
        """Put the exported copy in ``folder`` in place of all copies; ``load`` must be called next.

        Nobody writes files meanwhile. The files lie there under new numbers before the metastore names them, at one
        stroke. Raises SnapshotRefused, AcceleratorFull, AcceleratorError.
        """
        doing = f"cannot restore {self.dataset}"
        renumbered = folder / f"restored-{NAME}"
        renumbered.unlink(missing_ok=True)
        with self.lane() as connection, translated(doing), disk_translated(doing):
            beyond = self.next_number()
            with exported(folder / NAME, self.dataset, TABLES) as metastore:
                with readable(self.dataset):
                    records = expect_exported(metastore, self.dataset, folder)
                with backed_up(metastore, renumbered) as copy:
                    renumber(copy, beyond)
            try:
                place(records, folder, self.files.folder, beyond)
            except BaseException:
                for record in records:
                    discard(self.files.folder, record.number + beyond)
                raise
            self._loaded = False
            try:
                with exported(renumbered, self.dataset, TABLES) as metastore:
                    put_in_place(metastore, connection)
            except BaseException:
                self.metastore.give_up()
                raise
            self._verified |= {record.number + beyond for record in records}

    def seal(self, copy: int) -> tuple[CopyState, int] | None:
        """A copy whose recent rows are no longer merged with later ones, and the last commit; None if it is gone."""
        with self.lane() as connection:
            self.expect_loaded()
            until = Metastore(connection).last_commit()
            for target, state in self._copies.items():
                if state.number == copy:
                    sealed = state.resealed(until)
                    self._copies = {**self._copies, target: sealed}
                    return sealed, until
        return None

    def expect_loaded(self) -> None:
        """Raise CommitUnknown where ``load`` must be called first."""
        if not self._loaded:
            raise CommitUnknown(f"{self.dataset}: the dataset must be opened again and its checkpoint read")

    def next_number(self) -> int:
        """A number that no file has had."""
        return next(self._numbers)

    def _read(self, metastore: Metastore, schemas: Mapping[Target, TableSchema]) -> dict[Target, CopyState]:
        numbers = metastore.copies()
        if numbers.keys() != schemas.keys():
            raise AcceleratorError(
                f"the metastore of {self.dataset} names copies {sorted(numbers)}, and checkpoints of {sorted(schemas)}; "
                "delete the dataset's folder to copy the table anew"
            )
        self._numbers = itertools.count(max(metastore.last_file() + 1, next(self._numbers)))
        return {target: self._state(metastore, number, schemas[target]) for target, number in numbers.items()}

    def _state(self, metastore: Metastore, copy: int, schema: TableSchema) -> CopyState:
        known = metastore.schemas()
        files: dict[int, FilePart] = {}
        for record in metastore.files(copy):
            file = DataFile(self.files.folder, record, known[record.schema])
            if record.number not in self._verified:
                file.expect_whole()
                self._verified.add(record.number)
            files[record.number] = Part(file).without(metastore.deletions(record.number))
        rows = remaining(list(metastore.recent(copy)), schema)
        recent: tuple[RecentPart, ...] = ()
        if rows.num_rows:
            hashes = hash_keys(rows.select([column.name for column in schema.keys]))
            recent = (Part(Segment(schema, rows.combine_chunks(), hashes, metastore.last_commit())),)
        return CopyState(copy, schema, files, recent, metastore.recent_bytes(copy))

    def _remove_orphans(self) -> None:
        """Remove files that no copy has and nobody reads: a process was gone before it could name or remove them."""
        kept = _files_of(self._copies) | self.pins.files
        with door.translated(f"cannot clear {self.files.folder}"):
            for path in (*self.files.folder.glob("part-*.vortex"), *self.files.folder.glob("part-*.keys")):
                if path not in kept:
                    path.unlink(missing_ok=True)


@contextmanager
def _undone(connection: sqlite3.Connection, doing: str) -> Iterator[None]:
    """Translate what the block raises, and roll back then."""
    try:
        with translated(doing):
            yield
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    # After some failures SQLite has rolled back by itself.
    with suppress(sqlite3.Error):
        connection.execute("ROLLBACK")


def _still(connection: sqlite3.Connection, transaction: CayenneTransaction) -> bool:
    """Whether the metastore still answers, and holds what it held before the transaction."""
    try:
        return Metastore(connection).last_commit() == transaction.commit - 1
    except sqlite3.Error:
        return False


def _files_of(copies: Mapping[Target, CopyState]) -> set[Path]:
    parts = (part for state in copies.values() for part in state.files.values())
    return {path for part in parts for path in _paths(part.source)}


def _paths(file: DataFile) -> tuple[Path, Path]:
    return file.path, file.keys_path
