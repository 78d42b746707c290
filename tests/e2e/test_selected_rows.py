"""The real command: what a refresh keeps of a table without a stream, for how long, and who answers before it is there."""

import time

import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.deadline import eventually
from support.endpoint import Endpoint

POD = """
datasets:
  - from: dynamodb:orders
    name: recent
    time_column: placed
    time_format: unix_seconds
    params: &place {{endpoint_url: '{url}', aws_region: us-east-1}}
    acceleration:
      refresh_check_interval: 1s
      refresh_sql: SELECT id, placed, missing FROM recent WHERE kind = 'sale' AND (missing IS NULL OR missing < now())
      refresh_data_window: 1d
  - from: dynamodb:orders
    name: kept
    time_column: placed
    ready_state: on_registration
    params: *place
    acceleration:
      engine: sqlite
      refresh_mode: append
      refresh_check_interval: 1s
      retention_check_enabled: true
      retention_check_interval: 1s
      retention_period: 2d
      retention_sql: DELETE FROM kept WHERE kind = 'draft' AND placed < epoch(now()) - 3600
"""
HOUR, DAY = 3600, 86_400


@pytest.fixture
def put(tmp_path):
    """Puts items into a table that a Spicepod's two datasets read."""
    with SimulatorServer(Simulator(time.time), "127.0.0.1", 0) as server:
        ask = Endpoint(server.url)
        ask(
            "CreateTable",
            {
                "TableName": "orders",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        )
        (tmp_path / "spicepod.yaml").write_text(POD.format(url=server.url))

        def put(id_, placed, kind):
            told = {} if placed is None else {"placed": {"N": str(placed)}}
            ask("PutItem", {"TableName": "orders", "Item": {"id": {"S": id_}, "kind": {"S": kind}, **told}})

        yield put


def test_rows_are_kept_by_sql_window_and_retention(put, headrace, tmp_path):
    now = int(time.time())
    put("new", now, "sale")
    put("yesterday", now - DAY - HOUR, "sale")
    put("old", now - 3 * DAY, "sale")
    put("draft", now - 2 * HOUR, "draft")
    put("timeless", None, "sale")
    running = headrace(tmp_path)
    running.until_ready()

    def ids(name):
        return [row["id"] for row in running.sql(f"SELECT id FROM {name} ORDER BY id")]

    eventually(lambda: running.dataset("recent")["rows"] == 1, within=30, what="the window holds")
    assert running.sql("SELECT * FROM recent") == [{"id": "new", "placed": now}]
    eventually(
        lambda: ids("kept") == ["new", "timeless", "yesterday"], within=30, what="old rows and drafts go"
    )

    put("newer", now + 1, "sale")
    put("late", now - 3 * DAY, "sale")
    eventually(lambda: ids("recent") == ["new", "newer"], within=30, what="the refresh brings what is new")
    eventually(lambda: "newer" in ids("kept"), within=30, what="the append adds what is newer")
    assert "late" not in ids("kept")
    assert running.dataset("kept")["reason"] is None
    assert running.stop() == 0
