"""Records a second into an index of OpenSearch: ``python bench/search.py [records]``.

The target (version book in a file, external versions, documents with every digit) against what a user writes by hand: records decoded with
boto3's deserializer, ``opensearchpy.helpers.bulk``, no versions, so that what comes again or late replaces what is newer. Both write the same
batches to the same OpenSearch in memory (osmem-server), whose own work is a part of both, and take turns within one run. CPU
is that of this process alone, without the server's.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from opensearchpy import OpenSearch, helpers
from osmem_server import OsmemServer

import report
from headrace.batch import Batch
from headrace.dataset import AwsAccess
from headrace.position import SequenceNumber
from headrace.simulator import Simulator
from headrace.stream_record import StreamRecord
from headrace.target import SearchIndex
from headrace.target_context import TargetContext
from headrace.targets.search import SearchTarget

TURNS = 3
ITEMS = 5_000
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-01T00:00:00.000"


def records(count: int) -> list[StreamRecord]:
    """Changes of some items, in order: puts, and one deletion in ten."""
    return [record(number) for number in range(count)]


def record(number: int) -> StreamRecord:
    key = f"order-{number % ITEMS}"
    sequence = f"{10**20 + number}"
    images: dict[str, Any] = {
        "Keys": {"id": {"S": key}},
        "SequenceNumber": sequence,
        "StreamViewType": "NEW_IMAGE",
    }
    event = "REMOVE" if number % 10 == 9 else "MODIFY"
    if event != "REMOVE":
        images["NewImage"] = {
            "id": {"S": key},
            "status": {"S": "paid"},
            "total": {"N": f"{number}.5"},
            "customer": {"M": {"name": {"S": "Ada"}, "street": {"S": "By the mill race 3"}}},
            "tags": {"SS": ["b", "a"]},
            "note": {"S": "x" * 100},
        }
    text = json.dumps({"eventID": str(number), "eventName": event, "dynamodb": images}).encode()
    return StreamRecord(SequenceNumber(sequence), 0.0, f'{{"id":{{"S":"{key}"}}}}', text)


def by_headrace(url: str, batches: list[Batch], folder: Path) -> tuple[float, float]:
    """Seconds of wall clock and of CPU."""
    simulator = Simulator(time.time, 1)
    created = simulator(
        "CreateTable",
        b'{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],'
        b'"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}',
    )
    assert created.status == 200, created.body
    context = TargetContext(
        "find",
        "orders",
        AwsAccess("us-east-1"),
        simulator,
        lambda *_: simulator,
        lambda *_: None,
        lambda _: None,
        folder / f"{time.monotonic_ns()}" / "events.sqlite",
    )
    target = SearchTarget(SearchIndex(url, "orders"), context)
    target.consume(batches[0])
    begin, cpu = time.perf_counter(), time.process_time()
    for batch in batches[1:]:
        assert target.consume(batch) == {"batchItemFailures": []}
    seconds = time.perf_counter() - begin, time.process_time() - cpu
    target.close()
    return seconds


def by_hand(url: str, batches: list[Batch], _folder: Path) -> tuple[float, float]:
    """Seconds of wall clock and of CPU."""
    client, plain = OpenSearch(url), TypeDeserializer()

    def actions(batch: Batch) -> Iterator[dict[str, Any]]:
        for each in batch.records:
            change = json.loads(each.text)
            images = change["dynamodb"]
            action = {"_index": "orders", "_id": images["Keys"]["id"]["S"]}
            if change["eventName"] == "REMOVE":
                yield action | {"_op_type": "delete"}
            else:
                item = {name: plain.deserialize(value) for name, value in images["NewImage"].items()}
                yield action | {"_source": {name: jsonable(value) for name, value in item.items()}}

    helpers.bulk(client, actions(batches[0]), raise_on_error=False)
    begin, cpu = time.perf_counter(), time.process_time()
    for batch in batches[1:]:
        helpers.bulk(client, actions(batch), raise_on_error=False)
    seconds = time.perf_counter() - begin, time.process_time() - cpu
    client.close()
    return seconds


def jsonable(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, set):
        return sorted(value)
    return value


@contextmanager
def cluster() -> Iterator[str]:
    with OsmemServer.start(japanese=False) as server, server.clone() as clone:
        yield clone.url


def rates(
    run: Callable[[str, list[Batch], Path], tuple[float, float]], batches: list[Batch], folder: Path
) -> tuple[float, float]:
    """Records a second of wall clock, and of CPU."""
    with cluster() as url:
        seconds, cpu = run(url, batches, folder)
    count = sum(len(batch.records) for batch in batches[1:])
    return count / seconds, count / cpu


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
    made = records(count)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for size in (100, 1000):
            batches = [
                Batch("find", ARN, "shard", tuple(made[first : first + size]))
                for first in range(0, count, size)
            ]
            turns = [
                [rates(run, batches, Path(name)) for run in (by_headrace, by_hand)] for _ in range(TURNS)
            ]
            for place, what in enumerate(("wall", "CPU")):
                ours, theirs = (max(turn[which][place] for turn in turns) for which in (0, 1))
                rows.append([f"{size}", what, f"{ours:,.0f}", f"{theirs:,.0f}", f"{ours / theirs:.1f}"])
    print(report.table(["records a batch", "second of", "Headrace", "by hand", "ratio"], rows))


if __name__ == "__main__":
    main()
