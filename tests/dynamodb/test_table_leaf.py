"""Statements over a table of DynamoDB itself: one Scan each, decoded as a copy would be, in a locked-down DuckDB."""

import json
import threading
from decimal import Decimal
from itertools import count
from random import Random

import duckdb
import pyarrow as pa
import pytest

from headrace.accelerators.duckdb import DuckDBInstance
from headrace.column_type import LONG
from headrace.dynamodb import ServedTable, TableLeaf, asking
from headrace.errors import QueryError, QueryFault
from headrace.mapping import Declared, Mapping
from headrace.observe import ItemsLeftOut, TransientFault
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.query.watch import Bounds
from headrace.read_budget import ReadBudget
from headrace.simulator import Simulator
from headrace.simulator.faults import Alter, Amend, EmptyScanPage, Refuse
from headrace.wire import Response
from support.deadline import eventually

READY = TableFacts(ready=True)
SMALL_PAGES = Amend({"Limit": 3})


class World:
    """A table ``orders`` in the simulator, and statements over it. ``plant`` decides of each Scan what becomes of it."""

    def __init__(self, instance):
        self.scans = []
        self.asked = set()
        self.facts = []
        self.refused = None
        self.plant = lambda request: None
        self.simulator = Simulator(lambda: 1_700_000_000.0, faults=self._fault)
        self._instance = instance
        self._engines = []
        self(
            "CreateTable",
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )

    def _fault(self, operation, request):
        self.asked.add(operation)
        if operation == self.refused:
            return Refuse("ThrottlingException")
        if operation != "Scan":
            return None
        self.scans.append(request)
        return self.plant(request)

    def __call__(self, operation, **request):
        answer = self.simulator(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def put(self, identity, **item):
        self("PutItem", TableName="orders", Item={"id": {"S": identity}, **item})

    def engine(self, *, segments=1, mapping=None, consistent=True, bounds=None, budget=None):
        self.table = ServedTable(self.simulator, "orders", mapping=mapping or Mapping())
        leaf = TableLeaf(
            "orders",
            self.table,
            consistent=consistent,
            segments=lambda *_: segments,
            budget=budget,
            observe=self.facts.append,
        )
        engine = QueryEngine(
            self._instance.cursor,
            lambda: {"orders": READY, "users": READY},
            bounds,
            leaves=lambda: {"orders": leaf},
        )
        self._engines.append(engine)
        return engine

    def close(self):
        for engine in self._engines:
            engine.close()


@pytest.fixture(scope="module")
def instance():
    instance = DuckDBInstance({"users": None, "orders": None})
    instance.writer("users").execute("CREATE TABLE users AS SELECT * FROM (VALUES ('a', 'Ada')) t(id, name)")
    # The half-built copy, which no statement may see.
    instance.writer("orders").execute("CREATE TABLE orders AS SELECT 'half' AS id")
    yield instance
    instance.close()


@pytest.fixture
def world(instance):
    world = World(instance)
    yield world
    world.close()


def rows(engine, sql):
    with engine.query(sql) as statement:
        found = statement.reader().read_all()
    assert engine.running == 0
    return found.to_pylist()


def fault(engine, sql):
    with pytest.raises(QueryError) as caught:
        rows(engine, sql)
    assert engine.running == 0
    return caught.value


QUESTIONS = [
    "SELECT * FROM orders ORDER BY id",
    "SELECT count(*) AS n FROM orders",
    "SELECT id FROM orders WHERE n > 4 ORDER BY id",
    "SELECT tag, sum(n) AS n FROM orders GROUP BY ALL ORDER BY ALL",
    "SELECT max(seen) AS seen FROM orders WHERE seen < TIMESTAMPTZ '2024-01-06 00:00:00+00'",
    "SELECT a.id, b.n FROM orders a JOIN orders b ON a.n = b.n + 1 ORDER BY ALL",
    "SELECT place.city AS city, count(*) AS n FROM orders GROUP BY ALL ORDER BY ALL",
    "SELECT count(*) AS n FROM (SELECT id FROM orders LIMIT 4)",
    "SELECT id, mixed FROM orders WHERE mixed IS NOT NULL ORDER BY id",
]


@pytest.mark.parametrize("segments", [1, 3, 20])
def test_answers_are_those_of_plain_duckdb_over_the_same_rows(world, segments):
    """Types that widen from page to page, attributes that come late, empty pages: as one table of all items."""
    items = []
    for number in range(20):
        item = {"n": {"N": str(number)}, "tag": {"S": "ab"[number % 2]}}
        item["seen"] = {"S": f"2024-01-{number % 9 + 1:02}T10:00:00Z"}
        if number % 3 == 0:
            item["mixed"] = {"N": "1.5"} if number % 2 else {"S": "text"}
        if number > 15:
            item["place"] = {"M": {"city": {"S": "Ulm"}}}
            item["n"] = {"N": f"{number}.25"}
        items.append((f"o{number:02}", item))
        world.put(f"o{number:02}", **item)
    table = pa.table(
        {
            "id": [key for key, _ in items],
            "n": [float(item["n"]["N"]) for _, item in items],
            "tag": [item["tag"]["S"] for _, item in items],
            "seen": pa.array([item["seen"]["S"] for _, item in items]).cast(pa.timestamp("ms", "UTC")),
            "mixed": [next(iter(item["mixed"].values())) if "mixed" in item else None for _, item in items],
            "place": [{"city": "Ulm"} if "place" in item else None for _, item in items],
        }
    )
    plain = duckdb.connect()
    plain.execute("SET TimeZone = 'UTC'")
    plain.register("orders", table)
    turn = count()
    world.plant = lambda _: SMALL_PAGES if next(turn) % 4 else None
    engine = world.engine(segments=segments)
    for question in QUESTIONS:
        expected = plain.execute(question).to_arrow_table().to_pylist()
        assert [sorted(row.items()) for row in rows(engine, question)] == [
            sorted(row.items()) for row in expected
        ]
    plain.close()


def test_each_reference_is_one_scan_of_every_segment_that_reads_as_it_is_told(world):
    for number in range(7):
        world.put(f"o{number}", n={"N": str(number)})
    engine = world.engine(segments=2, consistent=True)
    rows(engine, "DESCRIBE orders")
    world.scans.clear()
    world.plant = lambda _: SMALL_PAGES
    joined = "SELECT count(*) AS n FROM orders a JOIN orders b USING (id) WHERE a.n > 1"
    assert rows(engine, joined) == [{"n": 5}]
    assert {(scan["Segment"], scan["TotalSegments"], scan["ConsistentRead"]) for scan in world.scans} == {
        (0, 2, True),
        (1, 2, True),
    }
    first = [scan for scan in world.scans if "ExclusiveStartKey" not in scan]
    assert sorted("FilterExpression" in scan for scan in first) == [False, False, True, True]


def test_it_is_joined_with_what_is_copied_and_hides_the_half_built_copy(world):
    world.put("a", n={"N": "1"})
    assert rows(world.engine(), "SELECT name, n FROM orders JOIN users USING (id)") == [
        {"name": "Ada", "n": 1}
    ]
    assert rows(world.engine(), "SELECT id FROM main.orders") == [{"id": "a"}]


def test_a_join_with_a_few_rows_of_duckdbs_own_reads_their_items_alone(world):
    for number in range(50):
        world.put(f"o{number}", n={"N": "1"})
    world.put("a", n={"N": "2"})
    engine = world.engine()
    sql = "SELECT u.name, o.n FROM users u JOIN orders o ON o.id = u.id"
    assert rows(engine, sql) == [{"name": "Ada", "n": 2}]
    world.scans.clear()
    world.asked.clear()
    assert rows(engine, sql) == [{"name": "Ada", "n": 2}]
    assert (world.scans, world.asked) == ([], {"Query"})
    world.asked.clear()
    assert rows(engine, f"{sql} WHERE u.name = 'Bo'") == []
    assert world.asked == set()


def test_a_table_without_items_has_its_key_and_what_is_declared(world):
    mapping = Mapping(declared=(Declared("total", LONG),))
    engine = world.engine(mapping=mapping)
    assert rows(engine, "SELECT * FROM orders") == []
    described = rows(engine, "DESCRIBE orders")
    assert [(row["column_name"], row["data_type"]) for row in described] == [
        ("id", "Utf8"),
        ("total", "Int64"),
    ]


def test_the_mapping_of_the_dataset_decides_what_columns_are(world):
    world.put("a", n={"N": "1"}, place={"M": {"city": {"S": "Ulm"}, "zip": {"N": "89073"}}})
    flat = world.engine(mapping=Mapping(unnest_depth=1))
    assert rows(flat, 'SELECT "place.city" AS city, "place.zip" AS zip FROM orders') == [
        {"city": "Ulm", "zip": 89073}
    ]
    packed = world.engine(mapping=Mapping(json_column="rest"))
    assert rows(packed, "SELECT rest->>'$.place.city' AS city FROM orders") == [{"city": "Ulm"}]
    frozen = world.engine(mapping=Mapping(freeze=True, sample=1))
    assert rows(frozen, "SELECT n FROM orders") == [{"n": 1}]


def test_exact_numbers_stay_exact_whatever_page_they_are_in(world):
    world.put("a", n={"N": "1"})
    world.put("b", n={"N": "12345678901234567890.5"})
    world.plant = lambda _: Amend({"Limit": 1})
    assert rows(world.engine(), "SELECT n FROM orders ORDER BY n") == [
        {"n": Decimal("1.0")},
        {"n": Decimal("12345678901234567890.5")},
    ]


def test_explain_and_describe_read_a_sample_and_tell_what_is_asked(world):
    for number in range(300):
        world.put(f"o{number}", n={"N": "1"}, text={"S": "x" * 1000})
    engine = world.engine(segments=4, consistent=False)

    def told(sql):
        return rows(engine, f"EXPLAIN {sql}")[-1]["explain_value"]

    size = world("DescribeTable", TableName="orders")["Table"]["TableSizeBytes"]
    assert told("SELECT n FROM orders WHERE id = 'o1'") == (
        "orders: DynamoDB Query: id = 'o1'; attributes id, n; eventually consistent; about 0.5 read units; columns id, n; "
        "id = 'o1' (exact)"
    )
    assert told("SELECT n FROM orders WHERE n > 5") == (
        "orders: DynamoDB Scan in 4 segments; filter n > 5 OR NOT (attribute_not_exists(n) OR attribute_type(n, 'N') OR "
        "attribute_type(n, 'NULL')); attributes id, n; eventually consistent; "
        f"about {-(-size // 4096) / 2:,.1f} read units for 300 items of {size:,} bytes; columns n; n > 5 (exact)"
    )
    assert "counted by DynamoDB" in told("SELECT count(*) FROM orders")
    assert "no request to DynamoDB" in told("SELECT * FROM orders WHERE id = 'a' AND id = 'b'")
    assert [row["column_name"] for row in rows(engine, "DESCRIBE orders")] == ["id", "n", "text"]
    assert [scan.get("Limit") for scan in world.scans] == [100]
    world.scans.clear()
    assert "leaf_scan" in str(rows(engine, "EXPLAIN ANALYZE SELECT n FROM orders"))
    assert world.scans[0].get("Limit") is None


def test_what_a_statement_consumes_is_told_and_taken_from_the_budget(world):
    for number in range(40):
        world.put(f"o{number}", text={"S": "x" * 4000})
    now = [0.0]
    budget = ReadBudget(1000, lambda: now[0])
    engine = world.engine(consistent=False, budget=budget)
    assert rows(engine, "SELECT count(*) AS n FROM orders") == [{"n": 40}]
    # A sample of all the items, and the count of them: forty items of about 4 KB each, at half a unit.
    assert [(fact.operation, fact.units) for fact in world.facts] == [("Scan", 20.0), ("Scan", 20.0)]
    budget.spend(960)
    assert budget.pause() == 0
    budget.spend(1)
    assert budget.pause() == 0.001


def test_a_page_is_no_larger_than_a_small_budget_pays_in_a_second(world):
    """Else the first statement would leave a debt for which all others wait for minutes."""
    for number in range(40):
        world.put(f"o{number}", n={"N": "1"}, text={"S": "x" * 4000})
    hours = count(step=3600)
    engine = world.engine(consistent=False, budget=ReadBudget(5, lambda: next(hours)))
    rows(engine, "SELECT id FROM orders LIMIT 1")
    for sql in ("SELECT count(*) AS n FROM orders", "SELECT sum(n) AS n FROM orders WHERE n = 1"):
        world.scans.clear()
        assert rows(engine, sql) == [{"n": 40}]
        assert [scan["Limit"] for scan in world.scans] == [10] * 5
    world.scans.clear()
    assert len(rows(engine, "SELECT id FROM orders LIMIT 4")) == 4
    assert [scan["Limit"] for scan in world.scans] == [4]


def test_a_statement_waits_for_its_budget_and_no_longer_than_it_is_wanted(world):
    world.put("a")
    budget = ReadBudget(1)
    budget.spend(3600)
    error = fault(world.engine(budget=budget, bounds=Bounds(timeout=0.3)), "SELECT * FROM orders")
    assert error.fault is QueryFault.TIMEOUT
    assert world.scans == []


def test_items_that_cannot_be_decoded_are_left_out_and_told(world):
    world.put("a", n={"N": "1"})
    world.put("b", n={"N": "2"})

    def broken(answer):
        answer["Items"][0]["n"] = {"N": "one"}
        return answer

    world.plant = lambda _: Alter(broken)
    assert len(rows(world.engine(), "SELECT * FROM orders")) == 1
    assert [fact.count for fact in world.facts if isinstance(fact, ItemsLeftOut)] == [1]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", "allow dynamodb:Scan on table/orders"),
        ("ValidationException", "Refused by the test"),
        ("ResourceNotFoundException", "does not exist"),
    ],
)
def test_what_waiting_does_not_heal_fails_the_statement_with_dynamodbs_words(world, code, words):
    world.put("a")
    world.plant = lambda _: Refuse(code)
    error = fault(world.engine(segments=3), "SELECT * FROM orders")
    assert error.fault is QueryFault.FAILED
    assert words in str(error)
    assert str(error).startswith("orders is answered from DynamoDB, which does not answer: ")


def test_throttles_and_outages_are_waited_out(world):
    for number in range(7):
        world.put(f"o{number}")
    refusals = iter(["ProvisionedThroughputExceededException", "InternalServerError", "ThrottlingException"])

    def plant(_):
        code = next(refusals, None)
        return (
            SMALL_PAGES if code is None else Refuse(code, status=500 if code.startswith("Internal") else 400)
        )

    world.plant = plant
    assert rows(world.engine(), "SELECT count(*) AS n FROM orders") == [{"n": 7}]


def test_an_answer_that_is_not_whole_is_asked_for_again(world):
    for number in range(7):
        world.put(f"o{number}")
    cut = iter([True, False, True])
    whole = world.simulator

    def transport(operation, body):
        answer = whole(operation, body)
        if operation == "Scan" and next(cut, False):
            return Response(answer.status, {}, answer.body[:-20])
        return answer

    world.simulator = transport
    assert rows(world.engine(), "SELECT count(*) AS n FROM orders") == [{"n": 7}]
    assert next(cut, None) is None
    assert [fact.what for fact in world.facts if isinstance(fact, TransientFault)] == ["Scan", "Scan"]


def test_a_table_that_is_throttled_for_long_is_given_up_with_its_reason(world, monkeypatch):
    monkeypatch.setattr(asking, "PATIENCE", 0.3)
    world.put("a")
    world.plant = lambda _: Refuse("ProvisionedThroughputExceededException")
    error = fault(world.engine(), "SELECT * FROM orders")
    assert (error.fault, "throttled" in str(error)) == (QueryFault.FAILED, True)


def test_a_statement_that_takes_too_long_is_ended(world):
    world.put("a")
    world.plant = lambda _: Refuse("ThrottlingException")
    error = fault(world.engine(bounds=Bounds(timeout=0.3)), "SELECT * FROM orders")
    assert error.fault is QueryFault.TIMEOUT


@pytest.mark.parametrize("operation", ["DescribeTable", "Scan"])
def test_a_statement_that_is_cancelled_ends_at_once_whatever_it_waits_for(world, monkeypatch, operation):
    monkeypatch.setattr(asking, "delay", lambda *_: 3600.0)
    world.put("a")
    world.refused = operation
    engine = world.engine()
    statement = engine.query("SELECT * FROM orders")
    raised = []

    def run():
        try:
            statement.run()
        except QueryError as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    eventually(lambda: operation in world.asked, within=10, what="the request is waiting to be made again")
    statement.cancel()
    thread.join(10)
    assert "cancelled" in str(raised[0])
    assert engine.running == 0


def test_empty_pages_are_not_the_end(world):
    for number in range(5):
        world.put(f"o{number}")
    turn = count()
    world.plant = lambda _: EmptyScanPage(Random(1)) if next(turn) % 2 else SMALL_PAGES
    assert rows(world.engine(), "SELECT count(*) AS n FROM orders") == [{"n": 5}]
