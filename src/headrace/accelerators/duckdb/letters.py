"""Dead letters in DuckDB: one table beside the rows, changed in their transaction.

Everything here happens inside a transaction that someone else holds. Nothing is asked or changed for a
copy that holds no letter and gets none: the number of its letters stands in its checkpoint's row.
"""
# ruff: noqa: S608 - names are quoted or ours, values are parameters or Arrow

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from headrace.accelerator import (
    DEAD_LETTERS,
    LETTER_BYTES,
    LETTERS_AT_ONCE,
    LetterTally,
    StoredLetter,
    Target,
    Which,
    Work,
)
from headrace.accelerators.duckdb.door import literal
from headrace.accelerators.duckdb.rows import BATCH, noted, registered
from headrace.accelerators.duckdb.tables import CopyTables
from headrace.accelerators.keys import values_of_key
from headrace.accelerators.letters import Due, Filed, Known, due, file_letters
from headrace.change import DeadLetter
from headrace.position import SequenceNumber
from headrace.schema import TableSchema


class CopyLetters:
    """The letters of one copy, of which there are ``stored``, ``waiting`` of them not superseded."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        dataset: str,
        target: Target,
        stored: int = 0,
        waiting: int = 0,
    ) -> None:
        self.stored = stored
        self.waiting = waiting
        self._connection = connection
        self._dataset = dataset
        self._target = target
        self._own = f"copy = {literal(target)}"

    def due(self, work: Work) -> Due:
        """Which redriven letters of ``work`` may be applied."""
        return due(work, self._known([one.id for one in work.redriven]))

    def file(self, work: Work, coming: Due, schema: TableSchema, notes: CopyTables | None) -> LetterTally:
        """Do to the letters what ``work`` asks; ``notes`` None says that there is no table of notes."""
        self._remove(coming.applied)
        self._change_reasons(coming)
        superseded = self._file(work, schema, notes) if self.waiting or work.dead else 0
        discarded = self._remove(work.discarded)
        if coming.applied or superseded or discarded or work.dead:
            self.waiting = self._count_waiting()
        return replace(
            coming.tally,
            added=len(work.dead),
            superseded=superseded,
            discarded=discarded,
            undiscarded=len(work.discarded) - discarded,
            stored=self.stored,
            waiting=self.waiting,
        )

    def _file(self, work: Work, schema: TableSchema, notes: CopyTables | None) -> int:
        """Supersede older letters and store new ones; how many became superseded."""
        filing = file_letters(work, schema, lambda keys: self._outlived(keys, schema, notes))
        self._remove([filed.letter.id for filed in filing.letters])
        superseded = sum(filed.superseded for filed in filing.letters)
        if self.stored and filing.keys:
            superseded += self._change(
                pa.table({"key": sorted(filing.keys)}),
                f"UPDATE {DEAD_LETTERS} SET superseded_at = {_moment(work.at)} WHERE {self._own} "
                f"AND superseded_at IS NULL AND key_form IN (SELECT key FROM {BATCH})",
            )
        self._store(filing.letters, work.at)
        return superseded

    def _outlived(self, keys: Collection[str], schema: TableSchema, notes: CopyTables | None) -> set[str]:
        """Which keys the stream has touched while the Scan ran, or has a letter of."""
        listed = sorted(keys)
        with registered(self._connection, pa.table({"key": listed})):
            found = self._connection.execute(
                f"SELECT key FROM {BATCH} WHERE key IN "
                f"(SELECT key_form FROM {DEAD_LETTERS} WHERE {self._own} AND shard IS NOT NULL)"
            ).fetchall()
        outlived = {key for (key,) in found}
        held = [(key, values) for key in listed if (values := values_of_key(key, schema)) is not None]
        if notes is not None and held:
            names = [column.name for column in schema.keys]
            rows = pa.Table.from_pylist(
                [dict(zip(names, values, strict=True)) for _, values in held],
                schema=pa.schema([schema.arrow().field(name) for name in names]),
            )
            outlived |= {held[row][0] for row in noted(self._connection, rows, notes, schema)}
        return outlived

    def _known(self, ids: Sequence[str]) -> dict[str, Known]:
        if not (self.stored and ids):
            return {}
        with registered(self._connection, pa.table({"id": list(ids)})):
            found = self._connection.execute(
                f"SELECT id, key_form, superseded_at IS NOT NULL FROM {DEAD_LETTERS} "
                f"WHERE {self._own} AND id IN (SELECT id FROM {BATCH})"
            ).fetchall()
        return {id_: Known(key, superseded) for id_, key, superseded in found}

    def _remove(self, ids: Sequence[str]) -> int:
        if not (self.stored and ids):
            return 0
        removed = self._change(
            pa.table({"id": list(ids)}),
            f"DELETE FROM {DEAD_LETTERS} WHERE {self._own} AND id IN (SELECT id FROM {BATCH})",
        )
        self.stored -= removed
        return removed

    def _count_waiting(self) -> int:
        counted = self._connection.execute(
            f"SELECT count(*) FROM {DEAD_LETTERS} WHERE {self._own} AND superseded_at IS NULL"
        ).fetchone()
        return int(counted[0]) if counted else 0

    def _change_reasons(self, coming: Due) -> None:
        if coming.reasons:
            self._change(
                pa.table({"id": list(coming.reasons), "reason": list(coming.reasons.values())}),
                f"UPDATE {DEAD_LETTERS} SET reason = b.reason FROM {BATCH} b WHERE {self._own} AND {DEAD_LETTERS}.id = b.id",
            )

    def _store(self, letters: Sequence[Filed], at: float) -> None:
        if not letters:
            return
        dead = [filed.letter for filed in letters]
        columns = {
            "id": [letter.id for letter in dead],
            "shard": [letter.shard for letter in dead],
            "number": [None if letter.sequence is None else letter.sequence.text for letter in dead],
            "key": [letter.key for letter in dead],
            "key_form": [filed.key for filed in letters],
            "reason": [letter.reason for letter in dead],
            "record": [letter.record for letter in dead],
        }
        table = pa.table(
            {name: pa.array(values, pa.string()) for name, values in columns.items()}
            | {
                "seen_at": [round(letter.at * 1e6) for letter in dead],
                "superseded": [filed.superseded for filed in letters],
            }
        )
        self.stored += self._change(
            table,
            f"INSERT INTO {DEAD_LETTERS} SELECT {literal(self._target)}, id, {literal(self._dataset)}, shard, number, "
            f'"key", key_form, reason, record, make_timestamp(seen_at), '
            f"CASE WHEN superseded THEN {_moment(at)} END FROM {BATCH}",
        )

    def _change(self, rows: pa.Table, statement: str) -> int:
        """Run a statement over ``rows``; how many letters it changed."""
        with registered(self._connection, rows):
            changed = self._connection.execute(statement).fetchone()
        return int(changed[0]) if changed else 0


def read(
    connection: duckdb.DuckDBPyConnection, names: tuple[str, ...] | None, which: Which, after: str | None
) -> tuple[StoredLetter, ...]:
    """The next letters of the live copy; see ChangeSink."""
    conditions = [f"copy = {literal(Target.LIVE)}"]
    if after is not None:
        conditions.append(f"id > {literal(after)}")
    if which is not Which.ANY:
        conditions.append(f"superseded_at IS {'NOT ' if which is Which.SUPERSEDED else ''}NULL")
    if names is not None:
        named = f"(SELECT name FROM {BATCH})"
        conditions.append(f"(id IN {named} OR sequence_number IN {named})")
    with registered(connection, pa.table({"name": pa.array(names or (), pa.string())})):
        found = connection.execute(
            'SELECT shard, sequence_number, "key", reason, record, epoch_us(seen_at), epoch_us(superseded_at) '
            f"FROM (SELECT *, sum(strlen(record)) OVER (ORDER BY id) - strlen(record) AS headrace_before "
            f"FROM {DEAD_LETTERS} WHERE {' AND '.join(conditions)}) WHERE headrace_before < {LETTER_BYTES} "
            f"ORDER BY id LIMIT {LETTERS_AT_ONCE}"
        ).fetchall()
    return tuple(
        StoredLetter(
            DeadLetter(
                shard, None if number is None else SequenceNumber(number), key, reason, record, seen / 1e6
            ),
            None if superseded is None else superseded / 1e6,
        )
        for shard, number, key, reason, record, seen, superseded in found
    )


def _moment(at: float) -> str:
    return f"make_timestamp({round(at * 1e6)})"


def union(databases: Sequence[str]) -> str:
    """SQL for the letters of these databases, as users see them."""
    columns = {
        "dataset": "VARCHAR",
        "id": "VARCHAR",
        "shard": "VARCHAR",
        "sequence_number": "VARCHAR",
        '"key"': "VARCHAR",
        "reason": "VARCHAR",
        "record": "VARCHAR",
        "seen_at": "TIMESTAMP",
        "superseded_at": "TIMESTAMP",
        "copy": "VARCHAR",
    }
    none = f"SELECT {', '.join(f'CAST(NULL AS {type_}) AS {name}' for name, type_ in columns.items())} WHERE false"
    names = ", ".join(columns)
    return " UNION ALL ".join(
        [none, *(f"SELECT {names} FROM {database}.main.{DEAD_LETTERS}" for database in databases)]
    )
