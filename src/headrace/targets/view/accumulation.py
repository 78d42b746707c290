"""What groups add up to, within one transaction: each item's part is taken away and added, exactly.

A sum is a Decimal of as many digits as it needs. The least and the greatest value of a group are found in an index over all values of its
items, so that taking away the least one costs no search.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from headrace.decoding import json_decoder
from headrace.errors import LedgerError
from headrace.targets.view.contribution import measured
from headrace.targets.view.totals import Measure, MeasureTotals, Totals
from headrace.targets.view.value import EXACT, Document, group_values, sortable, unsorted

TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS groups (
        name TEXT PRIMARY KEY,
        items INTEGER NOT NULL CHECK (items >= 0),
        measures TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS extremes (
        name TEXT NOT NULL,
        measure INTEGER NOT NULL,
        value BLOB NOT NULL,
        items INTEGER NOT NULL CHECK (items >= 0),
        PRIMARY KEY (name, measure, value)
    ) STRICT, WITHOUT ROWID
    """,
)

ALL: Final = "[]"
"""The one group of a view without GROUP BY, which is there without items too."""

_Kept = list[tuple[int, str | None]]
_KEPT: Final = json_decoder(_Kept)


class Accumulation:
    """The groups that one transaction of ``connection`` changes; ``close`` writes them."""

    def __init__(self, connection: sqlite3.Connection, measures: Sequence[Measure]) -> None:
        self._connection = connection
        self._measures = measures
        self._groups: dict[str, _Group] = {}
        self._values: Counter[tuple[str, int, bytes]] = Counter()

    def add(self, name: str, content: bytes) -> None:
        """An item comes to the group."""
        self._move(name, content, 1)

    def take(self, name: str, content: bytes) -> None:
        """An item leaves the group, with what it brought."""
        self._move(name, content, -1)

    def close(self) -> Iterable[str]:
        """Write what has changed; the names of the groups."""
        for name, group in self._groups.items():
            self._store(name, group)
        gone = [(-count, *place) for place, count in self._values.items() if count < 0]
        come = [(*place, count) for place, count in self._values.items() if count > 0]
        updated = self._connection.executemany(
            "UPDATE extremes SET items = items - ? WHERE name = ? AND measure = ? AND value = ?", gone
        )
        if gone and updated.rowcount != len(gone):
            raise LedgerError(
                "the state of a view is damaged: a value is missing that an item brought; stop Headrace and move its file away: the view is "
                "filled anew at the next start"
            )
        self._connection.executemany(
            "DELETE FROM extremes WHERE name = ? AND measure = ? AND value = ? AND items = 0",
            [place for _, *place in gone],
        )
        self._connection.executemany(
            "INSERT INTO extremes VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET items = items + excluded.items",
            come,
        )
        return self._groups.keys()

    def _move(self, name: str, content: bytes, sign: int) -> None:
        group = self._group(name)
        group.items += sign
        for place, (measure, value) in enumerate(zip(self._measures, measured(content), strict=True)):
            if value is None:
                continue
            totals = group.measures[place]
            totals.values += sign
            if measure.adds:
                assert isinstance(value, Decimal), "only numbers are added"
                totals.sum = EXACT.add(totals.sum, value if sign > 0 else value.copy_negate())
            if measure.sorts:
                assert not isinstance(value, Document), "only plain values are sorted"
                self._values[name, place, sortable(value)] += sign

    def _group(self, name: str) -> _Group:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
            row = self._connection.execute(
                "SELECT items, measures FROM groups WHERE name = ?", (name,)
            ).fetchone()
            kept: _Kept = [(0, None)] * len(self._measures) if row is None else _KEPT.decode(row[1])
            group.items = 0 if row is None else row[0]
            group.measures = [_Sum(values, Decimal(total or 0)) for values, total in kept]
        return group

    def _store(self, name: str, group: _Group) -> None:
        if not group.items and name != ALL:
            self._connection.execute("DELETE FROM groups WHERE name = ?", (name,))
            return
        kept = [
            (each.values, str(each.sum.normalize(EXACT)) if measure.adds else None)
            for each, measure in zip(group.measures, self._measures, strict=True)
        ]
        self._connection.execute(
            "INSERT OR REPLACE INTO groups VALUES (?, ?, ?)",
            (name, group.items, msgspec.json.encode(kept).decode()),
        )


class _Sum:
    __slots__ = ("sum", "values")

    def __init__(self, values: int, total: Decimal) -> None:
        self.values = values
        self.sum = total


class _Group:
    __slots__ = ("items", "measures")

    def __init__(self) -> None:
        self.items = 0
        self.measures: list[_Sum] = []


def totals_of(connection: sqlite3.Connection, measures: Sequence[Measure], name: str) -> Totals | None:
    """What the group adds up to, None where it has no items."""
    row = connection.execute("SELECT items, measures FROM groups WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    found = []
    for place, (measure, (values, total)) in enumerate(zip(measures, _KEPT.decode(row[1]), strict=True)):
        least = greatest = None
        if measure.sorts and values:
            least, greatest = (_extreme(connection, name, place, order) for order in ("ASC", "DESC"))
        sum_ = Decimal(total) if total is not None and values else None
        found.append(MeasureTotals(values, sum_, least, greatest))
    return Totals(group_values(name), row[0], tuple(found))


def _extreme(connection: sqlite3.Connection, name: str, place: int, order: str) -> Any:
    (value,) = connection.execute(
        f"SELECT value FROM extremes WHERE name = ? AND measure = ? ORDER BY value {order} LIMIT 1",  # noqa: S608 - one of two words
        (name, place),
    ).fetchone()
    return unsorted(value)
