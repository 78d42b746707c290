"""The examples of event source mappings at work: a table that is written to under bad weather, and what must come of it."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from headrace.ledgers import Ledgers
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from headrace.simulator.weather import Weather

EXAMPLES = Path(__file__).parents[2] / "examples"

_RATES = {
    "throttle": 0.03, "internal error": 0.02, "lost answer": 0.02, "expired iterator": 0.02, "empty page": 0.1,
    "late end": 0.3, "split": 0.15, "rotation": 0.1, "ttl delete": 0.02,
}  # fmt: skip

_FAULTY = """
import os, random, order_events

def on_change(event, context):
    dice = random.random()
    if dice < 0.04:
        os._exit(3)
    response = order_events.on_change(event, context)
    if dice > 0.96:
        raise RuntimeError("after all was done")
    return response
"""


class Story:
    """Two tables, the examples' mappings in ``folder``, and somebody who writes orders."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.weather = Weather(seed, _RATES, time.time)
        self.simulator = Simulator(time.time, seed, initial_shards=2, faults=self.weather)
        self._stopping = threading.Event()
        self._revision = 0
        for table in ("orders", "orders-replica"):
            self._ask(
                "CreateTable",
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            )

    @contextmanager
    def served(self) -> Iterator[None]:
        """The service is up, and the Spicepod of both examples, over it, is in the folder."""
        with SimulatorServer(self.simulator) as server:
            yaml = YAML()
            mappings = []
            for name in ("events", "replicate"):
                mappings += yaml.load(EXAMPLES / f"{name}.yaml")["event_source_mappings"]
            for mapping in mappings:
                mapping["params"]["endpoint_url"] = server.url
            mappings[0]["function"] = "faulty:on_change"
            mappings[1]["target"]["replicate"]["endpoint_url"] = server.url
            yaml.dump({"event_source_mappings": mappings}, self.folder / "spicepod.yaml")
            shutil.copy(EXAMPLES / "order_events.py", self.folder)
            (self.folder / "faulty.py").write_text(_FAULTY)
            yield

    def write(self, seconds: float) -> None:
        """Orders come and change, shards split, and everything goes wrong now and then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for _ in range(5):
                self._write_one()
            self.weather.act(self.simulator, "orders")
            self._stopping.wait(0.05)

    def _write_one(self) -> None:
        order = f"o{self.random.randrange(40)}"
        self._revision += 1
        if self.random.random() < 0.1:
            self._ask("DeleteItem", TableName="orders", Key={"id": {"S": order}})
            return
        item = {
            "id": {"S": order},
            "status": {"S": self.random.choice(("new", "paid", "sent"))},
            "revision": {"N": str(self._revision)},
        }
        if self.random.random() > 0.01:
            item["total"] = {"N": f"{self.random.randrange(10_000)}.5"}
        self._ask("PutItem", TableName="orders", Item=item)

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        with self.weather.paused():
            answer = self.simulator(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    # What must come of it

    def changes(self) -> dict[str, tuple[str, int]]:
        """Every record that passes the filter, by its eventID: the order and its revision."""
        (stream,) = [one for arn, one in self.simulator._streams._streams.items() if "/orders/" in arn]
        bodies = [json.loads(body) for shard in stream.lineage.listing for body in shard.bodies]
        kept = [one for one in bodies if one["eventName"] != "REMOVE"]
        images = {one["eventID"]: one["dynamodb"]["NewImage"] for one in kept}
        return {id_: (image["id"]["S"], int(image["revision"]["N"])) for id_, image in images.items()}

    def notices(self) -> list[tuple[str, str, int]]:
        """What the function has noted, in the order in which it did."""
        with sqlite3.connect(self.folder / "notices.sqlite", timeout=10) as notices:
            rows = notices.execute("SELECT event_id, order_id, revision FROM notices ORDER BY rowid")
            return [(str(id_), str(order), int(revision)) for id_, order, revision in rows]

    def waiting(self) -> set[str]:
        """The eventIDs of records that are kept as failures or parked; to be asked while no process runs."""
        books = Ledgers(self.folder / ".headrace" / "data" / "events.sqlite")
        ledger = books.of("order-status")
        try:
            delivery = ledger.open()
            keys = delivery.parked if delivery is not None else {}
            records = [parked.record for key in keys for parked in ledger.parked(key, 10_000)]
            records += [
                record for stored in ledger.failures(limit=10_000) for record in stored.failure.records
            ]
            return {json.loads(record.text)["eventID"] for record in records}
        finally:
            books.close()

    def expect_order(self) -> None:
        """No order was noted at a revision before one that was noted earlier."""
        seen: dict[str, int] = defaultdict(int)
        for _, order, revision in self.notices():
            assert revision > seen[order], f"{order}: revision {revision} comes after {seen[order]}"
            seen[order] = revision

    def expect_nothing_lost(self) -> None:
        """Every change was noted, or waits; nothing else was."""
        noted = {id_ for id_, _, _ in self.notices()}
        assert noted <= self.changes().keys()
        assert self.changes().keys() - noted - self.waiting() == set()

    def lost(self) -> int:
        """How many changes are not noted yet."""
        return len(self.changes().keys() - {id_ for id_, _, _ in self.notices()})

    def replica_differs(self) -> list[str]:
        """The orders that are not the same in both tables."""
        source, replica = self._items("orders"), self._items("orders-replica")
        return [order for order in source.keys() | replica.keys() if source.get(order) != replica.get(order)]

    def _items(self, table: str) -> dict[str, dict[str, Any]]:
        items = {}
        for item in self._ask("Scan", TableName=table, ConsistentRead=True)["Items"]:
            item.pop("headrace_version", None)
            items[item["id"]["S"]] = item
        return items
