"""What a refresh asks of the live copy: the newest time, and the rows that retention removes; over every engine."""

from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest

from headrace.accelerators.engines import Engines
from headrace.column_type import BOOL, INT, TEXT, struct_of
from headrace.dataset import (
    Acceleration,
    CayenneFiles,
    Dataset,
    Engine,
    Mode,
    RefreshMode,
    Retention,
    TimeColumn,
)
from headrace.errors import QueryError, TableUnusable
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.kept import SqlKept
from headrace.query.parser import Parser
from headrace.schema import TableSchema
from support.copies import batch, create, schema_of, work
from support.postgres_server import new_schema, shared_server
from support.typed_values import number, times

NOW = 1_700_000_000.0
MILLIS = times("UTC", "2006-01-02T15:04:05.000Z07:00")
NANOS = times("UTC", "2006-01-02T15:04:05.000000000Z07:00")
WALL = times(None, "2006-01-02T15:04:05.000000")
PAIR = TableSchema.of_keys((("customer", "B"), ("n", "N"))).including({("n",): number("7.25", key=True)})


def acceleration(engine, folder):
    told = {"mode": Mode.FILE} if engine in (Engine.POSTGRES, Engine.CAYENNE) else {}
    if engine is Engine.POSTGRES:
        told["postgres"] = shared_server().access(new_schema())
    if engine is Engine.CAYENNE:
        told["cayenne"] = CayenneFiles(folder / "data", folder / "data")
    return Acceleration(engine, refresh_mode=RefreshMode.APPEND, **told)


@pytest.fixture(scope="module")
def parser():
    parser = Parser()
    yield parser
    parser.close()


@pytest.fixture
def copied(tmp_path, parser):
    """An engine that holds rows: its sink, and whoever asks it what a refresh asks."""

    @contextmanager
    def made(engine, *batches):
        whole = Dataset("orders", "orders", acceleration=acceleration(engine, tmp_path))
        engines = Engines([whole])
        sink = engines.sink("orders")
        queries = QueryEngine(
            engines.cursor, lambda: {"orders": TableFacts(ready=True)}, leaves=lambda: engines.leaves
        )

        def kept(*, period=None, sql=None, time="seen"):
            retention = None if period is None and sql is None else Retention(60.0, period, sql)
            asking = replace(
                whole,
                acceleration=replace(whole.acceleration, retention=retention),
                time_column=None if time is None else TimeColumn(time),
            )
            return SqlKept(asking, queries, sink.schema, parser)

        try:
            sink.open()
            if batches:
                sink.apply(create(1, keys=TableSchema(batches[0].schema.keys)))
                sink.apply(work(2, *batches))
            yield sink, kept
        finally:
            queries.close()
            engines.close()

    return made


def removed(changes):
    assert changes.deleted.to_pylist() == [True] * changes.count
    assert changes.schema.columns == changes.schema.keys
    assert changes.rows.schema == changes.schema.arrow()
    return sorted(changes.rows.column(0).to_pylist())


EVERY = pytest.mark.parametrize("engine", list(Engine))
COLUMNS = {
    "times": (MILLIS, [1_699_999_999_001, 1_700_000_000_002, None], "1700000000.002"),
    "nanoseconds": (
        NANOS,
        [1_700_000_000_000_000_001, 1_699_999_999_999_999_999, None],
        "1700000000.000000001",
    ),
    "walls": (WALL, [1_699_999_999_999_999, 1_700_000_000_000_003, None], "1700000000.000003"),
    "longs": (INT, [1_699_999_999, 1_700_000_001, None], "1700000001"),
    "doubles": (number("0.5"), [1_699_999_999.75, 1_700_000_000.25, None], "1700000000.25"),
    "decimals": (
        number("1" * 20 + ".25"),
        [Decimal("1699999999.75"), Decimal("1700000000.25"), None],
        "1700000000.25",
    ),
    "texts": (TEXT, ["2023-11-14T22:13:19.9Z", "2023-11-15T00:13:20.5+02:00", "soon"], "1700000000.5"),
}


@EVERY
def test_the_newest_time_and_the_old_rows_of_each_kind_of_column(copied, engine):
    schema = schema_of(**{kind: type_ for kind, (type_, _, _) in COLUMNS.items()})
    rows = [{"id": f"{n}", **{kind: values[n] for kind, (_, values, _) in COLUMNS.items()}} for n in range(3)]
    with copied(engine, batch(schema, *rows)) as (_, kept):
        for kind, (_, _, newest) in COLUMNS.items():
            asking = kept(period=3600.0, time=kind.upper())
            found, exact = asking.newest(), Decimal(newest)
            # What is as new as the newest must not be passed over.
            assert exact - Decimal("0.000001") < Decimal(found) <= exact
            old = removed(asking.expired(NOW + 3600.0, 10))
            assert (kind, old) == (kind, ["1" if kind == "nanoseconds" else "0"])
            assert asking.expired(NOW, 10) is None
            # A row goes once it is older than the period, and not before.
            if Decimal(found) == exact:
                assert removed(asking.expired(found + 3600.0, 10)) == ["0"]


@EVERY
def test_rows_go_by_a_limit_at_a_time_until_none_is_left(copied, engine):
    schema = schema_of(seen=MILLIS, done=BOOL)
    rows = batch(
        schema,
        *({"id": f"old {n}", "seen": 1_600_000_000_000 + n} for n in range(5)),
        {"id": "done", "seen": 1_700_000_000_000, "done": True},
        {"id": "open", "seen": 1_700_000_000_000, "done": False},
        {"id": "no time"},
    )
    with copied(engine, rows) as (sink, kept):
        asking = kept(period=86_400.0, sql="DELETE FROM orders WHERE done")
        gone = []
        for mark in range(3, 20):
            changes = asking.expired(NOW, 2)
            if changes is None:
                break
            assert changes.count <= 2
            gone += removed(changes)
            sink.apply(work(mark, changes))
        assert sorted(gone) == ["done", *(f"old {n}" for n in range(5))]
        assert sink.rows() == 2
        assert asking.newest() == 1_700_000_000.0


@EVERY
def test_keys_of_bytes_and_decimals_come_in_their_exact_types(copied, engine):
    exact = [Decimal("7.25"), Decimal(8)]
    rows = batch(
        schema_of(PAIR, seen=INT),
        {"customer": b"\x00\xff", "n": exact[0], "seen": 1},
        {"customer": b"", "n": exact[1], "seen": 2_000_000_000},
    )
    with copied(engine, rows) as (sink, kept):
        changes = kept(period=60.0).expired(NOW, 10)
        assert changes.schema == PAIR
        assert changes.rows.to_pylist() == [{"customer": b"\x00\xff", "n": exact[0]}]
        sink.apply(work(3, changes))
        assert sink.rows() == 1


CONDITIONS = {
    "price > 1": ["b"],
    "seen < now() - INTERVAL '30 days'": ["a"],
    "missing IS NULL AND orders.price = 1": ["a"],
    "place.street IS NULL AND price = 2": ["b"],
    "id = 'a' OR missing.deep = 1": ["a"],
    "price > 5": [],
}


@EVERY
def test_retention_sql_means_what_it_means_in_a_query(copied, engine):
    rows = batch(
        schema_of(price=INT, seen=MILLIS, place=struct_of({"city": TEXT})),
        {"id": "a", "price": 1, "seen": 1_600_000_000_000, "place": {"city": "Ulm"}},
        {"id": "b", "price": 2, "seen": 1_699_999_999_000, "place": {"city": "Bonn"}},
    )
    with copied(engine, rows) as (_, kept):
        for condition, gone in CONDITIONS.items():
            changes = kept(sql=f"DELETE FROM orders WHERE {condition}", time=None).expired(NOW, 10)
            assert (condition, [] if changes is None else removed(changes)) == (condition, gone)


@EVERY
def test_without_a_copy_a_time_or_retention_there_is_nothing_to_tell(copied, engine):
    with copied(engine) as (sink, kept):
        assert kept(period=60.0).newest() is None
        assert kept(period=60.0).expired(NOW, 10) is None
        sink.apply(create(1))
        sink.apply(work(2, batch(schema_of(price=INT), {"id": "a", "price": 1})))
        for asking in (kept(time=None), kept(period=60.0, time="later")):
            assert asking.newest() is None
            assert asking.expired(NOW, 10) is None


def test_columns_that_do_not_suit_are_told_by_what_asks_for_them(copied):
    rows = batch(schema_of(seen=BOOL, price=INT), {"id": "a", "seen": True, "price": 1})
    with copied(Engine.DUCKDB, rows) as (_, kept):
        with pytest.raises(TableUnusable, match="time_column seen holds bool"):
            kept().newest()
        with pytest.raises(TableUnusable, match="time_column seen holds bool"):
            kept(period=60.0).expired(NOW, 10)
        for condition in ("price > 'x'", "price + id::INT > 1", "list_contains(price, 1)"):
            with pytest.raises(TableUnusable, match="retention_sql of orders cannot be evaluated"):
                kept(sql=f"DELETE FROM orders WHERE {condition}").expired(NOW, 10)


def test_sql_that_is_no_deletion_is_refused_before_anything_is_asked(copied):
    with (
        copied(Engine.DUCKDB) as (_, kept),
        pytest.raises(QueryError, match="write DELETE FROM orders WHERE"),
    ):
        kept(sql="SELECT * FROM orders")
