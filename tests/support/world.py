"""A simulated table that is being written to, the machine that copies it, and a reader that never looks away."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from headrace.accelerator import ChangeSink
from headrace.accelerators.memory import MemoryAccelerator
from headrace.dataset import GapBehavior, Replication, Snapshots
from headrace.dynamodb import DynamoDBSource
from headrace.simulator import Simulator
from headrace.simulator.faults import EmptyPage, Fault
from headrace.snapshot import Exporter
from headrace.wire import Response
from support.seeded import Clock, Hazards, SeededRunner
from support.shelves import shelf_of

TABLE = "orders"
START = 1_700_000_000.0


class ReadableSink(ChangeSink, Exporter, Protocol):
    """An accelerator whose live rows a test can look at, by key."""

    def live_rows(self) -> Mapping[tuple[object, ...], Mapping[str, object]]: ...


class World:
    """Everything one seed needs.

    Each write gives its item a ``version`` that only ever grows, over all keys; so a reader can tell from a
    row alone whether a key went backwards.
    """

    def __init__(
        self,
        seed: int,
        *,
        items: int,
        hazards: Hazards | None = None,
        empty_pages: float = 0.0,
        gap_behavior: GapBehavior = GapBehavior.ERROR,
        rotation_seconds: float | None = 4 * 3600.0,
        sink: ReadableSink | None = None,
        shelf_in: Path | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.random = random.Random(f"world/{seed}")
        self.clock = Clock(START)
        self.empty_pages = empty_pages
        self.empties_in_a_row: dict[str, int] = {}
        self.simulator = Simulator(
            self.clock,
            seed,
            initial_shards=self.random.choice((1, 2, 4)),
            faults=self._fault,
            rotation_seconds=rotation_seconds,
        )
        self.versions = 0
        self.hazards = hazards or Hazards()
        self.seen: dict[str, int] = {}
        self.vanished: set[str] = set()
        self.create()
        for _ in range(items * 4):
            # A history within the overlap: what is replayed before Ready must not be seen after it.
            self.put(f"k{self.random.randrange(items)}")
            self.clock.now += self.random.random() * 2.0
        self.sink = sink or MemoryAccelerator()
        self.runner = SeededRunner(
            seed,
            self.clock,
            lambda: DynamoDBSource(self._small_pages, TABLE),
            self.sink,
            Replication(
                scan_segments=self.random.choice((1, 3)), buffer_bytes=40 * 2**20, gap_behavior=gap_behavior
            ),
            self.hazards,
            shelf_of(shelf_in, self.sink, self.clock) if shelf_in is not None else None,
            snapshots,
        )

    # The table

    def call(self, operation: str, **request: object) -> dict:
        response: Response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def put(self, key: str) -> None:
        self.versions += 1
        item = {"id": {"S": key}, "version": {"N": str(self.versions)}}
        if self.random.random() < 0.1:
            item[f"extra{self.random.randrange(3)}"] = self.random.choice(
                ({"S": "text"}, {"N": "1.5"}, {"BOOL": True}, {"L": [{"N": "1"}]})
            )
        self.call("PutItem", TableName=TABLE, Item=item)

    def delete(self, key: str) -> None:
        self.versions += 1
        self.call("DeleteItem", TableName=TABLE, Key={"id": {"S": key}})

    def write(self) -> None:
        """One random change to the table, or to the shards of its stream."""
        roll = self.random.random()
        if roll < 0.01:
            self.simulator.streams.split_shard(TABLE)
        elif roll < 0.02:
            self.simulator.streams.rotate_shards(TABLE)
        elif roll < 0.2:
            self.delete(f"k{self.random.randrange(60)}")
        else:
            self.put(f"k{self.random.randrange(60)}")

    def truth(self) -> dict[str, int]:
        rows, start = {}, {}
        while True:
            page = self.call("Scan", TableName=TABLE, ConsistentRead=True, **start)
            rows |= {item["id"]["S"]: int(item["version"]["N"]) for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return rows
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    # The copy

    def copy(self) -> dict[str, int]:
        return {key[0]: int(row["version"]) for key, row in self.sink.live_rows().items()}

    def look(self) -> None:
        """What a reader sees once the dataset is Ready: no key goes backwards, no deleted row returns."""
        if not self.runner.ready:
            return
        now = self.copy()
        for key, version in now.items():
            before = self.seen.get(key, 0)
            # A row that was gone may return only as a newer one.
            least = before + 1 if key in self.vanished else before
            assert version >= least, f"{key} went back from {before} to {version}"
        self.vanished = {key for key in self.seen if key not in now}
        self.seen |= now

    # The run

    def live(self, *, writes: int, write_rate: float = 0.3) -> None:
        """Write and replicate side by side until ``writes`` are done."""
        while writes:
            if self.random.random() < write_rate:
                self.write()
                writes -= 1
            self.runner.step()
            self.look()

    def settle(self, steps: int = 60_000) -> None:
        """Stop writing; replicate until Ready and equal to the table. Mishaps stop too."""
        self.hazards.fault = self.hazards.crash = self.hazards.unknown_commit = 0.0
        self.hazards.expired_iterator = 0.0
        self.empty_pages = 0.0
        truth = self.truth()
        self.runner.run_until(lambda: self.runner.ready and self.copy() == truth, steps)
        self.look()

    def _small_pages(self, operation: str, body: bytes) -> Response:
        """The simulator, giving pages so small that a history takes many."""
        if operation in ("GetRecords", "Scan"):
            request = json.loads(body)
            request["Limit"] = self.random.randint(1, 12)
            body = json.dumps(request).encode()
        return self.simulator(operation, body)

    def _fault(self, operation: str, request: dict) -> Fault | None:
        if operation == "GetRecords" and self.empty_pages:
            # Under the stated assumption: never as many in a row as prove a tip.
            in_a_row = self.empties_in_a_row.get("", 0)
            if in_a_row < 2 and self.random.random() < self.empty_pages:
                self.empties_in_a_row[""] = in_a_row + 1
                self.hazards.strike("empty page")
                return EmptyPage()
            self.empties_in_a_row[""] = 0
        return None

    def create(self) -> None:
        self.call(
            "CreateTable",
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        while self.call("DescribeTable", TableName=TABLE)["Table"]["TableStatus"] != "ACTIVE":
            self.clock.now += 1.0
