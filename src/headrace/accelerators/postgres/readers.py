"""Sessions that only read, kept for the next reader while they are good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.door import translated
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.postgres.session import schema_of
from headrace.errors import AcceleratorError

MOST_IDLE = 4
"""Sessions that are kept while nobody reads."""

LOCK_PATIENCE_MS = 10_000
"""How long a reader waits for a table whose columns are being changed."""


_CANCELLING_PATIENCE = 5.0
"""Seconds that the server gets to take up a cancellation."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A session that reads."""

    connection: psycopg.Connection
    names: Names

    @property
    def is_good(self) -> bool:
        """Whether the session lives, as far as is known, and is in no transaction."""
        idle = psycopg.pq.TransactionStatus.IDLE
        return not self.connection.closed and self.connection.info.transaction_status == idle


class Readers:
    """The reading sessions of one dataset. Any thread may ask for one."""

    def __init__(self, server: PostgresServer, dataset: str, schema: str | None) -> None:
        self.redact = server.redact
        self._server = server
        self._dataset = dataset
        self._schema = schema
        self._lock = threading.Lock()
        self._idle: list[Reader] = []
        self.are_open = False

    def open(self) -> None:
        """Let readers begin. Those that wait from before are of a connection that may be lost."""
        self._empty()
        self.are_open = True

    def close(self) -> None:
        """Let no more readers begin, and end the sessions that nobody uses. Safe to call twice."""
        self.are_open = False
        self._empty()

    @contextmanager
    def reader(self, doing: str) -> Iterator[Reader | None]:
        """A session for one reader, None where the dataset is closed. ``doing`` begins the message of what it raises."""
        if not self.are_open:
            yield None
            return
        with translated(doing, self.redact):
            reader = self.take()
            try:
                yield reader
            finally:
                self.give_back(reader)

    @contextmanager
    def taken(self, doing: str) -> Iterator[Reader]:
        """A session that its user gives back itself, unless this raises. Raises AcceleratorError also where it is closed."""
        with translated(doing, self.redact):
            reader = self.take()
            try:
                yield reader
            except BaseException:
                self._end(reader)
                raise

    def take(self) -> Reader:
        """A session, to be given back. Raises AcceleratorError, psycopg.Error."""
        if not self.are_open:
            raise AcceleratorError(f"{self._dataset} is closed")
        while True:
            with self._lock:
                reader = self._idle.pop() if self._idle else None
            if reader is None:
                return self._connect()
            try:
                reader.connection.execute("")
            except psycopg.Error:
                reader.connection.close()
            else:
                return reader

    def give_back(self, reader: Reader) -> None:
        """End the use of a session."""
        if reader.is_good and self.are_open:
            with self._lock:
                if len(self._idle) < MOST_IDLE:
                    self._idle.append(reader)
                    return
        self._end(reader)

    def _connect(self) -> Reader:
        connection = self._server.connect()
        try:
            with translated(f"cannot open a connection to {self._dataset}", self.redact):
                connection.execute(f"SET lock_timeout = '{LOCK_PATIENCE_MS}ms'")
                return Reader(
                    connection, Names(schema_of(connection, self._dataset, self._schema), self._dataset)
                )
        except BaseException:
            connection.close()
            raise

    def _end(self, reader: Reader) -> None:
        with suppress(psycopg.Error):
            reader.connection.close()

    def _empty(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for reader in idle:
            self._end(reader)


def cancel(connection: psycopg.Connection) -> None:
    """Let what a session runs fail soon."""
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=_CANCELLING_PATIENCE)
