"""A view kept by changes against one that is computed anew for each batch, and what its state takes on the disk.

    python bench/view.py [--items N] [--batches N] [--folder FOLDER]

Orders of 100 categories: count, sum, least and greatest total by category. Each batch changes so many orders, drawn evenly, totals and now
and then categories. Three ways, in turns over the same records:

- the target ``view``, its state in a file and synced, its rows to nowhere;
- DuckDB, in memory: the orders of the batch are replaced in a table, and all is grouped anew;
- a dictionary of sums by old and new image, as functions with ``ADD`` do it: it forgets at a crash, counts twice what comes again, and has no
  least and greatest. It is the floor: what decoding costs.

Besides, how many rows each way writes for a record: a function with ``ADD`` updates the old and the new category.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec

import machine
from headrace.attribute import Image, key_text
from headrace.batch import Batch
from headrace.dataset import AwsAccess
from headrace.errors import HeadraceError
from headrace.position import SequenceNumber
from headrace.row_table import Row, RowTable
from headrace.stream_record import StreamRecord
from headrace.target import MaterializedView
from headrace.target_context import TargetContext
from headrace.targets.view import ViewTarget
from headrace.wire import Response
from report import table

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-01T00:00:00.000"
SQL = """
    SELECT category, count(*) AS orders, sum(total) AS total, min(total) AS least, max(total) AS most FROM orders GROUP BY category
"""
CATEGORIES = 100
SIZES = (100, 1000)


class Nowhere(RowTable):
    """Rows that are counted, and kept as they come."""

    def __init__(self) -> None:
        self.rows_written = 0
        self.kept: dict[bytes, Image] = {}

    def write(self, rows: Sequence[Row]) -> Sequence[HeadraceError | None]:
        self.rows_written += len(rows)
        self.kept |= {bytes(row.key["view_key"]): row.item for row in rows if row.item is not None}
        return [None] * len(rows)

    def rows(self) -> Iterator[Sequence[Image]]:
        yield []

    def identity(self) -> str:
        return "nowhere"

    def close(self) -> None:
        pass


class Orders:
    """Orders as they change; the same for the same seed."""

    def __init__(self, items: int) -> None:
        self._random = random.Random(7)
        self._number = 0
        self.items = {f"order-{number}": self._order(f"order-{number}") for number in range(items)}
        self._ids = list(self.items)

    def batch(self, size: int) -> Batch:
        return Batch("stats", ARN, "shard", tuple(self._record() for _ in range(size)))

    def _order(self, id_: str) -> dict[str, dict[str, str]]:
        chance = self._random
        return {
            "id": {"S": id_},
            "category": {"S": f"category-{chance.randrange(CATEGORIES)}"},
            "total": {"N": f"{chance.randrange(10**6)}.{chance.randrange(100):02d}"},
            "status": {"S": chance.choice(("new", "paid", "sent"))},
            "customer": {"S": f"customer-{chance.randrange(10**6)}"},
        }

    def _record(self) -> StreamRecord:
        id_ = self._random.choice(self._ids)
        old, new = self.items[id_], self._order(id_)
        if self._random.random() < 0.9:
            new["category"] = old["category"]
        self.items[id_] = new
        self._number += 1
        sequence = str(10**21 + self._number)
        key = {"id": {"S": id_}}
        text = {
            "eventID": f"{self._number:032x}",
            "eventName": "MODIFY",
            "dynamodb": {
                "Keys": key,
                "NewImage": new,
                "OldImage": old,
                "SequenceNumber": sequence,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }
        return StreamRecord(SequenceNumber(sequence), 1.7e9, key_text(key), json.dumps(text).encode())


def described(operation: str, body: bytes) -> Response:
    assert operation == "DescribeTable", body
    said = {
        "TableStatus": "ACTIVE",
        "TableArn": "arn",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    return Response(200, {}, json.dumps({"Table": said}).encode())


class ByChanges:
    """The target."""

    name = "view"

    def __init__(self, orders: Orders, folder: Path) -> None:
        self.path = folder / "stats.view.sqlite"
        self.out = Nowhere()
        context = TargetContext(
            "stats",
            "orders",
            AwsAccess("us-east-1"),
            described,
            lambda *_: described,
            lambda *_: None,
            observe=lambda _: None,
            ledger=folder / "events.sqlite",
            dataset=lambda _: self.out,
        )
        self.target = ViewTarget(MaterializedView(SQL), context)
        began = time.perf_counter()
        self.target.begin_fill(1.0)
        items = [_image(item) for item in orders.items.values()]
        for first in range(0, len(items), 1000):
            self.target.fill(items[first : first + 1000])
        self.target.end_fill()
        self.filled = len(items) / (time.perf_counter() - began)
        self.out.rows_written = 0

    def take(self, batch: Batch) -> int:
        before = self.out.rows_written
        self.target.consume(batch)
        return self.out.rows_written - before

    def answer(self) -> dict[str, Decimal]:
        rows = [
            {name: msgspec.json.decode(value) for name, value in row.items()}
            for row in self.out.kept.values()
        ]
        return {row["category"]["S"]: Decimal(row["total"]["N"]) for row in rows}


class Anew:
    """DuckDB, over all orders."""

    name = "DuckDB, all anew"

    def __init__(self, orders: Orders) -> None:
        self._duckdb = duckdb.connect(":memory:")
        self._duckdb.execute(
            "CREATE TABLE orders (id VARCHAR PRIMARY KEY, category VARCHAR, total DECIMAL(38, 2))"
        )
        rows = [
            (item["id"]["S"], item["category"]["S"], item["total"]["N"]) for item in orders.items.values()
        ]
        for first in range(0, len(rows), 10_000):
            part = rows[first : first + 10_000]
            marks = ",".join(["(?, ?, ?)"] * len(part))
            self._duckdb.execute(
                f"INSERT INTO orders VALUES {marks}", [value for row in part for value in row]
            )

    def take(self, batch: Batch) -> int:
        images = {record.key: json.loads(record.text)["dynamodb"]["NewImage"] for record in batch.records}
        values = [
            value
            for image in images.values()
            for value in (image["id"]["S"], image["category"]["S"], image["total"]["N"])
        ]
        marks = ",".join(["(?, ?, ?)"] * len(images))
        self._duckdb.execute(f"INSERT OR REPLACE INTO orders VALUES {marks}", values)
        return len(self._duckdb.execute(SQL).fetchall())

    def answer(self) -> dict[str, Decimal]:
        return {category: total for category, _, total, _, _ in self._duckdb.execute(SQL).fetchall()}


class Adding:
    """Sums by old and new image."""

    name = "a dictionary, by ADD"

    def __init__(self, orders: Orders) -> None:
        self._sums: dict[str, Decimal] = defaultdict(Decimal)
        for item in orders.items.values():
            self._sums[item["category"]["S"]] += Decimal(item["total"]["N"])

    def take(self, batch: Batch) -> int:
        writes = 0
        for record in batch.records:
            change = json.loads(record.text)["dynamodb"]
            old, new = change["OldImage"], change["NewImage"]
            self._sums[old["category"]["S"]] -= Decimal(old["total"]["N"])
            self._sums[new["category"]["S"]] += Decimal(new["total"]["N"])
            writes += 1 + (old["category"] != new["category"])
        return writes

    def answer(self) -> dict[str, Decimal]:
        return dict(self._sums)


def _image(item: dict[str, dict[str, str]]) -> Image:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in item.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--folder", type=Path, help="where the state is; a temporary folder without it")
    arguments = parser.parse_args()
    print(f"{machine.describe()}; load {machine.load()}")
    orders = Orders(arguments.items)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        view = ByChanges(orders, Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        print(
            f"{arguments.items:,} orders filled, {view.filled:,.0f} a second; {size / arguments.items:,.0f} bytes of state for each"
        )
        ways = (view, Anew(orders), Adding(orders))
        rows = []
        for count in SIZES:
            seconds: dict[str, float] = defaultdict(float)
            cpu: dict[str, float] = defaultdict(float)
            writes: dict[str, int] = defaultdict(int)
            for _ in range(arguments.batches):
                batch = orders.batch(count)
                for way in ways:
                    began, spent = time.perf_counter(), time.process_time()
                    writes[way.name] += way.take(batch)
                    seconds[way.name] += time.perf_counter() - began
                    cpu[way.name] += time.process_time() - spent
            records = count * arguments.batches
            rows += [
                [
                    f"{way.name}, {count:,} a batch",
                    f"{records / seconds[way.name]:,.0f}",
                    f"{records / cpu[way.name]:,.0f}",
                    f"{1000 * seconds[way.name] / arguments.batches:,.1f}",
                    f"{writes[way.name] / records:.2f}",
                ]
                for way in ways
            ]
        if not view.answer() == ways[1].answer() == ways[2].answer():
            raise RuntimeError("the ways do not come to the same")
        view.target.close()
    print(table(["", "records/s", "a CPU second", "ms a batch", "rows written a record"], rows))


if __name__ == "__main__":
    main()
