"""The ledger of event source mappings: commits a second, and what failures take on the disk.

    python bench/ledger.py [--commits N] [--folder FOLDER]

A commit is one ``Ledger.commit`` with 1 or 100 shards changed, durable when it returns. The yardstick is what the disk does:
4 KiB appended to a file and synced, in turns with the commits of the same round. Several mappings commit from a thread each.
Failures have 100 records of orders, old and new image, and their size is compared with that of the records' texts.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from headrace.checkpoint import ShardState, Stage
from headrace.ledger import DeliveryWork, ShardDelivery, StreamDelivery
from headrace.ledgers import Ledgers, packing
from headrace.position import Position, SequenceNumber
from headrace.stream_record import StreamRecord
from report import table

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2024-01-01T00:00:00.000"
STREAM = StreamDelivery("orders-1", ARN, 1_700_000_000.0)
ROUNDS = 5
SHARDS = (1, 100)
MAPPINGS = (1, 4, 8)


def work(shards: int, number: int) -> DeliveryWork:
    """Each shard has come to the record of that number."""
    position = Position.after(SequenceNumber(str(10**21 + number)))
    return DeliveryWork(
        STREAM,
        tuple(
            ShardDelivery(
                ShardState(f"shardId-{n:020d}-abcdef12", None, None, Stage.READING, position, 1.7e9)
            )
            for n in range(shards)
        ),
    )


def orders(count: int) -> list[StreamRecord]:
    """Records of orders that were changed."""
    chance = random.Random(7)
    found = []
    for number in range(count):
        key = {"id": {"S": f"order-{chance.randrange(10**9)}"}}
        old = {**key, **_order(chance)}
        new = {**old, "status": {"S": chance.choice(("paid", "sent"))}}
        sequence = str(10**21 + number)
        images = {"Keys": key, "OldImage": old, "NewImage": new}
        change = {
            "ApproximateCreationDateTime": 1.7e9,
            "SequenceNumber": sequence,
            "SizeBytes": 300,
            **images,
        }
        text = msgspec.json.encode(
            {
                "eventID": f"{chance.getrandbits(128):032x}",
                "eventName": "MODIFY",
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": {**change, "StreamViewType": "NEW_AND_OLD_IMAGES"},
                "eventSourceARN": ARN,
            }
        )
        found.append(StreamRecord(SequenceNumber(sequence), 1.7e9, msgspec.json.encode(key).decode(), text))
    return found


def _order(chance: random.Random) -> dict[str, dict[str, str]]:
    return {
        "customer": {"S": f"customer-{chance.randrange(10**6)}"},
        "status": {"S": "new"},
        "total": {"N": str(chance.randrange(10**6) / 100)},
        "created": {"S": f"2024-01-{chance.randrange(1, 29):02d}T12:{chance.randrange(60):02d}:00Z"},
        "note": {
            "S": " ".join(chance.choice(("fragile", "gift", "late", "paid", "again")) for _ in range(8))
        },
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commits", type=int, default=200, help="of a round")
    parser.add_argument(
        "--folder", type=Path, help="where the files are made; the temporary folder unless said"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        print(_commits(Path(name), asked.commits))
        print()
        print(_packed())


def _commits(folder: Path, count: int) -> str:
    kept, memory = Ledgers(folder / "events.sqlite"), Ledgers(None)
    runs: dict[str, Callable[[], float]] = {"4 KiB and a sync": lambda: _syncs(folder / "synced", count)}
    for shards in SHARDS:
        for where, ledgers in (("file", kept), ("memory", memory)):
            runs[f"1 mapping, {shards} changed, {where}"] = lambda ledgers=ledgers, shards=shards: _rate(
                ledgers, 1, shards, count
            )
    for mappings in MAPPINGS[1:]:
        runs[f"{mappings} mappings, 1 changed, file"] = lambda mappings=mappings: _rate(
            kept, mappings, 1, count
        )
    figures: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            figures[name].append(run())
    kept.close()
    memory.close()
    medians = {name: statistics.median(values) for name, values in figures.items()}
    disk = medians["4 KiB and a sync"]
    return table(
        ("shards", "commits/s", "times the disk"),
        [(name, f"{rate:,.0f}", f"{rate / disk:.2f}") for name, rate in medians.items()],
    )


def _rate(ledgers: Ledgers, mappings: int, shards: int, count: int) -> float:
    """Commits a second of all mappings together."""
    every = [work(shards, number) for number in range(count)]

    def run(name: str) -> None:
        ledger = ledgers.of(name)
        for each in every:
            ledger.commit(each)

    threads = [threading.Thread(target=run, args=(f"m{number}",)) for number in range(mappings)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return mappings * count / (time.perf_counter() - began)


def _syncs(path: Path, count: int) -> float:
    with path.open("wb", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(count):
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
        return count / (time.perf_counter() - began)


def _packed() -> str:
    rows = []
    for count in (1, 10, 100, 1000):
        records = orders(count)
        size = sum(len(record.text) for record in records)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            packed = packing.pack(records)
            middle = time.perf_counter()
            packing.unpack(packed)
            times.append((middle - began, time.perf_counter() - middle))
        pack, unpack = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append(
            (
                str(count),
                f"{size:,}",
                f"{len(packed) / size:.0%}",
                f"{1000 * pack:.2f}",
                f"{1000 * unpack:.2f}",
            )
        )
    return table(("records", "bytes", "stored", "ms to pack", "ms to unpack"), rows)


if __name__ == "__main__":
    main()
