"""The one session that writes a dataset's tables, and the lock by which it is the only one."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b

import psycopg

from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.door import translated
from headrace.accelerators.postgres.names import Names
from headrace.errors import AcceleratorError, AcceleratorLocked

LOCK_PATIENCE_MS = 5_000
"""How long a statement waits for another session's lock on a table, and keeps new readers waiting behind it."""

LEAVING_PATIENCE = 0.5
"""Seconds that the server gets to notice that a process is gone, whose lock it then lets go of."""

ENDING_PATIENCE = 5.0
"""Seconds that the server gets to end our session of before, which holds the lock though its connection is lost."""

_PLANS = (
    # The few rows of a batch are looked up in the many of the table by its index, whatever is known of their numbers.
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_seqscan = off",
)

_HELD = (
    f"SET lock_timeout = '{LOCK_PATIENCE_MS}ms'",
    # A session that has nothing to write for hours holds the lock all the same.
    "SET idle_session_timeout = 0",
    "SET idle_in_transaction_session_timeout = 0",
    "SET statement_timeout = 0",
)

STALLED = 30
"""Seconds after which the server ends a transaction of a process that is frozen, or has vanished without a word."""

_BORROWED = (f"SET idle_in_transaction_session_timeout = '{STALLED}s'",)


@dataclass(slots=True)
class Session:
    """A connection that holds the dataset's lock. ``staged`` is what its temporary tables were made for."""

    connection: psycopg.Connection
    names: Names
    pid: int
    staged: dict[str, str] = field(default_factory=dict)

    def close(self) -> None:
        """End the session. The lock is let go of before: the server ends a session some time after its client."""
        with suppress(psycopg.Error):
            if self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                self.connection.execute("SELECT pg_advisory_unlock_all()")
        with suppress(psycopg.Error):
            self.connection.close()


def open_session(server: PostgresServer, dataset: str, schema: str | None, former: int | None) -> Session:
    """Connect, and take the lock of the dataset's tables.

    ``former`` is the server's process of our session of before: where that holds the lock still, it is ended. Raises
    AcceleratorLocked where another process holds it, AcceleratorError otherwise.
    """
    connection = server.connect()
    try:
        with translated(f"cannot open {dataset} in PostgreSQL", server.redact):
            connection.execute("; ".join((*_PLANS, *_HELD)))
            names = Names(schema_of(connection, dataset, schema), dataset)
            _lock(connection, names, former)
            return Session(connection, names, connection.info.backend_pid)
    except BaseException:
        connection.close()
        raise


def open_turns(server: PostgresServer, dataset: str, schema: str | None) -> Session:
    """Connect, for a session that takes the lock of the dataset's tables for one transaction at a time.

    Raises AcceleratorError.
    """
    connection = server.connect()
    try:
        with translated(f"cannot open {dataset} in PostgreSQL", server.redact):
            connection.execute("; ".join((*_PLANS, *_BORROWED)))
            names = Names(schema_of(connection, dataset, schema), dataset)
            return Session(connection, names, connection.info.backend_pid)
    except BaseException:
        connection.close()
        raise


def begin_turn(session: Session, patience: float, rest: float) -> None:
    """Begin a transaction that holds the lock of the dataset's tables, which others wait for in the order of their coming.

    ``patience`` and ``rest`` are seconds: how long to wait for the lock, and how long one statement may take. Raises AcceleratorLocked with
    nothing begun, and psycopg's errors.
    """
    connection, names = session.connection, session.names
    key = _key_of(names)
    try:
        connection.execute(
            # What others have committed while this one waited must be seen.
            "BEGIN ISOLATION LEVEL READ COMMITTED; "
            f"SET LOCAL statement_timeout = {int(rest * 1000)}; SET LOCAL lock_timeout = {int(patience * 1000)}; "
            f"SELECT pg_advisory_xact_lock({key}); SET LOCAL lock_timeout = {LOCK_PATIENCE_MS}"
        )
    except psycopg.errors.LockNotAvailable:
        connection.execute("ROLLBACK")
        holder = _holder(connection, key)
        who = holder[1] if holder is not None else "another session, which is gone by now"
        raise AcceleratorLocked(
            f"{names.schema}.{names.dataset} is held by {who}, for more than {patience:g} s; a `headrace run` on "
            "the same Spicepod holds it as long as it runs: stop it, or give this dataset another pg_schema or pg_db"
        ) from None


def schema_of(connection: psycopg.Connection, dataset: str, schema: str | None) -> str:
    """The schema of the dataset's tables: the one that is given, made where there is none, or the first in the search path.

    Raises AcceleratorError where there is none.
    """
    if schema is None:
        found = connection.execute("SELECT current_schema()").fetchone()
        if found is None or found[0] is None:
            raise AcceleratorError(
                f"dataset {dataset}: no schema of the role's search path exists; name one by pg_schema"
            )
        return str(found[0])
    known = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = $1", [schema]).fetchone()
    if known is None:
        raise AcceleratorError(
            f"dataset {dataset}: the database has no schema {schema}; make it with CREATE SCHEMA, owned by the role "
            "of pg_user, or name another pg_schema"
        )
    return schema


def _lock(connection: psycopg.Connection, names: Names, former: int | None) -> None:
    key = _key_of(names)
    began = time.monotonic()
    while not _is_taken(connection, key):
        holder = _holder(connection, key)
        pid, who = holder or (None, "")
        waited = time.monotonic() - began
        if holder is not None and waited > (ENDING_PATIENCE if pid == former else LEAVING_PATIENCE):
            raise AcceleratorLocked(
                f"{names.schema}.{names.dataset} is held by {who}; stop that process, or give this dataset another "
                "pg_schema or pg_db"
            )
        if holder is not None and pid == former:
            connection.execute("SELECT pg_terminate_backend($1)", [pid])
        connection.execute("SELECT pg_sleep(0.02)")


def _key_of(names: Names) -> int:
    return lock_key(f"{names.schema} {names.dataset}")


def lock_key(text: str) -> int:
    """The number by which a lock of ours is known in a database."""
    return int.from_bytes(blake2b(f"headrace {text}".encode(), digest_size=8).digest(), "big", signed=True)


def _is_taken(connection: psycopg.Connection, key: int) -> bool:
    """Whether this session now has the lock, which is the database's own."""
    found = connection.execute(f"SELECT pg_try_advisory_lock({key})").fetchone()
    return found is not None and bool(found[0])


def _holder(connection: psycopg.Connection, key: int) -> tuple[int, str] | None:
    """The server's process that holds the lock, and what is known of its client; None: it is free by now."""
    high, low = divmod(key % 2**64, 2**32)
    found = connection.execute(
        "SELECT l.pid, coalesce(a.application_name, ''), coalesce(host(a.client_addr), 'this host') "
        "FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 "
        "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid",
        [high, low],
    ).fetchone()
    if found is None:
        return None
    pid, name, client = found
    return int(pid), f"another session (server process {pid}, {name or 'unnamed'}, from {client})"
