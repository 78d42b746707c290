"""A table far away is asked for the few rows that DuckDB's own tables may be joined with."""

import duckdb
import pyarrow as pa
import pytest

from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.near_keys import MOST_KEYS
from support.leaves import ArrowLeaf, FarLeaf, predicates_of

READY = TableFacts(ready=True)
USERS = pa.table({"id": ["u1", "u2", "u3"], "city": ["Ulm", "Bonn", "Ulm"], "m": ["a", "b", "c"]})


@pytest.fixture
def asked():
    """Asks a statement over orders, which are DuckDB's, and users, which are far away: the rows, and what users were asked."""
    database = duckdb.connect()
    database.execute(
        "CREATE TABLE orders AS SELECT * FROM (VALUES (1, 'u1', 'new'), (2, 'u3', 'new'), (3, 'u1', 'old'), (4, NULL, 'new')) "
        "t(id, buyer, status)"
    )
    database.execute("CREATE TABLE likes AS SELECT 'u2' AS id")
    database.execute("CREATE TABLE many AS SELECT 'u' || range AS buyer, range AS id FROM range(1000)")
    users = FarLeaf(USERS)
    parts = ArrowLeaf(pa.table({"owner": ["u1", "u3", "u1", None], "size": [1, 2, 3, 4]}))
    towns = FarLeaf(pa.table({"mayor": ["u2", "u3"], "name": ["Bonn", "Ulm"]}))
    catalog = dict.fromkeys(("orders", "many", "likes", "users", "parts", "towns"), READY)
    leaves = {"users": users, "parts": parts, "towns": towns}
    engine = QueryEngine(database.cursor, lambda: catalog, leaves=lambda: leaves)

    def ask(sql):
        users.scans.clear()
        with engine.query(sql) as statement:
            rows = statement.reader().read_all().to_pylist()
        (scan,) = users.scans
        wanted = [one for condition in scan.conditions for one in predicates_of(condition)]
        return rows, {
            f"{one.column} {one.comparison}": sorted(v.as_py() for v in one.values) for one in wanted
        }

    yield ask
    engine.close()
    database.close()


@pytest.mark.parametrize(
    "from_",
    [
        "orders o JOIN users u ON o.buyer = u.id",
        "orders o JOIN users u ON u.id = o.buyer",
        "users u JOIN orders o ON u.id = o.buyer",
        "orders o LEFT JOIN users u ON o.buyer = u.id",
        "users u RIGHT JOIN orders o ON o.buyer = u.id",
        "orders o SEMI JOIN users u ON o.buyer = u.id",
        "orders o, users u",
    ],
)
def test_only_the_rows_that_a_join_may_find_are_asked_for(asked, from_):
    equal = " AND o.buyer = u.id" if "," in from_ else ""
    rows, wanted = asked(f"SELECT o.id FROM {from_} WHERE o.status = 'old'{equal}")
    assert rows == [{"id": 3}]
    assert wanted == {"id in": ["u1"]}


def test_without_a_condition_on_the_near_table_all_its_keys_are_asked_for(asked):
    rows, wanted = asked("SELECT u.city FROM orders o JOIN users u ON o.buyer = u.id")
    assert len(rows) == 3
    assert wanted == {"id in": ["u1", "u3"]}


def test_where_the_near_table_has_no_such_row_the_far_one_is_asked_for_nothing(asked):
    rows, wanted = asked("SELECT u.city FROM orders o JOIN users u ON o.buyer = u.id WHERE o.id = 4")
    assert rows == []
    assert wanted == {"id is null": [], "id is not null": []}


@pytest.mark.parametrize(
    "from_",
    [
        "users u LEFT JOIN orders o ON o.buyer = u.id",
        "orders o FULL JOIN users u ON o.buyer = u.id",
        "users u ANTI JOIN orders o ON o.buyer = u.id",
        "orders o JOIN users u ON o.buyer = u.m",
        "orders o JOIN users u ON o.buyer < u.id",
        "orders o JOIN users u ON o.buyer = lower(u.id)",
        "orders o JOIN users u ON o.id::VARCHAR = u.id",
        "orders o JOIN users u ON buyer = u.id",
        "many o JOIN users u ON o.buyer = u.id",
        "(SELECT * FROM orders) o JOIN users u ON o.buyer = u.id",
    ],
)
def test_where_that_is_not_safe_or_not_worth_it_the_far_table_is_asked_for_all(asked, from_):
    _, wanted = asked(f"SELECT u.city FROM {from_}")
    assert wanted == {}


def test_more_keys_than_a_request_takes_are_not_asked_for(asked):
    for count, expected in ((MOST_KEYS, MOST_KEYS), (MOST_KEYS + 1, 0)):
        _, wanted = asked(f"SELECT u.city FROM many o JOIN users u ON o.buyer = u.id WHERE o.id < {count}")
        assert len(wanted.get("id in", [])) == expected


def test_a_table_that_is_asked_for_its_key_already_is_not_asked_for_more(asked):
    _, wanted = asked("SELECT u.city FROM orders o JOIN users u ON o.buyer = u.id WHERE u.id = 'u1'")
    assert wanted == {"id =": ["u1"]}


def test_using_names_the_column_of_both(asked):
    rows, wanted = asked("SELECT city FROM likes l JOIN users u USING (id)")
    assert rows == [{"city": "Bonn"}]
    assert wanted == {"id in": ["u2"]}


def test_a_condition_that_may_fail_is_left_to_the_statement(asked):
    """What fails ends the transaction; DuckDB may answer the statement without ever computing it."""
    sql = "SELECT u.city FROM orders o JOIN users u ON o.buyer = u.id WHERE o.id = 2 AND o.status = "
    rows, wanted = asked(sql + "'new'")
    assert wanted == {"id in": ["u3"]}
    rows, wanted = asked(sql.replace("o.status", "CASE WHEN o.id = 2 THEN 5 ELSE o.status::INT END") + "5")
    assert (rows, wanted) == ([{"city": "Ulm"}], {"id in": ["u3"]})


def test_a_name_that_a_join_hides_means_the_outer_querys_table(asked):
    sql = "SELECT (SELECT count(*) FROM users u SEMI JOIN likes y ON true WHERE u.id = y.buyer) AS n FROM orders y WHERE y.id = 1"
    rows, wanted = asked(sql)
    assert (rows, wanted) == ([{"n": 1}], {})


def test_a_leaf_that_is_near_is_looked_up_by_what_it_is_asked_anyway(asked):
    sql = "SELECT u.city FROM parts p JOIN users u ON u.id = p.owner"
    rows, wanted = asked(f"{sql} ORDER BY 1")
    assert ([row["city"] for row in rows], wanted) == (["Ulm", "Ulm", "Ulm"], {"id in": ["u1", "u3"]})
    rows, wanted = asked(f"{sql} WHERE p.size = 2")
    assert (rows, wanted) == ([{"city": "Ulm"}], {"id in": ["u3"]})
    rows, wanted = asked(f"{sql} WHERE p.size = 4")
    assert (rows, wanted) == ([], {"id is null": [], "id is not null": []})


def test_a_value_that_one_side_must_have_the_other_must_have_too(asked):
    rows, wanted = asked("SELECT u.city FROM towns t JOIN users u ON u.id = t.mayor WHERE t.mayor = 'u2'")
    assert (rows, wanted) == ([{"city": "Bonn"}], {"id in": ["u2"]})
    rows, wanted = asked("SELECT u.city FROM towns t JOIN users u ON u.id = t.mayor WHERE t.name = 'Ulm'")
    assert (rows, wanted) == ([{"city": "Ulm"}], {})
    _, wanted = asked("SELECT u.city FROM users u LEFT JOIN towns t ON u.id = t.mayor AND t.mayor = 'u2'")
    assert wanted == {}


@pytest.mark.parametrize(
    "part",
    [
        "u.city || '!' = 'Ulm!'",
        "(SELECT count(*) FROM likes) = 1",
        "o.id IN (SELECT id FROM w)",
        "upper(o.status) = 'NEW'",
    ],
)
def test_a_condition_of_which_a_part_is_not_understood_is_left_to_the_statement(asked, part):
    rows, wanted = asked(
        f"WITH w AS (SELECT 1 AS id) SELECT u.city FROM orders o JOIN users u ON o.buyer = u.id "
        f"WHERE o.status = 'new' AND (o.id = 2 OR (o.id = 1 AND {part}))"
    )
    assert len(rows) == 2
    assert wanted == {"id in": ["u1", "u3"]}
