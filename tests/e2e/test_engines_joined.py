"""The real process over HTTP: datasets of several engines in one statement."""

import json
import time

import boto3
import pytest

from headrace.simulator import Simulator
from headrace.simulator.faults import Alter
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
    acceleration: {{engine: duckdb, refresh_mode: changes}}
"""


def poisoned(operation, request):
    """An attribute ``poison`` arrives under a tag that nobody knows."""
    if operation not in ("GetRecords", "Scan"):
        return None
    return Alter(lambda answer: json.loads(json.dumps(answer).replace('"poison": {"S"', '"poison": {"Z"')))


@pytest.fixture
def world(tmp_path):
    with SimulatorServer(Simulator(time.time, faults=poisoned), "127.0.0.1", 0) as server:
        client = boto3.client(
            "dynamodb",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        for table in ("orders", "customers"):
            client.create_table(
                TableName=table,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            )

        def put(table, key, **item):
            client.put_item(TableName=table, Item={"id": {"S": key}, **item})

        (tmp_path / "spicepod.yaml").write_text(POD.format(url=server.url))
        yield put, tmp_path


TOTALS = """
    WITH big AS (SELECT customer, sum(total) AS total FROM orders WHERE total >= 5 GROUP BY customer)
    SELECT c.name, big.total, (SELECT count(*) FROM orders o WHERE o.customer = c.id) AS orders
    FROM customers c LEFT JOIN big ON big.customer = c.id ORDER BY c.name
"""


def test_a_sqlite_dataset_is_joined_with_a_duckdb_dataset_and_both_follow_their_streams(world, headrace):
    put, folder = world
    for key, name in (("c1", "Ada"), ("c2", "Bo")):
        put("customers", key, name={"S": name})
    for number in range(12):
        put("orders", f"o{number}", customer={"S": "c1"}, total={"N": str(number)})
    running = headrace(folder)
    running.until_ready()
    assert running.sql(TOTALS) == [
        {"name": "Ada", "total": sum(range(5, 12)), "orders": 12},
        {"name": "Bo", "total": None, "orders": 0},
    ]

    put("orders", "o3", customer={"S": "c2"}, total={"N": "7.5"})
    put("customers", "c2", name={"S": "Bob"})
    eventually(
        lambda: running.sql(TOTALS)[1] == {"name": "Bob", "total": 7.5, "orders": 1},
        within=20,
        what="both changes are seen",
    )

    told = running.sql(
        "EXPLAIN SELECT o.total FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id = 'o3'"
    )
    assert told[-1] == {
        "explain_key": "leaf_scan",
        "explain_value": "orders: columns id, customer, total; id = 'o3' (exact)",
    }
    described = {row["column_name"]: row["data_type"] for row in running.sql("DESCRIBE orders")}
    assert described == {"id": "Utf8", "customer": "Utf8", "total": "Float64"}
    status, body = running.ask("SELECT idd FROM orders")
    assert (status, json.loads(body)["error"]["code"]) == (400, "unknown_name")

    # Letters of either engine are in the one table.
    for table in ("orders", "customers"):
        put(table, "bad", poison={"S": "x"})
    letters = "SELECT dataset, reason LIKE '%type tag%' AS told FROM headrace_dead_letter ORDER BY dataset"
    eventually(
        lambda: (
            running.sql(letters)
            == [{"dataset": "customers", "told": True}, {"dataset": "orders", "told": True}]
        ),
        within=20,
        what="both letters are seen",
    )
    assert running.stop() == 0
