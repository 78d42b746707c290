"""A database that has given up: who reads gets a 'not now', who writes opens it anew, and nothing is attached twice."""

from __future__ import annotations

import subprocess
import sys

import duckdb
import pytest

from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.column_type import INT
from headrace.errors import CommitUnknown, QueryError, QueryFault
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from support.copies import batch, checkpoint, create, schema_of, work

ORDERS = schema_of(n=INT)
READY = {"orders": TableFacts(ready=True), "other": TableFacts(ready=True)}


@pytest.fixture
def instance(tmp_path, monkeypatch):
    """An instance whose first checkpoint of a file fails, as on a full disk; that ends the database, for everybody."""
    settings = DuckDBInstance._settings

    def aborting(self, connection):
        yield "debug_checkpoint_abort", "'before_header'"
        yield from settings(self, connection)

    monkeypatch.setattr(DuckDBInstance, "_settings", aborting)
    made = DuckDBInstance({"orders": tmp_path / "orders.duckdb", "other": None}, Limits(2**30, 2))
    yield made
    made.close()


def filled(instance, name):
    sink = DuckDBAccelerator(instance, name)
    sink.open()
    sink.apply(create(1))
    sink.apply(work(2, batch(ORDERS, {"id": "a", "n": 1})))
    return sink


def fail(instance):
    cursor = instance.cursor()
    with pytest.raises(duckdb.Error, match="invalidated"):
        cursor.execute("CHECKPOINT headrace_0")
    cursor.close()


def rows(queries, table="orders"):
    with queries.query(f"SELECT id FROM {table}") as statement:
        return statement.reader().read_all().column("id").to_pylist()


def fault(queries, table="orders"):
    with pytest.raises(QueryError) as caught:
        rows(queries, table)
    return caught.value


def test_a_check_finds_what_no_commit_has_met(instance):
    """On an idle table only those who read would ever meet it."""
    sink, other = filled(instance, "orders"), filled(instance, "other")
    sink.check()
    fail(instance)
    with pytest.raises(CommitUnknown, match="reopened"):
        sink.check()
    other.check()
    assert sink.open().live.checkpoint == checkpoint(2)
    sink.check()


def test_statements_are_told_to_come_back_and_are_answered_once_it_is_open_again(instance):
    sink, _ = filled(instance, "orders"), filled(instance, "other")
    queries = QueryEngine(instance.cursor, lambda: READY)
    assert rows(queries) == ["a"]
    fail(instance)
    for _ in range(3):
        error = fault(queries)
        assert error.fault is QueryFault.NOT_READY
        assert "opened anew" in str(error)
        assert "/" not in str(error), "no path of this machine is told"
    assert rows(queries, "other") == ["a"]
    sink.open()
    assert rows(queries) == ["a"]
    queries.close()


def test_statements_are_told_to_come_back_while_the_whole_engine_is_being_replaced(instance):
    sink, _ = filled(instance, "orders"), filled(instance, "other")
    queries = QueryEngine(instance.cursor, lambda: READY)
    instance._connection.close()
    assert fault(queries).fault is QueryFault.NOT_READY
    instance.reopen()
    assert fault(queries).fault is QueryFault.NOT_READY, "its file is not attached yet"
    sink.open()
    assert rows(queries) == ["a"]
    assert fault(queries, "other").fault is QueryFault.NOT_READY, (
        "in memory, it is gone until it is copied again"
    )
    queries.close()


def test_a_reader_keeps_the_instance_of_before_until_it_ends(instance):
    sink = filled(instance, "orders")
    reader = instance.cursor()
    reader.execute("BEGIN TRANSACTION READ ONLY")
    reader.execute("SELECT * FROM orders").fetchall()
    instance.reopen()
    with pytest.raises(CommitUnknown, match="still being read by a running query"):
        sink.open()
    reader.execute("ROLLBACK")
    reader.close()
    assert sink.open().live.checkpoint == checkpoint(2)
    sink.apply(work(3, batch(ORDERS, {"id": "b", "n": 2})))
    assert sink.rows() == 2


def test_a_reader_in_a_failed_database_does_not_end_the_process(tmp_path):
    """DuckDB 1.5 aborts where a connection is closed inside a transaction on a database that has failed."""
    story = f"""
import duckdb
from contextlib import suppress
from pathlib import Path
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance
settings = DuckDBInstance._settings
def aborting(self, connection):
    yield "debug_checkpoint_abort", "'before_header'"
    yield from settings(self, connection)
DuckDBInstance._settings = aborting
instance = DuckDBInstance({{"orders": Path({str(tmp_path / "o.duckdb")!r})}})
sink = DuckDBAccelerator(instance, "orders")
sink.open()
instance.writer("orders").execute("CREATE TABLE t AS SELECT 1 AS i")
reader = instance.cursor()
reader.execute("BEGIN TRANSACTION READ ONLY")
reader.execute("SELECT * FROM headrace_0.main.t").fetchall()
try:
    instance.writer("orders").execute("CHECKPOINT headrace_0")
except duckdb.Error as error:
    assert "invalidated" in str(error)
instance.reopen()
with suppress(duckdb.Error):
    reader.execute("ROLLBACK")
reader.close()
sink.open()
print("alive", flush=True)
instance.close()
print("closed", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-c", story], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["alive", "closed"]
