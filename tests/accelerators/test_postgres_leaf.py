"""A leaf of PostgreSQL gives what DuckDB would find in the same rows, one commit at a time."""

from __future__ import annotations

import threading
from functools import reduce

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.accelerator import Target
from headrace.accelerators.plain import plain_rows
from headrace.accelerators.postgres import bulk, session
from headrace.column_type import INT, TEXT, ColumnType, list_of
from headrace.errors import AcceleratorError, QueryError
from headrace.leaf import Comparison, Fit, Predicate
from support.copies import batch, create, dead, schema_of, work
from support.engines.postgres import PostgresHarness
from support.leaf_questions import duckdbs_answer, questions
from support.typed_values import VALUES, in_column, type_of

ORDERS = schema_of(n=INT, text=TEXT)
MANY = [{"id": f"{n:06}", "n": n, "text": "x" * 200} for n in range(40_000)]


@pytest.fixture(scope="module")
def shared():
    harness = PostgresHarness()
    harness.sink.open()
    yield harness
    harness.close()


@pytest.fixture
def copy(shared):
    shared.sink.open()
    shared.sink.apply(create(1))
    return shared


def reading(harness):
    return harness.sink.leaf().begin()


def rows(one, columns, *predicates, limit=None):
    schema = pa.schema([one.schema.field(name) for name in columns])
    return pa.Table.from_batches(one.scan(columns, predicates, limit), schema).to_pylist()


def test_columns_come_in_the_order_and_with_the_types_asked_for(copy):
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1, "text": "x"}, {"id": "b", "n": None})))
    one = reading(copy)
    assert one.schema == ORDERS.arrow()
    assert rows(one, ["text", "id"]) == [{"text": "x", "id": "a"}, {"text": None, "id": "b"}]
    assert sum(part.num_rows for part in one.scan([], [])) == 2
    with pytest.raises(QueryError, match="no column nope"):
        list(one.scan(["nope"], []))
    one.close()
    one.close()


def test_all_scans_of_a_reading_see_one_commit_also_beside_each_other(copy):
    copy.sink.apply(work(2, batch(ORDERS, *MANY)))
    one = reading(copy)
    first = one.scan(["id", "text"], [])
    seen = next(first).num_rows
    assert seen < len(MANY)
    copy.sink.apply(work(3, batch(ORDERS, {"id": "new"}, MANY[0], deleted=[False, True])))
    second = one.scan(["n"], [])
    third = one.scan([], [Predicate("n", Comparison.LESS, (pa.scalar(10),))])
    counts = [sum(part.num_rows for part in scan) for scan in (second, third)]
    assert [*counts, seen + sum(part.num_rows for part in first)] == [len(MANY), 10, len(MANY)]
    one.close()
    two = reading(copy)
    assert rows(two, ["id"], Predicate("id", Comparison.IN, (pa.scalar("new"), pa.scalar("000000")))) == [
        {"id": "new"}
    ]
    two.close()


def test_a_scan_that_is_given_up_takes_nothing_with_it(copy):
    copy.sink.apply(work(2, batch(ORDERS, *MANY)))
    one = reading(copy)
    for _ in range(3):
        scan = one.scan(["id", "text"], [])
        next(scan)
        scan.close()
    assert rows(one, ["id"], limit=1) != []
    copy.sink.apply(work(3, batch(ORDERS, MANY[0], deleted=[True])))
    assert sum(part.num_rows for part in one.scan([], [])) == len(MANY)
    assert len(one._all) == 1
    one.close()


def test_a_limit_holds_where_every_predicate_is_exact_and_only_there(copy):
    table = schema_of(n=INT, list=list_of(INT))
    copy.sink.apply(work(2, batch(table, *({"id": str(n), "n": n, "list": [n]} for n in range(10)))))
    one = reading(copy)
    more = Predicate("n", Comparison.GREATER, (pa.scalar(1),))
    listed = Predicate("list", Comparison.EQUAL, (pa.scalar([8], pa.list_(pa.int64())),))
    assert (one.fit(more), one.fit(listed)) == (Fit.EXACT, Fit.NO)
    assert len(rows(one, ["id"], more, limit=3)) == 3
    assert len(rows(one, ["id"], more, listed, limit=3)) == 8
    one.close()


def test_rows_stream_in_batches_of_bounded_size(copy):
    copy.sink.apply(work(2, batch(ORDERS, *MANY)))
    one = reading(copy)
    sizes = [part.nbytes for part in one.scan(["id", "text"], [])]
    one.close()
    assert len(sizes) > 1
    assert max(sizes) < 1.5 * bulk.BLOCK_BYTES


def test_a_cancelled_reading_fails_soon_whether_it_runs_or_waits(copy):
    copy.sink.apply(work(2, batch(ORDERS, *MANY)))
    one = reading(copy)
    # The server has more to send than any buffer between us holds.
    endless = one.scan(["id", "text"], [])
    next(endless)
    canceller = threading.Thread(target=one.cancel)
    canceller.start()
    canceller.join()
    with pytest.raises(AcceleratorError, match="cancel"):
        list(endless)
    with pytest.raises(AcceleratorError, match="cancelled"):
        list(one.scan(["id"], []))
    one.close()


def test_while_columns_are_read_they_are_not_changed_and_the_writer_is_told(copy, monkeypatch):
    monkeypatch.setattr(session, "_PLANS", (*session._PLANS, "SET lock_timeout = '100ms'"))
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    copy.sink.open()
    one = reading(copy)
    wider = work(3, batch(schema_of(n=TEXT), {"id": "b", "n": "two"}))
    with pytest.raises(AcceleratorError, match="another session uses the table, it is tried again"):
        copy.sink.apply(wider)
    assert rows(one, ["id", "n"]) == [{"id": "a", "n": 1}]
    one.close()
    copy.sink.apply(wider)
    two = reading(copy)
    assert rows(two, ["id", "n"]) == [{"id": "a", "n": "1"}, {"id": "b", "n": "two"}]
    two.close()


def test_a_reader_that_begins_while_the_table_is_replaced_sees_the_one_or_the_other_whole(copy):
    """A table that takes the old one's name would seem empty to a commit that was chosen before."""
    some = [{"id": str(n), "n": n} for n in range(200)]
    copy.sink.apply(work(2, batch(ORDERS, *some)))
    done, counts = threading.Event(), []

    def read():
        while not done.is_set():
            one = reading(copy)
            counts.append(sum(part.num_rows for part in one.scan(["n"], [])))
            one.close()

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for mark in range(3, 30, 3):
            copy.sink.apply(create(mark, target=Target.BUILDING))
            copy.sink.apply(work(mark + 1, batch(ORDERS, *some), target=Target.BUILDING, scanning=True))
            copy.sink.apply(work(mark + 2, target=Target.BUILDING, swap=True))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(counts) == {200}
    assert len(counts) > 5


def test_without_a_live_copy_or_an_open_accelerator_there_is_nothing_to_read():
    harness = PostgresHarness()
    with pytest.raises(AcceleratorError, match="closed"):
        reading(harness)
    harness.sink.open()
    with pytest.raises(AcceleratorError, match="no copy of orders"):
        reading(harness)
    harness.close()


def test_dead_letters_are_read_with_the_columns_that_users_know(copy):
    copy.sink.apply(work(2, dead=(dead("a", 7, at=12.5), dead("b", None))))
    one = copy.sink.letters_leaf().begin()
    assert one.schema.names == [
        *("dataset", "id", "shard", "sequence_number", "key", "reason", "record", "seen_at"),
        *("superseded_at", "copy"),
    ]
    waiting = Predicate("superseded_at", Comparison.IS_NULL)
    seven = Predicate("sequence_number", Comparison.EQUAL, (pa.scalar("7"),))
    (letter,) = rows(one, ["dataset", "key", "seen_at", "copy"], waiting, seven)
    assert letter.pop("seen_at").timestamp() % 60 == 12.5
    assert letter == {"dataset": "orders", "key": '{"id": {"S": "a"}}', "copy": "live"}
    one.close()


generous = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=60, **generous)
@given(question=questions())
def test_what_is_said_to_be_exact_is_what_duckdb_finds(copy, question):
    ask(copy, question)


@pytest.mark.long
@settings(max_examples=1500, **generous)
@given(question=questions())
def test_what_is_said_to_be_exact_is_what_duckdb_finds_at_length(copy, question):
    ask(copy, question)


def ask(copy, question):
    type_, held, predicate = question
    table = schema_of(v=type_)
    copy.sink.apply(create(1))
    copy.sink.apply(
        work(2, batch(table, *({"id": str(n), "v": copy.holding(v)} for n, v in enumerate(held))))
    )
    one = reading(copy)
    everything = pa.Table.from_batches(one.scan(["id", "v"], []), table.arrow())
    found = {row["id"] for row in rows(one, ["id"], predicate)}
    how = one.fit(predicate)
    one.close()
    expected = duckdbs_answer(everything, predicate) if how is Fit.EXACT else set(map(str, range(len(held))))
    assert found == expected


@settings(max_examples=30, **generous)
@given(items=st.lists(VALUES, min_size=1, max_size=5))
def test_values_of_any_type_come_through_a_leaf_as_they_were(copy, items):
    items = copy.holding(items)
    type_ = reduce(ColumnType.join, map(type_of, items))
    copy.sink.apply(create(1))
    written = [{"id": str(n), "v": in_column(value, type_)} for n, value in enumerate(items)]
    copy.sink.apply(work(2, batch(schema_of(v=type_), *written)))
    one = reading(copy)
    read = pa.Table.from_batches(one.scan(["id", "v"], []))
    one.close()
    assert plain_rows(read) == written
