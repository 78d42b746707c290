"""What replication asks of an engine, and what queries ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headrace.change import ChangeBatch, DeadLetter
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
    """A copy as its last commit left it."""

    checkpoint: Checkpoint
    schema: TableSchema


@dataclass(frozen=True, slots=True)
class Stored:
    """What an accelerator holds for a dataset; None where there is no such copy."""

    live: StoredCopy | None
    building: StoredCopy | None


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction.

    In this order: with ``create``, the target (and its notes) is made anew and empty, with the key
    columns of that schema; columns widen or are added; ``stream`` rows are applied in order, last write
    per key, and (while the Scan runs: ``notes`` KEEP and ``scanning``) their keys noted; ``scan`` rows
    are applied whose key is neither noted nor among the stream's here; ``dead`` letters are stored; DROP drops the notes; ``swap``
    makes the building copy the live one, in place of it; the checkpoint is stored. ``id`` is the command's.
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


@dataclass(frozen=True, slots=True)
class Applied:
    """What a commit did: rows written and deleted after merging, the schema now, columns changed."""

    upserted: int
    deleted: int
    schema: TableSchema
    evolved: tuple[str, ...] = ()


class ChangeSink(Protocol):
    """One dataset's copy. One thread at a time calls ``open`` and ``apply``."""

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

    def close(self) -> None:
        """Let go of the engine. Safe to call twice."""
        ...
