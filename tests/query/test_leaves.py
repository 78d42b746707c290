"""Statements over tables that are not DuckDB's own, in a locked-down DuckDB."""

import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from headrace.accelerators.duckdb import DuckDBInstance
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.leaf import AllOf, Comparison, Fit, Predicate
from headrace.query.catalog import Beside, TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.watch import Bounds
from support.deadline import eventually
from support.leaves import ArrowLeaf

HERE = Path(__file__).parent
READY = TableFacts(ready=True)
ORDERS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "status": ["new", "paid", None],
        "user_id": pa.array([1, 2, None], pa.int64()),
        "tags": [["a", "b"], ["c"], None],
        "detail": ['{"city": "Ulm", "n": 1}', "{}", None],
    }
)


@pytest.fixture(scope="module")
def instance():
    instance = DuckDBInstance({"users": None, "my-table": None})
    instance.writer("users").execute(
        "CREATE TABLE users AS SELECT * FROM (VALUES (1, 'Ada'), (2, 'Bo')) t(id, name)"
    )
    instance.writer("my-table").execute('CREATE TABLE "my-table" AS SELECT 1 AS id')
    yield instance
    instance.close()


@pytest.fixture
def orders():
    return ArrowLeaf(ORDERS)


@pytest.fixture
def make_engine(instance, orders):
    engines = []

    def make(bounds=None, facts=None, **leaves):
        known = {"orders": orders, **leaves}
        catalog = {
            "users": READY,
            "my-table": READY,
            "headrace_dead_letter": READY,
            **dict.fromkeys(known, READY),
        }
        engines.append(
            QueryEngine(instance.cursor, lambda: catalog | (facts or {}), bounds, leaves=lambda: known)
        )
        return engines[-1]

    yield make
    for engine in engines:
        engine.close()
    assert orders.opened == 0


def rows(engine, sql):
    with engine.query(sql) as statement:
        table = statement.reader().read_all()
    assert engine.running == 0
    return table.to_pylist()


def fault(engine, sql):
    with pytest.raises(QueryError) as caught:
        rows(engine, sql)
    return caught.value


def corpus(name):
    lines = (HERE / name).read_text().splitlines()
    return [
        line.replace("\\n", "\n").replace("\\0", "\0") for line in lines if line and not line.startswith("#")
    ]


@pytest.mark.parametrize("sql", [sql for sql in corpus("honest.txt") if "rowid" not in sql])
def test_an_honest_statement_is_answered_over_leaves_too(make_engine, sql):
    with make_engine().query(sql) as statement:
        assert statement.reader().read_all().num_columns > 0


def test_attacks_are_refused_with_leaves_in_the_catalogue(make_engine, orders):
    engine = make_engine()
    for sql in corpus("attacks.txt"):
        with pytest.raises(QueryError):
            engine.query(sql).reader().read_all()
    assert orders.readings == 0


def test_a_leaf_has_no_row_numbers(make_engine):
    assert fault(make_engine(), "SELECT rowid FROM orders").fault is QueryFault.UNKNOWN_NAME


def test_a_leaf_is_joined_with_duckdbs_own_tables(make_engine):
    sql = "SELECT o.id, u.name FROM main.Orders o JOIN users u ON o.user_id = u.id ORDER BY 1"
    assert rows(make_engine(), sql) == [{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}]


def test_a_scan_is_asked_for_the_columns_that_are_needed_and_no_others(make_engine, orders):
    engine = make_engine()
    rows(engine, "SELECT count(*) FROM orders")
    rows(engine, "SELECT id FROM orders WHERE status IS NULL OR user_id > 7")
    rows(engine, "WITH a AS (SELECT * FROM orders) SELECT tags FROM a")
    assert [set(scan.columns) for scan in orders.scans] == [set(), {"id", "status", "user_id"}, {"tags"}]


def asked(orders):
    return [" and ".join(map(text, scan.conditions)) for scan in orders.scans]


def text(condition):
    if isinstance(condition, Predicate):
        column = ".".join([condition.column, *condition.field])
        return " ".join([column, condition.comparison.value, *(repr(v.as_py()) for v in condition.values)])
    word = " and " if isinstance(condition, AllOf) else " or "
    return f"({word.join(map(text, condition.conditions))})"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT id FROM orders WHERE id = 2", "id = 2"),
        ("SELECT id FROM orders WHERE 2 < id AND status IS NOT NULL", "id > 2 and status is not null"),
        ("SELECT id FROM orders o WHERE O.Id BETWEEN 2 AND 3", "id >= 2 and id <= 3"),
        ("SELECT id FROM orders WHERE id IN (1, NULL, 3)", "id in 1 3"),
        ("SELECT id FROM orders WHERE status LIKE 'p%' AND id <> 4", "status starts with 'p' and id <> 4"),
        ("SELECT id FROM orders WHERE status LIKE 'p_i%'", "status starts with 'p'"),
        ("SELECT id FROM orders WHERE status LIKE 'paid'", "status = 'paid'"),
        ("SELECT id FROM orders WHERE starts_with(status, 'pa')", "status starts with 'pa'"),
        ("SELECT id FROM orders WHERE id = 1 OR id = 2", "(id = 1 or id = 2)"),
        ("SELECT id FROM orders WHERE id = 1 OR id + 1 = 3", ""),
        ("SELECT id FROM orders WHERE id = 1 AND id + 1 = 2 OR id = 3", "(id = 1 or id = 3)"),
        ("SELECT id FROM orders WHERE NOT id = 1", "id <> 1"),
        ("SELECT id FROM orders WHERE NOT (id < 1 OR status LIKE 'p%')", "id >= 1 and status not starts with 'p'"),
        ("SELECT id FROM orders WHERE NOT (id < 1 AND status LIKE 'p%d')", ""),
        ("SELECT id FROM orders WHERE id NOT BETWEEN 2 AND 3", "(id < 2 or id > 3)"),
        ("SELECT id FROM orders WHERE id NOT IN (1, 3)", "id not in 1 3"),
        ("SELECT id FROM orders WHERE id NOT IN (1, NULL)", ""),
        ("SELECT id FROM orders WHERE NOT id IN (1, NULL)", ""),
        ("SELECT id FROM orders WHERE status NOT LIKE 'p%'", "status not starts with 'p'"),
        ("SELECT id FROM orders WHERE status NOT LIKE 'p_i%'", ""),
        ("SELECT id FROM orders WHERE status IS NOT DISTINCT FROM 'new'", "status = 'new'"),
        ("SELECT id FROM orders WHERE NOT status IS NOT DISTINCT FROM 'new'", ""),
        ("SELECT id FROM orders WHERE status IS DISTINCT FROM 'new'", ""),
        ("SELECT id FROM orders WHERE (id, status) IN ((1, 'new'), (2, 'paid'))",
         "((id = 1 and status = 'new') or (id = 2 and status = 'paid'))"),
        ("SELECT id FROM orders WHERE NOT (id, status) IN ((1, 'new'), (2, 'paid'))", ""),
        ("SELECT u.id FROM users u LEFT JOIN orders o USING (id) WHERE o.status = 'new' OR o.user_id IS NULL", ""),
        ("SELECT u.id FROM users u, orders o WHERE (u.id = 1 AND o.status = 'new') OR (u.id = 2 AND o.id = 4)",
         "(status = 'new' or id = 4)"),
        ("SELECT u.id FROM users u, orders o WHERE u.id = 1 OR o.id = 4", ""),
        ("SELECT id FROM orders WHERE id = 1.5", ""),
        ("SELECT id FROM orders WHERE id = '1'", ""),
        ("SELECT id FROM orders WHERE id + 0 = 1", ""),
        ("SELECT id FROM orders WHERE status LIKE '%d'", ""),
        ("SELECT id FROM orders WHERE status LIKE 'a!%' ESCAPE '!'", ""),
        ("SELECT id FROM orders WHERE status = 'PAID' COLLATE NOCASE", ""),
        ("SELECT id FROM orders WHERE id = 99999999999999999999", ""),
        ("SELECT a.x FROM orders AS a(x) WHERE x = 1", ""),
        ("SELECT id FROM orders TABLESAMPLE 100% WHERE id = 1", ""),
        ("SELECT id FROM orders WHERE id = 1 USING SAMPLE 100%", ""),
        ("SELECT u.id FROM users u LEFT JOIN orders o USING (id) WHERE o.id IS NULL", ""),
        ("SELECT u.id FROM users u LEFT JOIN orders o USING (id) WHERE o.status = 'new'", "status = 'new'"),
        ("SELECT u.id FROM users u LEFT JOIN orders o ON o.user_id IS NULL", "user_id is null"),
        ("SELECT u.id FROM users u RIGHT JOIN orders o ON o.user_id IS NULL", ""),
        ("SELECT u.id FROM users u ANTI JOIN orders o ON u.id = o.id AND o.id = 1", "id = 1"),
        ("SELECT o.id FROM orders o ANTI JOIN users u ON u.id = o.id AND o.id = 1", ""),
        ("SELECT o.id FROM orders o ANTI JOIN users u ON u.id = o.id WHERE o.id = 1", "id = 1"),
        ("SELECT id FROM orders LEFT JOIN users USING (id) WHERE id = 1", "id = 1"),
        ("SELECT id FROM users FULL JOIN orders USING (id) WHERE id = 1", ""),
        ("SELECT id FROM orders NATURAL JOIN users WHERE id = 1", ""),
        ("SELECT o.id FROM users u ASOF JOIN orders o ON u.id >= o.id WHERE o.id = 1", ""),
        ("SELECT o.id FROM orders o POSITIONAL JOIN users u WHERE o.id = 1", ""),
        ("SELECT name FROM users WHERE EXISTS (FROM orders o WHERE o.id = users.id AND status = 'new')", "status = 'new'"),
        ("SELECT -id AS id FROM orders WHERE id = 1", "id = 1"),
        ("WITH a AS (FROM orders WHERE id = 1) SELECT status FROM a WHERE status = 'new'", "id = 1"),
        ("SELECT status FROM (FROM orders WHERE id = 1) WHERE status = 'new'", "id = 1 and status = 'new'"),
        ("SELECT s.n FROM (SELECT id AS n, status FROM orders) s WHERE s.n = 1 AND S.status LIKE 'n%'",
         "id = 1 and status starts with 'n'"),
        ("SELECT * FROM (SELECT * FROM (SELECT id FROM orders) a WHERE a.id > 0) b WHERE id = 1", "id > 0 and id = 1"),
        ("SELECT u.id FROM users u LEFT JOIN (SELECT * FROM orders) o USING (id) WHERE o.status = 'new'", "status = 'new'"),
        ("SELECT u.id FROM users u LEFT JOIN (SELECT * FROM orders) o USING (id) WHERE o.status IS NULL", ""),
        ("SELECT u.id FROM users u JOIN (SELECT * FROM orders) o ON o.id = u.id AND o.status = 'new'", "status = 'new'"),
        ("SELECT x FROM (SELECT * FROM orders) s(x) WHERE x = 1", ""),
        ("SELECT id FROM (SELECT id + 1 AS id FROM orders) WHERE id = 1", ""),
        ("SELECT id FROM (SELECT id, count(*) FROM orders GROUP BY id) WHERE id = 1", ""),
        ("SELECT id FROM (SELECT DISTINCT id FROM orders) WHERE id = 1", ""),
        ("SELECT id FROM (SELECT id FROM orders LIMIT 3) WHERE id = 1", ""),
        ("SELECT id FROM (SELECT id, row_number() OVER () FROM orders) WHERE id = 1", ""),
        ("SELECT id FROM (SELECT id FROM orders UNION ALL SELECT id FROM users) WHERE id = 1", ""),
        ("SELECT id FROM (SELECT o.id FROM orders o JOIN users u USING (id)) WHERE id = 1", "id = 1"),
        ("SELECT (SELECT max(id) FROM (SELECT * FROM orders) WHERE status = 'new') FROM users", "status = 'new'"),
    ],
)  # fmt: skip
def test_what_a_leaf_is_asked_of_rows(make_engine, orders, sql, expected):
    rows(make_engine(), sql)
    assert asked(orders) == [expected]


def test_two_references_to_a_leaf_are_asked_their_own(make_engine, orders):
    sql = 'SELECT orders.id, "b".id AS other FROM main.orders, /* twice */ "orders" AS "b" WHERE orders.id = 1 AND b.status = \'paid\''
    assert rows(make_engine(), sql) == [{"id": 1, "other": 2}]
    assert sorted(asked(orders)) == ["id = 1", "status = 'paid'"]


def test_two_references_are_asked_what_they_have_in_common_where_their_names_cannot_be_told_apart(
    make_engine, orders, monkeypatch
):
    monkeypatch.setattr("headrace.query.relations.renamed", lambda *_: None)
    sql = (
        "SELECT a.id, b.id AS other FROM orders a, orders b WHERE a.id = 1 AND a.status = 'new' AND b.id = 1"
    )
    assert rows(make_engine(), sql) == [{"id": 1, "other": 1}]
    assert asked(orders) == ["id = 1", "id = 1"]


@pytest.mark.parametrize("says", [Fit.SUPERSET, Fit.NO])
def test_a_leaf_that_gives_too_much_gives_no_other_answer(make_engine, says):
    leaf = ArrowLeaf(ORDERS, says)
    assert rows(make_engine(orders=leaf), "SELECT id FROM orders WHERE status = 'paid' LIMIT 5") == [
        {"id": 2}
    ]
    assert leaf.scans[0].limit is None
    assert len(leaf.scans[0].conditions) == (says is Fit.SUPERSET)


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT id, status FROM orders LIMIT 2", 2),
        ("FROM orders WHERE id > 1 LIMIT 2 OFFSET 1", 3),
        ("FROM orders LIMIT 0", 0),
        ("FROM orders OFFSET 1", None),
        ("FROM orders WHERE id % 2 = 1 LIMIT 2", None),
        ("FROM orders ORDER BY id LIMIT 2", None),
        ("SELECT DISTINCT status FROM orders LIMIT 2", None),
        ("SELECT count(*) FROM orders LIMIT 2", None),
        ("SELECT status FROM orders GROUP BY ALL LIMIT 2", None),
        ("SELECT unnest(tags) FROM orders LIMIT 2", None),
        ("FROM orders QUALIFY row_number() OVER () = 3 LIMIT 2", None),
        ("FROM orders USING SAMPLE 100% LIMIT 2", None),
        ("FROM (FROM orders) LIMIT 2", 2),
        ("WITH a AS (SELECT DISTINCT status FROM orders) FROM a LIMIT 2", None),
        ("FROM orders LIMIT 50%", None),
    ],
)
def test_a_leaf_is_told_the_limit_where_its_rows_are_those_of_the_answer(make_engine, orders, sql, limit):
    rows(make_engine(), sql)
    assert [scan.limit for scan in orders.scans] in ([limit], [] if limit == 0 else [limit])


def test_a_scan_ends_with_the_limit_that_it_is_not_told(make_engine):
    leaf = ArrowLeaf(pa.table({"id": range(1_000_000)}), batch=1000)
    assert len(rows(make_engine(many=leaf), "SELECT -id FROM many LIMIT 3")) == 3
    assert leaf.scans[0].given < 100_000
    assert not leaf.scans[0].ended
    assert leaf.opened == 0


def test_one_statement_sees_one_commit_of_a_leaf(make_engine, orders):
    def commit(_):
        orders.table = ORDERS.slice(0, 1)

    orders.fault = commit
    sql = "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM orders WHERE id > 0) AS n"
    assert rows(make_engine(), sql) == [{"n": 6}]
    assert orders.readings == 1
    assert rows(make_engine(), sql) == [{"n": 2}]


def test_a_statement_that_reads_no_leaf_opens_none(make_engine, orders):
    rows(make_engine(), "WITH orders AS (SELECT 1 AS id) FROM orders JOIN users USING (id)")
    rows(make_engine(), "SHOW TABLES")
    assert orders.readings == 0


@pytest.mark.parametrize(
    ("error", "expected", "words"),
    [
        (QueryError(QueryFault.TOO_LARGE, "too much of it"), QueryFault.TOO_LARGE, "too much of it"),
        (AcceleratorError("lost /data/x"), QueryFault.NOT_READY, "opened anew"),
        (KeyError("/data/x"), QueryFault.FAILED, "the engine could not answer"),
    ],
    ids=["query", "accelerator", "other"],
)
@pytest.mark.parametrize("batch", [0, 1])
def test_what_goes_wrong_in_a_scan_is_told_in_the_leafs_words(
    make_engine, orders, error, expected, words, batch
):
    def fail(number):
        if number == batch:
            raise error

    orders.fault = fail
    caught = fault(
        make_engine(), "SELECT o.id, unnest(range(3000)) FROM orders o UNION ALL SELECT id, 1 FROM users"
    )
    assert caught.fault is expected
    assert words in str(caught)
    assert "/data" not in str(caught)


def test_a_leaf_that_cannot_be_opened_is_told_and_those_that_were_are_closed(make_engine, orders):
    class Shut:
        def begin(self):
            raise AcceleratorError("not now")

    caught = fault(make_engine(shut=Shut()), "FROM orders, shut")
    assert caught.fault is QueryFault.NOT_READY


def test_a_leaf_that_hangs_is_cancelled_when_the_time_is_over(make_engine, orders):
    hanging = threading.Event()

    class Hanging(ArrowLeaf):
        def begin(self):
            reading = super().begin()

            def wait(_):
                hanging.set()
                assert reading.cancelled.wait(30)
                raise AcceleratorError("cancelled")

            self.fault = wait
            return reading

    leaf = Hanging(ORDERS)
    began = time.monotonic()
    caught = fault(make_engine(Bounds(timeout=0.2), hanging=leaf), "SELECT count(id) FROM hanging")
    assert hanging.is_set()
    assert caught.fault is QueryFault.TIMEOUT
    assert time.monotonic() - began < 20
    assert leaf.opened == 0


def test_a_statement_that_nobody_reads_on_closes_its_leaves(make_engine):
    leaf = ArrowLeaf(pa.table({"id": range(3_000_000)}), batch=1000)
    engine = make_engine(Bounds(idle=0.1), many=leaf)
    statement = engine.query("SELECT id, 'row ' || id FROM many")
    statement.run()
    next(statement.batches())
    eventually(lambda: leaf.opened == 0, within=10, what="the leaf is closed")
    # Nor does DuckDB go on for want of a reader.
    assert leaf.scans[0].given < 1_500_000
    statement.close()


def test_a_leaf_is_described_without_being_scanned(make_engine, orders):
    engine = make_engine()
    described = {row["column_name"]: row["data_type"] for row in rows(engine, "DESCRIBE orders")}
    assert described == {
        "id": "Int64",
        "status": "Utf8",
        "user_id": "Int64",
        "tags": "List(Utf8)",
        "detail": "Utf8",
    }
    assert rows(engine, "DESCRIBE SELECT count(*) AS n FROM orders, orders b WHERE b.id = 1")[0]["data_type"]
    assert orders.scans == []


def test_explain_tells_what_leaves_are_asked(make_engine, orders):
    engine = make_engine(other=ArrowLeaf(ORDERS, Fit.SUPERSET), dull=ArrowLeaf(ORDERS, Fit.NO))
    told = rows(
        engine,
        "EXPLAIN SELECT o.id FROM orders o, other, dull WHERE o.status LIKE 'p%' AND o.user_id IS NULL "
        "AND other.id IN (1, 2) AND other.status = 'it''s' AND dull.id = 3",
    )
    assert [row["explain_value"] for row in told if row["explain_key"] == "leaf_scan"] == [
        "orders: columns id, status, user_id; status starts with 'p' (exact); user_id is null (exact)",
        "other: columns id, status; id in 1, 2 (superset); status = 'it''s' (superset)",
        "dull: columns id; id = 3 (not asked)",
    ]
    (told,) = [
        row for row in rows(engine, "EXPLAIN FROM orders LIMIT 2") if row["explain_key"] == "leaf_scan"
    ]
    assert told["explain_value"].endswith("detail; limit 2")
    assert orders.scans == []
    told = rows(engine, "EXPLAIN ANALYZE SELECT count(*) FROM orders")
    assert told[-1] == {"explain_key": "leaf_scan", "explain_value": "orders: no columns"}
    assert [scan.given for scan in orders.scans] == [3]


def test_explain_tells_times_that_python_does_not_have(make_engine):
    times = {"seen": pa.array([0], pa.timestamp("us")), "fine": pa.array([0], pa.timestamp("ns"))}
    engine = make_engine(events=ArrowLeaf(pa.table(times)))
    told = rows(
        engine,
        "EXPLAIN FROM events WHERE seen < TIMESTAMP '20000-01-01' AND fine > '2024-01-01 00:00:00.000000001'",
    )[-1]
    assert "'20000-01-01 00:00:00.000000'" in told["explain_value"]
    assert "'2024-01-01 00:00:00.000000001'" in told["explain_value"]


@pytest.mark.parametrize("sql", ["FROM orders", "DESCRIBE orders", "EXPLAIN FROM orders"])
def test_a_leaf_that_is_not_ready_is_not_opened(make_engine, orders, sql):
    engine = make_engine(facts={"orders": TableFacts(ready=False, reason="bootstrap at 10 %")})
    caught = fault(engine, sql)
    assert caught.fault is QueryFault.NOT_READY
    assert "orders: bootstrap at 10 %" in str(caught)
    assert orders.readings == 0


def test_an_unknown_column_is_told_with_the_ones_there_are(make_engine):
    caught = fault(make_engine(), "SELECT stats FROM orders")
    assert caught.fault is QueryFault.UNKNOWN_NAME
    assert '"status"' in str(caught)


def test_conditions_that_arrow_does_not_know_are_duckdbs_alone(make_engine):
    """A join's Bloom filter, and structs: DuckDB 1.5 fails where it hands them to an Arrow scan."""
    many = pa.table({"t": [f"k{i}" for i in range(20_000)], "s": [{"a": i} for i in range(20_000)]})
    engine = make_engine(many=ArrowLeaf(many, batch=4096))
    sql = (
        "WITH b AS (SELECT 'k' || (i * 7) AS t, i AS w FROM range(3000) t(i)) SELECT count(*) AS n "
        "FROM (SELECT t FROM many UNION ALL SELECT t FROM b) x JOIN b USING (t) WHERE b.w > 10"
    )
    assert rows(engine, sql) == [{"n": 2989 + 2847}]
    assert rows(engine, "SELECT count(*) AS n FROM many WHERE s = {'a': 3} OR s > {'a': 19_990}") == [
        {"n": 10}
    ]


def test_nan_is_above_all_numbers_as_duckdb_has_it(make_engine):
    leaf = ArrowLeaf(pa.table({"d": [1.5, float("nan"), None, float("inf")]}))
    engine = make_engine(numbers=leaf)
    assert rows(engine, "SELECT count(*) AS n FROM numbers WHERE d > 1") == [{"n": 3}]
    assert rows(engine, "SELECT count(*) AS n FROM numbers WHERE d = 'nan'") == [{"n": 1}]
    assert leaf.scans[0].conditions == (Predicate("d", Comparison.GREATER, (pa.scalar(1.0),)),)


def test_a_leaf_may_have_any_column_names_and_instants_in_nanoseconds(make_engine):
    table = pa.table(
        {
            'a "b".c': pa.array([1, 2]),
            "headrace": ["x", "y"],
            "at": pa.array([1_700_000_000_000_000_001, None], pa.timestamp("ns", "UTC")),
        }
    )
    leaf = ArrowLeaf(table)
    sql = 'SELECT "at"::VARCHAR AS t FROM odd WHERE "A ""b"".C" = 1 AND "at" >= \'2023-11-14 22:13:20.000000001\''
    assert rows(make_engine(odd=leaf), sql) == [{"t": "2023-11-14 22:13:20.000000001"}]
    assert len(leaf.scans[0].conditions) == 2


def test_a_table_may_be_partly_duckdbs_and_partly_of_leaves(make_engine, instance):
    letters = pa.table({"dataset": ["b"], "id": ["1"], "copy": ["live"]})
    more = pa.table({"copy": ["live"], "dataset": ["c"], "id": ["2"]})
    beside = Beside("memory.main.headrace_dead_letter", (ArrowLeaf(letters), ArrowLeaf(more)))
    engine = make_engine(headrace_dead_letter=beside)
    found = rows(engine, "SELECT dataset, id, reason FROM headrace_dead_letter WHERE id > '0' ORDER BY 1")
    assert found == [
        {"dataset": "b", "id": "1", "reason": None},
        {"dataset": "c", "id": "2", "reason": None},
    ]
    assert len(rows(engine, "DESCRIBE headrace_dead_letter")) == 10


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("meta.ip = 'a'", "meta.ip = 'a'"),
        ("orders.meta.IP = 'a'", "meta.ip = 'a'"),
        ("meta['ip'] = 'a'", "meta.ip = 'a'"),
        ("(meta).geo.city IS NULL", "meta.geo.city is null"),
        ("NOT meta.geo.city IN ('b', 'c')", "meta.geo.city not in 'b' 'c'"),
        ("meta.up", "meta.up = True"),
        ("meta.ip = lower('A')", ""),
        ("main.orders.meta.ip = 'a'", ""),
    ],
)
def test_what_a_leaf_is_asked_of_fields(make_engine, condition, expected):
    place = {"ip": "a", "geo": {"city": "b"}, "up": True}
    users = ArrowLeaf(pa.table({"id": [1, 2], "meta": [place, None]}))
    rows(make_engine(orders=users), f"SELECT id FROM orders WHERE {condition}")
    assert asked(users) == [expected]


def test_beside_a_table_of_that_name_what_follows_is_a_column(make_engine):
    leaf = ArrowLeaf(pa.table({"id": [1], "users": [{"name": "Ada"}]}))
    assert rows(make_engine(orders=leaf), "SELECT o.id FROM orders o, users WHERE users.name = 'Bo'") == [
        {"id": 1}
    ]
    assert asked(leaf) == [""]
