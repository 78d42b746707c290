"""Cayenne's live copy as statements read it: one commit, and no more of its files than they need."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from headrace.accelerator import Target
from headrace.column_type import BOOL, INT, TEXT, list_of
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.leaf import Comparison, Fit, Predicate
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.copies import batch, create, schema_of, work
from support.engines.cayenne import CayenneHarness
from support.engines.cayenne_disk import parts_in

ORDERS = schema_of(n=INT, text=TEXT)


@pytest.fixture
def copy(tmp_path):
    harness = CayenneHarness(tmp_path / "data", eager=True)
    harness.sink.open()
    harness.sink.apply(create(1))
    yield harness
    harness.close()


def rows_of(reading, columns=("id",), *predicates):
    return [row for batch in reading.scan(columns, predicates) for row in batch.to_pylist()]


def asked(column, comparison, *values):
    return Predicate(column, comparison, tuple(pa.scalar(value) for value in values))


def fill(copy, *ns):
    for n in ns:
        copy.sink.apply(work(n, batch(ORDERS, {"id": f"k{n}", "n": n, "text": "x" * n})))


def test_files_that_hold_no_answer_are_not_read(copy):
    fill(copy, 1, 9)
    reading = copy.sink.leaf().begin()
    assert len(reading.files([])) == 2
    for predicate, ids in (
        (asked("n", Comparison.GREATER, 5), ["k9"]),
        (asked("id", Comparison.EQUAL, "k1"), ["k1"]),
        (asked("text", Comparison.STARTS_WITH, "xx"), ["k9"]),
        (asked("n", Comparison.IS_NULL), []),
    ):
        assert [part.source.statistics is not None for part in reading.files([predicate])] == [True] * len(
            ids
        )
        assert [row["id"] for row in rows_of(reading, ("id",), predicate)] == ids
    reading.close()


def test_a_reading_sees_its_commit_and_keeps_its_files(copy):
    fill(copy, 1, 2)
    reading = copy.sink.leaf().begin()
    before = parts_in(copy.folder)
    copy.sink.apply(work(3, batch(ORDERS, {"id": "k1"}, {"id": "k2", "n": 7}, deleted=[True, False])))
    fill(copy, 4, 5, 6, 7)
    assert before < parts_in(copy.folder)
    assert sorted(row["n"] for row in rows_of(reading, ("n",))) == [1, 2]
    reading.close()
    reading.close()
    assert not before & parts_in(copy.folder)
    assert sorted(row["n"] for row in rows_of(copy.sink.leaf().begin(), ("n",))) == [4, 5, 6, 7, 7]


def test_a_reading_keeps_its_files_where_a_commit_is_unknown_and_the_dataset_opened_again(copy):
    fill(copy, 1, 2)
    reading = copy.sink.leaf().begin()
    before = parts_in(copy.folder)
    copy.fail_the_commit(happens=True)
    with pytest.raises(CommitUnknown):
        copy.sink.apply(create(3))
    copy.sink.open()
    assert copy.sink.rows() == 0
    assert before <= parts_in(copy.folder)
    assert sorted(row["n"] for row in rows_of(reading, ("n",))) == [1, 2]
    reading.close()
    assert not before & parts_in(copy.folder)


def test_columns_that_a_file_does_not_have_are_null_and_narrower_ones_widen(copy):
    fill(copy, 1)
    wide = schema_of(n=TEXT, flag=BOOL)
    copy.sink.apply(work(2, batch(wide, {"id": "k2", "n": "two", "flag": True})))
    reading = copy.sink.leaf().begin()
    assert sorted(rows_of(reading, ("flag", "n")), key=str) == [
        {"flag": None, "n": "1"},
        {"flag": True, "n": "two"},
    ]
    assert sorted(rows_of(reading, ("flag",)), key=str) == [{"flag": None}, {"flag": True}]
    # The file has numbers, and is not asked about texts.
    assert {"n": "1"} in rows_of(reading, ("n",), asked("n", Comparison.EQUAL, "1"))
    reading.close()


def test_no_columns_still_have_as_many_rows(copy):
    fill(copy, 1, 2, 3)
    copy.sink.apply(work(4, batch(ORDERS, {"id": "k1"}, deleted=[True])))
    reading = copy.sink.leaf().begin()
    for predicates in ((), (asked("n", Comparison.GREATER, 0),)):
        batches = list(reading.scan([], predicates))
        assert sum(one.num_rows for one in batches) == 2
        assert {one.num_columns for one in batches} == {0}
    reading.close()


def test_nested_columns_are_asked_nothing(copy):
    copy.sink.apply(work(2, batch(schema_of(tags=list_of(INT)), {"id": "a", "tags": [1]})))
    reading = copy.sink.leaf().begin()
    assert reading.fit(asked("tags", Comparison.IS_NOT_NULL)) is Fit.NO
    assert reading.fit(asked("id", Comparison.IS_NOT_NULL)) is Fit.SUPERSET
    reading.close()


def test_a_cancelled_scan_ends(copy):
    fill(copy, 1, 2)
    reading = copy.sink.leaf().begin()
    scan = reading.scan(["id"], [])
    next(scan)
    reading.cancel()
    with pytest.raises(AcceleratorError, match="cancelled"):
        list(scan)
    reading.close()


def test_what_is_not_open_is_not_read(copy):
    copy.close()
    with pytest.raises(AcceleratorError, match="not open"):
        copy.sink.leaf().begin()
    assert copy.sink.rows() == 0


def test_statements_join_it_with_other_tables(copy):
    fill(copy, 1, 2, 3)
    database = duckdb.connect()
    database.execute("CREATE TABLE names AS SELECT 'k2' AS id, 'two' AS name")
    catalog = dict.fromkeys(("orders", "names"), TableFacts(ready=True))
    engine = QueryEngine(database.cursor, lambda: catalog, leaves=lambda: {"orders": copy.sink.leaf()})
    with engine.query("SELECT name, n FROM orders JOIN names USING (id)") as statement:
        assert statement.reader().read_all().to_pylist() == [{"name": "two", "n": 2}]
    engine.close()
    database.close()
    assert not copy.sink._table.pins.files
    assert copy.sink._table.copies[Target.LIVE].rows == 3
