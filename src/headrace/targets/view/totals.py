"""What groups add up to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from headrace.targets.view.expression import Evaluate
from headrace.targets.view.value import Value


@dataclass(frozen=True, slots=True)
class Measure:
    """What is aggregated of each item of a group. ``adds``: a sum is kept. ``sorts``: least and greatest are."""

    evaluate: Evaluate
    text: str
    adds: bool = False
    sorts: bool = False


@dataclass(frozen=True, slots=True)
class Totals:
    """A group, as its row is made of it: the items, and of each measure how many are not NULL, their sum, least and greatest."""

    group: tuple[Value, ...]
    items: int
    measures: tuple[MeasureTotals, ...]


@dataclass(frozen=True, slots=True)
class MeasureTotals:
    """See ``Totals``. What is not kept, or is of no values, is None."""

    values: int
    sum: Decimal | None = None
    least: Value = None
    greatest: Value = None
