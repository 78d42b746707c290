"""The real process: a dataset without acceleration is answered by DynamoDB itself, beside others that have copies."""

import time

import boto3
import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.simulator import Simulator
from headrace.simulator.faults import Refuse
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually

POD = """
datasets:
  - from: dynamodb:orders
    name: orders
    params: {{endpoint_url: '{url}', aws_region: us-east-1}}
  - from: dynamodb:users
    name: users
    params: {{endpoint_url: '{url}', aws_region: us-east-1}}
    acceleration: {{engine: duckdb, refresh_mode: full}}
"""


class World:
    """Two tables; ``refused`` says whether requests about orders are."""

    def __init__(self):
        self.refused = False
        self.simulator = Simulator(time.time, faults=self._fault)

    def _fault(self, _, request):
        refused = self.refused and request.get("TableName") == "orders"
        return Refuse("AccessDeniedException", status=400) if refused else None


@pytest.fixture
def world(tmp_path):
    world = World()
    with SimulatorServer(world.simulator, "127.0.0.1", 0) as server:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("dynamodb", endpoint_url=server.url, region_name="us-east-1", **keys)
        for table in ("orders", "users"):
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        world.put = lambda table, **item: client.put_item(TableName=table, Item=item)
        world.put("orders", id={"S": "o1"}, user={"S": "u1"}, total={"N": "12.50"})
        world.put("orders", id={"S": "o2"}, user={"S": "u2"}, total={"N": "3"})
        world.put("users", id={"S": "u1"}, name={"S": "Ada"})
        (tmp_path / "spicepod.yaml").write_text(POD.format(url=server.url))
        world.folder = tmp_path
        yield world


def test_it_is_ready_without_a_scan_joins_with_copies_and_shows_what_is_there_now(world, headrace):
    running = headrace(world.folder)
    running.until_ready()
    told = running.dataset("orders")
    assert (told["status"], told["ready"], told["live"], told["engine"]) == ("Ready", True, True, None)
    joined = "SELECT o.id, u.name, o.total FROM orders o JOIN users u ON o.user = u.id"
    assert running.sql(joined) == [{"id": "o1", "name": "Ada", "total": 12.5}]
    world.put("orders", id={"S": "o3"}, user={"S": "u1"}, total={"N": "1"})
    assert running.sql("SELECT count(*) AS n FROM orders WHERE \"user\" = 'u1'") == [{"n": 2}]


def test_a_table_that_may_not_be_read_says_why_and_answers_once_it_may(world, headrace):
    world.refused = True
    running = headrace(world.folder)
    eventually(
        lambda: (told := running.dataset("orders")) and told["status"] == "Error" and told,
        within=30,
        what="the refusal is told",
    )
    assert "dynamodb:DescribeTable" in running.dataset("orders")["reason"]
    world.refused = False
    running.until_ready()
    assert running.sql("SELECT sum(total) AS total FROM orders") == [{"total": 15.5}]


def test_there_is_nothing_to_refresh_and_nothing_to_explain(world, headrace):
    running = headrace(world.folder)
    running.until_ready()
    refused = CliRunner().invoke(main, ["refresh", "orders", "--http", running.url])
    assert refused.exit_code == 1
    assert "orders has no copy to refresh" in refused.stderr
    explained = CliRunner().invoke(main, ["explain", "shard", "orders", "--http", running.url])
    assert "orders has no copy that could be asked about" in explained.stderr
