"""information_schema: what there is, from our own catalogue, as tables like any others."""

import duckdb
import pyarrow as pa
import pytest

from headrace.errors import QueryError, QueryFault
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.watch import Bounds
from support.leaves import ArrowLeaf

READY = TableFacts(ready=True)
ALL = "headrace.main"


@pytest.fixture(scope="module")
def database():
    database = duckdb.connect(":memory:")
    database.execute('CREATE TABLE orders (id BIGINT, "b.x" VARCHAR, seen TIMESTAMPTZ)')
    database.execute("CREATE TABLE secret AS SELECT 42 AS x")
    yield database
    database.close()


@pytest.fixture
def far():
    return ArrowLeaf(pa.table({"k": ["a"], "tags": [["x"]]}))


@pytest.fixture
def engine(database, far):
    catalog = {"orders": READY, "far": READY, "late": TableFacts(ready=False), "broken": READY}
    known = {"orders": {"seen": "Timestamp(Microsecond, UTC)"}, "late": {"id": "Utf8", "n": "Int64"}}
    engine = QueryEngine(
        database.cursor,
        lambda: catalog,
        Bounds(places=1, wait=0.1),
        declared=lambda name: known.get(name, {}),
        leaves=lambda: {"far": far},
    )
    yield engine
    engine.close()
    assert far.opened == 0


def rows(engine, sql):
    with engine.query(sql) as statement:
        return [tuple(row.values()) for row in statement.reader().read_all().to_pylist()]


def test_tables_are_those_of_the_catalogue_and_no_others(engine):
    sql = "SELECT table_catalog || '.' || table_schema, table_name, table_type FROM information_schema.tables"
    assert rows(engine, sql) == [(ALL, name, "BASE TABLE") for name in ("broken", "far", "late", "orders")]
    assert rows(engine, "SELECT * FROM information_schema.views") == []
    assert rows(engine, "SELECT catalog_name, schema_name FROM information_schema.schemata") == [
        ("headrace", "main"),
        ("headrace", "information_schema"),
    ]


def test_columns_have_the_types_that_describe_gives_them(engine):
    sql = """
        SELECT column_name, data_type, is_nullable FROM information_schema.columns
        WHERE table_name = '{0}' ORDER BY ordinal_position
    """
    assert rows(engine, sql.format("orders")) == rows(engine, "DESCRIBE orders")
    assert rows(engine, sql.format("far")) == [("k", "Utf8", "YES"), ("tags", "List(Utf8)", "YES")]


def test_of_a_table_that_is_not_ready_what_is_known_is_told(engine):
    sql = "SELECT ordinal_position, column_name, data_type FROM information_schema.columns WHERE table_name = 'late'"
    assert rows(engine, sql) == [(1, "id", "Utf8"), (2, "n", "Int64")]


def test_a_table_that_cannot_be_asked_hides_no_other(engine):
    """``broken`` is in the catalogue, and not there."""
    names = rows(engine, "SELECT DISTINCT table_name FROM information_schema.columns ORDER BY 1")
    assert names == [("far",), ("late",), ("orders",)]


def test_columns_are_told_without_reading_a_row(engine, far):
    rows(engine, "SELECT * FROM information_schema.columns")
    assert all(scan.given == 0 for scan in far.scans)


def test_they_are_joined_and_filtered_like_any_table(engine):
    sql = """
        SELECT t.table_name, count(c.column_name) FROM spice.information_schema.tables t
        LEFT JOIN information_schema.columns AS c USING (table_name)
        WHERE t.table_name LIKE $1 GROUP BY ALL ORDER BY ALL
    """
    with engine.query(sql, [pa.scalar("%r%")]) as statement:
        found = statement.reader().read_all().to_pylist()
    assert [tuple(row.values()) for row in found] == [("broken", 0), ("far", 2), ("orders", 3)]


def test_what_lists_gives_one_catalogue(engine):
    assert rows(engine, "SHOW DATABASES") == [("headrace",)]
    assert rows(engine, "SHOW SCHEMAS") == [("headrace", "main"), ("headrace", "information_schema")]
    assert rows(engine, "SHOW ALL TABLES") == rows(engine, "SHOW TABLES FROM spice.public")
    assert engine.prepare("SHOW SCHEMAS").schema.names == ["database_name", "schema_name"]


def test_names_in_full_mean_the_table_whatever_with_calls_its_own(engine):
    sql = "WITH far AS (SELECT 1 AS one) SELECT far.one, f.k FROM far, spice.public.far f"
    assert rows(engine, sql) == [(1, "a")]
    sql = 'SELECT spice.public.orders."b.x" FROM spice.public.orders WHERE headrace.main.orders.id = 1'
    with pytest.raises(QueryError) as caught:
        rows(engine, sql)
    assert caught.value.fault is QueryFault.UNKNOWN_NAME
    assert rows(engine, sql.replace("headrace.main.", "")) == []


def test_conditions_reach_a_leaf_under_its_name_in_full(engine, far):
    assert rows(engine, "SELECT k FROM spice.public.far WHERE spice.public.far.k = 'a' AND far.k > ''") == [
        ("a",)
    ]
    assert len(far.scans[-1].conditions) == 2
