"""Statements over tables of DynamoDB are answered as over the same rows in DuckDB's own tables."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headrace.attribute import digits_of
from headrace.time_layout import Layout
from support.asked_tables import AskedTable, index
from support.statements import SCHEMA, statements, tables
from support.two_engines import TwoEngines

# Each example fills a table anew, so that to make one smaller takes minutes.
generous = {"deadline": None, "suppress_health_check": list(HealthCheck), "phases": [Phase.generate]}
SHAPE = {
    "key": {"id": "S"},
    "kinds": {"n": "N", "m": "N", "z": "S"},
    "global_": [
        index("by-n", "n"),
        index("by-n-z", "n", "z", included=["t"]),
        index("by-m", "m", included=[]),
    ],
    "local": [],
}
TYPICAL = {
    "id": "k9",
    "n": 1,
    "m": 0,
    "t": "z",
    "f": 0.5,
    "d": 10**24,
    "seen": 1,
    "z": 1,
    "ok": True,
    "s": {"a": 1},
}
"""By it each column has the type that the statements are written for."""

SEEN, Z = Layout.of("2006-01-02T15:04:05.000"), Layout.of("2006-01-02T15:04:05.000000Z07:00")


class World(TwoEngines):
    """``a`` and ``b`` are tables of DynamoDB with indexes, ``c`` is DuckDB's."""

    def __init__(self):
        super().__init__()
        self.tables = {name: AskedTable(SHAPE) for name in "ab"}

    def hold(self, rows, *, consistent=False, segments=1):
        for name, table in self.tables.items():
            table.hold(map(item_of, [*rows[name], TYPICAL]))
        self.leaves = {
            name: table.leaf(knowing=True, consistent=consistent, segments=lambda *_: segments)
            for name, table in self.tables.items()
        }
        own = {
            name: table.rows().select(self.leaves[name].begin().schema.names)
            for name, table in self.tables.items()
        }
        whole = [dict.fromkeys(SCHEMA.arrow().names) | row for row in rows["c"]]
        super().hold({**own, "c": pa.Table.from_pylist(whole, schema=SCHEMA.arrow())})


def item_of(row):
    """A row as an item; what is NULL is missing, or NULL where no index forbids it."""
    made = {
        "id": lambda value: {"S": value},
        "t": lambda value: {"S": value},
        "f": lambda value: {"N": digits_of(repr(value))},
        "seen": lambda value: {"S": SEEN.format(value, None)},
        "z": lambda value: {"S": Z.format(value, "UTC")},
        "ok": lambda value: {"BOOL": value},
        "s": lambda value: {"M": {} if value["a"] is None else {"a": {"N": str(value["a"])}}},
    }
    item = {}
    for name, value in row.items():
        if value is not None:
            item[name] = made.get(name, lambda value: {"N": str(value)})(value)
        elif name in ("t", "ok"):
            item[name] = {"NULL": True}
    return item


@pytest.fixture(scope="module")
def world():
    world = World()
    yield world
    world.close()


ROWS = st.fixed_dictionaries({name: tables() for name in "abc"})
ASKED = st.lists(statements(), min_size=3, max_size=6)
READ = st.fixed_dictionaries({"consistent": st.booleans(), "segments": st.sampled_from([1, 3])})


@settings(max_examples=6, **generous)
@given(rows=ROWS, asked=ASKED, read=READ)
def test_dynamodb_changes_no_answer(world, rows, asked, read):
    world.hold(rows, **read)
    world.expect_all_same(asked)


@pytest.mark.long
@pytest.mark.timeout(7200)
@settings(max_examples=1000, **generous)
@given(rows=ROWS, asked=ASKED, read=READ)
def test_dynamodb_changes_no_answer_of_thousands(world, rows, asked, read):
    world.hold(rows, **read)
    world.expect_all_same(asked)
