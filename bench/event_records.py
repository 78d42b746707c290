"""Pages of 1,000 stream records made into the records of Lambda's events: Headrace, and by way of Python's objects.

    python bench/event_records.py [--rounds N]

Both make of the same bytes, in turns and in one process, for each record its text with the stream's ARN, its number,
its time and a canonical text of its key; the other by ``json.loads`` of the page and ``json.dumps`` of each record. The
records hold flat items of ten attributes, both images, and no filter looks at them. CPU time, the least of all
rounds.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import islice

import machine
from answers import SHAPES
from headrace.dynamodb.events import event_page
from report import table

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
RECORDS = 1000


def body() -> bytes:
    shape = SHAPES[0]
    names = [name for name, _ in shape.keys]
    records = [
        {
            "eventID": f"{number:032x}",
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_767_225_600,
                "Keys": {name: item[name] for name in names},
                "NewImage": item,
                "OldImage": item,
                "SequenceNumber": str(10**20 + number),
                "SizeBytes": 600,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }
        for number, item in enumerate(islice(shape.items(), RECORDS))
    ]
    page = {"Records": records, "NextShardIterator": "i"}
    return json.dumps(page, separators=(",", ":"), ensure_ascii=False).encode()


def headrace(page: bytes) -> list[tuple[bytes, str, float, str]]:
    records = event_page(page, ARN, shard="s", at=0.0).records
    return [(each.text, each.sequence.text, each.created, each.key) for each in records]


def by_objects(page: bytes) -> list[tuple[bytes, str, float, str]]:
    made = []
    for record in json.loads(page)["Records"]:
        change = record["dynamodb"]
        key = json.dumps(change["Keys"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        record["eventSourceARN"] = ARN
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()
        made.append((text, change["SequenceNumber"], float(change["ApproximateCreationDateTime"]), key))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    page = body()
    if headrace(page) != by_objects(page):
        raise RuntimeError("the two do not make the same of a page")
    least: dict[str, float] = {}
    for _ in range(rounds):
        for name, make in (("Headrace", headrace), ("json.loads, json.dumps", by_objects)):
            began = time.process_time()
            make(page)
            least[name] = min(time.process_time() - began, least.get(name, float("inf")))
    print(f"{machine.describe()}; load {machine.load()}")
    print(f"a page of {RECORDS:,} records, {len(page):,} bytes")
    slowest = max(least.values())
    rows = [
        [name, f"{1000 * seconds:.2f}", f"{RECORDS / seconds:,.0f}", f"{slowest / seconds:.1f}x"]
        for name, seconds in least.items()
    ]
    print(table(["", "ms a page", "records/s", ""], rows))


if __name__ == "__main__":
    main()
