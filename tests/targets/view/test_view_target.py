"""A view at work: what it shows after changes, again after the same changes, after a crash, and what it reports."""

from decimal import Decimal

import pytest

from headrace.errors import ConsumerFailed, TableUnusable, Unavailable
from headrace.mapping_facts import ViewFaults
from support.viewing import Crash, Viewed

BY_CATEGORY = (
    "SELECT category, count(*) AS n, sum(price) AS total, min(price) AS cheapest FROM items GROUP BY category"
)


def test_rows_follow_items_that_come_change_and_go():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price=10)
    view.put("b", category="books", price=Decimal("2.5"))
    view.put("c", category="music", price=7)
    view.deliver()
    assert view.rows.plain() == [
        {"category": "books", "n": 2, "total": Decimal("12.5"), "cheapest": Decimal("2.5")},
        {"category": "music", "n": 1, "total": 7, "cheapest": 7},
    ]
    view.put("b", category="music", price=1)
    view.delete("c")
    view.deliver()
    assert view.rows.plain() == [
        {"category": "books", "n": 1, "total": 10, "cheapest": 10},
        {"category": "music", "n": 1, "total": 1, "cheapest": 1},
    ]


def test_a_batch_that_comes_again_whole_in_part_or_late_changes_nothing():
    view = Viewed(BY_CATEGORY)
    for price in (1, 2, 3):
        view.put("a", category="books", price=price)
    view.deliver()
    before = view.rows.plain()
    for again in (view.records, view.records[:1], view.records[1:2], view.records[2:]):
        view.deliver(again)
        assert view.rows.plain() == before


def test_a_record_that_was_lost_falsifies_nothing_once_its_item_changes_again():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price=1)
    view.deliver()
    view.put("a", category="music", price=2)
    view.deliver([view.put("a", category="tools", price=3)])
    assert view.rows.plain() == [{"category": "tools", "n": 1, "total": 3, "cheapest": 3}]


def test_a_view_without_groups_has_one_row_from_the_beginning():
    view = Viewed("SELECT count(*) AS n, sum(price) AS total, coalesce(max(price), 0) AS most FROM items")
    view.deliver([])
    assert view.rows.plain() == [{"n": 0, "most": 0}]
    view.put("a", price=3)
    view.deliver()
    view.delete("a")
    view.deliver()
    assert view.rows.plain() == [{"n": 0, "most": 0}]


def test_a_projection_has_a_row_for_each_item_that_passes():
    view = Viewed("SELECT name, price * 1.1 AS gross, tags FROM items WHERE price > 1")
    view.put("a", name="pen", price=2, tags={"SS": ["x"]})
    view.put("b", name="clip", price=1)
    view.put("c", price=Decimal("1e-3"), name=None)
    view.deliver()
    assert view.rows.plain() == [{"id": "a", "name": "pen", "gross": Decimal("2.2"), "tags": ["x"]}]
    view.put("b", price=3)
    view.put("a", name="pen", price=0)
    view.deliver()
    assert view.rows.plain() == [{"id": "b", "gross": Decimal("3.3")}]


def test_all_attributes_of_an_item_may_be_taken_but_those_that_are_null():
    view = Viewed("SELECT * EXCLUDE (b), upper(a) AS a, id AS again FROM items")
    view.put("x", a="a", b="b", c=None, d={"M": {"NULL": {"S": "no null"}}})
    view.deliver()
    assert view.rows.plain() == [{"id": "x", "again": "x", "a": "A", "d": {"NULL": {"S": "no null"}}}]


def test_sums_are_exact_where_doubles_and_decimals_of_38_digits_are_not():
    view = Viewed("SELECT sum(price) AS total, avg(price) AS mean FROM items")
    for name, price in (("a", "1e125"), ("b", "-1e125"), ("c", "1e-130"), ("d", "0.1"), ("e", "0.2")):
        view.put(name, price=Decimal(price))
    view.deliver()
    view.delete("c")
    view.deliver()
    assert view.rows.plain() == [{"total": Decimal("0.3"), "mean": Decimal("0.075")}]


def test_an_item_that_has_no_value_is_reported_alone_and_counts_nowhere():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price=1)
    view.put("b", category="books", price="cheap")
    view.put("c", category="books", price=2)
    (failure,) = view.deliver()["batchItemFailures"]
    assert failure["itemIdentifier"] == view.records[1].sequence.text
    assert "sum and avg of price take numbers, and got the text 'cheap'" in failure["error"]
    assert view.rows.plain() == [{"category": "books", "n": 2, "total": 3, "cheapest": 1}]
    with pytest.raises(ConsumerFailed, match="sum and avg of price"):
        view.deliver(view.records[1:2])
    view.put("b", category="books", price=3)
    assert not view.deliver(view.records[3:])["batchItemFailures"]
    # The record that failed is old news now.
    assert not view.deliver(view.records[1:2])["batchItemFailures"]


def test_a_row_that_is_refused_is_reported_until_it_can_be_written():
    view = Viewed(BY_CATEGORY)
    view.rows.refuses = lambda item: item["category"] == {"S": "books"}
    view.put("a", category="books", price=1)
    view.put("b", category="music", price=1)
    (failure,) = view.deliver()["batchItemFailures"]
    assert failure["itemIdentifier"] == view.records[0].sequence.text
    assert "it is not liked" in failure["error"]
    view.rows.refuses = lambda _: False
    assert not view.deliver()["batchItemFailures"]
    assert [row["category"] for row in view.rows.plain()] == ["books", "music"]


def test_rows_that_a_crash_kept_from_being_written_are_written_by_the_next_process(tmp_path):
    view = Viewed(BY_CATEGORY, tmp_path)
    view.put("a", category="books", price=1)

    def gone():
        raise Crash

    view.rows.befall = gone
    with pytest.raises(Crash):
        view.deliver()
    view.rows.befall = lambda: None
    view.start()
    view.deliver([view.put("b", category="music", price=1)])
    assert [row["category"] for row in view.rows.plain()] == ["books", "music"]


def test_a_row_that_waits_for_its_output_is_not_forgotten_for_having_been_written_before(tmp_path):
    view = Viewed(BY_CATEGORY, tmp_path)
    view.put("a", category="books", price=1)
    view.deliver()

    def away():
        raise Unavailable("not now")

    view.rows.befall = away
    for record in (view.put("a", category="books", price=2), view.put("b", category="music", price=1)):
        with pytest.raises(Unavailable):
            view.deliver([record])
    view.rows.befall = lambda: None
    view.start()
    view.deliver([])
    assert [row["total"] for row in view.rows.plain()] == [2, 1]


def test_an_output_that_was_made_anew_gets_all_rows_again(tmp_path):
    view = Viewed(BY_CATEGORY, tmp_path)
    view.put("a", category="books", price=1)
    view.deliver()
    view.rows.stored.clear()
    view.rows.made = 2
    view.start()
    view.deliver([])
    assert [row["category"] for row in view.rows.plain()] == ["books"]


def test_a_fill_brings_what_was_there_before_and_takes_away_what_is_gone(tmp_path):
    view = Viewed(BY_CATEGORY, tmp_path)
    view.put("a", category="books", price=1)
    view.deliver()
    assert view.target.lacks() is not None
    # All of this is lost to the stream.
    view.put("b", category="books", price=2)
    view.put("c", category="music", price=5)
    view.delete("a")
    view.rows.stored['{"view_key":{"S":"foreign"}}'] = {"view_key": {"S": "foreign"}}
    view.fill()
    assert view.rows.plain() == [
        {"category": "books", "n": 1, "total": 2, "cheapest": 2},
        {"category": "music", "n": 1, "total": 5, "cheapest": 5},
    ]
    assert view.target.lacks() is None
    view.start()
    assert view.target.lacks() is None


def test_what_the_stream_brings_while_a_fill_runs_stays():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price=1)
    view.put("b", category="books", price=1)
    stale = dict(view.items)
    view.target.begin_fill(1.0)
    view.put("a", category="music", price=2)
    view.delete("b")
    view.deliver()
    view.items, now = stale, view.items
    view.fill()
    view.items = now
    assert view.rows.plain() == [{"category": "music", "n": 1, "total": 2, "cheapest": 2}]


def test_a_fill_that_is_ended_twice_takes_nothing_away():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price=1)
    view.fill(at=1.0)
    view.target.begin_fill(1.0)
    view.target.end_fill()
    assert [row["n"] for row in view.rows.plain()] == [1]


def test_items_of_a_fill_that_have_no_value_are_told():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price="cheap")
    view.put("b", category="books", price=1)
    view.fill()
    (fact,) = [each for each in view.told if isinstance(each, ViewFaults)]
    assert fact.items == 1
    assert "'cheap'" in fact.first
    assert [row["n"] for row in view.rows.plain()] == [1]


def test_a_record_is_not_blamed_for_what_a_fill_has_found_in_its_item():
    view = Viewed(BY_CATEGORY)
    good = view.put("a", category="books", price=1)
    view.deliver()
    view.put("a", category="books", price="cheap")
    view.fill()
    assert not view.deliver([good])["batchItemFailures"]


def test_another_sql_forgets_what_groups_add_up_to_but_not_the_versions(tmp_path):
    view = Viewed(BY_CATEGORY, tmp_path)
    view.put("a", category="books", price=1)
    view.put("a", category="books", price=2)
    view.deliver()
    view.sql = "SELECT category, sum(price) AS total FROM items GROUP BY category"
    view.start()
    assert view.target.lacks() is not None
    view.fill(at=2.0)
    assert view.rows.plain() == [{"category": "books", "total": 2}]
    view.deliver(view.records[:1])
    assert view.rows.plain() == [{"category": "books", "total": 2}]


def test_tombstones_are_forgotten_in_the_end(tmp_path):
    view = Viewed(BY_CATEGORY, tmp_path)
    view.put("a", category="books", price=1)
    view.delete("a")
    view.deliver()
    view.now += 8 * 86_400.0
    view.deliver([view.put("b", category="books", price=1)])
    with view.target._state.snapshot() as state:
        assert state.execute("SELECT count(*) FROM items").fetchone() == (1,)


def test_a_stopped_view_takes_nothing():
    view = Viewed(BY_CATEGORY)
    view.put("a", category="books", price=1)
    view.stop()
    with pytest.raises(Unavailable, match="being stopped"):
        view.deliver()


def test_an_item_with_an_attribute_that_is_called_as_the_key_of_rows_is_refused_with_the_cure():
    view = Viewed("SELECT * FROM items")
    view.put("a", view_key="mine", price=1)
    view.put("b", price=2)
    (failure,) = view.deliver()["batchItemFailures"]
    assert failure["itemIdentifier"] == view.records[0].sequence.text
    assert "write * EXCLUDE (view_key)" in failure["error"]
    assert view.rows.plain() == [{"id": "b", "price": 2}]
    without = Viewed("SELECT * EXCLUDE (view_key) FROM items")
    without.put("a", view_key="mine", price=1)
    assert not without.deliver()["batchItemFailures"]
    assert without.rows.plain() == [{"id": "a", "price": 1}]


def test_a_column_that_is_null_is_no_attribute_of_the_row_however_it_was_selected():
    nulls = {"name": None, "map": {"M": {"inner": {"NULL": True}}}}
    for sql in ("SELECT name, map FROM items", "SELECT * FROM items", "SELECT *, gone AS price FROM items"):
        view = Viewed(sql)
        view.put("a", price=1, **nulls)
        view.deliver()
        (row,) = view.rows.plain()
        assert "name" not in row
        assert row["map"] == {"inner": {"NULL": True}}
        assert ("price" in row) is (sql == "SELECT * FROM items")


def test_a_zero_is_a_zero_whatever_it_was_multiplied_with():
    powers = " * ".join(["power"] * 12)
    view = Viewed(f"SELECT price * {powers} AS worth, sum(price * {powers}) AS total FROM items GROUP BY 1")
    view.put("a", price=0, power=Decimal("1e120"))
    assert not view.deliver()["batchItemFailures"]
    assert view.rows.plain() == [{"worth": 0, "total": 0}]


def test_items_without_the_key_that_the_table_had_are_told_with_the_cure():
    view = Viewed("SELECT * FROM items")
    view.deliver([])
    view.items["b"] = {"other": {"S": "b"}}
    with pytest.raises(TableUnusable, match="restart Headrace"):
        view.fill()
