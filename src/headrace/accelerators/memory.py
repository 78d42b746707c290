"""An accelerator of plain dictionaries: for tests, and the yardstick that real engines are held to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from headrace.accelerator import (
    LETTER_BYTES,
    LETTERS_AT_ONCE,
    Applied,
    LetterTally,
    Notes,
    Stored,
    StoredCopy,
    StoredLetter,
    Target,
    Which,
    Work,
)
from headrace.accelerators import parquet_copy
from headrace.accelerators.keys import key_of_json, values_of_key
from headrace.accelerators.letters import Due, Known, due, file_letters, stored_letter
from headrace.accelerators.parquet_copy import LETTER_FIELDS, LETTERS, NOTES, ROWS, CopyFacts
from headrace.accelerators.plain import Row, plain_rows, widened, widened_row
from headrace.accelerators.refused import apply_the_rest
from headrace.accelerators.stored_schema import decode_schema, encode_schema
from headrace.change import ChangeBatch, DeadLetter
from headrace.checkpoint import Checkpoint
from headrace.errors import AcceleratorError, RowRefused
from headrace.explanation import ItemKey, StoredKey
from headrace.schema import TableSchema
from headrace.snapshot import Exported

_ENGINE: Final = "memory"

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A letter, its key as ``keys`` writes it, and when it was superseded."""

    letter: DeadLetter
    key: str | None
    superseded_at: float | None


@dataclass(slots=True)
class _Copy:
    """One copy: rows by key, each whole; letters by id; the checkpoint as text, as a file would hold it."""

    schema: TableSchema
    checkpoint: str
    rows: dict[Key, Row] = field(default_factory=dict)
    notes: set[Key] = field(default_factory=set)
    letters: dict[str, _Kept] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a Work comes to, found before anything is changed."""

    copy: _Copy
    due: Due
    stream: list[tuple[Key, Row | None]]
    scanned: list[tuple[Key, Row | None]]


class MemoryAccelerator:
    """A ChangeSink that keeps everything in dictionaries, and so survives ``close`` but no process.

    ``refuses`` says why a row shall be refused, None if it shall not. It is written to be obviously right: every change is applied by itself, in order, and all that can
    fail happens before the first mutation, so that ``apply`` either does its whole work or nothing.
    """

    def __init__(
        self, refuses: Callable[[Row], str | None] = lambda _: None, dataset: str = "orders"
    ) -> None:
        self.refuses = refuses
        self.dataset = dataset
        self._copies: dict[Target, _Copy] = {}

    def open(self) -> Stored:
        """What the last ``apply`` left. Raises AcceleratorError where a checkpoint cannot be read."""
        return Stored(self._stored(Target.LIVE), self._stored(Target.BUILDING))

    def apply(self, work: Work) -> Applied:
        """Do ``work`` whole, or raise AcceleratorError and do nothing."""
        return apply_the_rest(work, self._apply, self._prepared)

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """The next letters of the live copy, in the order of their ids."""
        copy = self._copies.get(Target.LIVE)
        found: list[StoredLetter] = []
        size = 0
        for id_, kept in sorted(copy.letters.items() if copy else ()):
            superseded = Which.WAITING if kept.superseded_at is None else Which.SUPERSEDED
            sequence = kept.letter.sequence
            named = names is None or id_ in names or (sequence is not None and sequence.text in names)
            if not named or which not in (Which.ANY, superseded) or (after is not None and id_ <= after):
                continue
            if size >= LETTER_BYTES or len(found) == LETTERS_AT_ONCE:
                break
            size += len(kept.letter.record)
            found.append(StoredLetter(kept.letter, kept.superseded_at))
        return tuple(found)

    def _apply(self, work: Work) -> Applied:
        ready = self._prepared(work)
        copy = ready.copy
        # Nothing below can fail.
        written = _put_all(copy.rows, ready.stream)
        # A stream row is never older than the Scan's row of its key once the stream has been read on.
        shielded = copy.notes | written.keys()
        written |= _put_all(copy.rows, [change for change in ready.scanned if change[0] not in shielded])
        if work.notes is Notes.KEEP and work.scanning:
            copy.notes.update(key for key, _ in ready.stream)
        tally = _file(copy, work, ready.due)
        if work.notes is Notes.DROP:
            copy.notes.clear()
        self._copies[work.target] = copy
        if work.swap:
            self._copies[Target.LIVE] = self._copies.pop(work.target)
        deleted = sum(row is None for row in written.values())
        return Applied(len(written) - deleted, deleted, copy.schema, tally)

    def _prepared(self, work: Work) -> _Ready:
        """Everything of ``work`` that can fail; nothing is changed. Raises AcceleratorError."""
        old = self._copies.get(work.target) if work.create is None else _Copy(work.create, "")
        if old is None:
            raise AcceleratorError(
                f"there is no {work.target} copy to apply to; the first work on a copy must create it"
            )
        known = {id_: Known(kept.key, kept.superseded_at is not None) for id_, kept in old.letters.items()}
        coming = due(work, known)
        stream = (*coming.batches, *work.stream)
        schema = old.schema
        for batch in (*stream, *work.scan):
            schema = schema.join(batch.schema)
        return _Ready(
            _widened_copy(old, schema, work.checkpoint.encode()),
            coming,
            self._changes(stream, schema),
            self._changes(work.scan, schema),
        )

    def _changes(self, batches: Sequence[ChangeBatch], schema: TableSchema) -> list[tuple[Key, Row | None]]:
        changes = [change for batch in batches for change in _changes(batch, schema)]
        for _, row in changes:
            reason = None if row is None else self.refuses(row)
            if reason is not None:
                raise RowRefused(reason)
        return changes

    def export(self, folder: Path, snapshot: str) -> Exported:
        """Write the live copy into the empty ``folder``, as the files of ``parquet_copy``."""
        live = self._copies.get(Target.LIVE)
        if live is None:
            raise AcceleratorError("there is no copy yet that could be exported")
        checkpoint, schema = Checkpoint.decode(live.checkpoint), live.schema
        keys = TableSchema(schema.keys)
        notes = [
            {key.name: value for key, value in zip(keys.columns, note, strict=True)} for note in live.notes
        ]
        rows = list(self.live_rows().values())
        letters = [_letter_row(kept) for kept in live.letters.values()]
        for name, fields, found in (
            (ROWS, schema.arrow(), rows),
            (NOTES, keys.arrow(), notes),
            (LETTERS, LETTER_FIELDS, letters),
        ):
            parquet_copy.write(folder / name, fields, [pa.Table.from_pylist(found, schema=fields)])
        marked = replace(checkpoint, snapshot=snapshot).encode()
        counts = (len(rows), len(notes), len(letters), _waiting(live))
        facts = CopyFacts(_ENGINE, self.dataset, marked, encode_schema(schema), *counts)
        parquet_copy.write_facts(folder, facts)
        return Exported(checkpoint, schema, len(rows), len(letters), _waiting(live), pa.__version__)

    def restore(self, folder: Path) -> None:
        """Put an exported copy in place of all copies."""
        facts = parquet_copy.read_facts(folder, _ENGINE, self.dataset)
        schema = decode_schema(facts.schema)
        keys = TableSchema(schema.keys)

        def read(name: str, fields: pa.Schema, count: int) -> list[Row]:
            parts = parquet_copy.read(folder / name, fields, count, self.dataset)
            return plain_rows(pa.concat_tables([fields.empty_table(), *parts]))

        rows = read(ROWS, schema.arrow(), facts.rows)
        notes = read(NOTES, keys.arrow(), facts.notes or 0)
        letters = [_kept(row) for row in read(LETTERS, LETTER_FIELDS, facts.letters)]
        self._copies = {
            Target.LIVE: _Copy(
                schema,
                facts.checkpoint,
                {_key(row, schema): row for row in rows},
                {_key(note, keys) for note in notes},
                {kept.letter.id: kept for kept in letters},
            )
        }

    def check(self) -> None:
        """Dictionaries always answer."""

    def close(self) -> None:
        """Nothing to let go of: the copies stay, as a file would."""

    def rows(self) -> int:
        """The number of live rows."""
        return len(self.live_rows())

    def live_rows(self) -> dict[Key, Row]:
        """The rows that queries would see: by key, each with every column of the schema."""
        return self._rows_of(Target.LIVE)

    def building_rows(self) -> dict[Key, Row]:
        """The rows of the copy that is being built beside the live one."""
        return self._rows_of(Target.BUILDING)

    def schema(self) -> TableSchema | None:
        """The columns of the live copy, None where there is none."""
        stored = self._stored(Target.LIVE)
        return None if stored is None else stored.schema

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key."""
        copies = [self._copies[target] for target in Target if target in self._copies]
        noted = any(_sought(copy.schema, key) in copy.notes for copy in copies)
        dead = tuple(
            StoredLetter(kept.letter, kept.superseded_at)
            for copy in copies
            for kept in reversed(copy.letters.values())
            if kept.key is not None and kept.key == key_of_json(key.text, copy.schema)
        )
        live = self._copies.get(Target.LIVE)
        if live is None:
            return StoredKey(None, None, noted, dead)
        row = self._rows_of(Target.LIVE).get(_sought(live.schema, key))
        rows = pa.RecordBatch.from_pylist([row], schema=live.schema.arrow()) if row is not None else None
        return StoredKey(live.schema, rows, noted, dead)

    def dead_letters(self, target: Target = Target.LIVE) -> tuple[StoredLetter, ...]:
        """All dead letters of a copy, each once, oldest first."""
        copy = self._copies.get(target)
        kept = [] if copy is None else list(copy.letters.values())
        return tuple(StoredLetter(one.letter, one.superseded_at) for one in kept)

    def _rows_of(self, target: Target) -> dict[Key, Row]:
        copy = self._copies.get(target)
        if copy is None:
            return {}
        names = [column.name for column in copy.schema.columns]
        return {key: {name: row.get(name) for name in names} for key, row in copy.rows.items()}

    def _stored(self, target: Target) -> StoredCopy | None:
        copy = self._copies.get(target)
        if copy is None:
            return None
        return StoredCopy(Checkpoint.decode(copy.checkpoint), copy.schema, len(copy.letters), _waiting(copy))


def _letter_row(kept: _Kept) -> Row:
    """A letter as ``parquet_copy.LETTER_FIELDS`` has it."""
    letter, superseded = kept.letter, kept.superseded_at
    return {
        "id": letter.id,
        "shard": letter.shard,
        "sequence_number": None if letter.sequence is None else letter.sequence.text,
        "key": letter.key,
        "key_form": kept.key,
        "reason": letter.reason,
        "record": letter.record,
        "seen_at": round(letter.at * 1e6),
        "superseded_at": None if superseded is None else round(superseded * 1e6),
    }


def _kept(row: Row) -> _Kept:
    names = ("shard", "sequence_number", "key", "reason", "record", "seen_at", "superseded_at")
    shard, number, key, reason, record, seen, superseded = (row[name] for name in names)
    stored = stored_letter((shard, number, key, reason, record, seen, superseded))
    return _Kept(stored.letter, row["key_form"], stored.superseded_at)


def _waiting(copy: _Copy) -> int:
    return sum(kept.superseded_at is None for kept in copy.letters.values())


def _file(copy: _Copy, work: Work, coming: Due) -> LetterTally:
    """Do to the letters of ``copy`` what ``work`` asks."""
    for id_ in coming.applied:
        del copy.letters[id_]
    for id_, reason in coming.reasons.items():
        kept = copy.letters[id_]
        copy.letters[id_] = replace(kept, letter=replace(kept.letter, reason=reason))

    def outlived(keys: Collection[str]) -> set[str]:
        waiting = {kept.key for kept in copy.letters.values() if kept.letter.shard is not None}
        return {key for key in keys if key in waiting or values_of_key(key, copy.schema) in copy.notes}

    filing = file_letters(work, copy.schema, outlived) if work.dead or copy.letters else None
    superseded = 0
    if filing is not None:
        for filed in filing.letters:
            copy.letters.pop(filed.letter.id, None)
        for id_, kept in copy.letters.items():
            if kept.superseded_at is None and kept.key in filing.keys:
                copy.letters[id_] = replace(kept, superseded_at=work.at)
                superseded += 1
        for filed in filing.letters:
            copy.letters[filed.letter.id] = _Kept(
                filed.letter, filed.key, work.at if filed.superseded else None
            )
            superseded += filed.superseded
    discarded = sum(copy.letters.pop(id_, None) is not None for id_ in work.discarded)
    return replace(
        coming.tally,
        added=len(work.dead),
        superseded=superseded,
        discarded=discarded,
        undiscarded=len(work.discarded) - discarded,
        stored=len(copy.letters),
        waiting=_waiting(copy),
    )


def _sought(schema: TableSchema, key: ItemKey) -> Key:
    """The key as rows have it; that of no row where none can have it."""
    form = key_of_json(key.text, schema)
    return (None if form is None else values_of_key(form, schema)) or ()


def _put_all(rows: dict[Key, Row], changes: list[tuple[Key, Row | None]]) -> dict[Key, Row | None]:
    """Apply ``changes`` in order; the last of each key is returned."""
    for key, row in changes:
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
    return dict(changes)


def _changes(batch: ChangeBatch, schema: TableSchema) -> list[tuple[Key, Row | None]]:
    """The batch's changes in order, with the columns of ``schema``; None for a deletion."""
    deleted = [False] * batch.count if batch.deleted is None else batch.deleted.to_pylist()
    try:
        items = plain_rows(batch.rows)
    except UnicodeDecodeError as error:
        raise RowRefused(f"a text is not UTF-8: {error}") from error
    return [
        (_key(row, schema), None if gone else row)
        for item, gone in zip(items, deleted, strict=True)
        for row in [widened_row(item, batch.schema, schema)]
    ]


def _key(row: Row, schema: TableSchema) -> Key:
    key = tuple(row[column.name] for column in schema.keys)
    if None in key:
        names = ", ".join(column.name for column in schema.keys)
        raise RowRefused(f"a change has no value in a key column ({names}); items always have one")
    return key


def _widened_copy(old: _Copy, schema: TableSchema, checkpoint: str) -> _Copy:
    """``old`` under a schema that holds it; where nothing widens, its rows and notes themselves."""
    if old.schema == schema:
        return _Copy(schema, checkpoint, old.rows, old.notes, old.letters)
    rows = [widened_row(row, old.schema, schema) for row in old.rows.values()]
    notes = {_widened_key(key, old.schema, schema) for key in old.notes}
    return _Copy(schema, checkpoint, {_key(row, schema): row for row in rows}, notes, old.letters)


def _widened_key(key: Key, old: TableSchema, new: TableSchema) -> Key:
    return tuple(
        widened(value, was.type, now.type) for value, was, now in zip(key, old.keys, new.keys, strict=True)
    )
