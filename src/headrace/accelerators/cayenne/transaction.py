"""One transaction on the metastore and the face together: the steps that ``relational`` asks of an engine.

Nothing that others see changes before ``publish``: what a transaction does to files' dead rows and to the list of files
is kept with it until the metastore has committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.cayenne.data_file import NONE, DataFile, Writer
from headrace.accelerators.cayenne.face import Face, hash_keys
from headrace.accelerators.cayenne.file_record import Written, discard
from headrace.accelerators.cayenne.forms import is_lazy
from headrace.accelerators.cayenne.key_index import Positions
from headrace.accelerators.cayenne.metastore import Metastore
from headrace.accelerators.cayenne.recent import Recent
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.sqlite.letters import SQLiteLetters
from headrace.accelerators.sqlite.tables import SQLiteCopy, swap_beside
from headrace.accelerators.widen import widen_rows
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class CopyState:
    """A copy as a commit left it.

    ``next_row`` is the number of the next recent row; ``recent_rows`` are in no file, and ``recent_bytes`` what the
    changes that made them take in the metastore.
    """

    number: int
    schema: TableSchema
    files: dict[int, DataFile] = field(default_factory=dict)
    next_row: int = 0
    recent_rows: int = 0
    recent_bytes: int = 0

    @property
    def rows(self) -> int:
        """The number of live rows."""
        return self.recent_rows + sum(file.live_rows for file in self.files.values())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a transaction works with: the two databases, and how files are numbered and written."""

    connection: sqlite3.Connection
    face: Face
    writer: Writer
    next_number: Callable[[], int]

    @property
    def dataset(self) -> str:
        """The dataset's name."""
        return self.face.dataset


class CayenneTransaction:
    """A RowTransaction, begun on both databases. ``copies`` are those that it starts from."""

    def __init__(self, around: Surroundings, copies: dict[Target, CopyState]) -> None:
        self._around = around
        self._metastore = Metastore(around.connection)
        self.commit = self._metastore.next_commit()
        self.made: list[DataFile] = []
        """Files written for this transaction."""
        self.dropped: list[DataFile] = []
        """Files that no copy has any more once it has committed."""
        self._copies = {target: CayenneCopy(self, around, target, copies.get(target)) for target in Target}

    def copy(self, target: Target) -> CayenneCopy:
        """The tables of a copy."""
        return self._copies[target]

    def swap(self, *, noted: bool) -> None:
        """Make the building copy the live one, of which there is none any more."""
        swap_beside(self._around.connection, self._around.dataset, noted=noted)
        building = self._copies[Target.BUILDING]
        building.retarget(Target.LIVE)
        self._copies[Target.LIVE] = building
        self._copies[Target.BUILDING] = CayenneCopy(self, self._around, Target.BUILDING, None)

    def finish(self) -> None:
        """Show what has changed. Nothing more is done to the copies thereafter."""
        for copy in self._copies.values():
            copy.finish()

    def publish(self) -> dict[Target, CopyState]:
        """Both databases have committed: the copies as they are now."""
        found = {target: copy.published() for target, copy in self._copies.items()}
        return {target: state for target, state in found.items() if state is not None}

    def discard(self) -> None:
        """Nothing has been committed: remove the files that were written."""
        for file in self.made:
            discard(self._around.writer.folder, file.number)


class CayenneCopy:
    """The CopyTables of one copy, and its files."""

    def __init__(
        self, transaction: CayenneTransaction, around: Surroundings, target: Target, state: CopyState | None
    ) -> None:
        self._transaction = transaction
        self._around = around
        self._target = target
        self._metastore = Metastore(around.connection)
        self._beside = SQLiteCopy(around.connection, around.dataset, target, ())
        self._state = state
        self._died: dict[int, Positions] = {}
        self._touched = self._reshown = False

    @property
    def letters(self) -> SQLiteLetters:
        """The copy's dead letters."""
        return self._beside.letters

    @property
    def number(self) -> int | None:
        """The copy's number; None if there is no copy."""
        return None if self._state is None else self._state.number

    @property
    def state(self) -> CopyState:
        """The copy as it is within the transaction, but for rows that died in it."""
        assert self._state is not None, "there is such a copy"
        return self._state

    def stored(self) -> CopyRow | None:
        """What is stored of the copy, None where there is none."""
        return self._beside.stored()

    def store(self, row: CopyRow) -> None:
        """Store this in place of what is stored of the copy."""
        self._beside.store(row)

    def create(self, schema: TableSchema) -> None:
        """Make an empty copy; there is none."""
        number = self._metastore.add_copy(self._target)
        self._around.face.create(number, schema)
        self._state = CopyState(number, schema)
        self._reshown = True

    def drop(self, row: CopyRow) -> None:
        """Remove the stored copy."""
        self._beside.drop_beside(row)
        self._metastore.remove_copy(self.state.number)
        self._around.face.drop(self.state.number, self._target)
        self._transaction.dropped += self.state.files.values()
        self._state = None
        self._died = {}

    def evolve(self, old: TableSchema, new: TableSchema, *, noted: bool) -> None:
        """Give the rows the columns of ``new``; files are written anew only where they cannot be read as such."""
        for file in tuple(self.state.files.values()):
            if not is_lazy(file.schema, new):
                self._rewrite(file, new)
        self._around.face.evolve(self.state.number, old, new)
        if noted:
            self._beside.evolve_notes(old, new)
        self._change(schema=new)

    def create_notes(self, schema: TableSchema) -> None:
        """Make an empty table of notes."""
        self._beside.create_notes(schema)

    def drop_notes(self) -> None:
        """Remove the table of notes."""
        self._beside.drop_notes()

    def note(self, schema: TableSchema, keys: pa.Table) -> None:
        """Note keys, some of which may be noted already."""
        self._beside.note(schema, keys)

    def noted(self, schema: TableSchema, keys: pa.Table) -> list[int]:
        """Which rows of ``keys`` are noted."""
        return self._beside.noted(schema, keys)

    def replace_rows(self, schema: TableSchema, written: pa.Table, removed: pa.Table) -> None:
        """Store rows in place of those of their keys, and remove those of the keys of ``removed``."""
        names = [column.name for column in schema.keys]
        gone = removed.select(names)
        keys = pa.concat_tables([written.select(names), gone])
        if not keys.num_rows:
            return
        face, state = self._around.face, self.state
        if state.files:
            hashes = hash_keys(face.connection, keys, schema)
            for file in state.files.values():
                self._bury(file, file.find(keys, hashes))
        recent = Recent(schema, written, gone)
        size = self._metastore.add_recent(state.number, self._transaction.commit, recent)
        face.replace(state.number, keys, written, state.next_row)
        self._state = replace(
            state,
            next_row=state.next_row + written.num_rows,
            recent_bytes=state.recent_bytes + size,
        )
        self._touched = True

    def replace_unnoted(self, schema: TableSchema, rows: pa.Table) -> int:
        """As ``replace_rows``, but leave out rows whose key is noted; how many were stored."""
        noted = np.zeros(rows.num_rows, np.bool_)
        noted[self.noted(schema, rows.select([column.name for column in schema.keys]))] = True
        kept = rows.filter(pa.array(~noted))
        self.replace_rows(schema, kept, rows.slice(0, 0))
        return int(kept.num_rows)

    def flushed(self, written: Written | None, schema: TableSchema, numbers: Positions, until: int) -> None:
        """A file has, at its positions, the recent rows of these ``numbers``, as the commit ``until`` left them.

        None: there were none.
        """
        face, state = self._around.face, self.state
        if written is not None:
            file = self._add(written, schema)
            remaining = face.remaining(state.number, int(numbers.max()) + 1)
            self._bury(file, np.flatnonzero(~np.isin(numbers, remaining)))
            face.remove_recent(state.number, int(numbers.max()) + 1)
        self._metastore.remove_recent(state.number, until)
        self._change(recent_bytes=self._metastore.recent_bytes(state.number))

    def compacted(
        self, sources: Sequence[DataFile], written: Written | None, schema: TableSchema, died: pa.Table
    ) -> None:
        """A file of ``schema`` takes the place of ``sources``; None: no row of theirs lives.

        ``died`` are the keys of rows that have died since they were read.
        """
        if written is not None:
            file = self._add(written, schema)
            if died.num_rows:
                hashes = hash_keys(self._around.face.connection, died, schema)
                self._bury(file, file.find(died, hashes))
        self._remove(sources)

    def finish(self) -> None:
        """Show what has changed."""
        if self._state is None:
            return
        face, state = self._around.face, self._state
        if self._reshown:
            dirty = {number for number, file in state.files.items() if file.dead_rows} | self._died.keys()
            face.show(state.number, self._target, state.schema, state.files.values(), dirty)
        if self._touched or self._reshown:
            self._state = replace(state, recent_rows=face.recent_rows(state.number))

    def published(self) -> CopyState | None:
        """The copy as the transaction leaves it."""
        if self._state is not None:
            for number, positions in self._died.items():
                self._state.files[number].kill(positions)
        return self._state

    def retarget(self, target: Target) -> None:
        """Be another copy from now on; what is stored beside the rows has moved already."""
        self._around.face.hide(self._target)
        self._metastore.retarget(self.state.number, target)
        self._target = target
        self._beside = SQLiteCopy(self._around.connection, self._around.dataset, target, ())
        self._reshown = True

    def _rewrite(self, file: DataFile, schema: TableSchema) -> None:
        tables: Iterable[pa.Table] = (widen_rows(part, file.schema, schema) for part in file.live())
        if _key_types(file.schema) != _key_types(schema):
            order = [(column.name, "ascending") for column in schema.keys]
            tables = [pa.concat_tables([schema.arrow().empty_table(), *tables]).sort_by(order)]
        number = self._around.next_number()
        written = self._around.writer.write(number, schema, tables)
        if written is not None:
            self._add(written, schema)
        self._remove([file])

    def _add(self, written: Written, schema: TableSchema) -> DataFile:
        record = self._metastore.add_file(self.state.number, schema, written)
        file = DataFile(self._around.writer.folder, record, schema)
        self._transaction.made.append(file)
        self._change(files=self.state.files | {record.number: file})
        return file

    def _remove(self, files: Sequence[DataFile]) -> None:
        gone = {file.number for file in files}
        for number in gone:
            self._metastore.remove_file(number)
            self._died.pop(number, None)
        self._around.face.forget(self.state.number, sorted(gone))
        self._transaction.dropped += files
        self._change(files={number: file for number, file in self.state.files.items() if number not in gone})

    def _bury(self, file: DataFile, positions: Positions) -> None:
        before = self._died.get(file.number, NONE)
        positions = np.setdiff1d(positions, before, assume_unique=True)
        if not len(positions):
            return
        if not (len(before) or file.dead_rows):
            self._reshown = True
        self._died[file.number] = np.concatenate([before, positions])
        self._metastore.add_deletions(file.number, positions)
        self._around.face.bury(self.state.number, file.number, positions)

    def _change(self, **changes: object) -> None:
        self._state = replace(self.state, **changes)  # type: ignore[arg-type]  # Fields of CopyState.
        self._reshown = True


def _key_types(schema: TableSchema) -> list[pa.DataType]:
    return [column.type.arrow() for column in schema.keys]
