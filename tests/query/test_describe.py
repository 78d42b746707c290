"""DESCRIBE, over a plain DuckDB: three columns, Arrow's names, and what a dataset says beyond the engine's types."""

import duckdb
import pytest

from headrace.errors import QueryError, QueryFault
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.outline import outline
from headrace.query.parser import Parser

OWN = {
    "id": "Utf8",
    "At": "Timestamp(Millisecond, +02:00)",
    "ats": "List(Timestamp(Millisecond, UTC))",
    "was": "Int64",
}
ENGINES = {
    "id": "Utf8",
    "At": "Timestamp(Microsecond, UTC)",
    "ats": "List(Timestamp(Microsecond, UTC))",
    "was": "Utf8",
}


@pytest.fixture(scope="module")
def engine():
    database = duckdb.connect(":memory:")
    database.execute("SET GLOBAL TimeZone = 'UTC'")
    database.execute('CREATE TABLE orders (id VARCHAR, "At" TIMESTAMPTZ, ats TIMESTAMPTZ[], was VARCHAR)')
    database.execute("CREATE TABLE users AS SELECT 1 AS id")
    facts = TableFacts(ready=True)
    engine = QueryEngine(
        database.cursor,
        lambda: {"orders": facts, "users": facts, "late": TableFacts(ready=False)},
        declared=lambda name: OWN if name == "orders" else {},
    )
    yield engine
    engine.close()
    database.close()


def described(engine, sql):
    with engine.query(sql) as statement:
        table = statement.reader().read_all()
    assert table.column_names == ["column_name", "data_type", "is_nullable"]
    assert set(table["is_nullable"].to_pylist()) == {"YES"}
    return dict(zip(table["column_name"].to_pylist(), table["data_type"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE orders",
        "desc Orders",
        "SHOW orders",
        "DESCRIBE TABLE main.orders",
        "SHOW COLUMNS FROM orders",
        "-- all of them\nshow full columns in orders -- yes",
        "DESCRIBE SELECT * FROM orders WHERE id > 'a' ORDER BY 1 LIMIT 3",
        'DESCRIBE SELECT id, "at", ats, was FROM orders o',
    ],
)
def test_a_datasets_own_columns_have_the_zone_and_unit_that_it_gives_them(engine, sql):
    assert described(engine, sql) == OWN | {"was": "Utf8"}


@pytest.mark.parametrize(
    "sql",
    [
        'DESCRIBE SELECT id, "At" AS "At", ats, was FROM orders',
        'DESCRIBE SELECT * REPLACE (now() AS "At") FROM orders',
        "DESCRIBE SELECT * FROM (FROM orders)",
        "DESCRIBE SELECT o.* FROM orders o, users",
        "DESCRIBE WITH x AS (FROM orders) FROM x",
        'DESCRIBE SELECT * FROM orders AS o(id, "At", ats, was)',
        "DESCRIBE FROM orders UNION ALL FROM orders",
    ],
)
def test_what_a_query_computes_has_the_engines_types(engine, sql):
    assert described(engine, sql)["At"] == ENGINES["At"]


def test_a_type_that_the_engine_does_not_have_yet_or_any_more_is_not_told(engine):
    assert OWN["was"] != ENGINES["was"] == described(engine, "DESCRIBE orders")["was"]


def test_a_dataset_of_which_nothing_is_declared_has_the_engines_types(engine):
    assert described(engine, "DESCRIBE users") == {"id": "Int32"}


def test_nested_types_are_named_by_their_kind_and_dictionaries_by_both_parts(engine):
    sql = (
        "DESCRIBE SELECT {'a': 1} AS s, [{'a': 1}] AS l, MAP {'k': 1::BIGINT} AS m, 1::DECIMAL(38, 2) AS d, "
        "TIMESTAMP_MS '2024-01-01' AS t, MAP {'k': [{'a': 1}]} AS n"
    )
    assert described(engine, sql) == {
        "s": "Struct",
        "l": "List(Struct)",
        "m": "Map(Utf8, Int64)",
        "d": "Decimal128(38, 2)",
        "t": "Timestamp(Millisecond)",
        "n": "Map(Utf8, List(Struct))",
    }


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SHOW COLUMNS FROM '/etc/passwd'", QueryFault.REFUSED),
        ("SHOW COLUMNS FROM (FROM duckdb_secrets())", QueryFault.REFUSED),
        ("SHOW COLUMNS FROM odrers", QueryFault.UNKNOWN_NAME),
        ("SHOW COLUMNS FROM late", QueryFault.NOT_READY),
        ("SHOW COLUMNS FROM orders; DROP TABLE orders", QueryFault.REFUSED),
        ("SHOW COLUMNS FROM SELECT read_text('/etc/passwd')", QueryFault.REFUSED),
        ("SHOW COLUMNS", QueryFault.UNKNOWN_NAME),
    ],
)
def test_asking_for_columns_reaches_no_further_than_any_statement(engine, sql, fault):
    with pytest.raises(QueryError) as refused:
        described(engine, sql)
    assert refused.value.fault is fault


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "select",
        'a"b',
        "1 FROM read_text('/etc/passwd') --",
        "1); COMMIT; DROP TABLE users; (SELECT 1 --",
        "1 AS x, getenv('HOME') AS y --",
    ],
)
def test_a_name_of_a_table_before_a_star_is_a_name_and_nothing_else(engine, name):
    quoted = '"{}"'.format(name.replace('"', '""'))
    for sql in (
        f"DESCRIBE SELECT {quoted}.* FROM users AS {quoted}",
        f"DESCRIBE SELECT COLUMNS({quoted}.*) FROM users AS {quoted}",
        f"DESCRIBE SELECT (SELECT max(id) FROM (SELECT {quoted}.* FROM users AS {quoted})) AS id",
    ):
        with engine.query(sql) as statement:
            assert [row["column_name"] for row in statement.reader().read_all().to_pylist()] == ["id"]
    with engine.query("SELECT count(*) AS n FROM users") as statement:
        assert statement.reader().read_all().to_pylist() == [{"n": 1}]


def test_what_is_checked_of_a_described_query_is_what_runs():
    parser = Parser()
    for query in (
        "SELECT * FROM (VALUES (1)) t(a)",
        'SELECT "a b".* EXCLUDE (x) FROM orders AS "a b"',
        "FROM orders LEFT JOIN (users CROSS JOIN orders o) ON true",
    ):
        described = parser.parse(f"DESCRIBE {query}")
        assert outline(parser.tree(described.query)) == outline(described.tree)
    parser.close()
