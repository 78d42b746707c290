"""Views: queries under names, expanded in each statement, through which conditions reach leaves."""

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from headrace.errors import ConfigError, QueryError, QueryFault
from headrace.leaf import AnyOf, Comparison, Predicate
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.parser import Parser
from headrace.query.pod_views import checked_views, facts_of_views
from headrace.view import View
from support.leaves import ArrowLeaf

READY = TableFacts(ready=True)
FAR = pa.table({"k": ["a", "b", "c"], "n": [1, 2, None], "tags": [["x"], None, ["y", "z"]]})


@pytest.fixture(scope="module")
def parser():
    parser = Parser()
    yield parser
    parser.close()


@pytest.fixture
def world(parser):
    made = []

    def make(views, tables=None, leaves=None, facts=None):
        """An engine over DuckDB's ``tables``, by the queries that make them, ``leaves``, and views by their SQL."""
        database = duckdb.connect()
        for name, query in (tables or {}).items():
            database.execute(f"CREATE TABLE {name} AS {query}")
        names = [name.strip('"') for name in (*(tables or {}), *(leaves or {}))]
        queries = checked_views(listed(views), names, parser)
        catalog = {**dict.fromkeys(names, READY), **(facts or {})}
        known = {**catalog, **facts_of_views(queries, catalog, {})}
        engine = QueryEngine(database.cursor, lambda: known, leaves=lambda: leaves or {}, parser=parser)
        made.append((engine, database))
        return engine

    yield make
    for engine, database in made:
        engine.close()
        database.close()


def listed(views):
    return [View(name, sql, f"pod.yaml:{line}:1") for line, (name, sql) in enumerate(views.items(), start=1)]


def rows(engine, sql, *values):
    with engine.query(sql, values) as statement:
        table = statement.reader().read_all()
    assert engine.running == 0
    return [tuple(row.values()) for row in table.to_pylist()]


def asked(leaf):
    return [(predicate.column, predicate.comparison) for predicate in leaf.scans[-1].conditions]


def test_a_view_is_read_like_a_table_and_joined_with_others(world):
    engine = world(
        {"ranked": "SELECT k, n, rank() OVER (ORDER BY n) AS place FROM far;"},
        {"own": "SELECT 'a' AS k, 'Ada' AS name"},
        {"far": ArrowLeaf(FAR)},
    )
    sql = "SELECT name, place FROM ranked JOIN own USING (k)"
    assert rows(engine, sql) == [("Ada", 1)]
    assert rows(engine, "SELECT main.ranked.k FROM spice.public.Ranked WHERE place = 2") == [("b",)]
    assert rows(engine, "DESCRIBE ranked") == [
        (n, t, "YES") for n, t in zip("kn", ("Utf8", "Int64"), strict=True)
    ] + [("place", "Int64", "YES")]
    assert engine.query("FROM ranked").tables == {"far"}
    assert rows(engine, "WITH ranked AS (SELECT 7) FROM ranked") == [(7,)]


def test_a_view_of_a_view_over_a_table_of_information_schema(world):
    engine = world(
        {"two": "SELECT * FROM one WHERE table_name <> 'own'", "one": "FROM spice.information_schema.tables"},
        {"own": "SELECT 1 AS x"},
    )
    assert rows(engine, "SELECT table_name, table_type FROM two ORDER BY 1") == [
        ("one", "VIEW"),
        ("two", "VIEW"),
    ]
    assert rows(engine, "SELECT view_definition FROM information_schema.views WHERE table_name = 'one'") == [
        ("FROM spice.information_schema.tables",)
    ]
    assert rows(
        engine, "SELECT column_name FROM information_schema.columns WHERE table_name = 'two' LIMIT 1"
    ) == [("table_catalog",)]
    assert [name for name, _ in rows(engine, "SHOW TABLES")] == ["one", "own", "two"]


def test_conditions_in_the_view_and_on_its_plain_columns_reach_the_leaf(world):
    leaf = ArrowLeaf(FAR)
    engine = world(
        {
            "few": "SELECT f.k AS key, n, lower(k) AS k FROM far f WHERE n < 9",
            "same": "SELECT key, n FROM few",
        },
        leaves={"far": leaf},
    )
    assert rows(engine, "SELECT n FROM same WHERE key = ? AND n > 0", pa.scalar("a")) == [(1,)]
    assert leaf.scans[-1].conditions == (
        Predicate("n", Comparison.LESS, (pa.scalar(9),)),
        Predicate("k", Comparison.EQUAL, (pa.scalar("a"),)),
        Predicate("n", Comparison.GREATER, (pa.scalar(0),)),
    )
    plan = rows(engine, "EXPLAIN SELECT n FROM same WHERE key = 'a'")
    assert plan[-1][1] == "far: columns k, n; n < 9 (exact); k = 'a' (exact)"
    rows(engine, "SELECT n FROM few WHERE key = 'a' OR n = 2")
    assert isinstance(leaf.scans[-1].conditions[-1], AnyOf)
    # Of a computed column it cannot be asked, whatever the leaf's own columns are called.
    assert rows(engine, "SELECT key FROM few WHERE k = 'a'") == [("a",)]
    assert asked(leaf) == [("n", Comparison.LESS)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT k, max(n) AS n FROM far GROUP BY k",
        "SELECT k, n, count(*) OVER () AS x FROM far",
        "SELECT k, n FROM far ORDER BY n LIMIT 2",
        "SELECT DISTINCT k, n FROM far",
        "SELECT k, n FROM far USING SAMPLE 100%",
        "SELECT k, n FROM far QUALIFY row_number() OVER (ORDER BY n) < 3",
        "SELECT k, n FROM far UNION ALL SELECT k, n FROM far",
        "WITH far AS (SELECT * FROM far) SELECT k, n FROM far",
        "SELECT l.k, r.n FROM far l POSITIONAL JOIN far r",
        "SELECT * FROM far JOIN own USING (k)",
        "SELECT o.*, f.k, f.n FROM far f JOIN own o ON o.k <> f.k",
        "SELECT * REPLACE (upper(k) AS k) FROM far",
        "SELECT a AS k, b AS n FROM far AS f(a, b)",
    ],
)
def test_no_condition_is_carried_into_a_view_that_does_more_than_leave_out_rows_and_columns(sql, world):
    leaf = ArrowLeaf(FAR)
    engine = world({"v": sql}, {"own": "SELECT 'a' AS k, 1 AS m"}, {"far": leaf})
    rows(engine, "SELECT k FROM v WHERE k IN ('a', '2') AND n IS NOT NULL")
    assert not any(scan.conditions for scan in leaf.scans)


def test_conditions_on_the_columns_of_a_join_reach_each_table_where_the_join_allows_it(world):
    leaf = ArrowLeaf(FAR)
    sql = "SELECT a.*, b.n AS m, own.name FROM far a LEFT JOIN far b ON b.k = a.k JOIN own ON own.k = a.k"
    engine = world({"v": sql}, {"own": "SELECT 'a' AS k, 'Ada' AS name"}, {"far": leaf})
    assert rows(engine, "SELECT k, m, name FROM v WHERE k = 'a' AND m = 1 AND name = 'Ada'") == [
        ("a", 1, "Ada")
    ]
    of_a, of_b = (
        Predicate("k", Comparison.EQUAL, (pa.scalar("a"),)),
        Predicate("n", Comparison.EQUAL, (pa.scalar(1),)),
    )
    assert {scan.conditions for scan in leaf.scans} == {(of_a,), (of_b,)}
    leaf.scans.clear()
    # Of the side that the join fills with NULL, it cannot be told that a value is missing.
    assert rows(engine, "SELECT k FROM v WHERE m IS NULL") == []
    assert not any(scan.conditions for scan in leaf.scans)
    rows(engine, "SELECT k FROM v WHERE n IS NULL OR k = 'b'")
    assert sorted(len(scan.conditions) for scan in leaf.scans[-2:]) == [0, 1]


def test_columns_that_duckdb_renames_are_not_taken_for_others(world):
    leaf = ArrowLeaf(FAR)
    sql = "SELECT a.k, b.k, c.k AS k_1 FROM far a JOIN far b ON b.n = a.n JOIN far c ON c.n <> a.n"
    engine = world({"v": sql}, leaves={"far": leaf})
    assert [name for name, *_ in rows(engine, "DESCRIBE v")] == ["k", "k_1", "k_1_1"]
    assert rows(engine, "SELECT k, k_1_1 FROM v WHERE k_1 = 'a'") == [("a", "b")]
    assert not any(scan.conditions for scan in leaf.scans)


def test_an_honest_query_may_be_a_view(world):
    honest = [
        line.replace("\\n", "\n")
        for line in (Path(__file__).parent / "honest.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    other = re.compile("EXPLAIN|DESC|SHOW|SUMMARIZE|SAMPLE", re.IGNORECASE)
    views = {f"v{number}": sql for number, sql in enumerate(honest) if not other.search(sql)}
    detail = """'{"city": "Ulm", "n": 1}'::JSON"""
    tables = {
        "orders": f"SELECT 1 AS id, 'new' AS status, 1 AS user_id, ['a', 'b'] AS tags, {detail} AS detail",
        "users": "SELECT 1 AS id, 'Ada' AS name",
        '"my-table"': "SELECT 1 AS id",
        "headrace_dead_letter": "SELECT 1 AS x",
    }
    engine = world(views, tables)
    assert len(views) > 100
    for name, sql in views.items():
        with engine.query(sql) as own, engine.query(f"FROM {name}") as view:
            expected, found = own.reader().read_all(), view.reader().read_all()
        assert (expected.num_rows, expected.schema.types) == (found.num_rows, found.schema.types), sql


def test_a_view_of_all_columns_is_described_without_end(world):
    engine = world({"v": "SELECT * FROM information_schema.columns"}, {"own": "SELECT 1 AS x"})
    sql = "SELECT table_name, count(*) FROM v GROUP BY ALL ORDER BY ALL"
    assert rows(engine, sql) == [("own", 1), ("v", 8)]


def test_a_view_that_is_read_twice_is_asked_what_both_ask(world):
    leaf = ArrowLeaf(FAR)
    engine = world({"v": "SELECT k, n FROM far"}, leaves={"far": leaf})
    sql = "SELECT a.k, b.k AS l FROM v a, v b WHERE a.k = 'a' AND b.k = 'b' AND a.n = 1 AND b.n IS NOT NULL"
    assert rows(engine, sql) == [("a", "b")]
    assert all(scan.conditions == () for scan in leaf.scans)
    sql = "SELECT a.k FROM v a, v b, far WHERE a.k = 'a' AND b.k = 'a' AND far.k = 'c'"
    assert rows(engine, sql) == [("a",)]
    assert max(one.values[0].as_py() for scan in leaf.scans[-3:] for one in scan.conditions) == "c"
    assert {len(scan.conditions) for scan in leaf.scans[-3:]} == {1}


def test_a_limit_is_carried_where_every_row_is_a_row(world):
    leaf = ArrowLeaf(FAR, batch=1)
    engine = world({"v": "SELECT n, k FROM far", "w": "SELECT * FROM v WHERE n > 0"}, leaves={"far": leaf})
    assert len(rows(engine, "SELECT k FROM v LIMIT 1")) == 1
    assert leaf.scans[-1].limit == 1
    assert rows(engine, "SELECT k FROM v WHERE n = 2 LIMIT 1") == [("b",)]
    assert leaf.scans[-1].limit == 1
    assert len(rows(engine, "SELECT k FROM w LIMIT 1")) == 1
    assert leaf.scans[-1].limit is None


def test_a_view_is_ready_when_all_that_it_reads_is(world):
    late = {"late": TableFacts(ready=False, reason="bootstrap at 10 %")}
    engine = world(
        {"v": "SELECT 1 AS x FROM late, own", "w": "FROM v"},
        {"own": "SELECT 1", "late": "SELECT 1"},
        facts=late,
    )
    assert rows(engine, "SHOW TABLES") == [("late", False), ("own", True), ("v", False), ("w", False)]
    with pytest.raises(QueryError) as caught:
        rows(engine, "FROM w")
    assert caught.value.fault is QueryFault.NOT_READY
    assert "late: bootstrap at 10 %" in str(caught.value)


def test_an_error_in_a_view_names_the_view(world):
    engine = world({"v": "SELECT missing FROM own"}, {"own": "SELECT 1 AS x"})
    with pytest.raises(QueryError) as caught:
        rows(engine, "SELECT 1 FROM v")
    assert caught.value.fault is QueryFault.UNKNOWN_NAME
    assert str(caught.value).startswith('the view v: Referenced column "missing" not found')


@pytest.mark.parametrize(
    ("views", "words"),
    [
        (
            {"v": "SELECT * FROM odrers"},
            "pod.yaml:1:1: view v: there is no dataset 'odrers'; did you mean 'orders'?",
        ),
        ({"v": "SELECT * FROM read_csv('/etc/passwd')"}, "read_csv() is refused in FROM"),
        ({"v": "SELECT * FROM '/etc/passwd'"}, "reading '/etc/passwd' is refused"),
        ({"v": "DROP TABLE orders"}, "DROP statements are refused"),
        ({"v": "SELECT 1; SELECT 2"}, "2 statements came at once"),
        ({"v": "EXPLAIN SELECT 1"}, "a view is one SELECT"),
        ({"v": "DESCRIBE orders"}, "a view is one SELECT"),
        ({"v": "SUMMARIZE orders"}, "a view is one SELECT"),
        ({"v": "SHOW TABLES"}, "a view is one SELECT"),
        ({"v": "SELECT ?"}, "write them in place of ? or $1"),
        ({"v": "SELEC 1"}, "syntax error"),
        ({"v": "FROM V"}, "view v reads itself (v reads v)"),
        (
            {"a": "FROM b", "b": "FROM c", "c": "FROM orders, a"},
            "pod.yaml:3:1: view c reads itself (c reads a reads b",
        ),
    ],
)
def test_a_view_that_cannot_be_is_refused_at_start_with_its_place(views, words, parser):
    with pytest.raises(ConfigError) as caught:
        checked_views(listed(views), ["orders"], parser)
    assert words in str(caught.value)
