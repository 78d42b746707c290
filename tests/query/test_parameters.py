"""Parameters: values that DuckDB is given beside the text, of which leaves are asked as of literals."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import QueryError, QueryFault
from headrace.leaf import Comparison, Predicate
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.honest_tables import make_honest_tables
from support.leaves import ArrowLeaf

HONEST = [
    line.replace("\\n", "\n")
    for line in (Path(__file__).parent / "honest.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
READY = TableFacts(ready=True)
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ROWS = pa.table(
    {
        "id": pa.array([1, 2, None], pa.int64()),
        "t": ["a", "ab", "5"],
        "ok": [True, False, None],
        "f": [0.5, float("nan"), 1.0],
        "d": pa.array([Decimal("1.50"), Decimal("-2.00"), None], pa.decimal128(38, 2)),
        "b": [b"\x00'\\x", b"b", None],
        "ms": pa.array([MOMENT, None, MOMENT], pa.timestamp("ms")),
        "us": pa.array([MOMENT, None, MOMENT], pa.timestamp("us")),
        "ns": pa.array([MOMENT, None, MOMENT], pa.timestamp("ns")),
        "z": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "UTC")),
    }
)
VALUES = [
    pa.scalar(1, pa.int64()),
    pa.scalar(2, pa.int8()),
    pa.scalar(2**64 - 1, pa.uint64()),
    pa.scalar(0.5),
    pa.scalar(1.0, pa.float32()),
    pa.scalar(float("nan")),
    pa.scalar(float("-inf")),
    pa.scalar(Decimal("1.5")),
    pa.scalar(Decimal(-2), pa.decimal128(38, 10)),
    pa.scalar("a"),
    pa.scalar("5", pa.large_string()),
    pa.scalar("2024-01-02 03:04:05.678"),
    pa.array(["b", "ab"]).dictionary_encode()[1],
    pa.scalar(b"\x00'\\x"),
    pa.scalar(b"b", pa.binary_view()),
    pa.scalar(True),
    pa.scalar(None),
    pa.scalar(None, pa.string()),
    pa.scalar(MOMENT, pa.timestamp("ms")),
    pa.scalar(MOMENT, pa.timestamp("us")),
    pa.scalar(MOMENT, pa.timestamp("ns")),
    pa.scalar(MOMENT, pa.timestamp("us", "UTC")),
    pa.scalar(MOMENT, pa.timestamp("ms", "+02:00")),
    pa.scalar(MOMENT, pa.timestamp("ns", "UTC")),
    pa.scalar(MOMENT.date()),
    pa.scalar(time(1, 2, 3)),
]
"""Values of every type that may be a parameter, some of which the columns hold."""


@pytest.fixture(scope="module")
def database():
    database = duckdb.connect()
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    database.register("given", ROWS)
    database.execute("CREATE TABLE own AS FROM given")
    database.unregister("given")
    make_honest_tables(database)
    yield database
    database.close()


@pytest.fixture(scope="module")
def leaf():
    return ArrowLeaf(ROWS)


@pytest.fixture(scope="module")
def engine(database, leaf):
    names = ("own", "far", "orders", "users", "my-table", "headrace_dead_letter")
    engine = QueryEngine(database.cursor, lambda: dict.fromkeys(names, READY), leaves=lambda: {"far": leaf})
    yield engine
    engine.close()
    assert leaf.opened == 0


def answer(engine, sql, *values):
    with engine.query(sql, values) as statement:
        return statement.reader().read_all()


def fault(engine, sql, *values):
    with pytest.raises(QueryError) as caught:
        answer(engine, sql, *values)
    return caught.value


def test_values_stand_where_their_numbers_do(engine):
    one, two = pa.scalar(1), pa.scalar("b")
    assert answer(engine, "SELECT ? AS x, ? AS y", one, two).to_pylist() == [{"x": 1, "y": "b"}]
    assert answer(engine, "SELECT $2 AS x, $1 AS y, $2 AS z", one, two).to_pylist() == [
        {"x": "b", "y": 1, "z": "b"}
    ]
    assert answer(engine, "SELECT $2 AS x", one, two).to_pylist() == [{"x": "b"}]
    assert answer(engine, "SELECT '?' AS x, ? AS y -- ? $7", one).to_pylist() == [{"x": "?", "y": 1}]


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (pa.scalar(7, pa.uint8()), pa.uint8()),
        (pa.scalar(7, pa.int64()), pa.int64()),
        (pa.scalar(0.1), pa.float64()),
        (pa.scalar(float("nan")), pa.float64()),
        (pa.scalar(float("inf")), pa.float64()),
        (pa.scalar(Decimal("-1234567890123456789012345678.90")), pa.decimal128(30, 2)),
        (pa.scalar(Decimal("-0.05"), pa.decimal128(9, 2)), pa.decimal128(9, 2)),
        (pa.scalar("it's; DROP TABLE orders --\x00é"), pa.string()),
        (pa.scalar(bytes(range(256))), pa.binary()),
        (pa.scalar(False), pa.bool_()),
        (pa.scalar(date(1, 1, 1)), pa.date32()),
        (pa.scalar(date(9999, 12, 31), pa.date64()), pa.date32()),
        (pa.scalar(time(23, 59, 59, 999999)), pa.time64("us")),
        (pa.scalar(MOMENT, pa.timestamp("s")), pa.timestamp("s")),
        (pa.scalar(MOMENT, pa.timestamp("ms")), pa.timestamp("ms")),
        (pa.scalar(1 - 62135596800 * 10**6, pa.timestamp("us")), pa.timestamp("us")),
        (pa.scalar(1704164645678901234, pa.timestamp("ns")), pa.timestamp("ns")),
        (pa.scalar(MOMENT), pa.timestamp("us", "UTC")),
        (pa.scalar(timedelta(days=1, microseconds=1)), pa.month_day_nano_interval()),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Scalar) else "",
)
def test_a_value_comes_back_as_it_was_given(engine, value, type_):
    table = answer(engine, "SELECT $1 AS x", value)
    assert table.schema.field("x").type == type_
    again = table["x"][0]
    if pa.types.is_interval(type_):
        assert (again.as_py().days, again.as_py().nanoseconds) == (0, 86_400_000_001_000)
    elif pa.types.is_floating(type_):
        assert repr(again.as_py()) == repr(value.as_py())
    else:
        assert again.cast(value.type) == value


@pytest.mark.parametrize(
    ("sql", "values", "words"),
    [
        ("SELECT ?", (), "1 parameter (? or $1), but no values were given"),
        ("SELECT ?, ?", (1,), "2 parameters (? or $1), but 1 value was given"),
        ("SELECT $3", (1, 2), "3 parameters"),
        ("SELECT 1", (1,), "no parameters (? or $1), but 1 value was given"),
        ("SHOW TABLES", (1,), "no parameters"),
        ("SELECT $name", (1,), "the parameter $name has a name"),
        ("SELECT ?, $name", (1, 2), "named and positional"),
        ("SELECT ?", ([1],), "the value of $1 cannot be a parameter: List(Int64)"),
        ("SELECT ?, ?", (1, {"a": 1}), "the value of $2 cannot be a parameter: Struct"),
        ("SELECT ?::INT", ("x",), "Could not convert"),
        ("SELECT 1 ORDER BY ?", (1,), "Parameter not supported in ORDER BY clause; write the value there"),
        ("SELECT 1 GROUP BY $1", (1,), "Parameter not supported in GROUP BY clause"),
    ],
)
def test_what_cannot_be_bound_is_told(engine, sql, values, words):
    caught = fault(engine, sql, *map(pa.scalar, values))
    assert caught.fault is QueryFault.INVALID
    assert words in str(caught)


def test_a_name_cannot_be_a_parameter(engine):
    assert fault(engine, "SELECT * FROM ?", pa.scalar("orders")).fault is QueryFault.INVALID
    assert fault(engine, "SELECT * FROM read_text(?)", pa.scalar("/etc/passwd")).fault is QueryFault.REFUSED


def test_a_leaf_is_asked_for_a_parameter_as_for_a_literal(engine, leaf):
    leaf.scans.clear()
    sql = "SELECT t FROM far WHERE id = $1 AND t IN ($2, 'x') AND us < $3 LIMIT $4"
    moment = pa.scalar(1_900_000_000_000_000, pa.timestamp("us"))
    assert answer(engine, sql, pa.scalar(1), pa.scalar("a"), moment, pa.scalar(5)).to_pylist() == [{"t": "a"}]
    assert leaf.scans[-1].conditions == (
        Predicate("id", Comparison.EQUAL, (pa.scalar(1),)),
        Predicate("t", Comparison.IN, (pa.scalar("a"), pa.scalar("x"))),
        Predicate("us", Comparison.LESS, (moment,)),
    )
    assert leaf.scans[-1].limit == 5
    answer(engine, "SELECT t FROM far WHERE t LIKE ?", pa.scalar("a%"))
    assert leaf.scans[-1].conditions == (Predicate("t", Comparison.STARTS_WITH, (pa.scalar("a"),)),)


def test_references_that_ask_for_different_parameters_are_told_apart(engine, leaf):
    leaf.scans.clear()
    sql = "SELECT a.t, b.t FROM far a, far b WHERE a.id = ? AND b.id = ?"
    assert answer(engine, sql, pa.scalar(1), pa.scalar(2)).num_rows == 1
    assert {scan.conditions[0].values[0].as_py() for scan in leaf.scans} == {1, 2}


COMPARED = st.sampled_from(["=", "<>", "<", ">=", "IS DISTINCT FROM", "IN"])


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(ROWS.schema.names),
    COMPARED,
    st.sampled_from(VALUES),
    st.sampled_from(VALUES),
    st.booleans(),
)
def test_a_leaf_answers_as_duckdbs_own_table_does(engine, column, comparison, first, second, turned):
    """Whatever the types: the literal that a leaf is asked for must be what DuckDB makes of the value."""
    condition = f"{column} IN ($1, $2)"
    if comparison != "IN":
        sides = ("$1", column) if turned else (column, "$1")
        # Beside OR, so that what the leaf is not asked shows too; each parameter must be used.
        condition = f"({sides[0]} {comparison} {sides[1]} OR t = 'none') AND $2 IS NOT DISTINCT FROM $2"
    found = []
    for table in ("own", "far"):
        try:
            rows = answer(engine, f"SELECT t FROM {table} WHERE {condition} ORDER BY ALL", first, second)
            found.append(rows["t"].to_pylist())
        except QueryError as error:
            found.append(error.fault)
    own, far = found
    # Over its own table it may find more wrong: it computes over rows that the leaf leaves out.
    assert own == far or (isinstance(own, QueryFault) and isinstance(far, list))


def test_explain_and_describe_take_parameters_too(engine):
    plan = answer(engine, "EXPLAIN SELECT t FROM far WHERE id = ?", pa.scalar(1))
    assert "far: columns id, t; id = 1 (exact)" in plan["explain_value"].to_pylist()
    assert answer(engine, "EXPLAIN ANALYZE SELECT t FROM far WHERE id = ?", pa.scalar(1)).num_rows == 2
    described = answer(
        engine, "DESCRIBE SELECT t, $1 AS x FROM far WHERE id = $2", pa.scalar(1.5), pa.scalar(1)
    )
    assert described["data_type"].to_pylist() == ["Utf8", "Float64"]
    assert answer(engine, "SUMMARIZE SELECT id + ? AS x FROM own", pa.scalar(1)).num_rows == 1


def test_what_is_prepared_has_the_columns_of_the_answer_and_is_not_run(engine, leaf):
    leaf.scans.clear()
    prepared = engine.prepare("SELECT id, t AS x, t AS x FROM far WHERE id = ? AND f < $3")
    assert prepared.parameters == 3
    assert prepared.schema.names == ["id", "x", "x"]
    assert prepared.schema.types == [pa.int64(), pa.string(), pa.string()]
    assert all(scan.given == 0 for scan in leaf.scans)
    endless = (
        "SELECT count(*) AS n FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
    )
    assert engine.prepare(endless).schema == pa.schema([("n", pa.int64())])
    assert engine.prepare("SELECT quantile_cont(f, ?) AS q FROM own").schema.field("q").type == pa.float64()
    assert engine.running == 0


def test_preparing_meets_the_errors_of_the_statement(engine):
    for sql, expected in (
        ("SELECT x FROM own", QueryFault.UNKNOWN_NAME),
        ("SELECT * FROM owm", QueryFault.UNKNOWN_NAME),
        ("FROM read_text(?)", QueryFault.REFUSED),
        ("SELECT sum(t) FROM own", QueryFault.INVALID),
    ):
        with pytest.raises(QueryError) as caught:
            engine.prepare(sql)
        assert caught.value.fault is expected


@pytest.mark.parametrize("sql", [sql for sql in HONEST if "rowid" not in sql])
def test_an_honest_statement_has_the_schema_that_it_was_prepared_with(engine, sql):
    assert engine.prepare(sql).schema == answer(engine, sql).schema


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM own a JOIN far b ON a.id = b.id LIMIT 1",
        "SELECT a.id, b.id FROM own a, own b LIMIT 1 OFFSET 1",
        "WITH x AS (FROM own) SELECT id, id FROM x ORDER BY 1 LIMIT 10%",
        "SELECT id, id FROM own UNION ALL SELECT id, id FROM far LIMIT 3",
    ],
)
def test_columns_of_one_name_keep_it_under_a_limit(engine, sql):
    assert len(set(answer(engine, sql).schema.names)) < len(answer(engine, sql).schema.names)
    assert engine.prepare(sql).schema == answer(engine, sql).schema
    assert answer(engine, f"DESCRIBE {sql}")["column_name"].to_pylist() == engine.prepare(sql).schema.names
