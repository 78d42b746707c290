"""The example of a function that AWS Lambda calls: from a table that is written to, by a poller that forgets, repeats and cuts in two."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ruamel.yaml import YAML

from headrace.config import load_pod
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from headrace.simulator.weather import Weather
from headrace.testing.asking import ask
from support.crash_world import seed_of_this_run
from support.deadline import eventually
from support.event_stories import EXAMPLES
from support.lambda_functions import Package
from support.lambda_poller import LambdaPoller, Mishaps
from support.postgres_server import SUPERUSER, new_schema, shared_server
from support.replication import Side

LAMBDA = EXAMPLES / "lambda"
RATES = {"throttle": 0.02, "internal error": 0.02, "lost answer": 0.03}
BEFALLEN = ("DescribeTable", "PutItem", "DeleteItem", "BatchWriteItem")


@pytest.fixture(autouse=True)
def _in_a_region(monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")  # as in Lambda


class Story:
    """Orders that change, two environments that each serve a replica, a class of one's own, an audit trail and a table in PostgreSQL."""

    def __init__(self, folder, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.side = Side(seed=seed, shards=2)
        self.side.call(
            "CreateTable",
            TableName="orders-replica",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.side.call(
            "CreateTable",
            TableName="orders-trail",
            KeySchema=[{"AttributeName": "event_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "event_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.weather = Weather(seed, RATES, lambda: self.side.now, BEFALLEN)
        self.side.faults = self.weather
        self.schema = new_schema()
        self.revision = 0
        self.seen: dict[str, dict[str, int]] = {"postgres": {}, "custom": {}, "replica": {}}

    def pod(self) -> dict[str, Any]:
        yaml = YAML()
        pod = yaml.load(LAMBDA / "spicepod.yaml")
        (dataset,) = pod["datasets"]
        dataset["acceleration"]["params"] = _reached(self.schema)
        shutil.copy(EXAMPLES / "latest_orders.py", self.folder)
        target = {
            "class": "latest_orders:LatestOrders",
            "params": {"path": str(self.folder / "latest.sqlite")},
        }
        pod["event_source_mappings"].append(
            {"name": "latest", "from": "dynamodb:orders", "target": {"custom": target}}
        )
        pod["event_source_mappings"].append(
            {"name": "trail", "from": "dynamodb:orders", "target": {"audit": {"table": "orders-trail"}}}
        )
        return pod

    def write(self, count: int) -> None:
        for _ in range(count):
            order = f"o{self.random.randrange(12)}"
            self.revision += 1
            self.side.now += 1
            if self.random.random() < 0.2:
                self.side.delete(order)
                continue
            item = {"id": {"S": order}, "status": {"S": "new"}, "revision": {"N": str(self.revision)}}
            if self.random.random() < 0.1:
                item[f"extra{self.random.randrange(3)}"] = self.random.choice(
                    ({"N": "1.5"}, {"S": "x"}, {"BOOL": True})
                )
            self.side.call("PutItem", TableName="orders", Item=item)
        if self.random.random() < 0.5:
            streams = self.side.simulator.streams
            shards = streams.open_shards("orders")
            if len(shards) < 6:
                streams.split_shard("orders", self.random.choice(shards))

    def look(self) -> None:
        """No order is ever shown at a revision before one that was shown, nor does a deleted one return."""
        for place, now in (("postgres", self.postgres()), ("custom", self.custom())):
            for order, revision in now.items():
                assert revision >= self.seen[place].get(order, 0), f"{place}: {order} went back to {revision}"
            self.seen[place] |= now
        # Of a replica's deletions only the environment itself knows: then an order may return for a while.
        replica = self.replica()
        for order, revision in replica.items():
            assert revision >= self.seen["replica"].get(order, 0), f"replica: {order} went back to {revision}"
        self.seen["replica"] = replica

    def source(self) -> dict[str, int]:
        return self._revisions("orders")

    def replica(self) -> dict[str, int]:
        return self._revisions("orders-replica")

    def postgres(self) -> dict[str, int]:
        with shared_server().connect() as connection:
            if connection.execute(f"SELECT to_regclass('{self.schema}.orders')").fetchone() == (None,):
                return {}
            return dict(
                connection.execute(f"SELECT id, revision::bigint FROM {self.schema}.orders").fetchall()
            )

    def custom(self) -> dict[str, int]:
        with sqlite3.connect(self.folder / "latest.sqlite", timeout=10) as kept:
            if not kept.execute("SELECT 1 FROM sqlite_master WHERE name = 'latest'").fetchall():
                return {}
            return dict(kept.execute("SELECT id, revision FROM latest WHERE revision IS NOT NULL").fetchall())

    def trail(self) -> list[str]:
        items = self.side.call("Scan", TableName="orders-trail", ConsistentRead=True)["Items"]
        return sorted(item["event_id"]["S"] for item in items)

    def _revisions(self, table: str) -> dict[str, int]:
        items = self.side.call("Scan", TableName=table, ConsistentRead=True)["Items"]
        return {item["id"]["S"]: int(item["revision"]["N"]) for item in items}


def _reached(schema: str) -> dict[str, Any]:
    server = {
        "pg_host": "127.0.0.1",
        "pg_port": shared_server().port,
        "pg_db": "postgres",
        "pg_user": SUPERUSER,
    }
    return {**server, "pg_schema": schema}


@contextmanager
def _told(folder, seed: int, *, reports: bool) -> Iterator[tuple[Story, Package, LambdaPoller]]:
    story = Story(folder, seed)
    package = Package(folder, story.side)
    package.spicepod(**story.pod())
    environ = {"HEADRACE_PARTIAL_RESPONSES": "on" if reports else "off", "PG_HOST": "", "PG_PASS": ""}
    functions = [package.function(**environ) for _ in range(2)]
    mishaps = Mishaps(unheard=0.1, rewound=0.1)
    poller = LambdaPoller(
        story.side.simulator, story.side.arn, functions, seed=seed, reports=reports, mishaps=mishaps
    )
    try:
        yield story, package, poller
    finally:
        package.close()


def _live(folder, seed: int, rounds: int, *, reports: bool) -> None:
    with _told(folder, seed, reports=reports) as (story, _, poller):
        for _ in range(rounds):
            story.write(story.random.randint(1, 25))
            for _ in range(story.random.randrange(8)):
                poller.step()
                story.look()
        story.weather.calm()
        poller.drain(after=story.look)
        expected = story.source()
        assert story.postgres() == expected
        assert story.custom() == expected
        assert story.replica() == expected
        assert story.trail() == sorted(json.loads(record.text)["eventID"] for record in story.side.records())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("reports", [True, False])
def test_what_lambda_delivers_in_bad_weather_comes_to_the_replica_the_class_and_postgresql(
    tmp_path, reports, record_property
):
    seed = seed_of_this_run()
    record_property("seed", seed)
    _live(tmp_path, seed, 5, reports=reports)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(40))
def test_what_lambda_delivers_comes_to_all_in_many_stories(tmp_path, seed):
    _live(tmp_path, seed, 20, reports=seed % 2 == 0)


def test_the_template_asks_for_reports_where_the_function_gives_them():
    """The one without the other would lose records, or retry too many."""
    yaml = YAML()
    template = yaml.load(LAMBDA / "template.yaml")
    function = template["Resources"]["Headrace"]["Properties"]
    (mapping,) = function["Events"].values()
    assert function["ImageConfig"]["Command"] == ["headrace.lambda_handler"]
    assert function["Environment"]["Variables"]["HEADRACE_PARTIAL_RESPONSES"] == "on"
    assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "headrace.lambda_handler" in (LAMBDA / "Dockerfile").read_text()


@pytest.mark.long
def test_headrace_run_copies_the_table_a_function_goes_on_and_headrace_run_takes_it_back(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("headrace.lambda_entry.copied.MARGIN", 59.0)
    simulator = Simulator(time.time)
    ask(
        simulator,
        "CreateTable",
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    arn = ask(simulator, "DescribeTable", TableName="orders")["Table"]["LatestStreamArn"]
    schema = new_schema()
    package = Package(tmp_path, simulator)
    package.spicepod(
        datasets=[
            {
                "from": "dynamodb:orders",
                "name": "orders",
                "acceleration": {
                    "engine": "postgres",
                    "refresh_mode": "changes",
                    "params": _reached(schema),
                },
            }
        ]
    )

    def put(key, **attributes):
        ask(simulator, "PutItem", TableName="orders", Item={"id": {"S": key}, **attributes})

    def rows():
        with shared_server().connect() as connection:
            return dict(connection.execute(f"SELECT id, n::int FROM {schema}.orders").fetchall())

    @contextmanager
    def running():
        runtime = Runtime(load_pod(None, {}, tmp_path), connect=lambda _: simulator)
        runtime.start()
        try:
            eventually(lambda: runtime.statuses()[0].ready, within=30, what="the copy")
            yield
        finally:
            runtime.stop()

    put("a", n={"N": "1"})
    put("gone", n={"N": "1"})
    put("still", n={"N": "1"})
    poller = LambdaPoller(simulator, arn, [package.function()])
    with running():
        put("a", n={"N": "2"})
        ask(simulator, "DeleteItem", TableName="orders", Key={"id": {"S": "gone"}})
        eventually(lambda: rows() == {"a": 2, "still": 1}, within=10, what="the stream's changes")
        assert poller.step()
        assert "is held by another session" in poller.failures[-1]
    put("a", n={"N": "3"}, more={"S": "a new column"})
    poller.drain()
    assert rows() == {"a": 3, "still": 1}
    put("b", n={"N": "4"})
    with running():
        # Its own positions are of before what the function wrote.
        eventually(lambda: rows() == {"a": 3, "b": 4, "still": 1}, within=10, what="the table copied anew")
        put("b", n={"N": "5"})
        eventually(lambda: rows()["b"] == 5, within=10, what="the stream's changes")
    package.close()
