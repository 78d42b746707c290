"""The example of views: in a table and in a dataset, for each category what the orders of the table come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import urllib3

from headrace.attribute import digits_of
from support.event_stories import Story

_ROWS = "SELECT category, orders, total, mean, least, most, paid FROM category_stats"


class CheckedView:
    """``examples/category_view.yaml``."""

    example = "category_view"

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        story.make_table("category-stats", "category")
        yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        pod["event_source_mappings"][0]["target"]["view"]["endpoint_url"] = url

    def is_settled(self, story: Story) -> bool:
        if self._table(story) != self._of_table(story):
            return False
        [counted] = story.rows("SELECT count(*) AS rows FROM category_stats")
        # Without a row there are no columns.
        self._rows = story.rows(_ROWS) if counted["rows"] else []
        if self._dataset() != self._of_dataset(story):
            return False
        for mapping in ("category-stats", "category-rows"):
            verified = _verified(story, mapping)
            assert verified["equal"], verified
            assert verified["items"] == len(story.items("orders"))
        return True

    def expect(self, story: Story) -> None:
        assert self._table(story) == self._of_table(story)
        assert self._dataset() == self._of_dataset(story)

    def _table(self, story: Story) -> dict[str, tuple[Decimal | None, ...]]:
        return {
            row["category"]["S"]: tuple(
                Decimal(row[name]["N"]) if name in row else None for name in ("orders", "total")
            )
            for row in story.items("category-stats")
        }

    def _dataset(self) -> dict[str | None, tuple[Decimal | None, ...]]:
        names = ("orders", "total", "mean", "least", "most", "paid")
        return {
            row["category"]: tuple(None if row[name] is None else Decimal(str(row[name])) for name in names)
            for row in self._rows
        }

    def _of_table(self, story: Story) -> dict[str, tuple[Decimal | None, ...]]:
        return {
            category or "(none)": (Decimal(len(orders)), sum(totals) if totals else None)
            for category, (orders, totals) in _categories(story).items()
        }

    def _of_dataset(self, story: Story) -> dict[str | None, tuple[Decimal | None, ...]]:
        return {
            category: (
                Decimal(len(orders)),
                sum(totals) if totals else None,
                _mean(totals),
                min(totals, default=None),
                max(totals, default=None),
                Decimal(sum(order["status"]["S"] == "paid" for order in orders)),
            )
            for category, (orders, totals) in _categories(story).items()
        }


def _verified(story: Story, mapping: str) -> dict[str, Any]:
    """What the runtime says of a view when it compares it with its table."""
    assert story.process is not None, "it runs"
    url = f"{story.process.url}/v1/event_source_mappings/{mapping}/verify"
    answer = urllib3.request("POST", url, timeout=60, retries=False)
    assert answer.status == 200, answer.data
    return dict(answer.json())


def _categories(story: Story) -> dict[str | None, tuple[list[dict[str, Any]], list[Decimal]]]:
    found: dict[str | None, tuple[list[dict[str, Any]], list[Decimal]]] = defaultdict(lambda: ([], []))
    for order in story.items("orders"):
        orders, totals = found[order.get("category", {}).get("S")]
        orders.append(order)
        if "total" in order:
            totals.append(Decimal(digits_of(order["total"]["N"])))
    return found


def _mean(totals: list[Decimal]) -> Decimal | None:
    return Context(prec=38, rounding=ROUND_HALF_EVEN).divide(sum(totals), len(totals)) if totals else None
