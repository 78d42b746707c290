"""What the outside is served from: the running system, as this room sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pyarrow as pa

from headrace.accelerator import LetterOutcome, Which
from headrace.explanation import KeyExplanation, StreamExplanation
from headrace.ledger import FailureOutcome, ParkedKey, StoredFailure
from headrace.limits import Freshness, Origin
from headrace.prepared import Prepared
from headrace.refresh import RefreshAsked, RefreshOutcome
from headrace.snapshot import Manifest
from headrace.status import DatasetStatus, MappingStatus
from headrace.verified import Verified


class Answer(Protocol):
    """A statement that has been checked and not yet run.

    ``run``, ``batches`` and ``close`` are called by one thread at a time; they block, and raise QueryError.
    An error and the end of ``batches`` close the answer.
    """

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        ...

    def limit(self, seconds: float) -> None:
        """Let the engine work on it no longer than so many seconds, before it is run."""
        ...

    def run(self) -> pa.Schema:
        """Start; the schema of the rows."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        ...

    def cancel(self) -> None:
        """Stop soon, from any thread, at any time; never blocks. No ``close`` is needed after it."""
        ...

    def close(self) -> None:
        """Give up what is not read. Safe to call twice."""
        ...


class Running(Protocol):
    """The running system. Every method may be called from any thread."""

    def statuses(self, *, rows: bool = True) -> Sequence[DatasetStatus]:
        """Every dataset at this moment; without ``rows``, which engines must count, at once."""
        ...

    def query(
        self, sql: str, parameters: Sequence[pa.Scalar] = (), *, freshness: Freshness = Freshness.KEPT
    ) -> Answer:
        """Check a statement, with the values of its parameters ``?`` or ``$1``, ``$2``. Raises QueryError.

        The answer may be one that was kept, unless ``freshness`` wants it new.
        """
        ...

    def prepare(self, sql: str) -> Prepared:
        """What is known of a statement without running it. Raises QueryError."""
        ...

    def refresh(self, name: str, asked: RefreshAsked) -> int:
        """Begin a refresh; its number. ``name`` is one of ``statuses``. Raises HeadraceError if it cannot be."""
        ...

    def refresh_outcome(self, name: str, number: int) -> RefreshOutcome | None:
        """What became of the refresh of that number; None if nothing is known of one. Raises HeadraceError."""
        ...

    def reselect(self, name: str, sql: str) -> None:
        """Have refreshes copy what this ``refresh_sql`` says, until the process ends. Raises HeadraceError."""
        ...

    def explain_stream(self, name: str) -> StreamExplanation:
        """What is known of the dataset's shards. ``name`` is one of ``statuses``. Raises QueryError."""
        ...

    def explain_key(self, name: str, parts: Sequence[str]) -> KeyExplanation:
        """The life of one key; ``parts`` write it, partition key first. Raises HeadraceError."""
        ...

    def take_snapshot(self, name: str) -> Manifest:
        """Store the dataset's copy as a snapshot now, and wait for it. ``name`` is one of ``statuses``.

        Raises QueryError: NOT_READY where none can be taken, TIMEOUT where it takes too long, though it goes on.
        """
        ...

    def retry_letters(self, name: str, letters: tuple[str, ...] | None) -> LetterOutcome:
        """Try dead letters of the dataset again: those with these ids or sequence numbers, None all that wait.

        ``name`` is one of ``statuses``. Raises QueryError: NOT_READY while the table is being copied, TIMEOUT
        where it takes too long, though it goes on.
        """
        ...

    def discard_letters(self, name: str, letters: tuple[str, ...] | None, which: Which) -> LetterOutcome:
        """Forget dead letters of the dataset, named as for ``retry_letters``, and of all only ``which``."""
        ...

    @property
    def mappings(self) -> RunningMappings:
        """The event source mappings."""
        ...


class RunningMappings(Protocol):
    """What is asked of event source mappings. A ``mapping`` is one of ``statuses``; any thread may ask."""

    def statuses(self) -> Sequence[MappingStatus]:
        """Every event source mapping at this moment."""
        ...

    def failures(
        self, mapping: str, ids: Sequence[str] | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[StoredFailure, ...]:
        """The next failures of a mapping, as ``Ledger.failures`` gives them.

        Raises HeadraceError where what is durable cannot be read.
        """
        ...

    def parked_keys(self, mapping: str, after: str | None = None, limit: int = 100) -> tuple[ParkedKey, ...]:
        """The next items of which records wait, as ``Ledger.parked_keys`` gives them. Raises HeadraceError."""
        ...

    def fill(self, mapping: str) -> None:
        """Have the mapping's target given all items of the table once more; returns at once.

        Raises QueryError: INVALID where the target is none that is filled.
        """
        ...

    def verify(self, mapping: str) -> Verified:
        """Compare what the mapping's target keeps with its table, all of it, while deliveries go on.

        Raises QueryError: INVALID where the target cannot be compared; HeadraceError where it cannot be told.
        """
        ...

    def redrive(self, mapping: str, ids: tuple[str, ...] | None) -> FailureOutcome:
        """Try failures of a mapping again: those with these ids, or parked items with these keys; None all of both.

        Raises QueryError: NOT_READY while the mapping does not run, TIMEOUT where it takes too long, though it goes on.
        """
        ...

    def discard(self, mapping: str, ids: tuple[str, ...] | None) -> FailureOutcome:
        """Forget failures and parked records of a mapping, named as for ``redrive``, which raises the same."""
        ...
