"""The statements that the documents print, word for word, over tables such as they describe."""

import duckdb
import pytest

from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.leaves import ArrowLeaf

TABLES = {
    "my_users": "SELECT 'a' AS id",
    "test_table": """SELECT 1::INTEGER AS a, 2::INTEGER AS "b.x", '{"z":3}' AS "b.y" """,
    "users": """
        SELECT 'ada@example.com' AS email, 1::BIGINT AS id,
            {'registration_ip': '192.0.2.1', 'user_agent': 'curl'} AS metadata,
            [{'city': 'San Francisco'}, {'city': 'Ulm'}] AS addresses,
            {'theme': 'dark'} AS preferences, '2024-01-02T03:04:05Z' AS created_at
    """,
}
STATEMENTS = {
    "SELECT COUNT(*) FROM my_users;": [(1,)],
    "select * from test_table;": [(1, 2, '{"z":3}')],
    "SELECT metadata.registration_ip, metadata.user_agent\nFROM users\nLIMIT 5;": [("192.0.2.1", "curl")],
    (
        "SELECT address.city\nFROM (\nSELECT unnest(addresses) AS address\nFROM users\n)\n"
        "WHERE address.city = 'San Francisco';"
    ): [("San Francisco",)],
    "describe users;": [
        ("email", "Utf8", "YES"),
        ("id", "Int64", "YES"),
        ("metadata", "Struct", "YES"),
        ("addresses", "List(Struct)", "YES"),
        ("preferences", "Struct", "YES"),
        ("created_at", "Utf8", "YES"),
    ],
}


@pytest.fixture(scope="module", params=["tables", "leaves"])
def engine(request):
    database = duckdb.connect()
    leaves = {}
    for name, query in TABLES.items():
        if request.param == "leaves":
            leaves[name] = ArrowLeaf(database.execute(query).to_arrow_table())
        else:
            database.execute(f"CREATE TABLE {name} AS {query}")
    catalog = dict.fromkeys(TABLES, TableFacts(ready=True))
    engine = QueryEngine(database.cursor, lambda: catalog, leaves=lambda: leaves)
    yield engine
    engine.close()
    database.close()


@pytest.mark.parametrize("sql", STATEMENTS, ids=lambda sql: sql.replace("\n", " ")[:40])
def test_a_statement_of_the_documents_is_answered(engine, sql):
    with engine.query(sql) as statement:
        table = statement.reader().read_all()
    assert [tuple(row.values()) for row in table.to_pylist()] == STATEMENTS[sql]


def test_the_columns_of_unnested_items_have_the_names_that_the_documents_print(engine):
    for sql in ('SELECT a, "b.x", "b.y" FROM test_table', 'SELECT "B.X" FROM test_table WHERE "b.X" = 2'):
        with engine.query(sql) as statement:
            assert statement.reader().read_all().num_rows == 1
