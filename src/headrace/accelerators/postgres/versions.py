"""Which change each row was last written by, where records are pushed and may come again: in a table of its own.

A row for each key that a record has come of, deleted ones too, in the transaction that writes the row itself. Keys are known by 16
bytes of a hash, since PostgreSQL's index entries are shorter than the longest keys.
"""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import psycopg

from headrace.accelerators.postgres.copies import exists
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.postgres.session import lock_key

FORGOTTEN_AT_ONCE: Final = 10_000
"""Rows that one transaction forgets at most."""

_TEXT: Final = 'text COLLATE "C"'
_COLUMNS: Final = (
    f"dataset {_TEXT}, key bytea, version {_TEXT} NOT NULL, created double precision NOT NULL, "
    "written_at double precision NOT NULL, PRIMARY KEY (dataset, key)"
)


@dataclass(frozen=True, slots=True)
class Written:
    """The change that wrote a row: its ``version`` as Batch.version gives it, and its creation time (epoch seconds)."""

    version: str
    created: float


class Versions:
    """Those of one dataset, inside a transaction of ``connection``."""

    def __init__(self, connection: psycopg.Connection, names: Names) -> None:
        self._connection = connection
        self._table = names.versions
        self._dataset = names.dataset
        self._schema = names.schema

    def prepare(self) -> None:
        """Make the table where it is missing."""
        self._connection.execute(f"SELECT pg_advisory_xact_lock({lock_key(self._schema)})")
        if not exists(self._connection, self._table):
            self._connection.execute(f"CREATE TABLE {self._table} ({_COLUMNS})")
            self._connection.execute(f"CREATE INDEX ON {self._table} (dataset, written_at)")

    def known(self, keys: Collection[bytes]) -> dict[bytes, Written]:
        """What is known of these keys."""
        found = self._connection.execute(
            f"SELECT key, version, created FROM {self._table} WHERE dataset = $1 AND key = ANY($2)",
            [self._dataset, list(keys)],
        ).fetchall()
        return {bytes(key): Written(version, created) for key, version, created in found}

    def store(self, written: Mapping[bytes, Written], at: float) -> None:
        """These keys were written by these changes ``at`` (epoch seconds)."""
        self._connection.execute(
            f"INSERT INTO {self._table} (dataset, key, version, created, written_at) "
            "SELECT $1, key, version, created, $5 FROM unnest($2::bytea[], $3::text[], $4::double precision[]) "
            "AS given (key, version, created) ORDER BY key ON CONFLICT (dataset, key) DO UPDATE SET "
            "version = excluded.version, created = excluded.created, written_at = excluded.written_at",
            [
                self._dataset,
                list(written),
                [one.version for one in written.values()],
                [one.created for one in written.values()],
                at,
            ],
        )

    def clear(self) -> None:
        """Forget all of the dataset."""
        self._connection.execute(f"DELETE FROM {self._table} WHERE dataset = $1", [self._dataset])

    def forget(self, before: float) -> None:
        """Forget some of what was written before that time (epoch seconds), the oldest first."""
        self._connection.execute(
            f"DELETE FROM {self._table} WHERE dataset = $1 AND key IN (SELECT key FROM {self._table} "
            f"WHERE dataset = $1 AND written_at < $2 ORDER BY written_at LIMIT {FORGOTTEN_AT_ONCE})",
            [self._dataset, before],
        )


def hash_of(key: str) -> bytes:
    """By which the key with this text (``attribute.key_text``) is known."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
