"""Dead letters in SQLite: one table beside the rows, changed in their transaction, which someone else holds."""
# ruff: noqa: S608 - names are ours, values are parameters

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from headrace.accelerator import DEAD_LETTERS, LETTER_BYTES, LETTERS_AT_ONCE, StoredLetter, Target, Which
from headrace.accelerators.letters import Filed, Known, stored_letter
from headrace.accelerators.lookup import MOST_LETTERS
from headrace.column_type import TEXT, Times, time_type
from headrace.schema import Column

LETTER_TABLE = (
    f"CREATE TABLE IF NOT EXISTS {DEAD_LETTERS} (copy TEXT NOT NULL, id TEXT NOT NULL, dataset TEXT NOT NULL, "
    "shard TEXT, sequence_number TEXT, key TEXT, key_form TEXT, reason TEXT NOT NULL, record TEXT NOT NULL, "
    "seen_at INTEGER NOT NULL, superseded_at INTEGER, PRIMARY KEY (copy, id)) STRICT"
)
"""``copy`` is the target; ``key_form`` the key as ``accelerators.keys`` writes it, NULL where it cannot be read."""

LETTER_INDEX = f"CREATE INDEX IF NOT EXISTS headrace_dead_letter_key ON {DEAD_LETTERS} (copy, key_form)"

_MICROSECONDS = time_type(Times(None, frozenset({"2006-01-02T15:04:05.000000"})))

LETTER_COLUMNS = tuple(
    Column((name,), name, _MICROSECONDS if name.endswith("_at") else TEXT)
    for name in (
        *("dataset", "id", "shard", "sequence_number", "key", "reason", "record"),
        *("seen_at", "superseded_at", "copy"),
    )
)
"""What users see of a letter."""

_AS_ROW = "shard, sequence_number, key, reason, record, seen_at, superseded_at"
_AMONG = "(SELECT value FROM json_each(?))"


class SQLiteLetters:
    """A LetterStore: the letters of one copy of a dataset."""

    def __init__(self, connection: sqlite3.Connection, dataset: str, target: Target) -> None:
        self._connection = connection
        self._dataset = dataset
        self._target = target

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """Which letters of these ids are stored."""
        found = self._connection.execute(
            f"SELECT id, key_form, superseded_at IS NOT NULL FROM {DEAD_LETTERS} WHERE copy = ? AND id IN {_AMONG}",
            (self._target, _list(ids)),
        )
        return {id_: Known(key, bool(superseded)) for id_, key, superseded in found}

    def remove(self, ids: Sequence[str]) -> int:
        """Remove the letters of these ids; how many there were."""
        return self._change(f"DELETE FROM {DEAD_LETTERS} WHERE copy = ? AND id IN {_AMONG}", _list(ids))

    def change_reasons(self, reasons: Mapping[str, str]) -> None:
        """Give letters, by id, other reasons."""
        self._connection.executemany(
            f"UPDATE {DEAD_LETTERS} SET reason = ? WHERE copy = ? AND id = ?",
            [(reason, self._target, id_) for id_, reason in reasons.items()],
        )

    def supersede(self, keys: Collection[str], at: float) -> int:
        """Have all waiting letters of these keys superseded ``at``; how many there were."""
        return self._change(
            f"UPDATE {DEAD_LETTERS} SET superseded_at = {_moment(at)} WHERE copy = ? AND superseded_at IS NULL "
            f"AND key_form IN {_AMONG}",
            _list(keys),
        )

    def store(self, letters: Sequence[Filed], at: float) -> None:
        """Add letters; superseded ones are so ``at``."""
        self._connection.executemany(
            f"INSERT INTO {DEAD_LETTERS} VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(self._target, filed.letter.id, self._dataset, filed.letter.shard),
                    None if filed.letter.sequence is None else filed.letter.sequence.text,
                    *(filed.letter.key, filed.key, filed.letter.reason, filed.letter.record),
                    _moment(filed.letter.at),
                    _moment(at) if filed.superseded else None,
                )
                for filed in letters
            ],
        )

    def of_stream(self, keys: Collection[str]) -> set[str]:
        """Which keys a letter of the stream is stored of."""
        found = self._connection.execute(
            f"SELECT DISTINCT key_form FROM {DEAD_LETTERS} WHERE copy = ? AND shard IS NOT NULL AND key_form IN {_AMONG}",
            (self._target, _list(keys)),
        )
        return {key for (key,) in found}

    def count_waiting(self) -> int:
        """How many are not superseded."""
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM {DEAD_LETTERS} WHERE copy = ? AND superseded_at IS NULL", (self._target,)
        ).fetchone()
        return int(count)

    def _change(self, statement: str, given: str) -> int:
        return self._connection.execute(statement, (self._target, given)).rowcount


def read_letters(
    connection: sqlite3.Connection, names: tuple[str, ...] | None, which: Which, after: str | None
) -> tuple[StoredLetter, ...]:
    """The next letters of the live copy; see ChangeSink."""
    conditions, given = ["copy = ?"], [str(Target.LIVE)]
    if after is not None:
        conditions.append("id > ?")
        given.append(after)
    if which is not Which.ANY:
        conditions.append(f"superseded_at IS {'NOT ' if which is Which.SUPERSEDED else ''}NULL")
    if names is not None:
        conditions.append(f"(id IN {_AMONG} OR sequence_number IN {_AMONG})")
        given += [_list(names)] * 2
    cursor = connection.execute(
        f"SELECT {_AS_ROW} FROM {DEAD_LETTERS} WHERE {' AND '.join(conditions)} ORDER BY id LIMIT {LETTERS_AT_ONCE}",
        given,
    )
    found, size = [], 0
    for row in cursor:
        found.append(stored_letter(row))
        size += len(found[-1].letter.record.encode())
        if size >= LETTER_BYTES:
            break
    cursor.close()
    return tuple(found)


def letters_of_key(connection: sqlite3.Connection, target: Target, form: str) -> list[StoredLetter]:
    """The newest letters of a key, the newest first."""
    found: list[Any] = connection.execute(
        f"SELECT {_AS_ROW} FROM {DEAD_LETTERS} WHERE copy = ? AND key_form = ? "
        f"ORDER BY seen_at DESC LIMIT {MOST_LETTERS}",
        (target, form),
    ).fetchall()
    return [stored_letter(row) for row in found]


def _list(texts: Collection[str]) -> str:
    return json.dumps(list(texts))


def _moment(at: float) -> int:
    return round(at * 1e6)
