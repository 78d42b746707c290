"""A dataset's rows in PostgreSQL where its records are pushed: by whoever follows the stream, from many processes at once.

One batch is one transaction, which holds the lock of the dataset's tables; between two batches nobody holds it. Batches may
come again, whole or in parts, and older ones after newer: a commit whose answer is lost is repeated by a pusher that cuts the batch
otherwise, and its first half alone would take rows back. So the version of each row's last change is kept (``versions``), and what
is not newer is left out.

The copy's checkpoint has no positions: they are the pusher's. It is marked as ``pushed``, so that ``headrace run`` does not go on
from positions of its own of before, but copies the table anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

import psycopg

from headrace.accelerator import Applied, Target, Work
from headrace.accelerators.postgres import copies
from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.door import is_lost, translated
from headrace.accelerators.postgres.session import Session, begin_turn, open_turns
from headrace.accelerators.postgres.tables import PostgresTransaction
from headrace.accelerators.postgres.versions import Versions, Written, hash_of
from headrace.accelerators.refused import apply_the_rest
from headrace.accelerators.relational import WorkWriter
from headrace.batch import Batch
from headrace.change import RecordsPage
from headrace.checkpoint import Checkpoint
from headrace.dataset import Index, PostgresAccess
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.schema import TableSchema
from headrace.source import SourceTable
from headrace.stream_record import StreamRecord

REMEMBERED: Final = 7 * 86_400.0
"""Seconds for which the version of a row's last change is kept."""

FORGETTING: Final = 3600.0
"""Seconds between two looks of one process for versions to forget."""

CONTRADICTION: Final = 10.0
"""Seconds that a record's creation may seem to be after that of one with a greater number: clocks of the service differ a little."""

_SAVEPOINT: Final = "headrace_batch"


class RecordsReader(Protocol):
    """Makes rows of records. Any method raises HeadraceError."""

    @property
    def reading(self) -> str:
        """The fingerprint of the settings by which items become columns."""
        ...

    def describe(self) -> SourceTable:
        """The table, asked for where there is no copy yet."""
        ...

    def page(self, records: Sequence[StreamRecord], schema: TableSchema) -> RecordsPage:
        """The records decoded, by at least ``schema``, which may be widened."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch: ``stale`` records were left out, because the copy has newer ones; ``created``: the copy is new.

    ``applied`` is None where nothing was left to apply.
    """

    applied: Applied | None
    stale: int
    created: bool


@dataclass(frozen=True, slots=True)
class _Due:
    """The records of a batch that are newer than the copy, and what is to be remembered of them."""

    records: tuple[StreamRecord, ...]
    written: dict[bytes, Written]


class PushedCopy:
    """The tables of ``dataset`` in one schema of a database. One thread at a time calls; many processes may.

    ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        dataset: str,
        access: PostgresAccess,
        indexes: Sequence[Index] = (),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._dataset = dataset
        self._schema = access.schema
        self._indexes = tuple(indexes)
        self._server = PostgresServer(access, dataset)
        self._clock = clock
        self._session: Session | None = None
        self._prepared = False
        self._writer = WorkWriter()
        self._forget_at = -math.inf

    def apply(self, batch: Batch, reader: RecordsReader, *, patience: float, rest: float) -> Outcome:
        """Bring what the batch says that is newer than the copy, all or nothing; durable on return. Makes a copy where there is none.

        ``patience`` and ``rest`` are seconds: how long to wait for others' batches, and how long a statement may take.
        Raises AcceleratorLocked where others hold the tables for longer; AcceleratorError where the copy is not one that
        these records continue, and where nothing was kept; CommitUnknown where it cannot be told, and the batch is to come again.
        """
        anew = self._session is None
        try:
            return self._attempted(batch, reader, patience, rest)
        except CommitUnknown:
            if anew:
                raise
        # A process that was frozen meanwhile has lost its connection. Whatever was committed is told by the versions.
        return self._attempted(batch, reader, patience, rest)

    def close(self) -> None:
        """End the session. Safe to call twice."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _attempted(self, batch: Batch, reader: RecordsReader, patience: float, rest: float) -> Outcome:
        if self._session is None:
            self._session = open_turns(self._server, self._dataset, self._schema)
            self._prepared = False
        session = self._session
        with self._rolled_back_on_failure(session):
            begin_turn(session, patience, rest)
            outcome = self._applied(session, batch, reader)
            self._commit(session)
        self._prepared = True
        return outcome

    def _applied(self, session: Session, batch: Batch, reader: RecordsReader) -> Outcome:
        versions = Versions(session.connection, session.names)
        if not self._prepared:
            copies.prepare(session.connection, session.names)
            versions.prepare()
            # It looks at the columns, too, which somebody may have changed.
            copies.stored_copy(session.connection, session.names, Target.LIVE)
            PostgresTransaction(session, self._indexes).keep_indexes()
        row = PostgresTransaction(session, ()).copy(Target.LIVE).stored()
        if row is None:
            # They are of a copy that somebody has dropped, and would keep its rows out of this one.
            versions.clear()
        at = self._clock()
        due = self._due(batch, versions)
        stale = len(batch.records) - len(due.records)
        if not due.records:
            return Outcome(None, stale, created=False)
        if row is None:
            work = self._first_work(batch, reader, at)
            schema = work.create or TableSchema(())
        else:
            stored = row.decoded()
            self._expect_continued(stored.checkpoint, batch, reader)
            # Positions of `headrace run` are behind from now on.
            work = Work(Target.LIVE, replace(stored.checkpoint, shards=(), pushed=True), at=at)
            schema = stored.schema
        page = reader.page(due.records, schema)
        work = replace(work, stream=() if page.changes is None else (page.changes,), dead=page.dead)
        applied = apply_the_rest(work, self._kept, self._tried)
        versions.store(due.written, at)
        if at >= self._forget_at:
            versions.forget(at - REMEMBERED)
            self._forget_at = at + FORGETTING
        return Outcome(applied, stale, created=row is None)

    def _due(self, batch: Batch, versions: Versions) -> _Due:
        """Leave out what is not newer than what is there."""
        keys = {record.key: hash_of(record.key) for record in batch.records}
        written = versions.known(keys.values())
        due: list[StreamRecord] = []
        fresh: dict[bytes, Written] = {}
        for record in batch.records:
            key, version = keys[record.key], batch.version(record)
            last = written.get(key)
            if last is None or version > last.version:
                due.append(record)
                written[key] = fresh[key] = Written(version, record.created)
            elif record.created > last.created + CONTRADICTION:
                raise AcceleratorError(
                    f"{self._dataset}: the record {record.sequence.text} of {record.key} was created {record.created - last.created:.0f} s "
                    "after the one that was applied last, and has a smaller sequence number: its shard's numbers do not follow "
                    "those of its parent, so which is newer cannot be told by them. Copy the table anew with `headrace run`"
                )
        return _Due(tuple(due), fresh)

    def _first_work(self, batch: Batch, reader: RecordsReader, at: float) -> Work:
        """Make the copy, with the rows that the records bring."""
        table = reader.describe()
        checkpoint = Checkpoint(
            table.table_id, batch.stream_arn, at, (), (), reading=reader.reading, pushed=True
        )
        return Work(Target.LIVE, checkpoint, create=table.columns, at=at)

    def _expect_continued(self, checkpoint: Checkpoint, batch: Batch, reader: RecordsReader) -> None:
        """Raise AcceleratorError unless the records continue what the copy has."""
        wrong = None
        if not (checkpoint.pushed or checkpoint.was_ready):
            wrong = "is not complete yet"
        elif checkpoint.stream_arn != batch.stream_arn:
            wrong = (
                f"follows the stream {checkpoint.stream_arn}, and these records are of {batch.stream_arn}: changes between "
                "the two may be missing"
            )
        elif checkpoint.reading != reader.reading:
            wrong = "was made by other settings of its columns"
        if wrong is not None:
            raise AcceleratorError(
                f"the copy of {self._dataset} {wrong}. Let `headrace run` on the same Spicepod copy the table, until it is Ready, and "
                f"stop it; or drop the table {self._dataset} and its rows in headrace_checkpoint and headrace_dead_letter, to begin with an empty one"
            )

    def _kept(self, work: Work) -> Applied:
        """Do ``work`` within the transaction; as if it had not begun, where it raises."""
        session = self._opened()
        with self._savepoint(session):
            applied = self._writer.write(PostgresTransaction(session, self._indexes), work)
            session.connection.execute(f"RELEASE SAVEPOINT {_SAVEPOINT}")
            return applied

    def _tried(self, work: Work) -> None:
        """Do ``work`` within the transaction, and take it back."""
        session = self._opened()
        with self._savepoint(session):
            self._writer.write(PostgresTransaction(session, self._indexes), work)
            self._take_back(session)

    @contextmanager
    def _savepoint(self, session: Session) -> Iterator[None]:
        session.connection.execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            with translated(f"cannot write {self._dataset}", self._server.redact):
                yield
        except CommitUnknown:
            raise
        except AcceleratorError:
            self._take_back(session)
            raise

    def _take_back(self, session: Session) -> None:
        # What was made for the batch is gone too, or is as before it.
        session.staged.clear()
        session.connection.execute(f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")

    def _commit(self, session: Session) -> None:
        answer = session.connection.execute("COMMIT").statusmessage
        if answer != "COMMIT":
            # PostgreSQL answers so, and with no error, where a statement before has failed.
            raise AcceleratorError(
                f"the commit of {self._dataset} was answered by {answer}; nothing was written"
            )

    def _opened(self) -> Session:
        assert self._session is not None, "a batch is being applied"
        return self._session

    @contextmanager
    def _rolled_back_on_failure(self, session: Session) -> Iterator[None]:
        try:
            with translated(f"cannot write {self._dataset}", self._server.redact):
                yield
        except CommitUnknown:
            self.close()
            raise
        except BaseException:
            session.staged.clear()
            try:
                session.connection.execute("ROLLBACK")
            except psycopg.Error as error:
                if not is_lost(error):
                    raise
                self.close()
            raise
