"""What a statement gives is found out once, and again when a table that it reads has other columns."""

import duckdb
import pyarrow as pa
import pytest

from headrace.errors import QueryError
from headrace.prepared import Prepared
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.outlines import MOST, Outlines
from support.leaves import FarLeaf

USERS = pa.table({"id": [1], "city": ["Ulm"]})
SQL = "SELECT * FROM orders WHERE id = ?"


class World:
    """A table ``orders`` of DuckDB's, and ``users`` far away; ``connected`` counts the connections that were asked for."""

    def __init__(self):
        self.database = duckdb.connect()
        self.database.execute("CREATE TABLE orders AS SELECT 1 AS id")
        self.connected = 0
        self.catalog = {"orders": TableFacts(ready=True), "users": TableFacts(ready=True)}
        self.columns = {"orders": {"id": "Int32"}, "users": {"id": "Int64"}}
        users = FarLeaf(USERS)
        self.engine = QueryEngine(
            self.connect,
            lambda: self.catalog,
            declared=lambda table: self.columns.get(table, {}),
            leaves=lambda: {"users": users},
        )

    def connect(self):
        self.connected += 1
        return self.database.cursor()


@pytest.fixture
def world():
    world = World()
    yield world
    world.engine.close()
    world.database.close()


def test_it_is_asked_once(world):
    first = world.engine.prepare(SQL)
    assert (first.schema.names, first.parameters) == (["id"], 1)
    asked = world.connected
    assert world.engine.prepare(SQL) == first
    assert world.connected == asked


def test_another_column_is_noticed(world):
    world.engine.prepare(SQL)
    world.database.execute("ALTER TABLE orders ADD COLUMN note VARCHAR")
    world.columns["orders"] = {"id": "Int32", "note": "Utf8"}
    assert world.engine.prepare(SQL).schema.names == ["id", "note"]


def test_a_table_that_is_not_ready_any_more_is_refused(world):
    world.engine.prepare(SQL)
    world.catalog["orders"] = TableFacts(ready=False, reason="it is loading")
    with pytest.raises(QueryError, match="not ready"):
        world.engine.prepare(SQL)


@pytest.mark.parametrize("sql", ["SELECT * FROM users", "SELECT * FROM orders JOIN users USING (id)"])
def test_of_a_table_far_away_it_is_asked_anew(world, sql):
    world.engine.prepare(sql)
    asked = world.connected
    world.engine.prepare(sql)
    assert world.connected > asked


def test_so_it_is_where_nobody_tells_the_columns(world):
    del world.columns["orders"]
    world.engine.prepare(SQL)
    asked = world.connected
    world.engine.prepare(SQL)
    assert world.connected > asked


def test_only_so_many_are_remembered():
    outlines = Outlines()
    prepared = Prepared(pa.schema([]), 0)
    for number in range(MOST + 1):
        outlines.keep(f"SELECT {number}", {}, prepared)
    assert outlines.found("SELECT 0", {}) is None
    assert outlines.found(f"SELECT {MOST}", {}) is prepared
