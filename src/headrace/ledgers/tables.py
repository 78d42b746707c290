"""The tables of a ledger's file, and the format that they have."""

from __future__ import annotations

import sqlite3
from typing import Final

from headrace.errors import LedgerError
from headrace.ledgers.door import MOVE_AWAY

FORMAT: Final = 1
"""Raised when an older Headrace could not understand the file."""

_OLDEST: Final = (3, 37, 0)
"""The first SQLite with STRICT tables."""

_TABLES: Final = (
    "CREATE TABLE headrace_ledger (format INTEGER NOT NULL) STRICT",
    # ``stream`` is a StreamDelivery as JSON, and ``delivery`` a ShardDelivery.
    "CREATE TABLE mapping (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, stream TEXT NOT NULL) STRICT",
    """CREATE TABLE shard (
        mapping INTEGER NOT NULL, id TEXT NOT NULL, delivery TEXT NOT NULL, PRIMARY KEY (mapping, id)
    ) STRICT""",
    # ``facts`` is a Failure without its records as JSON; ``records`` are packed, ``size`` is that of their texts.
    """CREATE TABLE failure (
        mapping INTEGER NOT NULL, id TEXT NOT NULL, sent INTEGER NOT NULL DEFAULT 0, redriven INTEGER NOT NULL DEFAULT 0,
        size INTEGER NOT NULL, facts TEXT NOT NULL, records BLOB NOT NULL, PRIMARY KEY (mapping, id)
    ) STRICT""",
    "CREATE INDEX failure_unsent ON failure (mapping, id) WHERE sent = 0",
    # ``number`` is a sequence number in a form that sorts as a text.
    """CREATE TABLE parked (
        mapping INTEGER NOT NULL, key TEXT NOT NULL, generation INTEGER NOT NULL, number TEXT NOT NULL,
        shard TEXT NOT NULL, stream_arn TEXT NOT NULL, created REAL NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (mapping, key, generation, number, shard)
    ) STRICT""",
)


def prepare(connection: sqlite3.Connection, where: str) -> None:
    """Make the tables in an empty database. Raises LedgerError where others are there, or those of another format."""
    if sqlite3.sqlite_version_info < _OLDEST:
        raise LedgerError(
            f"this Python has SQLite {sqlite3.sqlite_version}, and {'.'.join(map(str, _OLDEST))} is the first "
            "that will do; use another Python"
        )
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not names:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO headrace_ledger VALUES (?)", (FORMAT,))
        connection.execute("COMMIT")
        return
    if "headrace_ledger" not in names:
        raise LedgerError(f"{where} is no ledger of Headrace: it has other tables; move it away")
    found = connection.execute("SELECT format FROM headrace_ledger").fetchall()
    if len(found) != 1:
        raise LedgerError(f"{where} does not say its format, and so is damaged; {MOVE_AWAY}")
    ((format_,),) = found
    if format_ > FORMAT:
        raise LedgerError(
            f"{where} has format {format_}, and this Headrace knows up to {FORMAT}; use the newer Headrace, or "
            f"{MOVE_AWAY}"
        )
