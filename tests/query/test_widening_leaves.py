"""A leaf far away whose items turn out to have other columns than its sample: the statement is run again, or says so."""

import duckdb
import pyarrow as pa
import pytest

from headrace.errors import LeafWidened, QueryError, QueryFault
from headrace.leaf import Fit, RemoteLeaf, RemoteReading
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.statement import MOST_ATTEMPTS

READY = TableFacts(ready=True)


class Table(RemoteLeaf):
    """Items of which each reading knows one column more; ``shown`` rows are given before one comes that does not fit."""

    def __init__(self, columns, shown=0):
        self.columns = columns
        self.shown = shown
        self.known = 1
        self.readings = []

    def begin(self):
        self.readings.append(Reading(self, self.known))
        return self.readings[-1]


class Reading(RemoteReading):
    def __init__(self, table, known):
        self.table, self.known = table, known
        self.closed = False

    @property
    def schema(self):
        return pa.schema([(name, pa.int64()) for name in self.table.columns[: self.known]])

    def fit(self, condition):
        del condition
        return Fit.NO

    def scan(self, columns, conditions, limit=None):
        del conditions, limit
        row = pa.RecordBatch.from_pylist([dict.fromkeys(columns, 7)] * 3000)
        for _ in range(self.table.shown):
            yield row
        if self.known < len(self.table.columns):
            self.table.known += 1
            raise LeafWidened("orders: an item has a column that was not known")
        yield row

    def seeks(self, column):
        del column
        return False

    def told(self, columns, conditions, limit):
        del columns, conditions, limit
        return "asked"

    def cancel(self):
        pass

    def close(self):
        self.closed = True


@pytest.fixture
def engine_over():
    database = duckdb.connect()
    engines = []

    def over(table):
        engines.append(
            QueryEngine(database.cursor, lambda: {"orders": READY}, leaves=lambda: {"orders": table})
        )
        return engines[-1]

    yield over
    for engine in engines:
        engine.close()
        assert engine.running == 0
    database.close()


def test_a_statement_is_run_again_until_every_column_is_known(engine_over):
    table = Table(["a", "b", "c"])
    statement = engine_over(table).query("SELECT * FROM orders LIMIT 1")
    answer = statement.reader().read_all()
    assert answer.to_pylist() == [{"a": 7, "b": 7, "c": 7}]
    assert [reading.closed for reading in table.readings] == [True] * 3


def test_a_column_that_the_sample_lacked_may_be_named(engine_over):
    table = Table(["a", "b"])
    engine = engine_over(table)
    with pytest.raises(QueryError, match="columns of the items that were met so far") as unknown:
        engine.query("SELECT b FROM orders").reader().read_all()
    assert unknown.value.fault is QueryFault.UNKNOWN_NAME
    engine.query("SELECT * FROM orders").reader().read_all()
    assert engine.query("SELECT b FROM orders LIMIT 1").reader().read_all().to_pylist() == [{"b": 7}]


def test_what_shows_only_after_rows_were_given_ends_the_answer_with_a_cure(engine_over):
    table = Table(["a", "b"], shown=200)
    engine = engine_over(table)
    statement = engine.query("SELECT * FROM orders")
    assert statement.run().names == ["a"]
    with pytest.raises(QueryError, match="not known; ask again") as late:
        list(statement.batches())
    assert late.value.fault is QueryFault.NOT_READY
    assert engine.query("SELECT * FROM orders").reader().read_all().num_rows == 201 * 3000


def test_a_table_whose_columns_never_end_is_given_up(engine_over):
    table = Table([f"c{number}" for number in range(100)])
    with pytest.raises(QueryError, match="ask again"):
        engine_over(table).query("SELECT count(c0) FROM orders").reader()
    assert len(table.readings) == MOST_ATTEMPTS
    assert all(reading.closed for reading in table.readings)


def test_what_is_cancelled_is_not_run_again(engine_over):
    table = Table([f"c{number}" for number in range(5)])
    engine = engine_over(table)
    statement = engine.query("SELECT * FROM orders")
    begin = table.begin

    def cancelling():
        statement.cancel()
        return begin()

    table.begin = cancelling
    with pytest.raises(QueryError, match="cancelled"):
        statement.run()
    assert len(table.readings) == 1
