"""Statements over a real, locked-down DuckDB: streamed, bounded, ended, and told apart when they fail."""

import resource
import threading
import time
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from headrace.accelerators.duckdb import DuckDBInstance
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.watch import Bounds
from support.deadline import eventually

READY = TableFacts(ready=True)
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
LONG = "SELECT i, 'row ' || i AS text FROM range(50000000) t(i)"


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    instance = DuckDBInstance({"orders": folder / "orders.duckdb", "users": None})
    orders = instance.writer("orders")
    orders.execute(
        "CREATE TABLE orders (id BIGINT, status VARCHAR, total DOUBLE, paid BOOLEAN, tags VARCHAR[])"
    )
    orders.execute("INSERT INTO orders VALUES (1, 'new', 1.5, true, ['a']), (2, 'paid', 2.5, false, NULL)")
    users = instance.writer("users")
    users.execute("CREATE TABLE users (id BIGINT, photo BLOB, seen TIMESTAMP_MS)")
    users.execute("INSERT INTO users VALUES (1, 'x'::BLOB, '2024-01-02 03:04:05')")
    for writer in (orders, users):
        writer.execute("CREATE TABLE headrace_checkpoint AS SELECT 1 AS x")
    yield instance
    instance.close()


@pytest.fixture
def make_engine(instance):
    engines = []

    def make(bounds=None, connect=instance.cursor, **facts):
        catalog = {"orders": READY, "users": READY, **facts}
        engines.append(QueryEngine(connect, lambda: catalog, bounds))
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()


def rows(engine, sql):
    with engine.query(sql) as statement:
        return statement.reader().read_all().to_pylist()


def fault(engine, sql):
    with pytest.raises(QueryError) as caught:
        rows(engine, sql)
    return caught.value


def test_tables_of_several_databases_answer_to_their_bare_names(make_engine):
    engine = make_engine()
    assert rows(engine, "SELECT o.id, u.photo FROM orders o JOIN main.users u USING (id)") == [
        {"id": 1, "photo": b"x"}
    ]


def test_describe_prints_arrow_names(make_engine):
    described = rows(make_engine(), "DESCRIBE orders")
    assert [(row["column_name"], row["data_type"], row["is_nullable"]) for row in described] == [
        ("id", "Int64", "YES"),
        ("status", "Utf8", "YES"),
        ("total", "Float64", "YES"),
        ("paid", "Boolean", "YES"),
        ("tags", "List(Utf8)", "YES"),
    ]
    types = "SELECT photo, seen, [{'a': 1}] AS l, 1.5::DECIMAL(9, 2) AS d, DATE '2024-01-01' AS day, {'a': 1} AS s, "
    types += "MAP {'k': 1} AS m, TIME '01:02:03' AS t, [1, 2]::INT[2] AS two FROM users"
    assert [row["data_type"] for row in rows(make_engine(), f"DESCRIBE {types}")] == [
        "Binary",
        "Timestamp(Millisecond)",
        "List(Struct)",
        "Decimal128(9, 2)",
        "Date32",
        "Struct",
        "Map(Utf8, Int32)",
        "Time64(Microsecond)",
        "FixedSizeList(Int32, 2)",
    ]


def test_describe_does_not_run_what_it_describes(make_engine):
    described = rows(make_engine(Bounds(timeout=5)), f"DESCRIBE {ENDLESS}")
    assert [row["data_type"] for row in described] == ["Int64"]


def test_show_tables_lists_the_datasets_and_nothing_of_ours(make_engine):
    engine = make_engine(late=TableFacts(ready=False, reason="bootstrap at 10 %"))
    assert rows(engine, "SHOW TABLES") == [
        {"table_name": "late", "ready": False},
        {"table_name": "orders", "ready": True},
        {"table_name": "users", "ready": True},
    ]


def test_a_table_that_is_not_ready_is_not_read(make_engine):
    engine = make_engine(orders=TableFacts(ready=False, reason="bootstrap at 10 %"))
    for sql in (
        "FROM Orders",
        "DESCRIBE orders",
        "EXPLAIN FROM orders",
        "SELECT 1 WHERE EXISTS (FROM orders)",
    ):
        caught = fault(engine, sql)
        assert caught.fault is QueryFault.NOT_READY
        assert "orders: bootstrap at 10 %" in str(caught)
    assert rows(engine, "SELECT id FROM users") == [{"id": 1}]


def test_a_statement_sees_one_snapshot_from_its_first_row_to_its_last(make_engine, instance):
    writer = instance.writer("users")
    with make_engine().query("SELECT u.id FROM users u, range(100000)") as statement:
        statement.run()
        batches = statement.batches()
        next(batches)
        writer.execute("UPDATE users SET id = 7")
        assert {value for batch in batches for value in batch.column(0).to_pylist()} == {1}
    writer.execute("UPDATE users SET id = 1")


def test_a_result_of_any_size_streams_in_bounded_memory(make_engine):
    engine = make_engine()
    with engine.query(LONG) as statement:
        statement.run()
        batches = statement.batches()
        next(batches)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seen = sum(next(batches).num_rows for _ in range(600))
    assert seen > 4_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
    assert engine.running == 0


def test_a_statement_that_takes_too_long_is_ended(make_engine):
    engine = make_engine(Bounds(timeout=0.2))
    began = time.monotonic()
    caught = fault(engine, ENDLESS)
    assert caught.fault is QueryFault.TIMEOUT
    assert "0.2 s" in str(caught)
    assert time.monotonic() - began < 10
    assert engine.running == 0


def test_the_reader_is_not_billed_for_its_own_slowness_but_must_read_on(make_engine):
    engine = make_engine(Bounds(timeout=30, idle=0.1))
    statement = engine.query(LONG)
    statement.run()
    batches = statement.batches()
    next(batches)
    eventually(lambda: engine.running == 0, within=10, what="the statement nobody reads has lost its place")
    with pytest.raises(QueryError, match="nobody read the rows") as caught:
        next(batches)
    assert caught.value.fault is QueryFault.TIMEOUT


def test_cancelling_ends_what_another_thread_runs(make_engine):
    engine = make_engine()
    statement = engine.query(ENDLESS)
    caught = []

    def run():
        try:
            statement.reader().read_all()
        except QueryError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: engine.running == 1, within=10, what="the statement runs")
    statement.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert "cancelled" in str(caught[0])
    assert engine.running == 0


def test_a_statement_cancelled_before_it_runs_never_runs(make_engine):
    engine = make_engine()
    statement = engine.query(ENDLESS)
    statement.cancel()
    with pytest.raises(QueryError, match="cancelled"):
        statement.run()
    assert engine.running == 0


def test_more_statements_than_places_wait_and_then_are_told_so(make_engine):
    engine = make_engine(Bounds(places=2, wait=0.1))
    held = [engine.query(LONG) for _ in range(2)]
    for statement in held:
        statement.run()
    caught = fault(engine, "SELECT 1")
    assert caught.fault is QueryFault.BUSY
    held[0].close()
    assert rows(engine, "SELECT 1 AS x") == [{"x": 1}]
    held[1].close()
    held[1].close()
    assert engine.running == 0


def test_a_statement_runs_once(make_engine):
    with make_engine().query("SELECT 1") as statement:
        statement.run()
        with pytest.raises(QueryError, match="once"):
            statement.run()


def test_closing_the_engine_ends_what_runs(make_engine):
    engine = make_engine()
    statement = engine.query(LONG)
    statement.run()
    engine.close()
    with pytest.raises(QueryError, match="cancelled"):
        list(statement.batches())
    assert fault(engine, "SELECT 1").fault is QueryFault.BUSY


@pytest.mark.parametrize(
    ("sql", "expected", "words"),
    [
        ("SELECT idd FROM orders", QueryFault.UNKNOWN_NAME, 'Candidate bindings: "id"'),
        ("SELECT o.id FROM orders", QueryFault.UNKNOWN_NAME, 'Candidate tables: "orders"'),
        ("SELECT sum(status) FROM orders", QueryFault.INVALID, "sum(VARCHAR)"),
        ("SELECT status::INT FROM orders", QueryFault.INVALID, "Could not convert string 'new'"),
        ("SELECT * FROM orders WHERE id = 'x'", QueryFault.INVALID, "Could not convert"),
        ("SELECT 9223372036854775807 + id FROM orders", QueryFault.INVALID, "Overflow"),
        ("SELECT error('my own words')", QueryFault.INVALID, "my own words"),
        ("SELECT error('my own /a/b/c words')", QueryFault.INVALID, "my own /a/b/c words"),
        ("SELECT {'a': 1}::VARIANT", QueryFault.INVALID, "Unsupported Arrow type VARIANT"),
        ("SELECT (SELECT id FROM orders)", QueryFault.INVALID, "More than one row"),
    ],
)
def test_what_the_engine_finds_wrong_with_a_statement_is_told(make_engine, sql, expected, words):
    caught = fault(make_engine(), sql)
    assert caught.fault is expected
    assert words in str(caught)
    assert "SET " not in str(caught)


def test_an_error_after_rows_have_been_given_is_raised_at_its_batch(make_engine):
    sql = "SELECT CASE WHEN i = 3000000 THEN error('too far') ELSE i END FROM range(5000000) t(i)"
    engine = make_engine()

    def failed():
        with engine.query(sql) as statement:
            statement.run()
            batches = statement.batches()
            assert next(batches).num_rows > 0
            with pytest.raises(QueryError) as caught:
                list(batches)
        assert engine.running == 0
        return caught.value

    # Once in some hundred times DuckDB knows only that it was interrupted: the statement is sent again, as it says.
    found = next(error for error in (failed() for _ in range(5)) if error.fault is not QueryFault.BUSY)
    assert found.fault is QueryFault.INVALID
    assert "too far" in str(found)


ENGINE_FAULTS = [
    duckdb.IOException('IO Error: Cannot open file "/data/orders.duckdb": No such file or directory'),
    duckdb.FatalException('FATAL Error: database "/data/orders.duckdb" has been invalidated'),
    duckdb.InternalException("INTERNAL Error: Attempted to dereference /data/x"),
    duckdb.ConnectionException("Connection Error: Connection already closed! /data/x"),
    OSError(2, "No such file", "/data/orders.duckdb"),
    AcceleratorError("cannot open a connection to DuckDB: /data/orders.duckdb"),
]


@pytest.mark.parametrize("error", ENGINE_FAULTS, ids=lambda error: type(error).__name__)
def test_what_is_the_engines_own_trouble_names_no_file(make_engine, error):
    def connect():
        raise error

    caught = fault(make_engine(connect=connect), "SELECT 1")
    # A database that has given up, or is being opened, is there again soon; everything else is a failure.
    passes = isinstance(error, (duckdb.FatalException, AcceleratorError))
    assert caught.fault is (QueryFault.NOT_READY if passes else QueryFault.FAILED)
    assert "/data" not in str(caught)
    assert caught.__cause__ is error


def test_every_error_that_duckdb_has_goes_through_the_door(make_engine):
    vendors = [
        one for one in vars(duckdb).values() if isinstance(one, type) and issubclass(one, duckdb.Error)
    ]
    assert len(vendors) > 20
    for vendor in vendors:

        def connect(vendor=vendor):
            raise vendor("Invalid Input Error: see /data/orders.duckdb")

        caught = fault(make_engine(connect=connect), "SELECT 1")
        assert "/data" not in str(caught)


def test_a_statement_may_use_no_more_memory_than_the_engine_has(make_engine):
    database = duckdb.connect(":memory:", config={"memory_limit": "40MB", "max_temp_directory_size": "0KiB"})
    engine = make_engine(connect=database.cursor)
    caught = fault(engine, "SELECT list(i::VARCHAR || repeat('x', 50)) FROM range(5000000) t(i)")
    assert caught.fault is QueryFault.FAILED
    assert "memory" in str(caught)
    database.close()


def test_values_keep_their_types(make_engine):
    table = make_engine().query("SELECT * FROM users").reader().read_all()
    assert table.schema.types == [pa.int64(), pa.binary(), pa.timestamp("ms")]
    assert table.to_pylist()[0]["seen"].replace(tzinfo=UTC) == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_statement_cannot_write_even_past_the_allow_list(instance):
    cursor = instance.cursor()
    cursor.execute("BEGIN TRANSACTION READ ONLY")
    with pytest.raises(duckdb.Error):
        cursor.execute("DELETE FROM orders")
    cursor.close()
