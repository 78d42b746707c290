"""What statements over DynamoDB ask of it, beside the least that it could answer them with: ``python bench/federated.py [items]``.

Requests and read units are counted by the simulator, which bills as DynamoDB does. The least is computed from the items
that satisfy each statement: they are read whole, in pages of 1 MB, at half a unit for 4 KB.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any

from headrace.accelerators.duckdb import DuckDBInstance
from headrace.dynamodb import ServedTable, TableLeaf
from headrace.query.catalog import TableFacts
from headrace.query.engine import QueryEngine
from headrace.simulator import Simulator
from headrace.simulator.items import canonical_item

PAGE = 2**20
UNIT = 4096

Item = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Least:
    """The fewest requests, and the fewest units of reads that need not be consistent."""

    requests: int
    units: float


def item_of(number: int) -> Item:
    """About 600 bytes: an order of one of a hundred customers; one in fifty is open."""
    return {
        "customer": {"S": f"c{number % 100:03}"},
        "at": {"S": f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}T10:00:00.{number:06}Z"},
        "status": {"S": "open" if number % 50 == 0 else "done"},
        "total": {"N": str(number % 1000)},
        "place": {"M": {"city": {"S": f"city {number % 10}"}}},
        "text": {"S": "x" * 460},
    }


def reading(items: list[Item], attributes: tuple[str, ...] | None = None) -> Least:
    """One request after another over these items, or their parts in an index: each ends before it exceeds a page."""
    if attributes is not None:
        items = [{name: item[name] for name in attributes} for item in items]
    pages = [0]
    for item in items:
        size = canonical_item(item)[1]
        if pages[-1] + size > PAGE:
            pages.append(0)
        pages[-1] += size
    return Least(len(pages), sum(max(0.5, ceil(page / UNIT) / 2) for page in pages))


def key_of(alias: str, at: str) -> str:
    return f"{alias}.customer = 'c007' AND {alias}.\"at\" = '{at}'"


def joined(*parts: Least) -> Least:
    return Least(sum(part.requests for part in parts), sum(part.units for part in parts))


def cases(items: list[Item]) -> dict[str, tuple[str, Least]]:
    """Statements, and the least for each."""

    def where(condition: Callable[[Item], bool]) -> list[Item]:
        return [item for item in items if condition(item)]

    def customer(*names: str) -> list[Item]:
        return where(lambda item: item["customer"]["S"] in names)

    at = items[7]["at"]["S"]
    three = [items[number]["at"]["S"] for number in (7, 107, 207)]
    opened = where(lambda item: item["status"]["S"] == "open")
    keys = ("customer", "at", "status", "total")
    first = sorted(customer("c007"), key=lambda item: item["at"]["S"])
    return {
        "whole key": (f"SELECT * FROM orders WHERE customer = 'c007' AND \"at\" = '{at}'", Least(1, 0.5)),
        "three whole keys": (
            f"SELECT * FROM orders WHERE customer = 'c007' AND \"at\" IN ({', '.join(map(repr, three))})",
            Least(1, 1.5),
        ),
        "partition": ("SELECT * FROM orders WHERE customer = 'c007'", reading(customer("c007"))),
        "two partitions": (
            "SELECT * FROM orders WHERE customer IN ('c007', 'c008')",
            joined(reading(customer("c007")), reading(customer("c008"))),
        ),
        "partition, range": (
            "SELECT * FROM orders WHERE customer = 'c007' AND \"at\" BETWEEN '2024-04' AND '2024-09'",
            reading([item for item in customer("c007") if "2024-04" <= item["at"]["S"] <= "2024-09"]),
        ),
        "partition, prefix": (
            "SELECT * FROM orders WHERE customer = 'c007' AND \"at\" LIKE '2024-08%'",
            reading([item for item in customer("c007") if item["at"]["S"].startswith("2024-08")]),
        ),
        "partition, filter": (
            "SELECT * FROM orders WHERE customer = 'c007' AND place.city = 'city 7'",
            reading(customer("c007")),
        ),
        "local index": (
            "SELECT * FROM orders WHERE customer = 'c007' AND total BETWEEN 7 AND 200",
            reading([item for item in customer("c007") if int(item["total"]["N"]) <= 200]),
        ),
        "global index": (
            "SELECT customer, total FROM orders WHERE status = 'open' AND total >= 0",
            reading(opened, keys),
        ),
        "global index, range": (
            "SELECT customer FROM orders WHERE status = 'open' AND total > 900",
            reading([item for item in opened if int(item["total"]["N"]) > 900], keys),
        ),
        "count of a partition": (
            "SELECT count(*) FROM orders WHERE customer = 'c007'",
            reading(customer("c007")),
        ),
        "count": ("SELECT count(*) FROM orders", reading(items)),
        "filter": ("SELECT customer FROM orders WHERE place.city = 'city 3'", reading(items)),
        "limit": ("SELECT * FROM orders LIMIT 10", reading(items[:10])),
        "partition, limit": ("SELECT * FROM orders WHERE customer = 'c007' LIMIT 3", reading(first[:3])),
        "filter, limit": ("SELECT * FROM orders WHERE total >= 500 LIMIT 10", reading(items[:20])),
        "contradiction": ("SELECT * FROM orders WHERE customer = 'a' AND customer = 'b'", Least(0, 0.0)),
        "join of two keys": (
            f"SELECT o.total FROM orders o, orders p WHERE {key_of('o', three[0])} AND {key_of('p', three[1])}",
            Least(2, 1.0),
        ),
    }


class Counted:
    """A simulator that counts what reads ask of it."""

    def __init__(self) -> None:
        self.simulator = Simulator(lambda: 1_700_000_000.0)
        self.requests = 0
        self.units = 0.0

    def __call__(self, operation: str, body: bytes) -> Any:
        answer = self.simulator(operation, body)
        if operation in ("Query", "Scan", "BatchGetItem"):
            told = json.loads(answer.body)["ConsumedCapacity"]
            self.requests += 1
            self.units += sum(one["CapacityUnits"] for one in (told if isinstance(told, list) else [told]))
        return answer

    def make(self, operation: str, **request: Any) -> None:
        answer = self.simulator(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body


def filled(count: int) -> tuple[Counted, list[Item]]:
    """A table with indexes, and its items."""
    counted = Counted()
    key = [{"AttributeName": "customer", "KeyType": "HASH"}]
    counted.make(
        "CreateTable",
        TableName="orders",
        KeySchema=[*key, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in (("customer", "S"), ("at", "S"), ("status", "S"), ("total", "N"))
        ],
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[
            {
                "IndexName": "by-total",
                "KeySchema": [*key, {"AttributeName": "total", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-status",
                "KeySchema": [
                    {"AttributeName": "status", "KeyType": "HASH"},
                    {"AttributeName": "total", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    items = [item_of(number) for number in range(count)]
    for item in items:
        counted.make("PutItem", TableName="orders", Item=item)
    return counted, items


def main() -> None:
    counted, items = filled(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    leaf = TableLeaf("orders", ServedTable(counted, "orders"))
    instance = DuckDBInstance({"orders": None})
    facts = {"orders": TableFacts(ready=True)}
    engine = QueryEngine(instance.cursor, lambda: facts, leaves=lambda: {"orders": leaf})
    print(f"{len(items):,} items, {sum(canonical_item(item)[1] for item in items):,} bytes")
    print(f"{'':22}{'requests':>9}{'least':>7}{'read units':>12}{'least':>10}{'rows':>8}")
    engine.query("DESCRIBE orders").run()
    for name, (sql, least) in cases(items).items():
        counted.requests, counted.units = 0, 0.0
        with engine.query(sql) as statement:
            rows = statement.reader().read_all().num_rows
        print(
            f"{name:22}{counted.requests:>9}{least.requests:>7}{counted.units:>12,.1f}{least.units:>10,.1f}{rows:>8,}"
        )
    engine.close()
    instance.close()


if __name__ == "__main__":
    main()
