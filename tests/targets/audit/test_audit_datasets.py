"""An audit trail in a dataset of each engine, through a whole runtime: every record has its row, through restarts."""

from __future__ import annotations

import json
import time

import pytest

from headrace.config import load_pod
from headrace.errors import QueryError, QueryFault
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from support.audited import expect_diff
from support.deadline import eventually
from support.fed_acceleration import fed_acceleration

ITEMS = [
    {"id": {"S": "nul \x00 é \U0001f600"}, "text": {"S": '"\\\n\x00'}},
    {
        "id": {"S": "types"},
        "n": {"N": "12345678901234567890123456789012345678"},
        "b": {"B": "/wA="},
        "s": {"NS": ["20", "3"]},
        "m": {"M": {"SS": {"L": [{"S": "x"}, {"NS": ["0"]}]}, "NULL": {"BOOL": True}}},
        "l": {"L": [{"NULL": True}, {"BOOL": False}]},
    },
    {"id": {"S": "large"}, "text": {"S": "x" * 390_000}},
    {"id": {"S": "large"}, "text": {"S": "y" * 390_000}},
    {"id": {"S": "types"}, "n": {"S": "no number"}},
]


def call(simulator, operation, **request):
    answer = simulator(operation, json.dumps({"TableName": "orders", **request}).encode())
    assert answer.status == 200, answer.body


@pytest.fixture
def simulator():
    made = Simulator(time.time, initial_shards=2)
    call(
        made,
        "CreateTable",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return made


def rows_of(folder, simulator, count):
    """The rows, once there are so many, of a new process."""
    runtime = Runtime(load_pod(folder, {}, folder), connect=lambda _: simulator)
    runtime.start()
    try:
        eventually(lambda: counted(runtime) == count, within=30, what=f"{count} rows")
        return read(runtime, "SELECT * FROM history")
    finally:
        runtime.stop()


def counted(runtime):
    """How many rows there are; 0 while none can be asked for."""
    try:
        return read(runtime, "SELECT count(*) AS n FROM history")[0]["n"]
    except QueryError as error:
        if error.fault is QueryFault.NOT_READY:
            return 0
        raise


def read(runtime, sql):
    with runtime.query(sql) as statement:
        statement.run()
        return [row for batch in statement.batches() for row in batch.to_pylist()]


@pytest.mark.parametrize(
    "engine",
    [
        "duckdb",
        *(pytest.param(engine, marks=pytest.mark.long) for engine in ("sqlite", "cayenne", "postgres")),
    ],
)
def test_every_record_has_its_row_in_any_engine(tmp_path, simulator, engine):
    with fed_acceleration(engine) as acceleration:
        access = {"aws_region": "us-east-1", "aws_access_key_id": "a", "aws_secret_access_key": "b"}
        mapping = {"name": "trail", "from": "dynamodb:orders", "params": access, "target": {"audit": {}}}
        pod = {
            "datasets": [{"from": "target:trail", "name": "history", "acceleration": acceleration}],
            "event_source_mappings": [mapping],
        }
        (tmp_path / "spicepod.yaml").write_text(json.dumps(pod))
        for item in ITEMS:
            call(simulator, "PutItem", Item=item)
        first = rows_of(tmp_path, simulator, len(ITEMS))
        # The ledger is lost: all comes again.
        for file in (tmp_path / ".headrace" / "data").glob("events.sqlite*"):
            file.unlink()
        call(simulator, "DeleteItem", Key={"id": ITEMS[0]["id"]})
        rows = rows_of(tmp_path, simulator, len(ITEMS) + 1)
    assert all(row in rows for row in first)
    assert len({row["event_id"] for row in rows}) == len(rows)
    for row in rows:
        record = json.loads(row["record"])
        change = record["dynamodb"]
        assert (row["event_id"], row["event_name"]) == (record["eventID"], record["eventName"])
        expect_diff(row["diff"], change.get("OldImage"), change.get("NewImage"))
    written = [json.loads(row["record"])["dynamodb"].get("NewImage") for row in rows]
    assert all(item in written for item in ITEMS)
