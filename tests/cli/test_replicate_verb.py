"""``headrace replicate verify``: a replica beside its source, over HTTP as ever."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.testing.dynamodb import SimulatedDynamoDB

POD = """
version: v1
kind: Spicepod
name: shop
event_source_mappings:
- name: copy
  from: dynamodb:orders
  params: {{aws_region: us-east-1, endpoint_url: "{endpoint}", aws_access_key_id: x, aws_secret_access_key: x}}
  target: {{replicate: {{table: copies}}}}
- name: call
  from: dynamodb:orders
  params: {{aws_region: us-east-1}}
  function: handlers:on_change
"""


@pytest.fixture
def shop(tmp_path):
    """An account with a table and its replica; runs the verb on it."""
    account = SimulatedDynamoDB()
    for table in ("orders", "copies"):
        account.create_table(table, "id")
    (tmp_path / "handlers.py").write_text("def on_change(event, context): pass\n")
    with account.serve() as endpoint:
        (tmp_path / "spicepod.yaml").write_text(POD.format(endpoint=endpoint))

        def run(*arguments, mapping="copy"):
            return CliRunner().invoke(main, ["replicate", "verify", mapping, str(tmp_path), *arguments])

        run.account = account
        yield run


def put(shop, table, key, **attributes):
    item = {"id": {"S": key}, **{name: {"S": value} for name, value in attributes.items()}}
    shop.account.call("PutItem", TableName=table, Item=item)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("headrace.targets.comparison.SETTLE", 0.0)


def test_an_equal_replica_is_said_to_be_one(shop):
    put(shop, "orders", "a", v="1")
    put(shop, "copies", "a", v="1", headrace_version="any")
    done = shop()
    assert (done.exit_code, done.output) == (0, "1 items in orders, 1 in copies: equal\n")


def test_differences_are_told_then_repaired(shop, quick):
    put(shop, "orders", "a", v="1")
    put(shop, "orders", "b", v="1")
    put(shop, "copies", "b", v="2")
    done = shop("--segments", "2")
    assert done.exit_code == 1
    assert done.output.splitlines() == [
        'missing   {"id":{"S":"a"}}',
        'different {"id":{"S":"b"}}: v',
        "2 items in orders, 1 in copies: 1 missing, 0 extra, 1 different",
    ]
    done = shop("--repair", "--format", "json")
    assert done.exit_code == 0
    first, second, whole = map(json.loads, done.output.splitlines())
    assert [first["kind"], second["kind"]] == ["missing", "different"]
    assert first["repaired"]
    assert whole["repaired"] == 2
    assert whole["equal"]
    assert shop().exit_code == 0


def test_what_cannot_be_compared_has_an_exit_code_of_its_own(shop):
    for mapping, reason in [
        ("nothing", "there is no mapping 'nothing'; those with a replica are: copy"),
        ("call", "mapping call has no replica: it calls handlers:on_change"),
    ]:
        done = shop(mapping=mapping)
        assert done.exit_code == 2
        assert reason in done.output
    shop.account.call("DeleteTable", TableName="copies")
    done = shop()
    assert done.exit_code == 2
    assert "table copies in region us-east-1 at http://127.0.0.1" in done.output
    assert "does not exist" in done.output
