"""All datasets' dead letters as one table for readers."""

import json

import pytest

from headrace.accelerator import Target
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance
from headrace.errors import AcceleratorError, QueryError
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.copies import create, dead, work

ALL = "SELECT dataset, sequence_number, copy FROM headrace_dead_letter ORDER BY ALL"


@pytest.fixture
def instance(tmp_path):
    instance = DuckDBInstance({"orders": tmp_path / "orders.duckdb", "users": None})
    yield instance
    instance.close()


def opened(instance, name):
    sink = DuckDBAccelerator(instance, name)
    sink.open()
    return sink


def rows(instance, sql=ALL):
    with instance.cursor() as cursor:
        return cursor.execute(sql).fetchall()


def test_there_are_no_letters_before_any_dataset_is_open(instance):
    assert rows(instance) == []


def test_letters_of_every_dataset_and_copy_are_in_one_table(instance):
    orders, users = opened(instance, "orders"), opened(instance, "users")
    orders.apply(create())
    orders.apply(work(1, dead=(dead("a", 100),)))
    orders.apply(create(2, target=Target.BUILDING))
    orders.apply(work(3, target=Target.BUILDING, dead=(dead("b", 300),)))
    users.apply(create())
    users.apply(work(1, dead=(dead("c", 200),)))
    assert rows(instance) == [
        ("orders", "100", "live"),
        ("orders", "300", "building"),
        ("users", "200", "live"),
    ]


def test_a_dataset_that_is_closed_or_opened_anew_takes_its_letters_with_it_and_brings_them_back(instance):
    orders, users = opened(instance, "orders"), opened(instance, "users")
    for sink in (orders, users):
        sink.apply(create())
        sink.apply(work(1, dead=(dead("a", 100),)))
    users.close()
    assert rows(instance) == [("orders", "100", "live")]
    instance.reopen()
    assert rows(instance) == []
    orders.open()
    assert rows(instance) == [("orders", "100", "live")]


def test_users_query_letters_with_plain_sql_and_nothing_else_of_ours(instance):
    orders = opened(instance, "orders")
    orders.apply(create())
    orders.apply(work(1, dead=(dead("a", 100), dead(None, 101)), at=5.0))
    catalog = {"orders": TableFacts(ready=True), "headrace_dead_letter": TableFacts(ready=True)}
    engine = QueryEngine(instance.cursor, lambda: catalog)

    def ask(sql):
        with engine.query(sql) as statement:
            return statement.reader().read_all().to_pylist()

    (letter, other) = ask('SELECT * FROM headrace_dead_letter ORDER BY "key" NULLS LAST')
    assert list(letter) == [
        *("dataset", "id", "shard", "sequence_number", "key", "reason", "record"),
        *("seen_at", "superseded_at", "copy"),
    ]
    assert (letter["id"], letter["dataset"], letter["shard"]) == (dead("a", 100).id, "orders", "shard-1")
    assert (json.loads(letter["key"]), other["key"]) == ({"id": {"S": "a"}}, None)
    assert (letter["seen_at"].isoformat(), letter["superseded_at"]) == ("1970-01-01T00:00:12.500000", None)
    assert ask("SELECT count(*) AS n FROM main.HEADRACE_DEAD_LETTER l JOIN orders o ON true") == [{"n": 0}]
    for forbidden in (
        "headrace_checkpoint",
        "headrace_0.main.headrace_dead_letter",
        "memory.main.headrace_dead_letter",
    ):
        with pytest.raises(QueryError):
            engine.query(f"SELECT * FROM {forbidden}")
    engine.close()


def test_a_file_of_an_earlier_layout_is_refused_with_the_cure(tmp_path):
    import duckdb

    path = tmp_path / "orders.duckdb"
    with duckdb.connect(str(path)) as theirs:
        theirs.execute("CREATE TABLE headrace_checkpoint (dataset VARCHAR, target VARCHAR, format INTEGER)")
    instance = DuckDBInstance({"orders": path})
    with pytest.raises(AcceleratorError, match="delete the file to copy the table anew"):
        DuckDBAccelerator(instance, "orders").open()
    assert rows(instance) == []
    instance.close()
