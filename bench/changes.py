"""A table and what happens to it: rows by number, and batches of changes of which every contestant gets the same.

A row follows from its number and its version alone, so the tables of all contestants must end alike.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

COLUMNS: Final = {
    "name": "'customer ' || n % 50021",
    "city": "['Porto', 'Gent', 'Cork', 'Lyon', 'Bergen'][1 + n % 5]",
    "note": "substr(md5((n + v)::VARCHAR), 1, 30)",
    "state": "['placed', 'paid', 'shipped'][1 + (n + v) % 3]",
    "qty": "(n * 7 + v) % 1000",  # as _qty
    "cents": "(n * 7919 + v) % 1000003",
    "weight": "((n * 13 + v) % 4096) / 16",
    "visits": "v",
    "active": "(n + v) % 3 = 0",
}
"""The columns beside the key as DuckDB computes them from a row's number ``n`` and version ``v``."""

KEYS: Final = {
    "text": "substr(md5(n::VARCHAR), 1, 22)",
    "number": "(md5_number_lower(n::VARCHAR) >> 2)::BIGINT",
}
"""The key ``id`` by its kind: 22 characters, or a BIGINT; neighbours have nothing in common."""

PAGE: Final = 20_000
"""Rows that are loaded at once."""

_KNOWN: Final = 0.5
_NEW: Final = 0.25


@dataclass(frozen=True, slots=True)
class Changes:
    """Rows, each of another key; of those that are ``gone`` only the key counts, and all else is null."""

    rows: pa.RecordBatch
    gone: pa.BooleanArray


class Workload:
    """A table of ``size`` rows, and changes to it that leave its size as it is: half known, a quarter new, a quarter gone."""

    def __init__(self, key: str, size: int) -> None:
        self._size = size
        self._live = array("q", range(size))
        self._next = size
        self._version = 0
        self._versions: dict[int, int] = {}
        self._qty = sum(_qty(number, 0) for number in range(size))
        self._random = random.Random(20_26)
        self._connection = duckdb.connect(":memory:")
        columns = ", ".join(
            f"CASE WHEN NOT gone THEN {value} END AS {name}" for name, value in COLUMNS.items()
        )
        self._select = f"SELECT {KEYS[key]} AS id, {columns}, gone FROM numbers"

    def pages(self) -> Iterator[pa.RecordBatch]:
        """All rows as they are before any change."""
        for first in range(0, self._size, PAGE):
            numbers = range(first, min(first + PAGE, self._size))
            yield self._made(numbers, 0, len(numbers)).rows

    def changes(self, count: int) -> Changes:
        """The next batch."""
        known, new = int(count * _KNOWN), int(count * _NEW)
        gone = count - known - new
        self._version += 1
        places = self._random.sample(range(len(self._live)), known + gone)
        numbers = [self._live[place] for place in places] + [*range(self._next, self._next + new)]
        for place in sorted(places[known:], reverse=True):
            self._live[place] = self._live[-1]
            self._live.pop()
        self._live.extend(range(self._next, self._next + new))
        self._next += new
        kept, removed = numbers[:known] + numbers[known + gone :], numbers[known : known + gone]
        self._qty -= sum(_qty(number, self._versions.get(number, 0)) for number in numbers[: known + gone])
        self._qty += sum(_qty(number, self._version) for number in kept)
        self._versions |= dict.fromkeys(kept, self._version)
        return self._made([*kept, *removed], self._version, len(kept))

    @property
    def totals(self) -> tuple[int, int]:
        """The number of rows after all changes, and the sum of their ``qty``."""
        return len(self._live), self._qty

    def close(self) -> None:
        """Let go of what makes the rows."""
        self._connection.close()

    def _made(self, numbers: Sequence[int], version: int, kept: int) -> Changes:
        """Rows of these numbers, all but the first ``kept`` of them gone."""
        given = pa.table(
            {
                "n": pa.array(numbers, pa.int64()),
                "v": pa.repeat(pa.scalar(version, pa.int64()), len(numbers)),
                "gone": pa.array([place >= kept for place in range(len(numbers))]),
            }
        )
        self._connection.register("numbers", given)
        found = self._connection.execute(self._select).to_arrow_table().combine_chunks()
        self._connection.unregister("numbers")
        (whole,) = found.to_batches()
        return Changes(whole.select([*whole.schema.names[:-1]]), whole.column("gone"))


def _qty(number: int, version: int) -> int:
    return (number * 7 + version) % 1000
