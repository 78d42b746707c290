"""Failures as rows of a table in a SQLite database, for whoever wants to ask about them."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import msgspec

from headrace.destinations import document
from headrace.errors import DestinationUnavailable
from headrace.ledger import Failure
from headrace.sqlite_code import is_full, kind, name

TABLE: Final = "headrace_failure"

COLUMNS: Final = {
    "id": "TEXT PRIMARY KEY",
    "mapping": "TEXT NOT NULL",
    "consumer": "TEXT NOT NULL",
    "condition": "TEXT NOT NULL",
    "invoked": "INTEGER NOT NULL",
    "failed_at": "TEXT NOT NULL",
    "stream_arn": "TEXT NOT NULL",
    "shard": "TEXT NOT NULL",
    "start_sequence_number": "TEXT",
    "end_sequence_number": "TEXT",
    "batch_size": "INTEGER NOT NULL",
    "error_type": "TEXT",
    "error_message": "TEXT",
    "stack_trace": "TEXT",
    "records": "TEXT NOT NULL",
}
_CREATE: Final = f"CREATE TABLE IF NOT EXISTS {TABLE} ({', '.join(map(' '.join, COLUMNS.items()))})"
_INSERT: Final = (
    f"INSERT OR REPLACE INTO {TABLE} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' for _ in COLUMNS)})"  # noqa: S608 - our own names
)

_PATIENCE: Final = 5.0

_CURES: Final = {
    sqlite3.SQLITE_BUSY: "another program has locked it; have it end its transaction",
    sqlite3.SQLITE_CANTOPEN: "the file and its folder must be writable",
    sqlite3.SQLITE_READONLY: "the file and its folder must be writable",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database; name another file in on_failure",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away",
    sqlite3.SQLITE_ERROR: f"the table {TABLE} has other columns than ours; rename it, or name another file",
}


class SQLiteDestination:
    """Rows of the table ``headrace_failure`` in ``path``: one for each failure, the last that came of an id.

    Lists are JSON, times ISO 8601. The database is opened for each row, so that others may do with it as they like.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, failure: Failure) -> None:
        """See ``Destination``."""
        doing = f"cannot write failure {failure.id} to {self._path}"
        try:
            self._make()
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as connection, connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(_CREATE)
                connection.execute(_INSERT, _row(failure))
        except sqlite3.Error as error:
            cure = "make room on the disk" if is_full(error) else _CURES.get(kind(error) or 0)
            end = "" if cure is None else f"; {cure}"
            raise DestinationUnavailable(f"{doing}: {error} ({name(error)}){end}") from error
        except OSError as error:
            raise DestinationUnavailable(
                f"{doing}: {error}; the file and its folder must be writable"
            ) from error

    def close(self) -> None:
        """See ``Destination``: nothing is held."""

    def _make(self) -> None:
        """Make the file where it is missing, so that only its owner may read it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _row(failure: Failure) -> tuple[str | int | None, ...]:
    fault, records = failure.fault, failure.records
    return (
        failure.id,
        failure.mapping,
        failure.consumer,
        failure.condition.value,
        failure.invoked,
        document.iso(failure.at),
        failure.stream_arn,
        failure.shard,
        records[0].sequence.text if records else None,
        records[-1].sequence.text if records else None,
        len(records),
        fault.type if fault else None,
        fault.message if fault else None,
        msgspec.json.encode(fault.trace).decode() if fault else None,
        document.records_json(failure),
    )
