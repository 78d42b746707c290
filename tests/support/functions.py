"""Functions as a user writes them, and batches for them."""

from __future__ import annotations

import json
import textwrap
import threading
from collections.abc import Iterable
from pathlib import Path

from headrace.batch import Batch, Window
from headrace.event_source_mapping import Function
from headrace.functions import FunctionConsumer
from headrace.mapping_facts import FunctionOutput, FunctionProcess
from headrace.position import SequenceNumber
from headrace.stream_record import StreamRecord

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
SHARD = "shardId-00000001767225600000-0a1b2c3d"
SEQUENCE = 111000000000000000000


def change(number: int, **attributes: dict) -> dict:
    """A record as Lambda gives it: the item ``number`` came to be."""
    keys = {"id": {"S": f"item-{number}"}}
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1767225600.0 + number,
            "Keys": keys,
            "NewImage": {**keys, **attributes},
            "SequenceNumber": str(SEQUENCE + number),
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": ARN,
    }


def record(told: dict) -> StreamRecord:
    told_of = told["dynamodb"]
    return StreamRecord(
        SequenceNumber(told_of["SequenceNumber"]),
        told_of["ApproximateCreationDateTime"],
        json.dumps(told_of["Keys"], sort_keys=True),
        json.dumps(told).encode(),
    )


def batch(records: Iterable[dict] | int = 1, window: Window | None = None) -> Batch:
    """Of these records, or of so many."""
    told = [change(number) for number in range(records)] if isinstance(records, int) else records
    return Batch("orders-changed", ARN, SHARD, tuple(record(each) for each in told), window=window)


class Facts:
    """All that is told, in its order."""

    def __init__(self) -> None:
        self.all: list[object] = []
        self._lock = threading.Lock()

    def __call__(self, fact: object) -> None:
        with self._lock:
            self.all.append(fact)

    def lines(self, stream: str | None = None) -> list[str]:
        told = [fact for fact in self.all if isinstance(fact, FunctionOutput)]
        return [fact.line for fact in told if stream in (None, fact.stream)]

    def processes(self, event: str | None = None) -> list[FunctionProcess]:
        told = [fact for fact in self.all if isinstance(fact, FunctionProcess)]
        return [fact for fact in told if event in (None, fact.event)]


class Pod:
    """A folder with modules, and consumers of their functions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = Facts()
        self._consumers: list[FunctionConsumer] = []

    def write(self, name: str, source: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))

    def consumer(self, reference: str, *, region: str | None = None, **options: object) -> FunctionConsumer:
        function = Function(reference, self.folder, **options)
        consumer = FunctionConsumer("orders-changed", function, self.facts, region=region)
        self._consumers.append(consumer)
        return consumer

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.close()
