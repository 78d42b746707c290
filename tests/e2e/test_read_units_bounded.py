"""A copy is made, and a target filled, within the read units that a dataset may consume."""

import time
from contextlib import contextmanager

import boto3
import pytest

from headrace.config.load import load_pod
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually

UNITS = 1500
ITEMS = 30
ITEM_BYTES = 390_000
PAGE_ITEMS = 3
EARLY = 0.05


class Requests:
    """When pages of the Scan were asked for, and how many read units those before them had consumed."""

    def __init__(self):
        self.asked = []

    def __call__(self, operation, request):
        if operation == "Scan":
            self.asked.append(time.monotonic())


@pytest.fixture
def table():
    requests = Requests()
    simulator = Simulator(time.time, faults=requests)
    with SimulatorServer(simulator, "127.0.0.1", 0) as server:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("dynamodb", endpoint_url=server.url, region_name="us-east-1", **keys)
        client.create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        for number in range(ITEMS):
            client.put_item(
                TableName="orders", Item={"id": {"S": str(number)}, "note": {"S": "x" * ITEM_BYTES}}
            )
        yield server.url, requests


@pytest.fixture
def started(table, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    url, _ = table

    @contextmanager
    def running(more):
        (tmp_path / "spicepod.yaml").write_text(
            f"""
datasets:
  - from: dynamodb:orders
    name: orders
    params: {{endpoint_url: '{url}', aws_region: us-east-1, max_read_capacity_units: {UNITS}}}
    {more}
"""
        )
        address = ("127.0.0.1", 0)
        runtime = Runtime(load_pod(tmp_path, {}, tmp_path), http=address, metrics=address)
        runtime.start()
        try:
            yield runtime
        finally:
            runtime.stop()

    return running


def expect_all_was_earned(requests):
    """All that the pages before the last request consumed, but for what was saved at the start."""
    consumed = (ITEMS - PAGE_ITEMS) * -(-ITEM_BYTES // 4096)
    assert requests.asked[-1] - requests.asked[0] > (consumed - UNITS) / UNITS - EARLY


def test_a_bootstrap_waits_where_its_budget_is_used_up(table, started):
    with started("acceleration: {engine: duckdb, refresh_mode: full}") as runtime:
        eventually(lambda: runtime.statuses()[0].ready, within=60, what="the copy is complete")
        assert runtime.rows("SELECT count(*) AS n FROM orders").to_pylist() == [{"n": ITEMS}]
    expect_all_was_earned(table[1])


FILLED = """
class Filled:
    def __init__(self, context):
        self.file = open(context.ledger.parents[2] / "filled", "a", buffering=1)

    def consume(self, batch):
        return None

    def close(self):
        self.file.close()

    def begin_fill(self, at):
        self.file.write("begun\\n")

    def fill(self, items):
        self.file.write("item\\n" * len(items))

    def end_fill(self):
        self.file.write("ended\\n")
"""


def test_the_fill_of_a_target_waits_where_the_budget_of_its_dataset_is_used_up(table, started, tmp_path):
    (tmp_path / "filling_target.py").write_text(FILLED)
    mapping = """
event_source_mappings:
  - name: filled
    dataset: orders
    target: {custom: {class: "filling_target:Filled"}}
"""
    with started(mapping) as runtime:
        statuses = runtime.mappings.statuses
        eventually(
            lambda: statuses()[0].filled == ITEMS and not statuses()[0].filling,
            within=60,
            what="the fill has ended",
        )
    assert (tmp_path / "filled").read_text().split() == ["begun", *["item"] * ITEMS, "ended"]
    expect_all_was_earned(table[1])
