"""A dataset and mappings of one table in one runtime: all get every change, and its stream is read once."""

from __future__ import annotations

import json
import time
from collections import Counter

from headrace.config import load_pod
from headrace.runtime import Runtime
from headrace.simulator import Simulator
from support.deadline import eventually

POD = """
datasets:
- {from: dynamodb:orders, name: orders, params: {aws_region: us-east-1}, acceleration: {refresh_mode: changes}}
event_source_mappings:
- {name: first, dataset: orders, target: {replicate: {table: copy1}}}
- {name: second, from: dynamodb:orders, params: {aws_region: us-east-1}, target: {replicate: {table: copy2}}}
"""
TABLES = ("orders", "copy1", "copy2")


class Line:
    """A transport of its own, and what went over it."""

    def __init__(self, simulator):
        self._simulator = simulator
        self.asked = Counter()

    def __call__(self, operation, body):
        self.asked[operation] += 1
        return self._simulator(operation, body)


def test_who_follows_one_table_reads_its_stream_together(tmp_path):
    simulator = Simulator(time.time)
    lines = []

    def call(operation, **request):
        response = simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def connect(_access):
        lines.append(Line(simulator))
        return lines[-1]

    def counts():
        return [call("Scan", TableName=table, Select="COUNT")["Count"] for table in TABLES]

    for table in TABLES:
        call(
            "CreateTable",
            TableName=table,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
    (tmp_path / "spicepod.yaml").write_text(POD)
    runtime = Runtime(load_pod(tmp_path, {}, tmp_path), connect=connect)
    runtime.start()
    try:
        for number in range(60):
            call("PutItem", TableName="orders", Item={"id": {"S": f"k{number}"}})
            if number % 20 == 10:
                simulator.streams.split_shard("orders")
        eventually(counts, within=30, what="equal replicas", holds=lambda found: found == [60, 60, 60])
        eventually(
            lambda: [state.rows for state in runtime.statuses()],
            within=30,
            what="the copy",
            holds=lambda rows: rows == [60],
        )
    finally:
        runtime.stop()
    readers = [line for line in lines if line.asked["GetRecords"] or line.asked["GetShardIterator"]]
    assert len(readers) == 1
