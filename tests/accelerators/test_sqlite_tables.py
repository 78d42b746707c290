"""Tables of SQLite follow their schema, keep their indexes, and refuse what they cannot hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from functools import reduce
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import column_type
from headrace.accelerator import Notes, Target
from headrace.accelerators import typed_json
from headrace.accelerators.sqlite import slices
from headrace.accelerators.sqlite.storage import is_stored_alike, restored, stored
from headrace.accelerators.widen import widen
from headrace.column_type import BOOL, INT, NULL, TEXT, ColumnType, list_of, map_of, struct_of
from headrace.dataset import Index
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema
from support.copies import batch, create, paged, schema_of, work
from support.engines.sqlite import SQLiteHarness
from support.typed_values import VALUES, in_column, number, times, type_of

ORDERS = schema_of(n=INT, email=TEXT)
CLOCK = "2006-01-02T15:04:05"


@pytest.fixture
def opened(tmp_path):
    harnesses = []

    def make(*indexes):
        harnesses.append(SQLiteHarness(tmp_path / "orders.sqlite", indexes))
        harnesses[-1].sink.open()
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()


def asked(harness, sql):
    with closing(sqlite3.connect(harness.path)) as connection:
        return connection.execute(sql).fetchall()


def indexes_of(harness, table="orders"):
    """The columns of each index but the key's, by whether it is unique."""
    listed = asked(harness, f"SELECT name, \"unique\" FROM pragma_index_list('{table}') WHERE origin = 'c'")
    return sorted(
        ([column for (column,) in asked(harness, f"SELECT name FROM pragma_index_info('{name}')")], unique)
        for name, unique in listed
    )


# Values


@settings(max_examples=300, deadline=None)
@given(first=st.lists(VALUES, min_size=1, max_size=3), second=st.lists(VALUES, max_size=3))
def test_what_is_stored_alike_is_read_as_it_would_be_widened(first, second):
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        narrow = reduce(ColumnType.join, map(type_of, first))
        wide = reduce(ColumnType.join, map(type_of, second), narrow)
        values = pa.array([in_column(value, narrow) for value in first], narrow.arrow())
        kept = stored(values, narrow)
        widened = widen(values, narrow, wide)
        assert restored(kept, narrow).equals(values)
        if is_stored_alike(narrow, wide):
            assert restored(kept, wide).equals(widened)
        if pa.types.is_nested(values.type) and typed_json.reads_alike(narrow, wide):
            assert typed_json.decode(typed_json.encode(values, narrow), wide).equals(widened)


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [
        (NULL, INT),
        (number("1" * 25), number("0." + "1" * 5)),
        (number("1" * 25), TEXT),
        (struct_of({}), struct_of({"a": INT})),
        (struct_of({"a": INT}), struct_of({"a": number("0.5"), "b": TEXT})),
        (struct_of({"a": INT}), map_of(INT)),
        (list_of(times(None, CLOCK, f"{CLOCK}.999999")), list_of(times(None, f"{CLOCK}.999999"))),
    ],
)
def test_what_grows_most_often_needs_no_row_touched(narrow, wide):
    assert is_stored_alike(narrow, narrow.join(wide))


def test_a_number_that_may_be_text_is_stored_otherwise():
    assert not is_stored_alike(INT, TEXT)
    assert not is_stored_alike(list_of(INT), list_of(TEXT))
    assert not is_stored_alike(struct_of({"a": INT}), TEXT)


# Names and evolution


def test_columns_may_have_any_name_that_a_column_can_have(opened):
    names = ["oid", "_rowid_", "ROWID", 'q"u', "a.b", "select", "Id", "x]y", "new\nline", "key", "[a]", "`"]
    table = schema_of(**dict.fromkeys(names, INT))
    harness = opened()
    harness.sink.apply(create(1))
    columns = [column.name for column in table.columns[1:]]
    row = {"id": "a"} | {name: place for place, name in enumerate(columns)}
    harness.sink.apply(work(2, batch(table, row)))
    assert harness.live() == {("a",): row}
    wider = schema_of(**dict.fromkeys(names, TEXT))
    harness.sink.apply(work(3, batch(wider, {"id": "b"})))
    assert harness.live()[("a",)] == {
        name: value if name == "id" else str(value) for name, value in row.items()
    }


def test_a_table_is_written_anew_in_slices_with_its_notes_and_indexes(opened, monkeypatch):
    monkeypatch.setattr(slices, "SLICE_BYTES", 2000)
    keys = TableSchema.of_keys((("id", "N"),))
    harness = opened(Index(("n",)), Index(("email",), unique=True))
    harness.sink.apply(create(1, keys=keys))
    rows = [{"id": n, "n": n, "email": f"{n}@example.org"} for n in range(500)]
    harness.sink.apply(work(2, batch(schema_of(keys, n=INT, email=TEXT), *rows), scanning=True))
    wide = schema_of(keys.including({("id",): number("0.5", key=True)}), n=TEXT)
    harness.sink.apply(work(3, batch(wide, {"id": Decimal("0.5"), "n": "x"}), scanning=True))
    live = harness.live()
    assert len(live) == 501
    assert {float(key): row["n"] for (key,), row in live.items()} == {
        float(n): str(n) for n in range(500)
    } | {0.5: "x"}
    assert indexes_of(harness) == [(["email"], 1), (["n"], 0)]
    late = batch(wide, {"id": Decimal(7), "n": "late"}, {"id": Decimal(1000), "n": "new"})
    harness.sink.apply(work(4, scan=(late,), scanning=True))
    live = {float(key): row["n"] for (key,), row in harness.live().items()}
    assert (live[7.0], live[1000.0]) == ("7", "new")
    tables = {name for (name,) in asked(harness, "SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {"orders", "headrace_notes", "headrace_checkpoint", "headrace_dead_letter"}


def test_slices_are_bounded_by_their_rows_and_bytes():
    with closing(sqlite3.connect(":memory:")) as connection:
        many = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i, {} FROM n"
        )
        small = slices.slices(connection.execute(many.format("'x'")), 300)
        assert [len(rows) for rows in small] == [300, 300, 300, 100]
        large = slices.slices(connection.execute(many.format("zeroblob(300000)")), 300)
        sizes = [len(rows) for rows in large]
        assert sum(sizes) == 1000
        assert max(sizes) == 64


def test_more_columns_than_sqlite_has_room_for_are_refused_with_the_cure(opened):
    harness = opened()
    harness.sink.apply(create(1))
    columns = {f"c{n}": INT for n in range(2000)}
    with pytest.raises(AcceleratorError, match=r"2,001 columns.*json_column"):
        harness.sink.apply(work(2, batch(schema_of(**columns), {"id": "a"})))
    del columns["c0"]
    harness.sink.apply(work(2, batch(schema_of(**columns), {"id": "a", "c1999": 7})))
    assert harness.live()[("a",)]["c1999"] == 7


# Indexes


def test_an_index_is_made_once_its_columns_are_there_and_survives_a_swap(opened):
    harness = opened(Index(("n", "email")), Index(("flag",)))
    harness.sink.apply(create(1))
    assert indexes_of(harness) == []
    harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    assert indexes_of(harness) == [(["n", "email"], 0)]
    for mark in (3, 6):
        harness.sink.apply(create(mark, target=Target.BUILDING))
        one = batch(schema_of(n=INT, email=TEXT, flag=BOOL), {"id": "b", "n": 2})
        harness.sink.apply(work(mark + 1, one, target=Target.BUILDING))
        assert len(indexes_of(harness, "headrace_building")) == 2
        harness.sink.apply(work(mark + 2, target=Target.BUILDING, swap=True))
        assert indexes_of(harness) == [(["flag"], 0), (["n", "email"], 0)]


def test_another_spicepod_gives_the_copy_other_indexes(opened):
    harness = opened(Index(("n",)), Index(("email",)))
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1, "email": "x"})))
    harness.close()
    harness = opened(Index(("email",), unique=True))
    assert indexes_of(harness) == [(["email"], 1)]


def test_an_index_serves_the_conditions_of_statements(opened):
    harness = opened(Index(("email",)))
    harness.sink.apply(create(1))
    harness.sink.apply(work(2, batch(ORDERS, {"id": "a", "email": "x"})))
    plan = asked(harness, "EXPLAIN QUERY PLAN SELECT id FROM orders WHERE (email >= 'a' AND email < 'b')")
    assert "USING INDEX headrace_index_" in plan[0][3]


def test_a_row_that_a_unique_index_forbids_becomes_a_letter_and_the_rest_is_applied(opened):
    harness = opened(Index(("email",), unique=True))
    harness.sink.apply(create(1))
    rows = [{"id": "a", "email": "x"}, {"id": "b", "email": "y"}, {"id": "none"}, {"id": "nothing"}]
    harness.sink.apply(work(2, batch(ORDERS, *rows)))
    one = paged(batch(ORDERS, {"id": "c", "email": "x"}, {"id": "d", "email": "z"}))
    applied = harness.sink.apply(work(3, one))
    assert applied.letters.refused == 1
    assert set(harness.live()) == {("a",), ("b",), ("d",), ("none",), ("nothing",)}
    assert "UNIQUE constraint failed: orders.email" in harness.letters()["100"].letter.reason


@pytest.mark.parametrize("scanning", [False, True])
def test_rows_may_exchange_what_is_unique_within_one_work(opened, scanning):
    harness = opened(Index(("email",), unique=True))
    harness.sink.apply(create(1))
    before = batch(ORDERS, {"id": "a", "email": "x"}, {"id": "b", "email": "y"})
    after = batch(ORDERS, {"id": "a", "email": "y"}, {"id": "b", "email": "x"})
    if scanning:
        harness.sink.apply(work(2, batch(ORDERS, {"id": "noted"}), scanning=True))
        harness.sink.apply(work(3, scan=(before,), scanning=True))
        applied = harness.sink.apply(work(4, scan=(after,), scanning=True))
    else:
        harness.sink.apply(work(2, before))
        applied = harness.sink.apply(work(3, after, notes=Notes.DROP))
    assert (applied.upserted, applied.letters.refused) == (2, 0)
    live = harness.live()
    assert (live[("a",)]["email"], live[("b",)]["email"]) == ("y", "x")
