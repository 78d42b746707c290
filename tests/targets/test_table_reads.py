"""What is read of a table's items is taken from a budget, and waits for it."""

from __future__ import annotations

import pytest

from headrace.errors import Unavailable
from headrace.read_budget import ReadBudget
from headrace.refusal import Place
from headrace.targets.table import LONGEST_PAUSE, Patience, Table
from support.replication import Side

ITEMS = 20


class Clock:
    def __init__(self):
        self.now = 100.0
        self.pauses = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture(scope="module")
def side():
    side = Side()
    for number in range(ITEMS):
        side.call("PutItem", TableName="orders", Item={"id": {"S": f"o{number}"}, "x": {"S": "x" * 99_000}})
    return side


@pytest.fixture
def clock():
    return Clock()


def opened(side, pause, budget):
    return Table(side, "orders", Place(None, None), Patience(0.0, "salt", pause), budget)


def test_a_scan_takes_as_long_as_its_read_units_must(side, clock):
    table = opened(side, clock.pause, ReadBudget(50, clock))
    assert sum(len(page) for page in table.scan(0, 1)) == ITEMS
    # The first of two pages, ten items of 99 KB in units of 4 KB, is paid before the second is asked for: the first second is there.
    assert clock.now - 100 == pytest.approx(242 / 50 - 1)
    assert max(clock.pauses) <= LONGEST_PAUSE


def test_items_that_are_asked_for_by_key_are_paid_for_too(side, clock):
    table = opened(side, clock.pause, ReadBudget(25, clock))
    keys = [{"id": {"S": f"o{number}"}} for number in range(ITEMS)]
    assert len(table.items(keys)) == ITEMS
    table.page(0, 1, None)
    # Each has 99 KB: 25 units, one second.
    assert clock.now - 100 == pytest.approx(ITEMS - 1, abs=0.1)


def test_whoever_waits_for_read_units_can_be_told_to_end(side, clock):
    def over(seconds):
        raise Unavailable("it is over")

    table = opened(side, over, ReadBudget(1, clock))
    table.page(0, 1, None)
    with pytest.raises(Unavailable, match="it is over"):
        table.page(0, 1, None)


def test_without_a_budget_nothing_waits(side, clock):
    assert sum(len(page) for page in opened(side, clock.pause, None).scan(0, 1)) == ITEMS
    assert clock.pauses == []
