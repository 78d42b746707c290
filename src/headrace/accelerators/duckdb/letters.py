"""Dead letters in DuckDB: one table beside the rows, changed in their transaction, which someone else holds."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters or Arrow

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import duckdb
import pyarrow as pa

from headrace.accelerator import DEAD_LETTERS, LETTER_BYTES, LETTERS_AT_ONCE, StoredLetter, Target, Which
from headrace.accelerators.duckdb.door import literal
from headrace.accelerators.duckdb.rows import BATCH, registered
from headrace.accelerators.letters import Filed, Known, stored_letter

LETTER_COLUMNS = 'shard, sequence_number, "key", reason, record, epoch_us(seen_at), epoch_us(superseded_at)'
"""What ``stored_letter`` takes."""


class DuckDBLetters:
    """A LetterStore: the letters of one copy of a dataset."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, dataset: str, target: Target) -> None:
        self._connection = connection
        self._dataset = dataset
        self._target = target
        self._own = f"copy = {literal(target)}"

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Which letters of these ids are stored."""
        with registered(self._connection, pa.table({"id": list(ids)})):
            found = self._connection.execute(
                f"SELECT id, key_form, superseded_at IS NOT NULL FROM {DEAD_LETTERS} "
                f"WHERE {self._own} AND id IN (SELECT id FROM {BATCH})"
            ).fetchall()
        return {id_: Known(key, superseded) for id_, key, superseded in found}

    def remove(self, ids: Sequence[str]) -> int:
        """Remove the letters of these ids; how many there were."""
        return self._change(
            pa.table({"id": list(ids)}),
            f"DELETE FROM {DEAD_LETTERS} WHERE {self._own} AND id IN (SELECT id FROM {BATCH})",
        )

    def change_reasons(self, reasons: Mapping[str, str]) -> None:
        """Give letters, by id, other reasons."""
        self._change(
            pa.table({"id": list(reasons), "reason": list(reasons.values())}),
            f"UPDATE {DEAD_LETTERS} SET reason = b.reason FROM {BATCH} b WHERE {self._own} AND {DEAD_LETTERS}.id = b.id",
        )

    def supersede(self, keys: Collection[str], at: float) -> int:
        """Have all waiting letters of these keys superseded ``at``; how many there were."""
        return self._change(
            pa.table({"key": sorted(keys)}),
            f"UPDATE {DEAD_LETTERS} SET superseded_at = {_moment(at)} WHERE {self._own} "
            f"AND superseded_at IS NULL AND key_form IN (SELECT key FROM {BATCH})",
        )

    def store(self, letters: Sequence[Filed], at: float) -> None:
        """Add letters; superseded ones are so ``at``."""
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
        self._change(
            table,
            f"INSERT INTO {DEAD_LETTERS} SELECT {literal(self._target)}, id, {literal(self._dataset)}, shard, number, "
            f'"key", key_form, reason, record, make_timestamp(seen_at), '
            f"CASE WHEN superseded THEN {_moment(at)} END FROM {BATCH}",
        )

    def of_stream(self, keys: Collection[str]) -> set[str]:
        """Which keys a letter of the stream is stored of."""
        with registered(self._connection, pa.table({"key": list(keys)})):
            found = self._connection.execute(
                f"SELECT key FROM {BATCH} WHERE key IN "
                f"(SELECT key_form FROM {DEAD_LETTERS} WHERE {self._own} AND shard IS NOT NULL)"
            ).fetchall()
        return {key for (key,) in found}

    def count_waiting(self) -> int:
        """How many are not superseded."""
        counted = self._connection.execute(
            f"SELECT count(*) FROM {DEAD_LETTERS} WHERE {self._own} AND superseded_at IS NULL"
        ).fetchone()
        return int(counted[0]) if counted else 0

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
            f"SELECT {LETTER_COLUMNS} FROM (SELECT *, sum(strlen(record)) OVER (ORDER BY id) - strlen(record) AS headrace_before "
            f"FROM {DEAD_LETTERS} WHERE {' AND '.join(conditions)}) WHERE headrace_before < {LETTER_BYTES} "
            f"ORDER BY id LIMIT {LETTERS_AT_ONCE}"
        ).fetchall()
    return tuple(map(stored_letter, found))


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
