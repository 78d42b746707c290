"""Statements over leaves are answered as over the same rows in DuckDB's own tables, whatever the leaves carry out."""

from contextlib import ExitStack

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.leaf import Fit
from support.copies import batch, create, work
from support.engines import harness_of
from support.leaves import ArrowLeaf, FarLeaf
from support.statements import SCHEMA, statements, tables
from support.two_engines import TwoEngines, answer

ROWS = st.fixed_dictionaries({name: tables() for name in "abc"})
generous = {"deadline": None, "suppress_health_check": list(HealthCheck)}


VIEWS = {
    "a": "SELECT * FROM inner_a",
    "inner_a": "FROM a_table SELECT * ORDER BY id",
    "b": """
        SELECT x.id, y.n, x.m, y.t, f0.f, x.d, y.seen, x.z, x.ok, x.s FROM b_table x
        LEFT JOIN a_table y ON y.id = x.id AND y.n < 3 JOIN c f0 ON f0.id >= x.id
        WHERE x.n IS NOT NULL OR x.t LIKE 'a%'
    """,
}


class World(TwoEngines):
    """Both over rows of one shape."""

    def hold(self, rows):
        super().hold({name: table_of(some) for name, some in rows.items()})


def table_of(rows):
    whole = [dict.fromkeys(SCHEMA.arrow().names) | row for row in rows]
    return pa.Table.from_pylist(whole, schema=SCHEMA.arrow())


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.close()


def compare(world, rows, asked):
    world.hold(rows)
    expected = [(sql, answer(world.own, sql)) for sql in asked]
    kinds = [
        *((ArrowLeaf, ArrowLeaf, says) for says in Fit),
        (FarLeaf, FarLeaf, Fit.EXACT),
        (ArrowLeaf, FarLeaf, Fit.EXACT),
    ]
    for *kind, says in kinds:
        world.leaves = {name: one(table_of(rows[name]), says) for name, one in zip("ab", kind, strict=True)}
        for sql, of_own in expected:
            world.expect(sql, of_own)
        assert [leaf.opened for leaf in world.leaves.values()] == [0, 0]


ASKED = st.lists(statements(), min_size=3, max_size=6)


@settings(max_examples=15, **generous)
@given(rows=ROWS, asked=ASKED)
def test_leaves_change_no_answer(world, rows, asked):
    compare(world, rows, asked)


@pytest.fixture(scope="module")
def viewed():
    world = World(VIEWS)
    yield world
    world.close()


@settings(max_examples=15, **generous)
@given(rows=ROWS, asked=ASKED)
def test_views_of_leaves_change_no_answer(viewed, rows, asked):
    compare(viewed, rows, asked)


@pytest.mark.long
@pytest.mark.timeout(7200)
@settings(max_examples=1000, **generous)
@given(rows=ROWS, asked=ASKED)
def test_views_of_leaves_change_no_answer_of_thousands(viewed, rows, asked):
    compare(viewed, rows, asked)


@pytest.mark.long
@pytest.mark.timeout(7200)
@settings(max_examples=1000, **generous)
@given(rows=ROWS, asked=ASKED)
def test_leaves_change_no_answer_of_thousands(world, rows, asked):
    compare(world, rows, asked)


JOINS = [
    "JOIN",
    "LEFT JOIN",
    "RIGHT JOIN",
    "FULL JOIN",
    "SEMI JOIN",
    "ANTI JOIN",
    "ASOF JOIN",
    "ASOF LEFT JOIN",
]
CONDITIONS = [
    "x.n IS NULL",
    "y.n IS NULL",
    "x.n = 1",
    "y.n = 1",
    "x.t LIKE 'a%'",
    "y.n IN (0, 2)",
    "n IS NULL",
    "t = 'a'",
    "x.n = y.n",
]
FEW = {
    "a": [{"id": "k0", "n": 0, "t": "a"}, {"id": "k1", "n": 1, "t": None}, {"id": "k2"}, {"id": "k5", "n": 3, "t": "ab"}],
    "b": [{"id": "k0", "n": 1, "t": "b"}, {"id": "k1", "n": 2, "t": "ab"}, {"id": "k2"}, {"id": "k4", "n": 3, "t": "a"}],
    "c": [{"id": "k0", "n": 0}, {"id": "k2", "n": 1}, {"id": "k3", "n": 1, "t": "c"}],
}  # fmt: skip


ALIKE = ((ArrowLeaf, ArrowLeaf), (FarLeaf, FarLeaf))
UNLIKE = ((ArrowLeaf, FarLeaf), (FarLeaf, ArrowLeaf))


@pytest.mark.parametrize("join", JOINS)
def test_every_join_with_every_condition_in_every_place(world, join):
    """Statements take turns: over near tables and a far one first, over far ones and a far one second."""
    world.hold(FEW)
    for turn, sql in in_turns(join):
        expect_same_over(world, sql, (ALIKE[turn], UNLIKE[turn]))


@pytest.mark.long
@pytest.mark.parametrize("join", JOINS)
def test_every_join_of_tables_of_every_two_kinds(world, join):
    world.hold(FEW)
    for sql in every_statement(join):
        expect_same_over(world, sql, (*ALIKE, *UNLIKE))


def every_statement(join):
    return [sql for condition in CONDITIONS for sql in placed(join, condition)]


def in_turns(join):
    """Every statement with 0 or 1; a place has the other one with the next condition."""
    for condition_number, condition in enumerate(CONDITIONS):
        for place_number, sql in enumerate(placed(join, condition)):
            yield (condition_number + place_number) % 2, sql


def expect_same_over(world, sql, kinds):
    """DuckDB's own tables, which are the same for all kinds of leaves, are asked once."""
    expected = answer(world.own, sql)
    for kind in kinds:
        world.leaves = {name: one(table_of(FEW[name]), batch=1) for name, one in zip("ab", kind, strict=True)}
        world.expect(sql, expected)


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize("places", [1, pytest.param(2, marks=pytest.mark.long)])
def test_every_join_of_a_far_table_with_one_of_duckdbs_own(world, join, places):
    """In these, c is DuckDB's own: its few values are what the far tables are asked for. It is in one place in turns, or in both."""
    world.hold(FEW)
    world.leaves = {name: FarLeaf(table_of(FEW[name]), batch=1) for name in "ab"}
    for turn, sql in in_turns(join):
        for place in range(turn, turn + places):
            far, own = (("b y", "c y"), ("a x", "c x"))[place % 2]
            world.expect_same(sql.replace(f" {far}", f" {own}"))


def placed(join, condition):
    """Statements that join ``a`` as x with ``b`` as y, with the condition in each place where one may stand."""
    on = "y.id <= x.id" if "ASOF" in join else "x.id = y.id"
    for after in ("", "LEFT JOIN c w ON w.n = x.n", "RIGHT JOIN c w ON w.n = x.n AND w.id < 'k3'"):
        yield f"SELECT * FROM a x {join} b y ON {on} {after} WHERE {condition}"
    # Of a SEMI or ANTI join, only the left side has a name outside; what is asked of y is then asked of c.
    yield f"SELECT (SELECT count(*) FROM a x {join} b y ON {on} WHERE {condition}) FROM c y"
    if "ASOF" not in join:
        yield f"SELECT * FROM a x {join} b y USING (id) WHERE {condition}"
        yield f"SELECT * FROM a x {join} b y USING (n) WHERE {condition}"
        yield f"SELECT * FROM a x {join} b y ON {on} AND {condition}"
        yield f"SELECT * FROM c z LEFT JOIN (a x {join} b y ON {on} AND {condition}) ON z.id = x.id"
        yield f"SELECT * FROM a x {join} (b y LEFT JOIN c z ON y.n = z.n) ON {on} AND {condition}"
        yield f"SELECT * FROM a x {join} (c z LEFT JOIN b y ON y.n = z.n) ON x.id = z.id AND {condition}"


@settings(max_examples=15, **generous)
@given(
    rows=ROWS,
    condition=st.sampled_from(["", "WHERE n = 1", "WHERE t LIKE 'a%' AND n >= 0", "WHERE n % 2 = 0"]),
)
def test_a_limited_answer_is_part_of_the_whole_one(world, rows, condition):
    world.hold(rows)
    for says in Fit:
        world.leaves = {name: ArrowLeaf(table_of(rows[name]), says) for name in "ab"}
        (_, whole), _ = answer(world.mixed, f"SELECT * FROM a {condition}")
        for limit in range(4):
            (_, part), _ = answer(world.mixed, f"SELECT * FROM a {condition} LIMIT {limit}")
            assert part <= whole
            assert part.total() == min(limit, whole.total())


@pytest.fixture(
    scope="module", params=["cayenne", "cayenne-files", "sqlite-memory", "sqlite-file", "postgres"]
)
def stored(request, world, tmp_path_factory):
    """Copies ``a`` and ``b`` in an engine."""
    with ExitStack() as closing:
        copies = {}
        for name in "ab":
            copies[name] = harness_of(request.param, tmp_path_factory.mktemp(name))
            closing.callback(copies[name].close)
            copies[name].sink.open()
        yield copies


def compare_stored(world, stored, rows, asked):
    world.hold(rows)
    for name, copy in stored.items():
        # In parts, and some rows other ones first: engines may store what comes together apart from the rest.
        half = len(rows[name]) // 2
        copy.sink.apply(create(1))
        copy.sink.apply(work(2, batch(SCHEMA, *({"id": row["id"], "n": 7} for row in rows[name][::2]))))
        for part in (rows[name][:half], rows[name][half:]):
            copy.sink.apply(work(3, batch(SCHEMA, *part)))
    world.leaves = {name: copy.sink.leaf() for name, copy in stored.items()}
    for sql in asked:
        world.expect_same(sql)


@settings(max_examples=7, **generous)
@given(rows=ROWS, asked=ASKED)
def test_engines_change_no_answer(world, stored, rows, asked):
    compare_stored(world, stored, rows, asked)


@pytest.mark.long
@pytest.mark.timeout(7200)
@settings(max_examples=300, **generous)
@given(rows=ROWS, asked=ASKED)
def test_engines_change_no_answer_of_thousands(world, stored, rows, asked):
    compare_stored(world, stored, rows, asked)
