"""``headrace search``: an index beside its table, over HTTP as ever."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.testing.dynamodb import SimulatedDynamoDB
from support.canned_http import Canned, CannedServer
from support.search import Cluster, served_search

POD = """
version: v1
kind: Spicepod
name: shop
event_source_mappings:
- name: find
  from: dynamodb:orders
  params: {{aws_region: us-east-1, endpoint_url: "{endpoint}", aws_access_key_id: x, aws_secret_access_key: x}}
  target: {{search: {{url: "{search}", index: orders}}}}
- name: call
  from: dynamodb:orders
  params: {{aws_region: us-east-1}}
  function: handlers:on_change
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An account with a table, and an index; runs the verb on it."""
    monkeypatch.setattr("headrace.targets.comparison.SETTLE", 0.0)
    account = SimulatedDynamoDB()
    account.create_table("orders", "id")
    (tmp_path / "handlers.py").write_text("def on_change(event, context): pass\n")
    with account.serve() as endpoint, served_search() as server:
        (tmp_path / "spicepod.yaml").write_text(POD.format(endpoint=endpoint, search=server.url))

        def run(*arguments, mapping="find"):
            return CliRunner().invoke(main, ["search", "verify", mapping, str(tmp_path), *arguments])

        run.account, run.cluster = account, Cluster(server.url)
        yield run


def put(shop, key, **attributes):
    item = {"id": {"S": key}, **{name: {"N": value} for name, value in attributes.items()}}
    shop.account.call("PutItem", TableName="orders", Item=item)


def test_a_missing_index_is_said_to_be_so_and_filled_by_a_repair(shop):
    put(shop, "a", n="1")
    done = shop()
    assert done.exit_code == 2
    assert "there is no index orders" in done.output
    done = shop("--repair")
    assert (done.exit_code, done.output.splitlines()[-1]) == (
        0,
        "1 items in orders, 0 documents in orders: 1 missing, 0 extra, 0 different; 1 repaired",
    )
    assert shop().output == "1 items in orders, 1 documents in orders: equal\n"


def test_differences_are_told_then_repaired(shop):
    for key in "abc":
        put(shop, key, n="1.5")
    shop("--repair")
    shop.cluster.ask("DELETE", "/orders/_doc/a")
    shop.cluster.ask("PUT", "/orders/_doc/b", {"id": "b", "n": 1.6})
    shop.cluster.ask("PUT", "/orders/_doc/d", {"id": "d"})
    shop.cluster.ask("PUT", "/orders/_doc/c", {"id": "other", "n": 1.5})
    told = [
        'missing   {"id":{"S":"a"}}',
        'different {"id":{"S":"b"}}: n',
        'different {"id":{"S":"c"}}: id',
        'extra     {"id":{"S":"d"}}',
    ]
    done = shop("--segments", "2")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        *told,
        "3 items in orders, 3 documents in orders: 1 missing, 1 extra, 2 different",
    ]
    done = shop("--repair", "--format", "json")
    assert done.exit_code == 0
    *differences, whole = map(json.loads, done.output.splitlines())
    assert all(each["repaired"] for each in differences)
    assert (whole["index"], whole["repaired"], whole["equal"]) == (3, 4, True)
    assert shop.cluster.documents() == {key: {"id": key, "n": "1.5"} for key in "abc"}
    assert shop().exit_code == 0


def test_a_mapping_without_an_index_is_named(shop):
    done = shop(mapping="call")
    assert (done.exit_code, done.output) == (
        2,
        "Error: mapping call has no index: it calls handlers:on_change\n",
    )
    assert "those with an index are: find" in shop(mapping="other").output


def test_a_backfill_is_asked_for_of_the_running_runtime():
    with CannedServer(lambda _: Canned(b'{"name": "find", "fill": "asked for"}', 202)) as runtime:
        done = CliRunner().invoke(main, ["search", "backfill", "find", "--http", runtime.url])
    assert done.exit_code == 0, done.output
    (asked,) = runtime.received
    assert (asked.method, asked.path) == ("POST", "/v1/event_source_mappings/find/fill")


def test_a_backfill_that_is_refused_says_why():
    said = b'{"error": {"code": "invalid", "message": "find is not filled from the table"}}'
    with CannedServer(lambda _: Canned(said, 400, {"Content-Type": "application/json"})) as runtime:
        done = CliRunner().invoke(main, ["search", "backfill", "find", "--http", runtime.url])
    assert done.exit_code == 1
    assert "find is not filled from the table" in done.output
