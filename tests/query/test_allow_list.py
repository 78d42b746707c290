"""What a statement may and may not do, by two corpora: attacks.txt and honest.txt beside this file."""

import duckdb
import pytest

from headrace.errors import QueryError, QueryFault
from headrace.query.allow_list import check
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.functions import FUNCTIONS, TABLE_FUNCTIONS
from headrace.query.parser import LONGEST, Parser, Verb
from support.honest_tables import make_honest_tables
from support.statements_corpus import corpus

READY = TableFacts(ready=True)
CATALOG = dict.fromkeys(("orders", "users", "my-table", "headrace_dead_letter"), READY)


ATTACKS = corpus("attacks.txt")
HONEST = corpus("honest.txt")


@pytest.fixture(scope="module")
def parser():
    parser = Parser()
    yield parser
    parser.close()


@pytest.fixture(scope="module")
def database():
    """An engine without any lock-down, so that only the allow-list stands between it and the attacks."""
    database = duckdb.connect(":memory:")
    make_honest_tables(database)
    database.execute("CREATE TABLE headrace_checkpoint AS SELECT 1 AS x")
    database.execute("CREATE TABLE headrace_building AS SELECT 1 AS x")
    database.execute("CREATE TABLE secret AS SELECT 42 AS x")
    database.execute("CREATE SEQUENCE s")
    yield database
    database.close()


@pytest.fixture(scope="module")
def engine(database):
    engine = QueryEngine(database.cursor, lambda: CATALOG)
    yield engine
    engine.close()


def contents(database):
    """Everything that a statement could have changed."""
    objects = database.execute(
        "SELECT database_name, table_name, sql FROM duckdb_tables() ORDER BY ALL"
    ).fetchall()
    functions = database.execute("SELECT count(*) FROM duckdb_functions()").fetchall()
    settings = database.execute("SELECT name, value FROM duckdb_settings() ORDER BY 1").fetchall()
    others = database.execute(
        "SELECT path FROM duckdb_databases() UNION ALL SELECT view_name FROM duckdb_views() "
        "UNION ALL SELECT sequence_name || coalesce(last_value, 0) FROM duckdb_sequences() "
        "UNION ALL SELECT name FROM duckdb_secrets() ORDER BY ALL"
    ).fetchall()
    return objects, functions, settings, others, database.execute("FROM orders ORDER BY ALL").fetchall()


def test_the_corpora_are_large_and_hold_nothing_twice():
    assert len(ATTACKS) > 500
    assert len(HONEST) > 80
    assert len(set(ATTACKS)) == len(ATTACKS)
    assert not set(ATTACKS) & set(HONEST)


@pytest.mark.parametrize("sql", ATTACKS)
def test_an_attack_is_refused_before_it_reaches_the_engine(sql, parser):
    with pytest.raises(QueryError) as refusal:
        check(sql, CATALOG, parser)
    assert refusal.value.fault in (QueryFault.REFUSED, QueryFault.INVALID, QueryFault.UNKNOWN_NAME)
    assert str(refusal.value)


def test_attacks_leave_everything_as_it_was(engine, database):
    before = contents(database)
    for sql in ATTACKS:
        with pytest.raises(QueryError):
            engine.query(sql).reader().read_all()
    assert contents(database) == before


@pytest.mark.parametrize("sql", HONEST)
def test_an_honest_statement_is_answered(sql, engine):
    with engine.query(sql) as statement:
        table = statement.reader().read_all()
    assert table.num_columns > 0
    assert engine.running == 0


@pytest.mark.parametrize(
    ("sql", "fault", "words"),
    [
        ("", QueryFault.INVALID, "no statement"),
        ("SELEC 1", QueryFault.INVALID, 'syntax error at or near "SELEC"'),
        ("SELECT 1 +", QueryFault.INVALID, "syntax error"),
        ("SELECT * FROM order", QueryFault.INVALID, "syntax error"),
        ("SELECT * FROM odrers", QueryFault.UNKNOWN_NAME, "no dataset 'odrers'; did you mean 'orders'?"),
        ("SELECT * FROM zzzz", QueryFault.UNKNOWN_NAME, "SHOW TABLES lists the datasets"),
        ("SELECT uper('a')", QueryFault.UNKNOWN_NAME, "no function uper(); did you mean upper()?"),
        ("SELECT $name", QueryFault.INVALID, "number parameters instead"),
        ("SELECT 1; SELECT 2", QueryFault.REFUSED, "one at a time"),
        ("DELETE FROM orders", QueryFault.REFUSED, "DELETE statements are refused"),
        ("EXPLAIN DELETE FROM orders", QueryFault.REFUSED, "EXPLAIN of DELETE is refused"),
        ("FROM 'x.csv'", QueryFault.REFUSED, "reading 'x.csv' is refused"),
        ("FROM read_csv('x')", QueryFault.REFUSED, "read_csv() is refused in FROM"),
        ("SELECT getenv('A')", QueryFault.REFUSED, "getenv() is refused"),
        ('WITH "a.b" AS (SELECT 1) FROM "a.b"', QueryFault.REFUSED, "WITH name 'a.b'"),
        ("PIVOT orders ON status USING count(*)", QueryFault.REFUSED, "ON column IN"),
        ("SHOW VARIABLES", QueryFault.REFUSED, "SHOW TABLES"),
        (
            "FROM information_schema.tabels",
            QueryFault.UNKNOWN_NAME,
            "there are columns, schemata, tables, views",
        ),
        ("FROM other.public.orders", QueryFault.REFUSED, "reading 'other.public.orders' is refused"),
    ],
)
def test_a_refusal_says_what_and_why(sql, fault, words, parser):
    with pytest.raises(QueryError) as refusal:
        check(sql, CATALOG, parser)
    assert refusal.value.fault is fault
    assert words in str(refusal.value)


def test_a_statement_names_the_tables_that_it_reads(parser):
    sql = 'WITH users AS (SELECT 1 AS id) SELECT * FROM ORDERS o JOIN users USING (id) WHERE id IN (FROM "My-Table")'
    checked = check(sql, CATALOG, parser)
    assert checked.tables == {"orders", "my-table"}
    assert checked.sql == sql
    assert check("DESCRIBE orders", CATALOG, parser).tables == {"orders"}
    assert check("EXPLAIN FROM users", CATALOG, parser).tables == {"users"}
    assert check("SHOW TABLES", CATALOG, parser).verb is Verb.SHOW_TABLES


def test_what_explain_runs_is_what_was_checked(parser):
    checked = check("/* EXPLAIN */ explain ANALYZE -- x\n SELECT * FROM orders; ", CATALOG, parser)
    (statement,) = duckdb.extract_statements(checked.sql)
    assert statement.type.name == "EXPLAIN"
    assert checked.sql.startswith("EXPLAIN ANALYZE SELECT * FROM orders")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "abs(" * 990 + "1" + ")" * 990,
        "SELECT * FROM " + "(SELECT * FROM " * 390 + "(SELECT 1)" + ")" * 390,
        "SELECT " + "(" * 60_000 + "1" + ")" * 50_000,
        "SELECT " + "[" * 50_000,
        "SELECT 1" + " UNION ALL SELECT 1" * 10_000,
        "SELECT " + "1," * LONGEST,
    ],
    ids=["calls", "queries", "parentheses", "lists", "unions", "letters"],
)
def test_a_statement_that_is_too_much_is_refused_rather_than_tried(sql, parser):
    with pytest.raises(QueryError) as refusal:
        check(sql, CATALOG, parser)
    assert refusal.value.fault in (QueryFault.INVALID, QueryFault.TOO_LARGE)
    assert len(str(refusal.value)) < 500


def test_a_table_that_the_catalogue_does_not_name_stays_hidden(parser):
    with pytest.raises(QueryError):
        check("FROM headrace_dead_letter", {"orders": READY}, parser)


def test_every_function_on_the_list_exists_and_only_computes():
    database = duckdb.connect(":memory:")
    rows = database.execute(
        "SELECT function_name, function_type, has_side_effects FROM duckdb_functions() "
        "WHERE function_type IN ('scalar', 'aggregate', 'macro')"
    ).fetchall()
    database.close()
    known = {name.casefold() for name, _, _ in rows}
    assert known | {"unnest"} >= FUNCTIONS
    effects = {name.casefold() for name, _, effect in rows if effect}
    # Chance and errors are the only effects that anybody may cause.
    assert effects & FUNCTIONS == {"error", "gen_random_uuid", "random", "uuid", "uuidv4", "uuidv7"}
    assert {"unnest", "range", "generate_series", "json_each", "json_tree"} == TABLE_FUNCTIONS
