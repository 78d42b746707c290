"""Dead letters in PostgreSQL: one table for all datasets of a schema, changed in their transactions."""
# ruff: noqa: S608 - names are quoted or ours, values are parameters

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import psycopg
import pyarrow as pa

from headrace.accelerator import LETTER_BYTES, LETTERS_AT_ONCE, StoredLetter, Target, Which
from headrace.accelerators.letters import Filed, Known, stored_letter
from headrace.accelerators.postgres.bulk import copy_in
from headrace.accelerators.postgres.names import Names

_COLUMNS = ("dataset", "copy", "id", "shard", "sequence_number", "key", "key_form", "reason", "record")
_TIMES = ("seen_at", "superseded_at")

LETTER_COLUMNS = (
    "shard, sequence_number, key, reason, record, (extract(epoch FROM seen_at) * 1000000)::bigint, "
    "(extract(epoch FROM superseded_at) * 1000000)::bigint"
)
"""What ``stored_letter`` takes."""


class PostgresLetters:
    """A LetterStore: the letters of one copy of a dataset."""

    def __init__(self, connection: psycopg.Connection, names: Names, target: Target) -> None:
        self._connection = connection
        self._names = names
        self._own = [names.dataset, target.value]

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Which letters of these ids are stored."""
        found = self._run("SELECT id, key_form, superseded_at IS NOT NULL FROM", "id = ANY($3)", list(ids))
        return {id_: Known(key, superseded) for id_, key, superseded in found}

    def remove(self, ids: Sequence[str]) -> int:
        """Remove the letters of these ids; how many there were."""
        return self._run("DELETE FROM", "id = ANY($3)", list(ids)).rowcount

    def change_reasons(self, reasons: Mapping[str, str]) -> None:
        """Give letters, by id, other reasons."""
        for id_, reason in reasons.items():
            self._update("reason = $3", "id = $4", _storable(reason), id_)

    def supersede(self, keys: Collection[str], at: float) -> int:
        """Have all waiting letters of these keys superseded ``at``; how many there were."""
        condition = "superseded_at IS NULL AND key_form = ANY($3)"
        return self._update(f"superseded_at = {_moment(at)}", condition, list(keys)).rowcount

    def store(self, letters: Sequence[Filed], at: float) -> None:
        """Add letters; superseded ones are so ``at``."""
        texts = [
            (
                *self._own,
                filed.letter.id,
                filed.letter.shard,
                None if filed.letter.sequence is None else filed.letter.sequence.text,
                filed.letter.key,
                filed.key,
                filed.letter.reason,
                filed.letter.record,
            )
            for filed in letters
        ]
        columns = {
            name: pa.array([None if text is None else _storable(text) for text in column], pa.string())
            for name, column in zip(_COLUMNS, zip(*texts, strict=True), strict=True)
        }
        moments = (
            [round(filed.letter.at * 1e6) for filed in letters],
            [round(at * 1e6) if filed.superseded else None for filed in letters],
        )
        columns |= {name: pa.array(of, pa.timestamp("us")) for name, of in zip(_TIMES, moments, strict=True)}
        copy_in(self._connection, pa.table(columns), self._names.letters, list(columns))

    def of_stream(self, keys: Collection[str]) -> set[str]:
        """Which keys a letter of the stream is stored of."""
        condition = "shard IS NOT NULL AND key_form = ANY($3)"
        return {key for (key,) in self._run("SELECT DISTINCT key_form FROM", condition, list(keys))}

    def count_waiting(self) -> int:
        """How many are not superseded."""
        ((count,),) = self._run("SELECT count(*) FROM", "superseded_at IS NULL")
        return int(count)

    def fill(self, letters: Iterable[pa.Table]) -> None:
        """Add letters, given by tables of ``parquet_copy.LETTER_FIELDS``."""
        for table in letters:
            own = {
                name: pa.repeat(pa.scalar(value), table.num_rows)
                for name, value in zip(_COLUMNS, self._own, strict=False)
            }
            whole = pa.table({**own, **dict(zip(table.column_names, table.columns, strict=True))})
            copy_in(self._connection, whole, self._names.letters, whole.column_names)

    def remove_all(self) -> None:
        """Remove every letter of the copy."""
        self._run("DELETE FROM", "true")

    def _run(self, what: str, condition: str, *values: Any) -> psycopg.Cursor[Any]:
        return self._connection.execute(
            f"{what} {self._names.letters} WHERE dataset = $1 AND copy = $2 AND {condition}",
            [*self._own, *values],
        )

    def _update(self, change: str, condition: str, *values: Any) -> psycopg.Cursor[Any]:
        return self._connection.execute(
            f"UPDATE {self._names.letters} SET {change} WHERE dataset = $1 AND copy = $2 AND {condition}",
            [*self._own, *values],
        )


def read(
    connection: psycopg.Connection,
    names: Names,
    wanted: tuple[str, ...] | None,
    which: Which,
    after: str | None,
) -> tuple[StoredLetter, ...]:
    """The next letters of the live copy; see ChangeSink."""
    conditions = ["dataset = $1", "copy = $2", "($3::text IS NULL OR id > $3)"]
    if which is not Which.ANY:
        conditions.append(f"superseded_at IS {'NOT ' if which is Which.SUPERSEDED else ''}NULL")
    conditions.append("($4::text[] IS NULL OR id = ANY($4) OR sequence_number = ANY($4))")
    found = connection.execute(
        f"SELECT {LETTER_COLUMNS} FROM (SELECT *, sum(octet_length(record)) OVER (ORDER BY id) - octet_length(record) "
        f"AS headrace_before FROM {names.letters} WHERE {' AND '.join(conditions)}) known "
        f"WHERE headrace_before < {LETTER_BYTES} ORDER BY id LIMIT {LETTERS_AT_ONCE}",
        [names.dataset, Target.LIVE.value, after, None if wanted is None else list(wanted)],
    ).fetchall()
    return tuple(map(stored_letter, found))


def _moment(at: float) -> str:
    """An instant as SQL, exact to the microsecond."""
    seconds, micros = divmod(round(at * 1e6), 1_000_000)
    return f"(timestamp 'epoch' + interval '{seconds} seconds' + interval '{micros} microseconds')"


def _storable(text: str) -> str:
    """A text without NUL, which JSON has none of, and PostgreSQL cannot hold."""
    return text.replace("\0", "\\u0000")
