"""What replication asks of an engine, and what queries ask of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from headrace.change import ChangeBatch, DeadLetter, Redriven
from headrace.checkpoint import Checkpoint
from headrace.schema import TableSchema


class Target(StrEnum):
    """Which copy of a table: the one that queries see, or one being built beside it."""

    LIVE = "live"
    BUILDING = "building"


class Notes(StrEnum):
    """What to do with the notes of keys that the stream has touched while the Scan runs."""

    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """A copy as its last commit left it, with the number of its dead letters, and of those that wait."""

    checkpoint: Checkpoint
    schema: TableSchema
    letters: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """What an accelerator holds for a dataset; None where there is no such copy."""

    live: StoredCopy | None
    building: StoredCopy | None


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction.

    In this order: with ``create``, the target (and its notes and letters) is made anew and empty, with
    the columns of that schema; columns widen or are added; ``redriven`` letters that are stored and
    not superseded give their rows, and are gone; ``stream`` rows are applied in order, last write per
    key, and (while the Scan runs: ``notes`` KEEP and ``scanning``) the keys of both noted; ``scan`` rows
    are applied whose key is neither noted nor among the stream's here; letters are superseded and ``dead``
    ones stored; letters whose ids are ``discarded`` are gone; DROP drops the notes; ``swap`` makes the
    building copy the live one, in place of it and of its letters; the checkpoint is stored. ``at`` is
    when the work was planned (epoch seconds, the service's clock).

    A row that the engine refuses becomes a dead letter, and everything else is done; one that a later row
    of its key replaces here need not be tried, and then leaves no letter.

    **The law of dead letters.** A letter is a change that its key has missed. What came later holds the
    whole item, so a later record of the key, applied or dead, supersedes it: of each key at most one
    letter waits, the newest, and no row is newer than that. Therefore a waiting letter may be applied at
    any time after Ready without taking its key back, and a superseded one never. A letter whose key cannot
    be read is never applied: what came later cannot be known.

    An item of a Scan is older than every record of its key that the stream has brought or will bring, or
    the stream is still to bring what makes it so. So a stream's record supersedes a Scan's letter in
    whatever order they come; a Scan's row supersedes nothing: if it is newer than a letter, the record
    that made it so comes by the stream before Ready. Letters belong to one copy, as rows do.
    """

    target: Target
    checkpoint: Checkpoint
    stream: tuple[ChangeBatch, ...] = ()
    scan: tuple[ChangeBatch, ...] = ()
    dead: tuple[DeadLetter, ...] = ()
    create: TableSchema | None = None
    scanning: bool = False
    notes: Notes = Notes.KEEP
    swap: bool = False
    redriven: tuple[Redriven, ...] = ()
    discarded: tuple[str, ...] = ()
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class LetterTally:
    """What one transaction did with dead letters, and how many the copy holds after it (``waiting``: not superseded).

    ``added`` are new (``refused`` of them by the engine). ``superseded`` became so. Of the redriven ones
    ``retried`` are applied, ``failing`` failed again and stay, ``outdated`` were superseded and stay,
    ``absent`` were not there, as were ``undiscarded`` of those to be discarded. ``gone`` are the ids of the
    redriven ones that are applied or not there, ``refusals`` those of the letters that the engine made.
    """

    added: int = 0
    refused: int = 0
    superseded: int = 0
    retried: int = 0
    failing: int = 0
    outdated: int = 0
    absent: int = 0
    discarded: int = 0
    undiscarded: int = 0
    stored: int = 0
    waiting: int = 0
    gone: tuple[str, ...] = field(default=(), compare=False)
    refusals: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a commit did: rows written and deleted after merging, and the schema now."""

    upserted: int
    deleted: int
    schema: TableSchema
    letters: LetterTally = LetterTally()


DEAD_LETTERS = "headrace_dead_letter"
"""The table under which users query the letters of all datasets."""


@dataclass(frozen=True, slots=True)
class LetterOutcome:
    """What became of the letters that an operator asked for.

    ``retried`` are applied and gone, ``failing`` failed again, ``superseded`` were outdated and are left
    alone, ``discarded`` are gone. ``unknown`` are names of no letter.
    """

    retried: int
    failing: int
    superseded: int
    discarded: int
    unknown: tuple[str, ...]


class Which(StrEnum):
    """Letters by whether a later record of their key has superseded them."""

    ANY = "any"
    WAITING = "waiting"
    SUPERSEDED = "superseded"


LETTERS_AT_ONCE = 500
"""Letters that one read gives at most."""

LETTER_BYTES = 4 * 2**20
"""Bytes of records after which a read gives no further letter."""


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A letter of the live copy. ``superseded_at`` is epoch seconds, None while it waits."""

    letter: DeadLetter
    superseded_at: float | None = None


class ChangeSink(Protocol):
    """One dataset's copy. One thread at a time calls ``open``, ``apply`` and ``letters``."""

    def open(self) -> Stored:
        """Open, or reopen after any failure, and say what the last commit left.

        Raises AcceleratorLocked or AcceleratorError.
        """
        ...

    def apply(self, work: Work) -> Applied:
        """Do ``work`` as one transaction; durable on return, and no trace of it if it raises.

        Raises CommitUnknown if it cannot be told which; AcceleratorFull, AcceleratorError otherwise.
        """
        ...

    def check(self) -> None:
        """Look whether the engine still answers, cheaply.

        Raises AcceleratorError, or a kind of it, where ``open`` must be called before anything else.
        """
        ...

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """The next letters of the live copy in the order of their ids, beyond the id ``after``.

        ``names`` are ids or sequence numbers, None all. At most LETTERS_AT_ONCE, and about LETTER_BYTES;
        none at the end. Raises AcceleratorError.
        """
        ...

    def close(self) -> None:
        """Let go of the engine. Safe to call twice."""
        ...
