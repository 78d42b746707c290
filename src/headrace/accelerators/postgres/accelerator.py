"""One dataset's rows in PostgreSQL: rows and checkpoint in one transaction, written by one session alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import psycopg

from headrace.accelerator import Applied, Stored, StoredLetter, Target, Which, Work
from headrace.accelerators.exports import Exports
from headrace.accelerators.lookup import live_schema, stored_key
from headrace.accelerators.postgres import copies, exporting, letters
from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.door import is_lost, translate, translated
from headrace.accelerators.postgres.leaf import LettersLeaf, PostgresLeaf
from headrace.accelerators.postgres.lookup import PostgresKeyReader, reading
from headrace.accelerators.postgres.readers import Readers, cancel
from headrace.accelerators.postgres.session import Session, open_session
from headrace.accelerators.postgres.tables import PostgresTransaction
from headrace.accelerators.refused import apply_the_rest
from headrace.accelerators.relational import WorkWriter
from headrace.dataset import Index, PostgresAccess
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.explanation import ItemKey, StoredKey
from headrace.schema import TableSchema
from headrace.snapshot import Exported


class PostgresAccelerator:
    """A ChangeSink on the tables of one schema of a PostgreSQL database.

    It holds one session, which alone writes, and by whose lock no other process does. A session that is lost is not
    used again: ``open`` begins another, and reads there what has been committed. Readers have sessions of their own.
    """

    def __init__(self, dataset: str, access: PostgresAccess, indexes: Sequence[Index] = ()) -> None:
        self._dataset = dataset
        self._schema = access.schema
        self._indexes = tuple(indexes)
        self._server = PostgresServer(access, dataset)
        self._readers = Readers(self._server, dataset, access.schema)
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._former: int | None = None
        self._writer = WorkWriter()
        self._exports = Exports(dataset)

    def open(self) -> Stored:
        """Begin a session, and read what the last commit left.

        Raises AcceleratorLocked where another process holds the tables, AcceleratorError otherwise.
        """
        stored = self._open()
        self._exports.allow()
        return stored

    def _open(self) -> Stored:
        with self._lock:
            self._let_go()
            self._readers.open()
            session = open_session(self._server, self._dataset, self._schema, self._former)
            self._session, self._former = session, session.pid
            try:
                return self._prepared(session)
            except BaseException:
                self._let_go()
                raise

    def apply(self, work: Work) -> Applied:
        """Do ``work`` as one transaction.

        Raises CommitUnknown if the connection was lost; AcceleratorFull and AcceleratorError mean that nothing was kept.
        """
        with self._lock:
            return apply_the_rest(work, self._apply, self._attempt)

    def letters(
        self, names: tuple[str, ...] | None, which: Which, after: str | None
    ) -> tuple[StoredLetter, ...]:
        """The next letters of the live copy, in the order of their ids."""
        with self._lock:
            session = self._opened()
            with self._translated(f"cannot read the dead letters of {self._dataset}"):
                return letters.read(session.connection, session.names, names, which, after)

    def check(self) -> None:
        """Look whether the session still lives. Raises CommitUnknown where it does not."""
        with self._lock:
            session = self._opened()
            with self._translated(f"{self._dataset} cannot be read"):
                session.connection.execute(f"SELECT 1 FROM {session.names.checkpoint} LIMIT 0")  # noqa: S608 - ours

    def rows(self) -> int:
        """The number of live rows as the last commit counted them, 0 where there is no live copy. Any thread may ask."""
        with self._readers.reader(f"cannot count {self._dataset}") as reader:
            if reader is None or not copies.exists(reader.connection, reader.names.checkpoint):
                return 0
            copy = copies.stored(reader.connection, reader.names, Target.LIVE)
            return 0 if copy is None else copy.rows

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key, as one commit left it. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return StoredKey() if reader is None else stored_key(reader, key)

    def schema(self) -> TableSchema | None:
        """The columns of the live copy as one commit left it, None where there is none. Any thread may ask. Raises AcceleratorError."""
        with self._key_reader(f"cannot look into {self._dataset}") as reader:
            return None if reader is None else live_schema(reader)

    def leaf(self) -> PostgresLeaf:
        """The live copy for statements."""
        return PostgresLeaf(self._readers, self._dataset)

    def letters_leaf(self) -> LettersLeaf | None:
        """The dead letters of all copies for statements, None while nothing is open."""
        return LettersLeaf(self._readers, self._dataset) if self._readers.are_open else None

    def export(self, folder: Path, snapshot: str) -> Exported:
        """Write the live copy as one commit left it into the empty ``folder``, as the files of ``parquet_copy``."""
        doing = f"cannot export {self._dataset}"
        with self._exports.running(), self._readers.reader(doing) as reader:
            if reader is None:
                raise AcceleratorError(f"{doing}: it is not open; ask again soon")
            with self._exports.interruptible(partial(cancel, reader.connection)):
                return exporting.export(reader, folder, snapshot)

    def restore(self, folder: Path) -> None:
        """Put an exported copy in place of whatever the dataset holds, in one transaction; ``open`` must be called next."""
        self._exports.stop()
        facts = exporting.expect_exported(folder, self._dataset)
        with self._lock:
            self._open()
            session = self._opened()
            with self._rolled_back_on_failure(session, f"cannot restore {self._dataset}"):
                session.connection.execute("BEGIN")
                exporting.put_in_place(PostgresTransaction(session, self._indexes), folder, facts)
                self._commit(session)

    def close(self) -> None:
        """End all sessions; the copy stays."""
        self._exports.stop()
        self._readers.close()
        with self._lock:
            self._let_go()

    def _prepared(self, session: Session) -> Stored:
        """Make what is missing beside the copies, and read what is stored of them."""
        names, connection = session.names, session.connection
        with self._rolled_back_on_failure(session, f"cannot open {self._dataset}"):
            connection.execute("BEGIN")
            copies.prepare(connection, names)
            live, building = (copies.stored_copy(connection, names, target) for target in Target)
            PostgresTransaction(session, self._indexes).keep_indexes()
            self._commit(session)
        return Stored(live, building)

    @contextmanager
    def _key_reader(self, doing: str) -> Iterator[PostgresKeyReader | None]:
        """One commit, None where nothing is open."""
        with self._readers.reader(doing) as reader:
            if reader is None:
                yield None
                return
            with reading(reader.connection, reader.names) as known:
                yield PostgresKeyReader(reader.connection, reader.names, known)

    def _apply(self, work: Work) -> Applied:
        session = self._opened()
        with self._rolled_back_on_failure(session, f"cannot write {self._dataset}"):
            session.connection.execute("BEGIN")
            applied = self._write(session, work)
            self._commit(session)
            return applied

    def _attempt(self, work: Work) -> None:
        """Do ``work`` and roll it back."""
        session = self._opened()
        with self._rolled_back_on_failure(session, f"cannot write {self._dataset}"):
            session.connection.execute("BEGIN")
            self._write(session, work)
            self._roll_back(session)

    def _write(self, session: Session, work: Work) -> Applied:
        """Everything between BEGIN and COMMIT."""
        return self._writer.write(PostgresTransaction(session, self._indexes), work)

    def _commit(self, session: Session) -> None:
        """Commit. Raises CommitUnknown where the server's answer did not come."""
        try:
            answer = session.connection.execute("COMMIT").statusmessage
        except psycopg.Error as error:
            if is_lost(error):
                raise CommitUnknown(
                    f"the connection was lost while {self._dataset} was committed "
                    f"({self._server.redact(' '.join(str(error).split()))}); it is made anew"
                ) from None
            raise translate(error, f"the commit of {self._dataset} failed", self._server.redact) from None
        if answer != "COMMIT":
            # PostgreSQL answers so, and with no error, where a statement before has failed.
            raise AcceleratorError(
                f"the commit of {self._dataset} was answered by {answer}; nothing was written"
            )

    def _opened(self) -> Session:
        if self._session is None:
            raise CommitUnknown(
                f"{self._dataset}: the server must be connected again and its checkpoint read"
            )
        return self._session

    def _translated(self, doing: str) -> AbstractContextManager[None]:
        return translated(doing, self._server.redact)

    @contextmanager
    def _rolled_back_on_failure(self, session: Session, doing: str) -> Iterator[None]:
        try:
            with self._translated(doing):
                try:
                    yield
                except psycopg.errors.LockNotAvailable:
                    # The next try must not wait for an export that goes on for minutes.
                    self._exports.give_way()
                    raise
        except CommitUnknown:
            self._let_go()
            raise
        except BaseException:
            self._roll_back(session)
            raise

    def _roll_back(self, session: Session) -> None:
        # What was made for a batch is gone with the transaction, or is as before it.
        session.staged.clear()
        try:
            session.connection.execute("ROLLBACK")
        except psycopg.Error:
            self._let_go()

    def _let_go(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
