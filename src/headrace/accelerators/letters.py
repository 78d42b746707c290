"""What a transaction does to dead letters, for every engine: the law that Work states, decided here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from headrace.accelerator import LetterTally, Work
from headrace.accelerators.keys import key_of_json, keys_of_rows
from headrace.change import ChangeBatch, DeadLetter
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
