"""A leaf of SQLite gives what DuckDB would find in the same rows, one commit at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from decimal import Decimal
from functools import reduce

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.accelerator import Target
from headrace.accelerators.plain import plain_rows
from headrace.accelerators.sqlite import leaf
from headrace.column_type import INT, TEXT, ColumnType, list_of, struct_of
from headrace.errors import AcceleratorError, QueryError
from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Fit, Predicate
from support.copies import batch, create, dead, schema_of, work
from support.engines.sqlite import SQLiteHarness
from support.typed_values import VALUES, in_column, number, times, type_of

ORDERS = schema_of(n=INT, text=TEXT)


@pytest.fixture
def copy(tmp_path):
    harness = SQLiteHarness(tmp_path / "orders.sqlite")
    harness.sink.open()
    harness.sink.apply(create(1))
    yield harness
    harness.close()


def reading(harness):
    return harness.sink.leaf().begin()


def rows(one, columns, *predicates, limit=None):
    batches = list(one.scan(columns, predicates, limit))
    return pa.Table.from_batches(batches, pa.schema([one.schema.field(name) for name in columns])).to_pylist()


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


def test_all_scans_of_a_reading_see_one_commit_and_do_not_stop_the_writer(copy):
    copy.sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    one = reading(copy)
    copy.sink.apply(work(3, batch(schema_of(n=TEXT, more=INT), {"id": "a", "n": "two"})))
    assert rows(one, ["id", "n"]) == [{"id": "a", "n": 1}]
    assert one.schema == schema_of(n=INT).arrow().append(pa.field("text", pa.string()))
    two = reading(copy)
    assert rows(two, ["id", "n"]) == [{"id": "a", "n": "two"}]
    assert rows(one, ["n"]) == [{"n": 1}]
    one.close()
    two.close()


def test_a_limit_holds_where_every_predicate_is_exact_and_only_there(copy):
    table = schema_of(n=number("0.1"), d=number("1" * 25), text=TEXT)
    items = [{"id": str(n), "n": n / 2, "d": Decimal(n), "text": "x"} for n in range(10)]
    copy.sink.apply(work(2, batch(table, *items)))
    one = reading(copy)
    more = Predicate("n", Comparison.GREATER, (pa.scalar(1.0),))
    dear = Predicate("d", Comparison.GREATER, (pa.scalar(Decimal(8), pa.decimal128(38, 0)),))
    assert (one.fit(more), one.fit(dear)) == (Fit.EXACT, Fit.NO)
    assert len(rows(one, ["id"], more, limit=3)) == 3
    assert len(rows(one, ["id"], more, dear, limit=3)) == 7
    same = Predicate("d", Comparison.EQUAL, (pa.scalar(Decimal(8), pa.decimal128(38, 0)),))
    assert one.fit(same) is Fit.EXACT
    assert rows(one, ["id"], same) == [{"id": "8"}]
    one.close()


def test_rows_stream_in_batches(copy):
    copy.sink.apply(work(2, batch(ORDERS, *({"id": f"{n:05}", "n": n} for n in range(20_000)))))
    one = reading(copy)
    parts = one.scan(["id"], [])
    assert next(parts).num_rows == 8192
    parts.close()
    assert [part.num_rows for part in one.scan(["n"], [])] == [8192, 8192, 3616]
    one.close()


def test_large_rows_come_in_smaller_batches(copy):
    text = "x" * 300_000
    copy.sink.apply(work(2, batch(ORDERS, *({"id": str(n), "text": text} for n in range(200)))))
    one = reading(copy)
    assert [part.num_rows for part in one.scan(["text"], [])] == [64, 64, 64, 8]
    one.close()


def test_a_cancelled_reading_fails_soon_whether_it_runs_or_waits(copy):
    copy.sink.apply(work(2, batch(ORDERS, *({"id": f"{n:05}", "n": n} for n in range(20_000)))))
    one = reading(copy)
    parts = one.scan(["id"], [])
    next(parts)
    canceller = threading.Thread(target=one.cancel)
    canceller.start()
    canceller.join()
    with pytest.raises(AcceleratorError):
        next(parts)
    with pytest.raises(AcceleratorError, match="cancelled"):
        list(one.scan(["id"], []))
    one.close()


def test_without_a_live_copy_or_an_open_file_there_is_nothing_to_read(tmp_path):
    harness = SQLiteHarness(tmp_path / "orders.sqlite")
    with pytest.raises(AcceleratorError, match="not open"):
        reading(harness)
    harness.sink.open()
    harness.sink.apply(create(1, target=Target.BUILDING))
    with pytest.raises(AcceleratorError, match="no live copy"):
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


SCALAR_TYPES = st.sampled_from(
    [
        *(INT, TEXT, number("0.5"), number("1" * 25), number("0." + "1" * 40)),
        *(ColumnType("bool"), ColumnType("binary"), times(None, "2006-01-02T15:04:05.000")),
        *(list_of(INT), struct_of({"a": INT})),
    ]
)
EDGES = ["", "a", "ab", "a\0b", "b", "é", "\ud7ff", "\ue000", "a\U0010ffff", "\U0010ffff", "A", "10", "9"]
# No -0.0: DuckDB itself finds that it equals 0.0, and that it is not in (0.0, 0.0).
FLOATS = st.sampled_from([0.0, 1.5, -1e300, float("inf"), float("nan")])


def values_of(type_):
    match str(type_.arrow()):
        case "int64":
            return st.integers(-3, 3)
        case "double":
            return FLOATS.filter(lambda value: value == value and abs(value) < 1e301)  # noqa: PLR0124
        case "bool":
            return st.booleans()
        case "binary":
            return st.binary(max_size=2)
        case "string" if type_.kind == "number":
            return st.sampled_from(["0.1", "0.11", "1", "-2"])
        case "string":
            return st.sampled_from(EDGES)
        case name if name.startswith("decimal"):
            return st.integers(-3, 3).map(Decimal)
        case name if name.startswith("timestamp"):
            return st.integers(-3, 3)
        case name if name.startswith("list"):
            return st.lists(st.integers(0, 2), max_size=2)
        case _:
            return st.fixed_dictionaries({"a": st.integers(0, 2)})


@st.composite
def questions(draw):
    type_ = draw(SCALAR_TYPES)
    held = draw(st.lists(st.none() | values_of(type_), min_size=1, max_size=8))
    comparison = draw(st.sampled_from(Comparison))
    most = {Comparison.IS_NULL: 0, Comparison.IS_NOT_NULL: 0, Comparison.IN: 3, Comparison.NOT_IN: 3}.get(
        comparison, 1
    )
    asked = FLOATS if str(type_.arrow()) == "double" else values_of(type_)
    values = draw(st.lists(asked, min_size=min(most, 1), max_size=most))
    return type_, held, comparison, [pa.scalar(value, type_.arrow()) for value in values]


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        yield connection


def as_duckdb(comparison, count):
    match comparison:
        case Comparison.IS_NULL | Comparison.IS_NOT_NULL:
            return f"v {comparison}"
        case Comparison.IN | Comparison.NOT_IN:
            return f"v {comparison} ({', '.join('?' * count)})"
        case Comparison.STARTS_WITH:
            return "starts_with(v, ?)"
        case Comparison.NOT_STARTS_WITH:
            return "NOT starts_with(v, ?)"
        case _:
            return f"v {comparison} ?"


@settings(max_examples=400, deadline=None)
@given(question=questions())
@example(question=(number("0.5"), [1.5], Comparison.LESS, [pa.scalar(float("nan"))]))
def test_what_is_said_to_be_exact_is_what_duckdb_finds(database, question):
    type_, held, comparison, values = question
    harness = SQLiteHarness(None)
    try:
        harness.sink.open()
        harness.sink.apply(create(1))
        table = schema_of(v=type_)
        harness.sink.apply(work(2, batch(table, *({"id": str(n), "v": v} for n, v in enumerate(held)))))
        one = harness.sink.leaf().begin()
        predicate = Predicate("v", comparison, tuple(values))
        everything = pa.Table.from_batches(one.scan(["id", "v"], []), table.arrow())
        found = {row["id"] for part in one.scan(["id"], [predicate]) for row in part.to_pylist()}
        how = one.fit(predicate)
        one.close()
    finally:
        harness.close()
    if how is Fit.NO:
        assert len(found) == len(held)
        return
    with database.cursor() as asked:
        asked.register("everything", everything)
        given_ = [value.as_py() for value in values]
        condition = as_duckdb(comparison, len(given_))
        expected = asked.execute(f"SELECT id FROM everything WHERE {condition}", given_).fetchall()
    assert found == {id_ for (id_,) in expected}


@settings(max_examples=100, deadline=None)
@given(items=st.lists(VALUES, min_size=1, max_size=5))
def test_values_of_any_type_come_through_a_leaf_as_they_were(items):
    type_ = reduce(ColumnType.join, map(type_of, items))
    harness = SQLiteHarness(None)
    try:
        harness.sink.open()
        harness.sink.apply(create(1))
        written = [{"id": str(n), "v": in_column(value, type_)} for n, value in enumerate(items)]
        harness.sink.apply(work(2, batch(schema_of(v=type_), *written)))
        one = harness.sink.leaf().begin()
        read = pa.Table.from_batches(one.scan(["id", "v"], []))
        one.close()
    finally:
        harness.close()
    assert plain_rows(read) == written


def numbers_are(*numbers: int) -> list[Condition]:
    return [Predicate("n", Comparison.EQUAL, (pa.scalar(number, pa.int64()),)) for number in numbers]


def test_conditions_that_one_statement_of_sqlite_has_no_room_for_are_left_out(copy, monkeypatch):
    copy.sink.apply(work(2, batch(ORDERS, *({"id": str(n), "n": n} for n in range(3)))))
    one = reading(copy)
    either = AnyOf(tuple(numbers_are(*range(1, 5000))))
    assert one.fit(either) is Fit.EXACT
    assert rows(one, ["n"], either) == [{"n": 1}, {"n": 2}]
    monkeypatch.setattr(leaf, "MOST_PARAMETERS", 9_999)
    assert rows(one, ["n"], *[either] * 3, limit=1) == [{"n": 1}, {"n": 2}]
    never = Predicate("n", Comparison.NOT_EQUAL, (pa.scalar(1, pa.int64()),))
    assert rows(one, ["n"], *[never] * 5000, limit=1) == [{"n": 0}]
    nested: Condition = never
    for place in range(40):
        nested = (AnyOf if place % 2 else AllOf)((*numbers_are(2), nested))
    assert one.fit(nested) is Fit.NO
    assert len(rows(one, ["n"], nested)) == 3
    one.close()


def test_a_statement_has_the_room_for_parameters_that_sqlite_gives_it():
    with closing(sqlite3.connect(":memory:")) as connection:
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) >= leaf.MOST_PARAMETERS


@pytest.mark.long
def test_as_many_parameters_as_sqlite_has_room_for_are_carried_out(copy):
    copy.sink.apply(work(2, batch(ORDERS, *({"id": str(n), "n": n} for n in range(3)))))
    one = reading(copy)
    either = AnyOf(tuple(numbers_are(*range(1, 5000))))
    assert rows(one, ["n"], *[either] * 7, limit=1) == [{"n": 1}, {"n": 2}]
    one.close()
