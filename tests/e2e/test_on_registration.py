"""The real process: queries are answered from DynamoDB itself until the copy is complete, and from the copy from then on."""

import json
import time
from collections import Counter

import boto3
import pytest

from headrace.column_type import INT
from headrace.config import Pod
from headrace.dataset import Acceleration, AwsAccess, Dataset, ReadyState, RefreshMode, TimeColumn
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from headrace.simulator.faults import Refuse
from headrace.simulator.server import SimulatorServer
from support.copies import batch, create, schema_of, work
from support.deadline import eventually

POD = """
datasets:
  - from: dynamodb:orders
    name: orders
    ready_state: on_registration
    params: {{endpoint_url: '{url}', aws_region: us-east-1}}
    acceleration: {{engine: {engine}, mode: file, refresh_mode: changes}}
"""


class World:
    """A table whose stream is not listed until it is told to be, so that its copy is not complete; it counts requests."""

    def __init__(self):
        self.listed = False
        self.scans = Counter()
        self.simulator = Simulator(time.time, faults=self._fault)

    def _fault(self, operation, request):
        if operation == "Scan":
            self.scans[request.get("TotalSegments", 1)] += 1
        withheld = operation == "DescribeStream" and not self.listed
        return Refuse("InternalServerError", status=500) if withheld else None


@pytest.fixture
def world(tmp_path, request):
    world = World()
    with SimulatorServer(world.simulator, "127.0.0.1", 0) as server:
        world.client = boto3.client(
            "dynamodb",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        world.client.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        world.url = server.url
        world.folder = tmp_path
        yield world


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("sqlite", marks=pytest.mark.long)])
def test_dynamodb_answers_until_the_copy_does(world, headrace, engine):
    (world.folder / "spicepod.yaml").write_text(POD.format(url=world.url, engine=engine))

    def put(key, total):
        world.client.put_item(TableName="orders", Item={"id": {"S": key}, "total": {"N": total}})

    put("a", "1")
    put("b", "2.5")
    running = headrace(world.folder)
    running.until_ready()
    told = running.dataset("orders")
    assert (told["status"], told["ready"]) == ("Loading", True)
    assert told["reason"].startswith("answered from DynamoDB until the copy is complete")
    everything = "SELECT id, total FROM orders ORDER BY id"
    assert running.sql(everything) == [{"id": "a", "total": 1.0}, {"id": "b", "total": 2.5}]
    # There is no copy that would have to hear of it.
    put("c", "3")
    assert running.sql("SELECT sum(total) AS total FROM orders") == [{"total": 6.5}]
    told = running.sql("EXPLAIN SELECT total FROM orders")[-1]["explain_value"]
    # What one page holds is not cheaper in parts.
    assert told.startswith("orders: DynamoDB Scan in 1 segment; attributes id, total; eventually consistent;")
    assert {row["column_name"] for row in running.sql("DESCRIBE orders")} == {"id", "total"}

    world.listed = True
    eventually(lambda: running.dataset("orders")["status"] == "Ready", within=30, what="the copy is complete")
    scans = world.scans.total()
    put("d", "4")
    eventually(
        lambda: running.sql("SELECT sum(total) AS total FROM orders") == [{"total": 10.5}],
        within=20,
        what="the stream brings what was written",
    )
    assert world.scans.total() == scans
    assert "DynamoDB" not in str(running.sql("EXPLAIN SELECT total FROM orders"))
    assert running.stop() == 0


@pytest.fixture
def unstarted(tmp_path):
    """A runtime over a table without a stream, whose machines never begin; and what puts items into the table."""
    simulator = Simulator(time.time)

    def ask(operation, **request):
        answer = simulator(operation, json.dumps({"TableName": "orders", **request}).encode())
        assert answer.status == 200, answer.body

    ask(
        "CreateTable",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    runtimes = []

    def made(**acceleration):
        dataset = Dataset(
            "orders",
            "orders",
            access=AwsAccess(region="us-east-1", endpoint_url="http://127.0.0.1:9"),
            acceleration=Acceleration(**acceleration),
            time_column=TimeColumn("placed"),
            ready_state=ReadyState.ON_REGISTRATION,
        )
        pod, free = Pod(tmp_path / "spicepod.yaml", tmp_path, "test", (dataset,)), ("127.0.0.1", 0)
        runtimes.append(Runtime(pod, http=free, metrics=free, connect=lambda _: simulator))
        return runtimes[-1]

    yield made, lambda key, placed: ask("PutItem", Item={"id": {"S": key}, "placed": {"N": str(placed)}})
    for runtime in runtimes:
        runtime.stop()


@pytest.mark.parametrize("mode", [RefreshMode.FULL, RefreshMode.APPEND])
def test_a_table_without_a_stream_answers_from_the_first_moment(unstarted, mode):
    made, put = unstarted
    put("a", 5)
    runtime = made(refresh_mode=mode)
    assert runtime.rows("SELECT * FROM orders").to_pylist() == [{"id": "a", "placed": 5}]
    assert runtime.rows("SHOW TABLES").to_pylist()[-1] == {"table_name": "orders", "ready": True}
    (status,) = runtime.statuses()
    assert (status.ready, status.remote) == (True, True)


def test_a_refresh_asks_the_copy_even_while_dynamodb_answers_queries(unstarted):
    made, put = unstarted
    put("a", 9)
    runtime = made(refresh_mode=RefreshMode.APPEND)
    sink = runtime._engines.sink("orders")
    sink.open()
    sink.apply(create(1))
    sink.apply(work(2, batch(schema_of(placed=INT), {"id": "a", "placed": 5})))
    assert runtime.rows("SELECT max(placed) AS newest FROM orders").to_pylist() == [{"newest": 9}]
    assert runtime._runners["orders"]._kept.newest() == 5
