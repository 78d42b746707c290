"""An answer that was kept is given again only where the statement would answer the same now."""

import threading

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import QueryError
from headrace.limits import Caching, Freshness, Origin
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.functions import CHANGING, FUNCTIONS
from headrace.query.parser import Parser
from headrace.query.pod_views import checked_views, facts_of_views
from headrace.query.repeatable import is_repeatable
from headrace.query.results import LARGEST_SHARE, Results
from headrace.versions import Versions
from headrace.view import View

TABLES = ("orders", "users")


class Cursor:
    """DuckDB's own, that calls ``between`` once a query has its snapshot."""

    def __init__(self, cursor, between):
        self._cursor = cursor
        self._between = between

    def execute(self, text, *parameters):
        result = self._cursor.execute(text, *parameters)
        if text.startswith("SELECT"):
            self._between()
        return result

    def __getattr__(self, name):
        return getattr(self._cursor, name)


class World:
    """Two tables in DuckDB, of which each commit raises the one value, and what is kept of their answers."""

    def __init__(self, caching=Caching(), tables=TABLES):  # noqa: B008 - frozen
        self.database = duckdb.connect(":memory:")
        for table in tables:
            self.database.execute(f"CREATE TABLE {table} AS SELECT 0 AS n")
        self.facts = dict.fromkeys(tables, TableFacts(ready=True))
        self.remote = set()
        self.versions = Versions(tables)
        self.now = 0.0
        self.between = lambda: None
        self.engine = QueryEngine(lambda: Cursor(self.database.cursor(), self.overtake), lambda: self.facts)
        self.results = Results(
            self.engine, caching, self.versions, lambda: self.facts, lambda: self.remote, lambda: self.now
        )

    def overtake(self):
        self.between()

    def commit(self, table="orders"):
        with self.versions.changed(table):
            self.database.cursor().execute(f"UPDATE {table} SET n = n + 1")

    def ask(self, sql="SELECT n FROM orders", parameters=(), freshness=Freshness.KEPT):
        """Where the answer comes from, and its one value."""
        with self.results.query(sql, parameters, freshness) as answer:
            table = answer.reader().read_all()
            return answer.origin, table.column(0)[0].as_py()

    def close(self):
        self.engine.close()
        self.database.close()


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


HIT, MISS, BYPASS = Origin.HIT, Origin.MISS, Origin.BYPASS


def test_the_second_time_it_was_kept_and_a_commit_makes_it_new(world):
    assert [world.ask(), world.ask()] == [(MISS, 0), (HIT, 0)]
    world.commit()
    assert [world.ask(), world.ask()] == [(MISS, 1), (HIT, 1)]
    tally = world.results.tally
    assert (tally.hits, tally.misses, tally.bypasses, tally.entries) == (2, 2, 0, 1)


def test_only_commits_to_the_tables_that_it_read_count(world):
    both = "SELECT o.n + u.n FROM orders o, users u"
    world.ask(), world.ask(both)
    world.commit("users")
    assert world.ask() == (HIT, 0)
    assert world.ask(both) == (MISS, 1)


def test_parameters_are_told_apart_to_the_last_bit(world):
    values = [pa.scalar(0.0), pa.scalar(-0.0), pa.scalar(0), pa.scalar("0"), pa.scalar(None, pa.int64())]
    values += [
        pa.scalar(False),
        pa.scalar(0, pa.int32()),
        pa.scalar(float("nan")),
        pa.scalar(""),
        pa.scalar(b"0"),
    ]
    sql = "SELECT CAST(? AS VARCHAR) || '' FROM orders"
    first = [world.ask(sql, [value]) for value in values]
    assert {origin for origin, _ in first} == {MISS}
    assert [world.ask(sql, [value]) for value in values] == [(HIT, told) for _, told in first]


def test_who_wants_a_new_answer_gets_one_and_who_wants_none_kept_leaves_none(world):
    assert world.ask(freshness=Freshness.PRIVATE)[0] is BYPASS
    assert world.ask()[0] is MISS
    assert world.ask(freshness=Freshness.NEW)[0] is MISS
    assert world.ask()[0] is HIT


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now() FROM orders",
        "SELECT current_timestamp FROM orders",
        "SELECT CURRENT_DATE FROM orders",
        "SELECT localtime FROM orders",
        "SELECT n FROM orders WHERE random() < 2",
        "SELECT list_transform([1], lambda x: x + random()) FROM orders",
        "SELECT age(TIMESTAMP '2020-01-01') FROM orders",
        "WITH a AS (SELECT uuid() AS u FROM orders) SELECT * FROM a",
        "SELECT n FROM orders USING SAMPLE 1 ROWS",
        "SELECT n FROM orders TABLESAMPLE 100%",
        "SHOW TABLES",
        "DESCRIBE orders",
        "EXPLAIN SELECT n FROM orders",
    ],
)
def test_what_may_differ_the_next_time_is_not_kept(world, sql):
    assert [world.ask(sql)[0], world.ask(sql)[0]] == [BYPASS, BYPASS]


def test_views_are_as_what_they_read(world):
    parser = Parser()
    listed = [
        View("plain", "SELECT n FROM orders", "pod.yaml:1:1"),
        View("timed", "SELECT n, now() AS at FROM orders", "pod.yaml:2:1"),
        View("over", "SELECT n FROM timed", "pod.yaml:3:1"),
    ]
    queries = checked_views(listed, TABLES, parser)
    world.facts = {**world.facts, **facts_of_views(queries, world.facts, {})}
    assert [world.ask("SELECT n FROM plain")[0], world.ask("SELECT n FROM plain")] == [MISS, (HIT, 0)]
    world.commit()
    assert world.ask("SELECT n FROM plain") == (MISS, 1)
    for view in ("timed", "over"):
        assert world.ask(f"SELECT n FROM {view}")[0] is BYPASS
    parser.close()


def test_every_function_that_duckdb_calls_unstable_is_known():
    database = duckdb.connect(":memory:")
    rows = database.execute(
        "SELECT lower(function_name) FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    ).fetchall()
    database.close()
    # These depend on the session, which is the same for all, or on nothing.
    same = {"current_database", "current_schema", "current_schemas", "error"}
    assert {name for (name,) in rows} & FUNCTIONS - same <= CHANGING


def test_a_table_that_changes_at_the_moment_or_whose_change_failed_is_asked_itself(world):
    world.ask()
    with world.versions.changed("orders"):
        assert world.ask()[0] is BYPASS
    failing = world.versions.changed("orders")
    failing.__enter__()
    assert not failing.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert world.ask()[0] is BYPASS
    with world.versions.changed("orders"):
        pass
    assert [world.ask()[0], world.ask()[0]] == [MISS, HIT]


def test_an_answer_that_a_commit_overtook_is_not_given_again(world):
    with world.results.query("SELECT n FROM orders") as answer:
        answer.run()
        world.commit()
        assert [batch.to_pylist() for batch in answer.batches()] == [[{"n": 0}]]
    assert world.ask() == (MISS, 1)


def test_an_answer_that_is_not_read_to_its_end_is_not_kept(world):
    with world.results.query("SELECT n FROM orders, range(100000)") as answer:
        answer.run()
        next(answer.batches())
    with world.results.query("SELECT n FROM orders, range(100000)") as answer:
        assert answer.origin is MISS


def test_a_table_that_is_not_ready_is_not_answered_from_what_was_kept(world):
    world.ask()
    world.facts = {**world.facts, "orders": TableFacts(ready=False, reason="loading")}
    with pytest.raises(QueryError, match="loading"):
        world.ask()


def test_what_dynamodb_answers_is_kept_only_where_an_age_is_named():
    for ttl, origins in ((None, [BYPASS, BYPASS, BYPASS]), (10.0, [MISS, HIT, MISS])):
        world = World(Caching(ttl=ttl))
        world.remote = {"orders"}
        first, second = world.ask()[0], world.ask()[0]
        world.now = 10.0
        assert [first, second, world.ask()[0]] == origins
        # Once the copy is complete, it answers itself.
        world.remote = set()
        assert world.ask()[0] is MISS
        world.close()


def test_an_age_holds_for_copies_too():
    world = World(Caching(ttl=10.0))
    world.ask()
    world.now = 9.9
    assert world.ask()[0] is HIT
    world.now = 10.0
    assert world.ask()[0] is MISS
    world.close()


def test_nothing_is_kept_where_that_is_turned_off():
    world = World(None)
    assert [world.ask()[0], world.ask()[0]] == [BYPASS, BYPASS]
    world.close()


def test_what_was_not_asked_for_longest_goes_first_and_large_answers_are_not_kept():
    world = World(Caching(bytes_=LARGEST_SHARE * 40_000))
    one = "SELECT n + {} AS n, i FROM orders, range(1000) t(i)"
    for number in range(30):
        world.ask(one.format(number))
        world.ask(one.format(0))
    tally = world.results.tally
    assert tally.size_bytes <= LARGEST_SHARE * 40_000
    assert 1 < tally.entries < 30
    assert world.ask(one.format(0))[0] is HIT
    assert world.ask(one.format(29))[0] is HIT
    assert world.ask(one.format(1))[0] is MISS
    large = "SELECT n, i FROM orders, range(100000) t(i)"
    assert [world.ask(large)[0], world.ask(large)[0]] == [MISS, MISS]
    world.close()


class Story:
    """One table, a writer and readers, whose steps come in any order. ``value`` is what a new reader must see at least."""

    def __init__(self, world):
        self.world = world
        self.writing = None
        self.reading = []

    def begin_write(self):
        if self.writing is None:
            self.writing = self.world.versions.changed("orders")
            self.writing.__enter__()

    def commit(self):
        if self.writing is not None:
            self.world.database.cursor().execute("UPDATE orders SET n = n + 1")

    def end_write(self):
        if self.writing is not None:
            self.writing.__exit__(None, None, None)
            self.writing = None

    def begin_read(self):
        least = self.world.database.cursor().execute(SQL).fetchone()[0]
        self.reading.append((self.world.results.query(SQL), least))

    def read(self):
        if self.reading:
            answer, least = self.reading.pop(0)
            with answer:
                assert answer.reader().read_all().column(0)[0].as_py() >= least

    def read_overtaken(self):
        """A whole commit falls between the reader's snapshot and its first row."""

        def overtake():
            self.world.between = lambda: None
            if self.writing is None:
                self.world.commit()

        self.begin_read()
        self.world.between = overtake
        while self.reading:
            self.read()
        self.world.between = lambda: None

    def read_at_once(self):
        self.begin_read()
        while self.reading:
            self.read()

    def close(self):
        for answer, _ in self.reading:
            answer.close()
        self.end_write()


SQL = "SELECT n FROM orders"
STEPS = (
    Story.begin_write,
    Story.commit,
    Story.end_write,
    Story.begin_read,
    Story.read,
    Story.read_at_once,
    Story.read_overtaken,
)


def test_in_any_order_no_answer_is_older_than_what_was_there_when_it_was_asked_for(world):
    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from(STEPS), min_size=2, max_size=14))
    def holds(steps):
        story = Story(world)
        try:
            for step in steps:
                step(story)
        finally:
            story.close()

    holds()


def test_under_threads_no_answer_is_older_than_what_was_there_when_it_was_asked_for():
    world = World()
    committed = [0]
    done = threading.Event()

    def write():
        for _ in range(150):
            world.commit()
            committed[0] += 1
        done.set()

    wrong, origins = [], set()

    def read():
        while not done.is_set():
            least = committed[0]
            origin, value = world.ask()
            origins.add(origin)
            if value < least:
                wrong.append((origin, value, least))

    threads = [threading.Thread(target=work) for work in (read, read, read, write)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert world.ask()[1] == 150
    world.close()


def test_a_repeatable_statement_is_known():
    parser = Parser()
    assert is_repeatable(parser.parse("SELECT sum(n), max(lower('A')) FROM orders WHERE n IN (1, 2)").tree)
    parser.close()
