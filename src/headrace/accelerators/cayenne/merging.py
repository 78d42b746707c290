"""Files, each in the order of its keys, as one stream of rows in that order, within bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.cayenne.part import FilePart, live_rows
from headrace.schema import TableSchema

_ROWS_AT_ONCE: Final = 65_536
"""Rows that are put in order at once, about."""


def merged_rows(parts: Sequence[FilePart], schema: TableSchema) -> Iterator[pa.Table]:
    """The live rows of files as rows of ``schema``, ordered by key. Raises AcceleratorError.

    Each step takes as many rows as are waiting and certainly come next: those whose keys are not beyond the last one
    that is known of every file.
    """
    keys = [column.name for column in schema.keys]
    runs = [_Run(part, schema) for part in parts]
    # A sum, because each is to be filled.
    while sum(run.fill() for run in runs):
        bound = _least([run.last(keys) for run in runs if not run.ended], keys)
        taken = [run.take_until(bound, keys) for run in runs]
        ready = pa.concat_tables([rows for rows in taken if rows.num_rows])
        yield ready.sort_by([(name, "ascending") for name in keys])


class _Run:
    """The rows of one file that have been read and not yet been taken."""

    def __init__(self, part: FilePart, schema: TableSchema) -> None:
        self.ended = False
        self._waiting = schema.arrow().empty_table()
        self._coming = live_rows(part, schema)

    def fill(self) -> bool:
        """Have some rows wait; whether there are any."""
        while self._waiting.num_rows < _ROWS_AT_ONCE and not self.ended:
            rows = next(self._coming, None)
            if rows is None:
                self.ended = True
            else:
                self._waiting = pa.concat_tables([self._waiting, rows])
        return bool(self._waiting.num_rows)

    def last(self, keys: Sequence[str]) -> pa.Table:
        """The key of the last row that waits."""
        return self._waiting.select(list(keys)).slice(self._waiting.num_rows - 1)

    def take_until(self, bound: pa.Table | None, keys: Sequence[str]) -> pa.Table:
        """The rows that wait with keys up to ``bound``, all of them for None."""
        count = self._waiting.num_rows if bound is None else _count_until(self._waiting, bound, keys)
        taken, self._waiting = self._waiting.slice(0, count), self._waiting.slice(count)
        return taken


def _least(bounds: Sequence[pa.Table], keys: Sequence[str]) -> pa.Table | None:
    """The least of some keys; None of none."""
    if not bounds:
        return None
    return pa.concat_tables(bounds).sort_by([(name, "ascending") for name in keys]).slice(0, 1)


def _count_until(rows: pa.Table, bound: pa.Table, keys: Sequence[str]) -> int:
    """How many of ``rows``, which are in order, have keys up to ``bound``."""
    within = pa.repeat(pa.scalar(value=True), rows.num_rows)
    for name in reversed(keys):
        column, value = rows.column(name), bound.column(name)[0]
        within = pc.or_(pc.less(column, value), pc.and_(pc.equal(column, value), within))
    return int(pc.sum(within).as_py() or 0)
