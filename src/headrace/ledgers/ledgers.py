"""The ledgers of all mappings, in one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from headrace.ledger import (
    Delivery,
    DeliveryWork,
    Failure,
    ParkedKey,
    ParkedRecord,
    ShardDelivery,
    StoredFailure,
    StreamDelivery,
)
from headrace.ledgers import packing
from headrace.ledgers.file import LedgerFile

ANSWER_BYTES: Final = 16 * 2**20
"""Records that one answer gives at most, unless it is a single failure."""

_FAILURE: Final = "SELECT id, sent, redriven, size, facts, records FROM failure WHERE mapping = ?"

_Row = tuple[str, int, int, int, str, bytes]


class Ledgers:
    """Makes the ledger of each mapping of a Spicepod. They share the file ``path``, None one in memory.

    The file is made where it is missing, when it is first needed.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = LedgerFile(path)

    def of(self, mapping: str) -> SQLiteLedger:
        """The ledger of the mapping of that name."""
        return SQLiteLedger(self._file, mapping)

    def close(self) -> None:
        """Let go of the file, for all mappings. Safe to call twice."""
        self._file.close()


class SQLiteLedger:
    """A ``Ledger``."""

    def __init__(self, file: LedgerFile, mapping: str) -> None:
        self._file = file
        self._mapping = mapping

    def open(self) -> Delivery | None:
        """See ``Ledger``."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT number, stream FROM mapping WHERE name = ?", (self._mapping,)
            ).fetchone()
            if found is None:
                return None
            number, stream = found
            shards = connection.execute(
                "SELECT delivery FROM shard WHERE mapping = ? ORDER BY id", (number,)
            ).fetchall()
            parked = connection.execute(
                "SELECT key, count(*) FROM parked WHERE mapping = ? GROUP BY key", (number,)
            ).fetchall()
            (failures,) = connection.execute(
                "SELECT count(*) FROM failure WHERE mapping = ?", (number,)
            ).fetchone()
        return Delivery(
            packing.value(stream, StreamDelivery),
            tuple(packing.value(delivery, ShardDelivery) for (delivery,) in shards),
            dict(parked),
            failures,
        )

    def commit(self, work: DeliveryWork) -> None:
        """See ``Ledger``."""
        # Made before others have to wait.
        stored = _StoredWork(self._mapping, work)
        self._file.write(stored.write)
        if work.resolved or work.released:
            self._file.shrink()

    def failures(
        self,
        ids: Sequence[str] | None = None,
        *,
        unsent: bool = False,
        after: str | None = None,
        limit: int = 100,
    ) -> tuple[StoredFailure, ...]:
        """See ``Ledger``."""
        rows: list[_Row] = []
        size = 0
        with self._file.reading() as connection:
            for row in self._failures(connection, ids, after or "", unsent=unsent):
                if len(rows) == limit or (rows and size + row[3] > ANSWER_BYTES):
                    break
                rows.append(row)
                size += row[3]
        return tuple(_failure(row) for row in rows)

    def parked(self, key: str, limit: int) -> tuple[ParkedRecord, ...]:
        """See ``Ledger``."""
        found: list[ParkedRecord] = []
        size = 0
        with self._file.reading() as connection:
            for stream_arn, shard, generation, packed in connection.execute(
                "SELECT stream_arn, shard, generation, record FROM parked WHERE mapping = ? AND key = ?"
                " ORDER BY generation, number, shard LIMIT ?",
                (_number(connection, self._mapping), key, limit),
            ):
                (record,) = packing.unpack(packed)
                size += len(record.text)
                if found and size > ANSWER_BYTES:
                    break
                found.append(ParkedRecord(stream_arn, shard, generation, record))
        return tuple(found)

    def parked_keys(self, after: str | None = None, limit: int = 100) -> tuple[ParkedKey, ...]:
        """See ``Ledger``."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT key, count(*), min(created) FROM parked WHERE mapping = ? AND key > ?"
                " GROUP BY key ORDER BY key LIMIT ?",
                (_number(connection, self._mapping), after or "", limit),
            ).fetchall()
        return tuple(ParkedKey(*row) for row in rows)

    def close(self) -> None:
        """See ``Ledger``: the file is closed by ``Ledgers``."""

    def _failures(
        self, connection: sqlite3.Connection, ids: Sequence[str] | None, after: str, *, unsent: bool
    ) -> Iterator[_Row]:
        number = _number(connection, self._mapping)
        some = " AND sent = 0" if unsent else ""
        if ids is None:
            yield from connection.execute(f"{_FAILURE} AND id > ?{some} ORDER BY id", (number, after))
            return
        for each in sorted(set(ids)):
            if each > after:
                yield from connection.execute(f"{_FAILURE} AND id = ?{some}", (number, each))


class _StoredWork:
    """A DeliveryWork in the form in which it is stored."""

    def __init__(self, mapping: str, work: DeliveryWork) -> None:
        self._mapping = mapping
        self._work = work
        self._stream = packing.text(work.stream)
        self._shards = [(shard.state.id, packing.text(shard)) for shard in work.shards]
        self._failures = [
            (failure.id, packing.size_of(failure), packing.facts(failure), packing.pack(failure.records))
            for failure in work.failures
        ]
        self._parked = [
            (*_place(parked), parked.stream_arn, parked.record.created, packing.pack([parked.record]))
            for parked in work.parked
        ]

    def write(self, connection: sqlite3.Connection) -> None:
        """Carry it out in a transaction that others begin and end."""
        number = self._write_stream(connection)
        self._write_shards(connection, number)
        self._write_failures(connection, number)
        self._write_parked(connection, number)

    def _write_stream(self, connection: sqlite3.Connection) -> int:
        """The mapping's number."""
        connection.execute(
            "INSERT INTO mapping (name, stream) VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET stream = excluded.stream WHERE stream <> excluded.stream",
            (self._mapping, self._stream),
        )
        number = _number(connection, self._mapping)
        assert number is not None, "it was just written"
        return number

    def _write_shards(self, connection: sqlite3.Connection, number: int) -> None:
        if self._work.anew:
            connection.execute("DELETE FROM shard WHERE mapping = ?", (number,))
        connection.executemany(
            "DELETE FROM shard WHERE mapping = ? AND id = ?", [(number, id_) for id_ in self._work.forgotten]
        )
        connection.executemany(
            "INSERT INTO shard (mapping, id, delivery) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET delivery = excluded.delivery",
            [(number, *shard) for shard in self._shards],
        )

    def _write_failures(self, connection: sqlite3.Connection, number: int) -> None:
        connection.executemany(
            "INSERT INTO failure (mapping, id, size, facts, records) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(number, *failure) for failure in self._failures],
        )
        for statement, ids in (
            ("UPDATE failure SET sent = 1 WHERE mapping = ? AND id = ?", self._work.sent),
            ("UPDATE failure SET redriven = redriven + 1 WHERE mapping = ? AND id = ?", self._work.again),
            ("DELETE FROM failure WHERE mapping = ? AND id = ?", self._work.resolved),
        ):
            connection.executemany(statement, [(number, id_) for id_ in ids])

    def _write_parked(self, connection: sqlite3.Connection, number: int) -> None:
        connection.executemany(
            "INSERT INTO parked (mapping, key, generation, number, shard, stream_arn, created, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [(number, *parked) for parked in self._parked],
        )
        connection.executemany(
            "DELETE FROM parked WHERE mapping = ? AND key = ? AND generation = ? AND number = ? AND shard = ?",
            [(number, *_place(released)) for released in self._work.released],
        )


def _place(parked: ParkedRecord) -> tuple[str, int, str, str]:
    """Its primary key, but for the mapping."""
    return parked.record.key, parked.generation, packing.sortable(parked.record.sequence), parked.shard


def _number(connection: sqlite3.Connection, mapping: str) -> int | None:
    found = connection.execute("SELECT number FROM mapping WHERE name = ?", (mapping,)).fetchone()
    return None if found is None else found[0]


def _failure(row: _Row) -> StoredFailure:
    _, sent, redriven, _, facts, packed = row
    failure = replace(packing.value(facts, Failure), records=packing.unpack(packed))
    return StoredFailure(failure, bool(sent), redriven)
