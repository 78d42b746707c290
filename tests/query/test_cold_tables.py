"""A table of which little is known is answered as if all was: what a column does not hold comes through, and widens it."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace.dynamodb import served_table
from headrace.errors import QueryFault
from support.asked_items import items
from support.asked_tables import INDEXED, PLAIN, AskedTable
from support.two_engines import TwoEngines, answer

# Each example fills a table anew, so that to make one smaller takes minutes.
generous = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}

CONDITIONS = [
    *("n2 = 5", "n2 <> 5", "n2 < 3", "n2 >= 0 AND n2 < 5", "n2 IN (0, 1)", "n2 NOT IN (0, 1)", "n2 IS NULL"),
    *("price = 1.5", "price <> 0", "price > 0.5", "price <= 5", "price BETWEEN 0 AND 2", "exact = 1"),
    *(
        "text = 'a'",
        "text <> 'a'",
        "text >= 'b'",
        "text LIKE 'a%'",
        "text NOT LIKE 'a%'",
        "text IN ('10', 'b')",
    ),
    *('"on"', 'NOT "on"', '"on" IS NULL', '"on" = true', "place.x = 1", "place.x IS NULL", "place.y = 'p'"),
    *(
        "deep.a.x > 1",
        "deep.b = 1",
        "\"when\" >= '2024-01-01 10:00:00+00'",
        '"when" IS NOT NULL',
        "tags IS NULL",
    ),
    *("n = 1", "tag = 'a' AND n > 0", "id = 'a'", "id IN ('a', 'b')", "id > 'a'", "seen < '2024-01-02'"),
]


@pytest.fixture(scope="module")
def world():
    world = TwoEngines()
    world.tables = {"indexed": AskedTable(INDEXED), "plain": AskedTable(PLAIN)}
    yield world
    world.close()


@st.composite
def wheres(draw):
    parts = draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=3))
    text = f"({parts[0]})"
    for part in parts[1:]:
        text = f"({text} {draw(st.sampled_from(['AND', 'AND', 'OR']))} {draw(st.sampled_from(['', '', 'NOT ']))}({part}))"
    return text


def expect_same_keys(world, table, rows, asked):
    """Where both answer. Columns that the little does not show are unknown, and texts that do not fit a wider column fail."""
    table.hold(rows)
    world.hold({"a": table.rows(), "b": pa.table({"id": ["b"]}), "c": pa.table({"id": ["c"]})})
    key = ", ".join(table.shape["key"])
    for where in asked:
        world.leaves = {"a": table.leaf()}
        sql = f"SELECT {key} FROM a WHERE {where}"
        expected, _ = answer(world.own, sql)
        found, problem = answer(world.mixed, sql)
        if expected is None:
            continue
        if found is None:
            assert problem.fault in (QueryFault.UNKNOWN_NAME, QueryFault.INVALID), (sql, problem)
            continue
        assert found[1] == expected[1], sql


@pytest.fixture
def knowing_one(monkeypatch):
    monkeypatch.setattr(served_table, "SAMPLED", 1)
    monkeypatch.setattr(served_table, "SAMPLED_OF_INDEX", 1)


@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=8, **generous)
@given(data=st.data())
def test_what_is_not_known_is_not_missed(world, knowing_one, shape, data):
    rows = data.draw(items(indexed=shape == "indexed", mixed=0.4))
    expect_same_keys(world, world.tables[shape], rows, data.draw(st.lists(wheres(), min_size=2, max_size=4)))


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shape", ["indexed", "plain"])
@settings(max_examples=700, **generous)
@given(data=st.data())
def test_what_is_not_known_is_not_missed_of_thousands(world, knowing_one, shape, data):
    rows = data.draw(items(indexed=shape == "indexed", mixed=0.4))
    expect_same_keys(world, world.tables[shape], rows, data.draw(st.lists(wheres(), min_size=2, max_size=4)))
