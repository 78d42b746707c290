"""The rows of a stored view in a real DuckDB: replaced at once, kept where a refresh fails, made anew where they are lost."""

import threading

import pyarrow as pa
import pytest

from headrace.accelerators.duckdb import DuckDBInstance, StoredRows
from headrace.dataset import Refresh
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.refresh import RefreshState
from headrace.status import State
from headrace.stored_view import StoredView
from headrace.versions import Versions
from headrace.view import View
from support.deadline import eventually


class World:
    """A table ``numbers``, and ``doubled``, a stored view of it; ``waiting`` is what the view waits for."""

    def __init__(self, refresh=None):
        self.instance = DuckDBInstance({"numbers": None, "doubled": None})
        self.numbers = self.instance.writer("numbers")
        self.numbers.execute("CREATE TABLE numbers AS SELECT * FROM range(3) t(n)")
        ready = TableFacts(ready=True)
        self.engine = QueryEngine(self.instance.cursor, lambda: {"numbers": ready, "doubled": ready})
        self.sql = "SELECT 2 * n AS n FROM numbers"
        self.waiting = None
        self.now = 1_000_000.0
        self.versions = Versions(["doubled"])
        self.rows = StoredRows(self.instance, "doubled")
        self.view = StoredView(
            View("doubled", self.sql, "", refresh or Refresh()),
            lambda: self.engine.query(self.sql),
            self.rows,
            lambda: self.waiting,
            self.versions,
            "salt",
            lambda: self.now,
        )

    def answer(self):
        with self.engine.query("SELECT n FROM doubled ORDER BY n") as statement:
            return statement.reader().read_all()["n"].to_pylist()

    def until(self, state, what="the view's state"):
        eventually(lambda: self.view.status.status is state, within=10, what=f"{what}: {state}")

    def done(self, number):
        eventually(
            lambda: self.view.outcome(number).state is not RefreshState.RUNNING,
            within=10,
            what="the refresh ends",
        )
        return self.view.outcome(number)

    def close(self):
        self.view.stop()
        self.engine.close()
        self.instance.close()


@pytest.fixture
def make():
    worlds = []

    def make(**more):
        worlds.append(World(**more))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


def test_rows_are_replaced_in_one_transaction_and_stay_where_that_fails(make):
    world = make()
    schema = pa.schema([("n", pa.int64())])
    assert world.rows.replace(schema, [pa.record_batch([[1, 2]], schema=schema)]) == 2
    seen = []

    def failing():
        yield pa.record_batch([[3]], schema=schema)
        seen.append(world.answer())
        raise QueryError(QueryFault.FAILED, "no more")

    with pytest.raises(QueryError, match="no more"):
        world.rows.replace(schema, failing())
    assert seen == [[1, 2]]
    assert world.answer() == [1, 2]
    assert world.rows.replace(pa.schema([("other", pa.string())]), []) == 0
    assert world.rows.rows() == 0


def test_rows_are_made_as_soon_as_what_the_view_reads_is_ready(make):
    world = make()
    world.waiting = "numbers: it is loading"
    world.view.start()
    eventually(
        lambda: "it waits for numbers" in str(world.view.status.reason),
        within=10,
        what="it says what it waits for",
    )
    assert not world.view.status.ready
    world.waiting = None
    world.until(State.READY)
    assert world.answer() == [0, 2, 4]
    assert (world.view.status.rows, world.view.status.fresh, world.view.status.live) == (3, True, True)


def test_a_refresh_that_somebody_asks_for_brings_what_is_new(make):
    world = make()
    world.view.start()
    world.until(State.READY)
    before = world.versions.of("doubled")
    world.numbers.execute("INSERT INTO numbers VALUES (7)")
    assert world.answer() == [0, 2, 4]
    outcome = world.done(world.view.refresh())
    assert (outcome.state, outcome.rows) == (RefreshState.DONE, 4)
    assert world.answer() == [0, 2, 4, 14]
    assert world.versions.of("doubled") == before + 1
    assert world.view.outcome(99) is None


def test_the_next_refresh_is_due_an_interval_after_the_last(make):
    world = make(refresh=Refresh(interval=60.0))
    world.view.start()
    world.until(State.READY)
    world.numbers.execute("DELETE FROM numbers WHERE n > 0")
    world.now += 61
    eventually(lambda: world.answer() == [0], within=10, what="the rows are made anew")


def test_the_last_good_rows_answer_while_a_refresh_fails_and_the_reason_is_told(make):
    world = make()
    world.view.start()
    world.until(State.READY)
    good, world.sql = world.sql, "SELECT missing FROM numbers"
    outcome = world.done(world.view.refresh())
    assert outcome.state is RefreshState.FAILED
    assert '"missing" not found' in outcome.reason
    status = world.view.status
    assert (status.status, status.ready, status.fresh) == (State.ERROR, True, False)
    assert '"missing" not found' in status.reason
    assert world.answer() == [0, 2, 4]
    world.sql = good
    world.now += 60
    world.until(State.READY, "it heals by itself")
    assert world.view.status.reason is None


def test_rows_that_are_lost_with_their_database_are_made_anew(make):
    world = make()
    world.view.start()
    world.until(State.READY)
    world.instance.reopen()
    with pytest.raises(AcceleratorError):
        world.rows.rows()
    world.numbers = world.instance.writer("numbers")
    world.numbers.execute("CREATE TABLE numbers AS SELECT 5 AS n")
    eventually(lambda: world.view.status.rows == 1, within=10, what="the rows are there again")
    assert world.answer() == [10]


def test_stopping_ends_a_refresh_that_runs(make):
    world = make()
    world.sql = (
        "SELECT count(*) AS n FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
    )
    world.view.start()
    eventually(lambda: world.engine.running == 1, within=10, what="the query runs")
    stopped = threading.Thread(target=world.view.stop)
    stopped.start()
    stopped.join(10)
    assert not stopped.is_alive()
