"""Records a second from a table's stream to a Python function: ``python bench/deliveries.py [records]``.

The whole mapping (readers, batches, ledger in a file, a child process) against what a user writes by hand: a loop over boto3's
GetRecords that calls the same function in its own process, without retries, order by item, or a durable position. Both read the same
simulated table over HTTP, and take turns within one run.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

import report
from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import TableEvents, botocore_transport
from headrace.event_source_mapping import Delivering, Function
from headrace.functions.consumer import FunctionConsumer
from headrace.ledgers import Ledgers
from headrace.mapping_facts import MappingFact
from headrace.observe import Observation
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.runner import DeliveryRunner
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer

SHARDS = 4
TURNS = 3
HANDLER = "def on_change(event, context):\n    return None\n"


def ask(simulator: Simulator, operation: str, **request: Any) -> dict[str, Any]:
    answer = simulator(operation, json.dumps(request).encode())
    assert answer.status == 200, answer.body
    decoded: dict[str, Any] = json.loads(answer.body)
    return decoded


def filled(records: int) -> Simulator:
    simulator = Simulator(time.time, 1, initial_shards=SHARDS)
    ask(
        simulator,
        "CreateTable",
        TableName="orders",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    for first in range(0, records, 25):
        puts = [{"PutRequest": {"Item": item(place)}} for place in range(first, min(first + 25, records))]
        ask(simulator, "BatchWriteItem", RequestItems={"orders": puts})
    return simulator


def item(place: int) -> dict[str, Any]:
    return {
        "id": {"S": f"order-{place}"},
        "status": {"S": "paid"},
        "total": {"N": f"{place}.5"},
        "customer": {"M": {"name": {"S": "Ada"}, "street": {"S": "By the mill race 3"}}},
        "note": {"S": "x" * 100},
    }


def by_headrace(url: str, folder: Path, records: int, batch_size: int) -> float:
    """Records a second, from the start of the mapping to the last record's being done."""
    done = 0

    def observe(fact: MappingFact | Observation) -> None:
        nonlocal done
        done += getattr(fact, "done", 0)

    access = AwsAccess("us-east-1", url, Secret("a"), Secret("b"))
    books = Ledgers(folder / f"{time.monotonic_ns()}.sqlite")
    runner = DeliveryRunner(
        DeliveryMachine("bench", Delivering(batch_size=batch_size), "handlers:on_change"),
        TableEvents(botocore_transport(access), "orders"),
        FunctionConsumer("bench", Function("handlers:on_change", folder, processes=2), observe),
        books.of("bench"),
        None,
        observe,
    )
    begin = time.perf_counter()
    runner.start()
    while done < records:
        time.sleep(0.005)
    seconds = time.perf_counter() - begin
    runner.stop()
    books.close()
    return records / seconds


def by_boto3(url: str, records: int, batch_size: int) -> float:
    """Records a second of the loop by hand."""
    keys = {
        "aws_access_key_id": "a",
        "aws_secret_access_key": "b",
        "region_name": "us-east-1",
        "endpoint_url": url,
    }
    begin = time.perf_counter()
    streams = boto3.client("dynamodbstreams", **keys)
    arn = streams.list_streams(TableName="orders")["Streams"][0]["StreamArn"]
    done = 0
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        asked = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = streams.get_shard_iterator(**asked)["ShardIterator"]
        while True:
            page = streams.get_records(ShardIterator=iterator, Limit=min(1000, batch_size))
            if not page["Records"]:
                break
            done += len(page["Records"])
            handler({"Records": page["Records"]}, None)
            iterator = page["NextShardIterator"]
    assert done == records
    return records / (time.perf_counter() - begin)


def handler(_event: dict[str, Any], _context: object) -> None:
    return None


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    simulator = filled(records)
    rows = []
    with SimulatorServer(simulator) as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "handlers.py").write_text(HANDLER)
        for batch_size in (100, 1000):
            pairs = [
                (
                    by_headrace(server.url, folder, records, batch_size),
                    by_boto3(server.url, records, batch_size),
                )
                for _ in range(TURNS)
            ]
            ours, theirs = (max(each) for each in zip(*pairs, strict=True))
            rows.append([f"{batch_size}", f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.1f}"])
    print(report.table(["records a batch", "Headrace/s", "boto3 loop/s", "ratio"], rows))


if __name__ == "__main__":
    main()
