"""A view computed from nothing: a second way to its groups, which shares no sum, no index and no transaction with the first."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from zlib import crc32

from headrace.targets.view.accumulation import ALL, totals_of
from headrace.targets.view.contribution import Part, measured
from headrace.targets.view.definition import Definition
from headrace.targets.view.totals import Measure, MeasureTotals, Totals
from headrace.targets.view.value import EXACT, group_values

_PAGE: Final = 2000

GROUPS_AT_ONCE: Final = 100_000
"""Groups that are in memory, of some 700 bytes each: where there are more, items are read several times."""


class Recomputed:
    """Groups of the parts that items bring. Sums are fractions; of values the least and the greatest alone are kept."""

    def __init__(self, measures: Sequence[Measure]) -> None:
        self._measures = measures
        self._groups: dict[str, list[Any]] = {}

    def names(self) -> set[str]:
        """Of all groups."""
        return set(self._groups)

    def totals(self, name: str) -> Totals | None:
        """What the group adds up to, None where there is none."""
        group = self._groups.get(name)
        if group is None:
            return None
        items, columns = group
        return Totals(group_values(name), items, tuple(map(self._of_measure, self._measures, columns)))

    def expect(self, name: str) -> None:
        """The group is there, be it without items."""
        self._groups.setdefault(name, [0, [[0, Fraction(0), None, None] for _ in self._measures]])

    def add(self, part: Part) -> None:
        """An item's part."""
        self.expect(part.row)
        group = self._groups[part.row]
        group[0] += 1
        for measure, column, value in zip(self._measures, group[1], measured(part.content), strict=True):
            if value is None:
                continue
            column[0] += 1
            if measure.adds:
                column[1] += Fraction(value)  # type: ignore[arg-type]
            if measure.sorts:
                rank = _rank(value)
                column[2] = rank if column[2] is None else min(column[2], rank)
                column[3] = rank if column[3] is None else max(column[3], rank)

    def _of_measure(self, measure: Measure, column: list[Any]) -> MeasureTotals:
        values, total, least, greatest = column
        if not values:
            return MeasureTotals(0)
        # All denominators are powers of ten, so that the quotient ends.
        sum_ = EXACT.divide(Decimal(total.numerator), Decimal(total.denominator)) if measure.adds else None
        ends = (least[1], greatest[1]) if measure.sorts else (None, None)
        return MeasureTotals(values, sum_, *ends)


def wrong_groups(
    connection: sqlite3.Connection,
    definition: Definition,
    corrected: Mapping[str, Part | None],
    go_on: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, Totals | None, Totals | None]]:
    """Groups of the state that are not what its items make, each with what it should be and what it is.

    ``corrected`` is what items bring in truth where the state says otherwise. ``go_on`` is called again and again, and may raise.
    """
    (count,) = connection.execute("SELECT count(*) FROM groups").fetchone()
    shares = 1 + count // GROUPS_AT_ONCE
    for share in range(shares):
        yield from _wrong(
            connection,
            definition,
            corrected,
            go_on,
            lambda name, share=share: crc32(name.encode()) % shares == share,  # type: ignore[misc]
        )


def _wrong(
    connection: sqlite3.Connection,
    definition: Definition,
    corrected: Mapping[str, Part | None],
    go_on: Callable[[], None],
    is_asked: Callable[[str], bool],
) -> Iterator[tuple[str, Totals | None, Totals | None]]:
    expected = Recomputed(definition.measures)
    if definition.groups == () and is_asked(ALL):
        expected.expect(ALL)
    for page in pages(connection):
        go_on()
        for key, part in page:
            if key not in corrected and is_asked(part.row):
                expected.add(part)
    for part in filter(None, corrected.values()):
        if is_asked(part.row):
            expected.add(part)
    names = {name for (name,) in connection.execute("SELECT name FROM groups") if is_asked(name)}
    for name in sorted(names | expected.names()):
        go_on()
        wanted, found = expected.totals(name), totals_of(connection, definition.measures, name)
        if wanted != found:
            yield name, wanted, found


def pages(connection: sqlite3.Connection) -> Iterator[list[tuple[str, Part]]]:
    """All items of the state that bring something, by their keys."""
    asked = connection.execute("SELECT key, name, content FROM items WHERE name IS NOT NULL")
    while rows := asked.fetchmany(_PAGE):
        yield [(key, Part(name, content)) for key, name, content in rows]


def _rank(value: Any) -> tuple[int, Any]:
    return (bool, Decimal, str, bytes).index(type(value)), value
