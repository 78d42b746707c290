"""What a transaction does to dead letters, for every engine: the law that Work states, decided here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Protocol

import pyarrow as pa

from headrace.accelerator import LetterTally, StoredLetter, Work
from headrace.accelerators.keys import key_of_json, keys_of_rows, values_of_key
from headrace.change import ChangeBatch, DeadLetter
from headrace.position import SequenceNumber
from headrace.schema import TableSchema

_NO_KEY = (
    "its key cannot be read, so whether it is outdated cannot be known; discard it, or copy the table anew"
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is stored of a letter: ``key`` in the form of ``keys``, None where it cannot be read."""

    key: str | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class Due:
    """What the redriven letters of a Work come to, given what is stored of them.

    ``batches`` are to be applied before the stream's, and the letters of ``applied`` removed; ``reasons``
    are the new reasons of those that stay.
    """

    batches: tuple[ChangeBatch, ...]
    applied: tuple[str, ...]
    reasons: Mapping[str, str]
    tally: LetterTally


@dataclass(frozen=True, slots=True)
class Filed:
    """A letter to be stored, superseded from the start or not."""

    letter: DeadLetter
    key: str | None
    superseded: bool


@dataclass(frozen=True, slots=True)
class Filing:
    """Letters to store, each in place of one of its id, and keys of which all other letters are superseded."""

    letters: tuple[Filed, ...]
    keys: AbstractSet[str]


LetterRow = tuple[str | None, str | None, str | None, str, str, int, int | None]
"""Shard, sequence number, key, reason, record, and the microseconds since 1970 at which it was seen and superseded."""


def stored_letter(row: LetterRow) -> StoredLetter:
    """A letter as an engine stores it."""
    shard, number, key, reason, record, seen, superseded = row
    sequence = None if number is None else SequenceNumber(number)
    letter = DeadLetter(shard, sequence, key, reason, record, seen / 1e6)
    return StoredLetter(letter, None if superseded is None else superseded / 1e6)


class LetterStore(Protocol):
    """The dead letters of one copy as sets, inside a transaction. Keys are in the form of ``keys``."""

    def known(self, ids: Sequence[str]) -> Mapping[str, Known]:
        """Which letters of these ids are stored."""
        ...

    def remove(self, ids: Sequence[str]) -> int:
        """Remove the letters of these ids; how many there were."""
        ...

    def change_reasons(self, reasons: Mapping[str, str]) -> None:
        """Give letters, by id, other reasons."""
        ...

    def supersede(self, keys: Collection[str], at: float) -> int:
        """Have all waiting letters of these keys superseded ``at``; how many there were."""
        ...

    def store(self, letters: Sequence[Filed], at: float) -> None:
        """Add letters, of which none of the id is stored; superseded ones are so ``at``."""
        ...

    def of_stream(self, keys: Collection[str]) -> AbstractSet[str]:
        """Which keys a letter of the stream is stored of."""
        ...

    def count_waiting(self) -> int:
        """How many are not superseded."""
        ...


Noted = Callable[[pa.Table], Collection[int]]
"""Which rows of a table of key columns are noted."""


class CopyLetters:
    """The letters of one copy, of which there are ``stored``, ``waiting`` of them not superseded.

    Nothing is asked of its store, or changed there, for a copy that holds no letter and gets none.
    """

    def __init__(self, store: LetterStore, stored: int = 0, waiting: int = 0) -> None:
        self.stored = stored
        self.waiting = waiting
        self._store = store

    def due(self, work: Work) -> Due:
        """Which redriven letters of ``work`` may be applied."""
        ids = [one.id for one in work.redriven]
        return due(work, self._store.known(ids) if self.stored and ids else {})

    def file(self, work: Work, coming: Due, schema: TableSchema, noted: Noted | None) -> LetterTally:
        """Do to the letters what ``work`` asks; ``noted`` None says that there are no notes."""
        self._remove(coming.applied)
        if coming.reasons:
            self._store.change_reasons(coming.reasons)
        superseded = self._file(work, schema, noted) if self.waiting or work.dead else 0
        discarded = self._remove(work.discarded)
        if coming.applied or superseded or discarded or work.dead:
            self.waiting = self._store.count_waiting() if self.stored else 0
        return replace(
            coming.tally,
            added=len(work.dead),
            superseded=superseded,
            discarded=discarded,
            undiscarded=len(work.discarded) - discarded,
            stored=self.stored,
            waiting=self.waiting,
        )

    def _file(self, work: Work, schema: TableSchema, noted: Noted | None) -> int:
        """Supersede older letters and store new ones; how many became superseded."""
        filing = file_letters(work, schema, lambda keys: self._outlived(keys, schema, noted))
        self._remove([filed.letter.id for filed in filing.letters])
        superseded = sum(filed.superseded for filed in filing.letters)
        if self.stored and filing.keys:
            superseded += self._store.supersede(filing.keys, work.at)
        if filing.letters:
            self._store.store(filing.letters, work.at)
            self.stored += len(filing.letters)
        return superseded

    def _outlived(self, keys: Collection[str], schema: TableSchema, noted: Noted | None) -> set[str]:
        """Which keys the stream has touched while the Scan ran, or has a letter of."""
        listed = sorted(keys)
        outlived = set(self._store.of_stream(listed)) if self.stored else set()
        held = [(key, values) for key in listed if (values := values_of_key(key, schema)) is not None]
        if noted is not None and held:
            names = [column.name for column in schema.keys]
            rows = pa.Table.from_pylist(
                [dict(zip(names, values, strict=True)) for _, values in held],
                schema=pa.schema([schema.arrow().field(name) for name in names]),
            )
            outlived |= {held[row][0] for row in noted(rows)}
        return outlived

    def _remove(self, ids: Sequence[str]) -> int:
        if not (self.stored and ids):
            return 0
        removed = self._store.remove(ids)
        self.stored -= removed
        return removed


def due(work: Work, known: Mapping[str, Known]) -> Due:
    """Which redriven letters may be applied: those that are stored, and still their key's latest."""
    batches: list[ChangeBatch] = []
    applied: list[str] = []
    reasons: dict[str, str] = {}
    absent: list[str] = []
    outdated = 0
    for redriven in work.redriven:
        stored = known.get(redriven.id)
        if stored is None:
            absent.append(redriven.id)
        elif stored.superseded:
            outdated += 1
        elif stored.key is None:
            reasons[redriven.id] = _NO_KEY
        elif redriven.changes is None:
            reasons[redriven.id] = redriven.reason or "it cannot be decoded"
        else:
            batches.append(redriven.changes)
            applied.append(redriven.id)
    tally = LetterTally(
        retried=len(applied),
        failing=len(reasons),
        outdated=outdated,
        absent=len(absent),
        gone=(*applied, *absent),
    )
    return Due(tuple(batches), tuple(applied), reasons, tally)


def file_letters(
    work: Work, schema: TableSchema, outlived: Callable[[Collection[str]], AbstractSet[str]]
) -> Filing:
    """How the letters of ``work`` are stored, and of which keys older ones are superseded.

    ``outlived`` is asked which of these keys the stream has touched while the Scan ran, or has a stored
    letter of: an item of the Scan has no say about them.
    """
    last: dict[str, int] = {}
    first = 0
    for batch in work.stream:
        last |= {key: row for row, key in enumerate(keys_of_rows(batch.rows, batch.schema), first)}
        first += batch.count
    keyed = [(letter, key_of_json(letter.key, schema)) for letter in work.dead]
    newest = {key: letter.id for letter, key in keyed if key is not None and letter.shard is not None}
    touched = last.keys() | newest.keys()
    scanned = {key for letter, key in keyed if key is not None and letter.shard is None}
    gone = touched | (outlived(scanned - touched) if scanned - touched else frozenset())
    letters = [
        Filed(letter, key, key is not None and _superseded(letter, key, last, newest, gone))
        for letter, key in keyed
    ]
    return Filing(tuple(letters), touched)


def _superseded(
    letter: DeadLetter,
    key: str,
    last: Mapping[str, int],
    newest: Mapping[str, str],
    gone: Collection[str],
) -> bool:
    """Whether a letter is outdated by what its own transaction brings, or by what the stream has brought."""
    if letter.shard is None:
        return key in gone
    return last.get(key, -1) >= letter.place or newest[key] != letter.id
