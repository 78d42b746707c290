"""A view compared with its table: what differs is told with both values, what moves is not."""

from __future__ import annotations

import sqlite3

import pytest

from headrace.targets.view import recomputation
from headrace.verified import Difference, Part
from support.viewing import Viewed, tagged

GROUPED = "SELECT category, count(*) AS n, sum(price) AS total, min(price) AS least, max(name) AS last FROM items GROUP BY category"
PROJECTED = "SELECT name, price * 2 AS twice, tags FROM items WHERE price > 0"
WHOLE = "SELECT count(*) AS n, avg(price) AS mean FROM items"


@pytest.fixture(params=(GROUPED, PROJECTED, WHOLE))
def view(request, tmp_path):
    made = Viewed(request.param, tmp_path)
    made.put("a", category="books", price=1, name="x", tags={"SS": ["p", "q"]})
    made.put("b", category="books", price=2, name=None)
    made.put("c", category=None, price=3)
    made.put("d", category="music")
    made.deliver()
    yield made
    made.stop()


def _differences(view):
    report = view.target.verify()
    assert report.differing == len(report.differences)
    return [(each.part, each.kind) for each in report.differences]


def test_a_view_that_is_right_is_equal(view):
    report = view.target.verify()
    assert report.is_equal
    assert (report.moving, report.broken) == (0, 0)
    assert report.rows == len(view.rows.stored)


def test_an_empty_view_is_equal():
    view = Viewed(WHOLE)
    view.deliver([])
    assert view.target.verify().is_equal


def test_a_change_that_never_came_is_told_in_the_state(view):
    view.items["a"]["price"] = tagged(100)
    assert _differences(view) == [(Part.STATE, Difference.DIFFERENT)]
    view.fill(at=5.0)
    assert view.target.verify().is_equal


def test_both_values_are_told():
    view = Viewed(GROUPED)
    view.put("a", category="books", price=1)
    view.deliver()
    view.items["a"]["price"] = tagged(100)
    (told,) = view.target.verify().differences
    assert told.row == '["books"]'
    assert '"total":{"N":"100"}' in told.expected
    assert '"total":{"N":"1"}' in told.found


def test_rows_that_are_missing_are_there_in_vain_or_say_otherwise_are_told_of_the_output(view):
    name, row = next(iter(view.rows.stored.items()))
    view.rows.stored[name] = {**row, "n": tagged(77), "twice": tagged(77), "mean": tagged(77)}
    assert _differences(view) == [(Part.OUTPUT, Difference.DIFFERENT)]
    del view.rows.stored[name]
    assert _differences(view) == [(Part.OUTPUT, Difference.MISSING)]
    view.rows.stored[name] = row
    extra = '{"view_key":{"S":"[]x"}}'
    view.rows.stored[extra] = {"view_key": {"S": "[]x"}}
    assert _differences(view) == [(Part.OUTPUT, Difference.EXTRA)]


@pytest.mark.parametrize("at_once", [1, 100])
@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE groups SET items = items + 1 WHERE name = '[\"books\"]'",
        "UPDATE groups SET measures = replace(measures, '\"3\"', '\"4\"') WHERE name = '[\"books\"]'",
        "DELETE FROM groups WHERE name = '[\"music\"]'",
        "INSERT INTO groups SELECT '[\"tools\"]', items, measures FROM groups WHERE name = '[\"music\"]'",
        "UPDATE extremes SET value = x'228000000135' WHERE value = x'228000000131'",
    ],
)
def test_groups_that_do_not_add_up_are_told_and_a_fill_mends_them(tmp_path, monkeypatch, damage, at_once):
    monkeypatch.setattr(recomputation, "GROUPS_AT_ONCE", at_once)
    view = Viewed(GROUPED, tmp_path)
    view.put("a", category="books", price=1, name="x")
    view.put("b", category="books", price=2)
    view.put("d", category="music")
    view.deliver()
    with sqlite3.connect(tmp_path / "kept.view.sqlite") as state:
        assert state.execute(damage).rowcount == 1
    parts = [part for part, _ in _differences(view)]
    assert Part.STATE in parts
    view.fill()
    assert view.target.verify().is_equal
    view.stop()


def test_what_changes_while_it_is_looked_at_is_not_told(view):
    """A record that is on its way arrives between two looks."""
    view.put("a", category="tools", price=5)
    view.delete("b")
    late = view.records[-2:]
    view.meanwhile = lambda: view.deliver(late)
    report = view.target.verify()
    assert report.is_equal


def test_an_item_that_changes_all_the_time_proves_nothing(view):
    prices = iter(range(100, 200))

    def change():
        view.items["a"]["price"] = tagged(next(prices))

    change()
    view.meanwhile = change
    report = view.target.verify()
    assert report.moving >= 1


def test_an_item_that_goes_to_and_fro_while_it_is_followed_is_not_told(view):
    """Each look finds the table one change ahead, with the same two values."""

    def swing():
        view.put("a", category="books", price=2)
        view.deliver()
        view.put("a", category="books", price=1)

    swing()
    view.meanwhile = swing
    report = view.target.verify()
    assert report.is_equal
    assert report.moving == 1


def test_items_without_a_value_are_counted(view):
    view.items["e"] = {"id": {"S": "e"}, "category": {"S": "books"}, "price": {"M": {}}}
    report = view.target.verify()
    assert report.broken == 1
    assert report.is_equal
