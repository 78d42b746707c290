"""Two simulated tables, and what replicates the one to the other, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from headrace.batch import Batch
from headrace.dynamodb.events import event_page
from headrace.simulator import Alter, Simulator
from headrace.stream_record import StreamRecord
from headrace.target import Replica
from headrace.targets.replication import ReplicaTarget
from headrace.testing.asking import ask


class Crash(Exception):
    """The process is gone."""


NOW = 1_700_000_000.0
KEY = ("id",)


class Side:
    """One account and region with a table ``orders``; ``faults`` befall clients, not ``call``."""

    def __init__(
        self,
        region: str = "us-east-1",
        *,
        key: tuple[str, ...] = KEY,
        view: str = "NEW_AND_OLD_IMAGES",
        seed: int = 0,
        shards: int = 1,
    ) -> None:
        self.now = NOW
        self.simulator = Simulator(lambda: self.now, seed, region, initial_shards=shards, faults=self._befall)
        self.faults: Any = None
        self.answered: Any = None
        self.asked: list[str] = []
        self.generations: dict[StreamRecord, int] = {}
        self._own = False
        self.call(
            "CreateTable",
            TableName="orders",
            KeySchema=[
                {"AttributeName": each, "KeyType": role}
                for each, role in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in key],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
        )
        self.arn = self.call("DescribeTable", TableName="orders")["Table"]["LatestStreamArn"]

    def __call__(self, operation, body):
        response = self.simulator(operation, body)
        if self.answered is not None:
            self.answered()
        return response

    def crash_at(self, number, after_effect):
        """Have clients crash at so many requests from now, before they take effect or after; None: no more."""
        left = [number]

        def faults(operation, _):
            if operation == "DescribeTable":
                return None
            left[0] -= 1
            if left[0] != 0:
                return None
            return Alter(_crash) if after_effect else _crash()

        self.faults = None if number is None else faults

    def call(self, operation, **request):
        self._own = True
        try:
            return ask(self.simulator, operation, **request)
        finally:
            self._own = False

    def put(self, key, **attributes):
        item = {name: {"S": str(value)} for name, value in attributes.items()}
        self.call("PutItem", TableName="orders", Item={"id": {"S": key}, **item})

    def update(self, key, **attributes):
        names = {f"#{name}": name for name in attributes}
        values = {f":{name}": {"S": str(value)} for name, value in attributes.items()}
        self.call(
            "UpdateItem",
            TableName="orders",
            Key={"id": {"S": key}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in attributes),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )

    def delete(self, key):
        self.call("DeleteItem", TableName="orders", Key={"id": {"S": key}})

    def stored(self, *, marks=False):
        """The items by their id, plain."""
        items = self.call("Scan", TableName="orders")["Items"]
        return {
            item["id"]["S"]: {
                name: value for name, value in item.items() if marks or name != "headrace_version"
            }
            for item in items
        }

    def records(self) -> list[StreamRecord]:
        """All that the stream holds, parents before children, in order; of which generation each is, is known then."""
        found: list[StreamRecord] = []
        generations: dict[str | None, int] = {}
        shards = self.call("DescribeStream", StreamArn=self.arn)["StreamDescription"]["Shards"]
        waiting = {shard["ShardId"]: shard.get("ParentShardId") for shard in shards}
        while waiting:
            shard = next(shard for shard, parent in waiting.items() if parent not in waiting)
            generation = generations.get(waiting.pop(shard), -1) + 1
            generations[shard] = generation
            records = list(self._records(shard))
            self.generations |= dict.fromkeys(records, generation)
            found += records
        return found

    def _records(self, shard: str) -> Iterator[StreamRecord]:
        iterator = self.call(
            "GetShardIterator", StreamArn=self.arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator is not None:
            self._own = True
            answer = self.simulator("GetRecords", b'{"ShardIterator":"%b"}' % iterator.encode()).body
            self._own = False
            page = event_page(answer, self.arn, shard=shard, at=NOW)
            yield from page.records
            iterator = page.next_iterator if page.count else None

    def _befall(self, operation, request):
        if self._own:
            return None
        self.asked.append(operation)
        return None if self.faults is None else self.faults(operation, request)


@dataclass
class Replication:
    """A target from ``source`` to ``replica``. What it does not wait for, it counts in ``waits``."""

    source: Side
    replica: Side
    settings: Replica = field(default_factory=lambda: Replica("orders"))
    state: Any = None
    writers: int = 4
    told: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    target: Any = None

    def __post_init__(self):
        self.start()

    def start(self):
        """A new process."""
        self.stop()
        self.target = ReplicaTarget(
            "copy",
            self.settings,
            self.replica,
            self.state,
            source=self.source,
            table="orders",
            observe=self.told.append,
            writers=self.writers,
            clock=lambda: self.source.now,
            pause=self.waits.append,
        )

    def stop(self):
        if self.target is not None:
            self.target.close()

    def batch(self, records, **more):
        return Batch("copy", self.source.arn, "shard", tuple(records), **more)

    def deliver(self, records=None, **more):
        """What the target says to one batch, of all there is where none is given."""
        return self.target.consume(self.batch(self.source.records() if records is None else records, **more))


def _crash(_answer=None):
    raise Crash
