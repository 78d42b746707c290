"""A simulated table without a stream that is being written to, and the machine that refreshes its copy."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.memory import MemoryAccelerator
from headrace.change import ChangeBatch
from headrace.dataset import (
    Acceleration,
    Dataset,
    Refresh,
    RefreshMode,
    Replication,
    SnapshotPlace,
    Snapshots,
)
from headrace.dynamodb import DynamoDBSource
from headrace.replicate.commands import RefreshNow
from headrace.replicate.refresher import Refresher
from headrace.schema import TableSchema
from headrace.simulator import Simulator
from headrace.wire import Response
from support.seeded import Clock, Hazards, SeededRunner
from support.shelves import shelf_of

TABLE = "orders"
START = 1_700_000_000.0


class ByTime:
    """Keeps rows whose number ``at`` is not before ``since``, and in ``only`` these statuses, if it names any."""

    def __init__(self, only=()):
        self.only = only

    def __repr__(self):
        return f"ByTime({self.only})"

    @property
    def fingerprint(self):
        return ",".join(self.only)

    def columns(self, schema):
        return schema

    def keep(self, changes, now, since):
        mask = pa.array([True] * changes.count)
        names = changes.rows.schema.names
        if since is not None:
            mask = pc.fill_null(pc.greater_equal(changes.rows.column("at"), since), False)
        if self.only and "status" in names:
            mask = pc.and_(mask, pc.is_in(changes.rows.column("status"), pa.array(self.only)))
        kept = changes.rows.filter(mask)
        if not kept.num_rows:
            return None
        rows = [number for number, keep in enumerate(mask.to_pylist()) if keep]
        return replace(changes, rows=kept, page=_Picked(changes.page, rows))


class _Picked:
    def __init__(self, page, rows):
        self._page, self._rows = page, rows

    def letter(self, row, reason):
        return replace(self._page.letter(self._rows[row], reason), place=row)


class KeptRows:
    """The live rows of a MemoryAccelerator; those expire whose ``at`` is before ``keeps_from``."""

    def __init__(self, sink):
        self.sink = sink
        self.keeps_from = 0.0
        self.asked = 0

    def newest(self):
        times = [row.get("at") for row in self.sink.live_rows().values()]
        return max((float(time) for time in times if time is not None), default=None)

    def expired(self, now, limit):
        self.asked += 1
        gone = [key for key, row in self.sink.live_rows().items() if (row.get("at") or 0) < self.keeps_from]
        keys = [key[0] for key in gone[:limit]]
        schema = TableSchema.of_keys((("id", "S"),))
        rows = pa.RecordBatch.from_pydict({"id": keys}, schema=schema.arrow())
        return ChangeBatch(schema, rows, pa.array([True] * len(keys)), 0) if keys else None


class RefreshedWorld:
    """Everything one seed needs. Each item has a ``version`` that only grows, and ``at``, the time it was written."""

    def __init__(
        self,
        seed=0,
        *,
        items=25,
        mode=RefreshMode.FULL,
        refresh=None,
        retention=None,
        hazards=None,
        sink=None,
        segments=2,
        selection=None,
        stream=False,
        settings=None,
        shelf_in=None,
        snapshot_interval=None,
    ):
        self.random = random.Random(f"refreshed/{seed}")
        self.clock = Clock(START)
        self.simulator = Simulator(self.clock, seed, faults=self._fault)
        self.fault = lambda operation, request: None
        self.calls = []
        self.versions = 0
        self.create(stream=stream)
        for number in range(items):
            self.put(f"k{number}", at=int(START) - items + number)
        self.sink = sink or MemoryAccelerator()
        self.kept = KeptRows(self.sink)
        self.selection = selection or ByTime()
        self.mode, self.refresh, self.retention = mode, refresh or Refresh(), retention
        self.settings = settings or Replication(scan_segments=segments)
        self.hazards = hazards or Hazards()
        self.tickets = 0
        taken = Snapshots(SnapshotPlace(), interval=snapshot_interval)
        self.snapshots = taken if shelf_in is not None else None
        self.runner = SeededRunner(
            seed,
            self.clock,
            lambda: DynamoDBSource(self._small_pages, TABLE, followed=False),
            self.sink,
            self.settings,
            self.hazards,
            shelf=shelf_of(shelf_in, self.sink, self.clock, "duckdb") if shelf_in is not None else None,
            make_machine=self._machine,
            kept=self.kept,
        )

    def _machine(self):
        acceleration = Acceleration(
            refresh_mode=self.mode, refresh=self.refresh, retention=self.retention, snapshots=self.snapshots
        )
        dataset = Dataset(TABLE, TABLE, acceleration=acceleration, replication=self.settings)
        return Refresher(dataset, self.selection, "salt")

    def _fault(self, operation, request):
        return self.fault(operation, request)

    # The table

    def call(self, operation, **request):
        response: Response = self.simulator(operation, json.dumps(request).encode())
        assert response.status == 200, response.body
        return json.loads(response.body)

    def put(self, key, *, at=None, **more):
        self.versions += 1
        time = int(self.clock.now) if at is None else at
        item = {"id": {"S": key}, "version": {"N": str(self.versions)}, "at": {"N": str(time)}}
        self.call("PutItem", TableName=TABLE, Item=item | {name: {"S": text} for name, text in more.items()})

    def delete(self, key):
        self.call("DeleteItem", TableName=TABLE, Key={"id": {"S": key}})

    def truth(self):
        rows, start = {}, {}
        while True:
            page = self.call("Scan", TableName=TABLE, ConsistentRead=True, **start)
            rows |= {item["id"]["S"]: int(item["version"]["N"]) for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return rows
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def create(self, *, stream=False):
        specification = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
        self.call(
            "CreateTable",
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            **(specification if stream else {}),
        )
        while self.call("DescribeTable", TableName=TABLE)["Table"]["TableStatus"] != "ACTIVE":
            self.clock.now += 1.0

    def recreate(self):
        self.call("DeleteTable", TableName=TABLE)
        self.clock.now += 60.0
        self.create()

    # The copy

    def copy(self):
        return {key[0]: int(row["version"]) for key, row in self.sink.live_rows().items()}

    def facts(self, kind):
        return [fact for fact in self.runner.facts if isinstance(fact, kind)]

    # The run

    @property
    def at_rest(self):
        status = self.runner.status
        return status is not None and status.ready and status.live and str(status.status) == "Ready"

    def run_until(self, condition, steps=20_000):
        self.runner.run_until(condition, steps)

    def settle(self):
        self.run_until(lambda: self.at_rest)

    def ask(self, **how):
        """Ask for a refresh; its ticket."""
        self.tickets += 1
        self.runner.ask(RefreshNow(self.tickets, **how))
        return self.tickets

    def reply(self, ticket):
        return next((reply for reply in self.runner.replies if reply.ticket == ticket), None)

    def refreshed(self, **how):
        """Ask for a refresh and wait until it is done, or is not; the answer."""
        ticket = self.ask(**how)
        self.run_until(lambda: self.reply(ticket) is not None)
        return self.reply(ticket)

    def wait(self, seconds):
        """Let time pass while the machine runs."""
        until = self.clock.now + seconds
        self.run_until(lambda: self.clock.now >= until)

    def _small_pages(self, operation, body):
        self.calls.append(operation)
        if operation == "Scan":
            request = json.loads(body)
            request["Limit"] = self.random.randint(1, 7)
            body = json.dumps(request).encode()
        return self.simulator(operation, body)
