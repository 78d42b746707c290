"""How many rows of a table far away satisfy a WHERE that it carries out is asked for without any column."""

import duckdb
import pyarrow as pa
import pytest

from headrace.leaf import Fit
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.leaves import ArrowLeaf, FarLeaf

READY = TableFacts(ready=True)
USERS = pa.table({"id": ["u1", "u2", "u3"], "city": ["Ulm", "Bonn", "Ulm"], "n": [1, 2, None]})


@pytest.fixture
def count():
    """The answer to a statement over users, and the columns that they were asked for."""
    database = duckdb.connect()
    engines = []

    def asked(sql, *parameters, leaf=None):
        users = leaf or FarLeaf(USERS)
        engines.append(
            QueryEngine(database.cursor, lambda: {"users": READY}, leaves=lambda: {"users": users})
        )
        with engines[-1].query(sql, [pa.scalar(one) for one in parameters]) as statement:
            rows = statement.reader().read_all().to_pylist()
        (scan,) = users.scans
        return [row["n"] for row in rows], set(scan.columns)

    yield asked
    for engine in engines:
        engine.close()
    database.close()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("city = 'Ulm'", 2),
        ("city = 'Ulm' AND id <> 'where' -- where", 2),
        ("(n > 1 OR city LIKE 'U%') AND id IN ('u1', 'é')", 1),
        ("n IS NULL", 1),
        ("id = 'u1' AND id = 'u2'", 0),
    ],
)
def test_no_column_is_asked_for(count, where, expected):
    assert count(f"SELECT count(*) AS n FROM users WHERE {where}") == ([expected], set())


def test_parameters_are_given_all_the_same(count):
    sql = "SELECT count(*) AS n FROM main.users u WHERE u.city = $2 AND u.n = $1"
    assert count(sql, 1, "Ulm") == ([1], set())
    assert count("SELECT count(*) AS n FROM users WHERE city = ?", "Bonn") == ([1], set())


@pytest.mark.parametrize(
    ("sql", "expected", "columns"),
    [
        ("SELECT count(*) AS n FROM users WHERE lower(city) = 'ulm'", [2], {"city"}),
        ("SELECT count(n) AS n FROM users WHERE city = 'Ulm'", [1], {"city", "n"}),
        ("SELECT count(*) AS n FROM users WHERE city = 'Ulm' GROUP BY city", [2], {"city"}),
        ("SELECT count(*) FILTER (n = 1) AS n FROM users WHERE city = 'Ulm'", [1], {"city", "n"}),
        ("SELECT count(*) AS n FROM users WHERE city = 'Ulm' HAVING count(*) > 5", [], {"city"}),
        ("SELECT count(*) AS n FROM (FROM users WHERE city = 'Ulm')", [2], {"city"}),
    ],
)
def test_what_is_more_than_a_count_reads_its_columns(count, sql, expected, columns):
    assert count(sql) == (expected, columns)


@pytest.mark.parametrize("leaf", [FarLeaf(USERS, Fit.SUPERSET), ArrowLeaf(USERS, Fit.SUPERSET)])
def test_what_the_table_does_not_carry_out_exactly_is_checked(count, leaf):
    assert count("SELECT count(*) AS n FROM users WHERE city = 'Ulm'", leaf=leaf) == ([2], {"city"})
