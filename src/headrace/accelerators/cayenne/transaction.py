"""One transaction on the metastore: the steps that ``relational`` asks of an engine.

States of copies are values: a transaction makes new ones, and nobody sees them before the metastore has committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.cayenne.data_file import DataFile, Writer
from headrace.accelerators.cayenne.file_record import Written, discard
from headrace.accelerators.cayenne.forms import has_same_keys
from headrace.accelerators.cayenne.key_hash import hash_keys
from headrace.accelerators.cayenne.key_index import Hashes, Positions
from headrace.accelerators.cayenne.metastore import Metastore
from headrace.accelerators.cayenne.part import FilePart, Part, RecentPart, Segment, live_rows, merged
from headrace.accelerators.cayenne.recent import Recent
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.sqlite.letters import SQLiteLetters
from headrace.accelerators.sqlite.tables import SQLiteCopy, swap_beside
from headrace.errors import RowRefused
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class CopyState:
    """A copy as a commit left it. Its recent rows have its schema, each file its own.

    ``recent_bytes`` is what the changes that made the recent rows take in the metastore; those of commits until
    ``sealed`` are on their way into a file.
    """

    number: int
    schema: TableSchema
    files: Mapping[int, FilePart] = field(default_factory=dict)
    recent: tuple[RecentPart, ...] = ()
    recent_bytes: int = 0
    sealed: int = 0

    def resealed(self, commit: int) -> CopyState:
        """The same, its recent rows until a commit no longer merged with later ones."""
        return replace(self, sealed=commit)

    @property
    def recent_rows(self) -> int:
        """The number of live rows that are in no file."""
        return sum(part.live_rows for part in self.recent)

    @property
    def rows(self) -> int:
        """The number of live rows."""
        return self.recent_rows + sum(part.live_rows for part in self.files.values())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a transaction works with: the metastore's connection, and how files are numbered and written."""

    connection: sqlite3.Connection
    dataset: str
    writer: Writer
    next_number: Callable[[], int]


class CayenneTransaction:
    """A RowTransaction that has begun. ``copies`` are those that it starts from."""

    def __init__(self, around: Surroundings, copies: Mapping[Target, CopyState]) -> None:
        self._around = around
        self.commit = Metastore(around.connection).next_commit()
        self.ended = False
        """Whether it was committed, or was to be."""
        self.made: list[DataFile] = []
        """Files that become part of a copy."""
        self.dropped: list[DataFile] = []
        """Files that no copy has any more once it has committed."""
        self._copies = {target: CayenneCopy(self, around, target, copies.get(target)) for target in Target}

    def copy(self, target: Target) -> CayenneCopy:
        """The tables of a copy."""
        return self._copies[target]

    def swap(self, *, noted: bool) -> None:
        """Make the building copy the live one, of which there is none any more."""
        swap_beside(self._around.connection, self._around.dataset, noted=noted)
        number = self._copies[Target.BUILDING].state.number
        Metastore(self._around.connection).retarget(number, Target.LIVE)
        building = self._copies[Target.BUILDING].state
        self._copies = {
            Target.LIVE: CayenneCopy(self, self._around, Target.LIVE, building),
            Target.BUILDING: CayenneCopy(self, self._around, Target.BUILDING, None),
        }

    def states(self) -> dict[Target, CopyState]:
        """The copies as they are now."""
        found = {target: copy.found for target, copy in self._copies.items()}
        return {target: state for target, state in found.items() if state is not None}

    def discard(self) -> None:
        """Nothing has been committed: remove the files that were written."""
        for file in self.made:
            discard(self._around.writer.folder, file.record.number)


class CayenneCopy:
    """The CopyTables of one copy. ``found`` is its state, None where there is no copy."""

    def __init__(
        self, transaction: CayenneTransaction, around: Surroundings, target: Target, found: CopyState | None
    ) -> None:
        self.found = found
        self._transaction = transaction
        self._around = around
        self._target = target
        self._metastore = Metastore(around.connection)
        self._beside = SQLiteCopy(around.connection, around.dataset, target, ())

    @property
    def letters(self) -> SQLiteLetters:
        """The copy's dead letters."""
        return self._beside.letters

    @property
    def state(self) -> CopyState:
        """The copy as it is within the transaction."""
        assert self.found is not None, "there is such a copy"
        return self.found

    def stored(self) -> CopyRow | None:
        """What is stored of the copy, None where there is none."""
        return self._beside.stored()

    def store(self, row: CopyRow) -> None:
        """Store this in place of what is stored of the copy."""
        self._beside.store(row)

    def create(self, schema: TableSchema) -> None:
        """Make an empty copy; there is none."""
        self.found = CopyState(self._metastore.add_copy(self._target), schema)

    def drop(self, row: CopyRow) -> None:
        """Remove the stored copy."""
        self._beside.drop_beside(row)
        self._metastore.remove_copy(self.state.number)
        self._transaction.dropped += (part.source for part in self.state.files.values())
        self.found = None

    def evolve(self, old: TableSchema, new: TableSchema, *, noted: bool) -> None:
        """Give the rows the columns of ``new``. Files stay as they are, unless their keys take another form."""
        for part in tuple(self.state.files.values()):
            if not has_same_keys(part.source.schema, new):
                self._rewrite(part, new)
        self.found = replace(
            self.state, schema=new, recent=tuple(_widened(part, new) for part in self.state.recent)
        )
        if noted:
            self._beside.evolve_notes(old, new)

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
        _expect_valid(written)
        state, commit = self.state, self._transaction.commit
        hashes = hash_keys(keys)
        files = {number: self._buried(part, keys, hashes) for number, part in state.files.items()}
        recent = tuple(part.without(part.find(keys, hashes)) for part in state.recent)
        if written.num_rows:
            segment = Segment(schema, written.combine_chunks(), hashes[: written.num_rows], commit)
            recent = (*recent, Part(segment))
        size = self._metastore.add_recent(state.number, commit, Recent(schema, written, gone))
        self.found = replace(
            state,
            files=files,
            recent=merged(recent, state.sealed),
            recent_bytes=state.recent_bytes + size,
        )

    def replace_unnoted(self, schema: TableSchema, rows: pa.Table) -> int:
        """As ``replace_rows``, but leave out rows whose key is noted; how many were stored."""
        noted = np.zeros(rows.num_rows, np.bool_)
        noted[self.noted(schema, rows.select([column.name for column in schema.keys]))] = True
        kept = rows.filter(pa.array(~noted))
        self.replace_rows(schema, kept, rows.slice(0, 0))
        return int(kept.num_rows)

    def flushed(
        self,
        segments: Collection[object],
        written: Written | None,
        schema: TableSchema,
        died: Positions,
        until: int,
    ) -> None:
        """A file of ``schema`` has the rows of the segments of these marks, and so of all changes until a commit.

        ``died`` are positions in it of rows that have died since. None: there was no row.
        """
        if written is not None:
            self._add(written, schema, died)
        self._metastore.remove_recent(self.state.number, until)
        self.found = replace(
            self.state,
            recent=tuple(part for part in self.state.recent if part.source.mark not in segments),
            recent_bytes=self._metastore.recent_bytes(self.state.number),
        )

    def compacted(
        self, sources: Sequence[DataFile], written: Written | None, schema: TableSchema, died: pa.Table
    ) -> None:
        """A file of ``schema`` takes the place of ``sources``; None: no row of theirs lives.

        ``died`` are the keys of rows that have died since they were read.
        """
        if written is not None:
            part = self._add(written, schema)
            if died.num_rows:
                self._bury(part, part.find(died, hash_keys(died)))
        self._remove(sources)

    def _rewrite(self, part: FilePart, schema: TableSchema) -> None:
        order = [(column.name, "ascending") for column in schema.keys]
        rows = [schema.arrow().empty_table(), *live_rows(part, schema)]
        ordered = pa.concat_tables(rows).sort_by(order)
        written = self._around.writer.write(self._around.next_number(), schema, [ordered])
        if written is not None:
            self._add(written, schema)
        self._remove([part.source])

    def _add(self, written: Written, schema: TableSchema, died: Positions | None = None) -> FilePart:
        record = self._metastore.add_file(self.state.number, schema, written)
        part = Part(DataFile(self._around.writer.folder, record, schema))
        self._transaction.made.append(part.source)
        self.found = replace(self.state, files={**self.state.files, record.number: part})
        if died is not None:
            self._bury(part, died)
        return part

    def _remove(self, files: Sequence[DataFile]) -> None:
        gone = {file.record.number for file in files}
        for number in gone:
            self._metastore.remove_file(number)
        self._transaction.dropped += files
        kept = {number: part for number, part in self.state.files.items() if number not in gone}
        self.found = replace(self.state, files=kept)

    def _buried(self, part: FilePart, keys: pa.Table, hashes: Hashes) -> FilePart:
        """A file without the rows of these keys."""
        positions = part.find(keys, hashes)
        if len(positions):
            self._metastore.add_deletions(part.source.record.number, positions)
        return part.without(positions)

    def _bury(self, part: FilePart, positions: Positions) -> None:
        number = part.source.record.number
        if len(positions):
            self._metastore.add_deletions(number, positions)
            self.found = replace(self.state, files={**self.state.files, number: part.without(positions)})


def _expect_valid(rows: pa.Table) -> None:
    """Raise RowRefused where values are none of their type: texts that are no UTF-8, decimals of too many digits."""
    try:
        rows.validate(full=True)
    except pa.ArrowInvalid as error:
        raise RowRefused(f"a value cannot be stored: {error}") from error


def _widened(part: RecentPart, schema: TableSchema) -> RecentPart:
    segment = part.source
    same = has_same_keys(segment.schema, schema)
    widened = segment.widened(schema, segment.hashes)
    if not same:
        names = [column.name for column in schema.keys]
        widened = replace(widened, hashes=hash_keys(widened.table.select(names)))
    return replace(part, source=widened)
