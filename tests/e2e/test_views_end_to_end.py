"""The real process: views over datasets of several kinds, and one whose rows are stored."""

import json
import time

import boto3
import pytest
from click.testing import CliRunner

from headrace.cli import main
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually

POD = """
datasets:
  - from: dynamodb:orders
    name: orders
    params: {{endpoint_url: '{url}', aws_region: us-east-1}}
    acceleration: {{engine: sqlite, mode: file, refresh_mode: changes}}
  - from: dynamodb:customers
    name: customers
    params: {{endpoint_url: '{url}', aws_region: us-east-1}}
views:
  - name: totals
    sql_ref: totals.sql
    acceleration: {{enabled: true}}
  - name: named
    sql: SELECT c.id, c.name, t.total FROM customers c LEFT JOIN totals t ON t.customer = c.id
  - name: open_orders
    sql: SELECT id, customer AS who, total FROM spice.public.orders WHERE total > 0
"""


@pytest.fixture
def world(tmp_path):
    with SimulatorServer(Simulator(time.time), "127.0.0.1", 0) as server:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client("dynamodb", endpoint_url=server.url, region_name="us-east-1", **keys)
        for table in ("orders", "customers"):
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            )
        (tmp_path / "spicepod.yaml").write_text(POD.format(url=server.url))
        (tmp_path / "totals.sql").write_text(
            "SELECT customer, sum(total) AS total FROM open_orders2 GROUP BY ALL"
        )

        def put(table, **item):
            client.put_item(TableName=table, Item=item)

        put("customers", id={"S": "c1"}, name={"S": "Ada"})
        put("orders", id={"S": "o1"}, customer={"S": "c1"}, total={"N": "5"})
        yield put, tmp_path


def test_views_are_read_like_tables_and_stored_ones_when_they_are_refreshed(world, headrace):
    put, folder = world
    refusal = CliRunner().invoke(main, ["validate", str(folder)])
    assert refusal.exit_code == 1
    wrong = "totals.sql:1:1: view totals: there is no dataset 'open_orders2'; did you mean 'open_orders'?"
    assert wrong in refusal.output
    (folder / "totals.sql").write_text(
        "SELECT who AS customer, sum(total) AS total, min(id) AS total FROM open_orders GROUP BY who; -- each"
    )

    running = headrace(folder)
    running.until_ready()
    named = "SELECT * FROM named"
    assert running.sql(named) == [{"id": "c1", "name": "Ada", "total": 5}]
    assert running.sql("SELECT total_1 FROM totals") == [{"total_1": "o1"}]
    told = running.sql("EXPLAIN SELECT total FROM open_orders WHERE who = 'c1'")[-1]["explain_value"]
    assert told == "orders: columns customer, total; total > 0 (exact); customer = 'c1' (exact)"
    types = "SELECT table_name, table_type FROM information_schema.tables WHERE table_name <> 'headrace_dead_letter'"
    assert sorted(tuple(row.values()) for row in running.sql(types)) == [
        ("customers", "BASE TABLE"),
        ("named", "VIEW"),
        ("open_orders", "VIEW"),
        ("orders", "BASE TABLE"),
        ("totals", "VIEW"),
    ]

    put("orders", id={"S": "o2"}, customer={"S": "c1"}, total={"N": "7"})
    eventually(
        lambda: running.sql("SELECT count(*) AS n FROM open_orders") == [{"n": 2}],
        within=20,
        what="the change is seen",
    )
    assert running.sql(named) == [{"id": "c1", "name": "Ada", "total": 5}], "stored rows are as they were"
    place = ["--http", running.url]
    refreshed = CliRunner().invoke(main, ["refresh", "totals", "--wait", *place])
    assert refreshed.exit_code == 0, refreshed.output
    assert "1 rows" in refreshed.output
    assert running.sql(named) == [{"id": "c1", "name": "Ada", "total": 12}]

    status = json.loads(CliRunner().invoke(main, ["status", "--format", "json", *place]).output)
    row = next(row for row in status["datasets"] if row["name"] == "totals")
    assert (row["from"], row["engine"], row["status"], row["rows"]) == ("view", "duckdb", "Ready", 1)
    for command in (["refresh", "totals", "--refresh-mode", "full"], ["snapshots", "create", "totals"]):
        answer = CliRunner().invoke(main, [*command, *place])
        assert answer.exit_code == 1
        assert "totals is a view" in answer.output
    running.stop()
