"""A load that does not pause: every kind of write, items that grow, and shards that split under it."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation

from headrace.simulator import Simulator
from support.history import History
from support.items import comparable, make_item, reads_as

KEYS = 4000
"""Numbers that items may have."""

LARGE = 24
"""Items of nearly the largest size that is allowed, so that the engine's log soon fills."""

EVERYTHING = {"put", "update", "delete", "batch", "transaction", "large", "split", "rotation", "chain"}
"""What a load does that runs for long enough, as its ``counts`` name it."""

_LARGE_BYTES = 380_000
_MOST_SHARDS = 6
_SPLIT_EVERY = 1.5


class CrashTable:
    """One table in the simulator; ``history`` holds every write to it."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        self.name = name
        self.history = History()
        self.present: set[int] = set()
        self._simulator = simulator
        call(
            simulator,
            "CreateTable",
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )

    def items(self) -> dict[str, dict]:
        """What the table holds, by key, as DynamoDB JSON."""
        found: dict[str, dict] = {}
        start: dict = {}
        while True:
            page = call(self._simulator, "Scan", TableName=self.name, ConsistentRead=True, **start)
            found |= {item["id"]["S"]: item for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return found
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


class CrashLoad:
    """Writes to ``tables`` from a thread of its own, from ``start`` to ``stop``, about ``rate`` times a second.

    ``wrote_at`` is when it last wrote (monotonic seconds). One seed decides what is written; the clock decides when. The version of a write is its number, so that
    a key's versions only grow, deletions included.
    """

    def __init__(self, simulator: Simulator, names: tuple[str, ...], seed: int, rate: float = 200) -> None:
        self.tables = [CrashTable(simulator, name) for name in names]
        self.writes = 0
        self.wrote_at = 0.0
        self.counts: dict[str, int] = {}
        self._simulator = simulator
        self._random = random.Random(seed)
        self._pause = 1 / rate
        self._stopping = threading.Event()
        self._bursts = 0
        self._asking = threading.Lock()
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._write_on, name="load", daemon=True)
        self._split_at = 0.0

    def fill(self, count: int) -> None:
        """Put items 0 to ``count`` - 1 into each table."""
        for table in self.tables:
            for first in range(0, count, 25):
                self._batch(table, range(first, min(first + 25, count)))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write until the block ends. What went wrong with writing is raised then."""
        self._thread.start()
        try:
            yield
        finally:
            self.stop()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        """Write no more. Safe to call twice."""
        self._stopping.set()
        self._thread.join(30)

    @property
    def calm(self) -> bool:
        """Whether everything large that was asked for is written."""
        return self._bursts == 0

    def burst(self, size: int) -> None:
        """Ask for the large items to be put until more than ``size`` bytes are written."""
        with self._asking:
            self._bursts += 1 + size // (LARGE * _LARGE_BYTES)

    def _write_on(self) -> None:
        try:
            while not self._stopping.is_set():
                began = time.monotonic()
                for table in self.tables:
                    self._change(table)
                if self._bursts:
                    self._put_large()
                    with self._asking:
                        self._bursts -= 1
                if began > self._split_at:
                    self._split_at = began + self._random.uniform(0, 2 * _SPLIT_EVERY)
                    self._reshape(self._random.choice(self.tables))
                self.wrote_at = time.monotonic()
                self._stopping.wait(max(0.0, began + self._pause * len(self.tables) - self.wrote_at))
        except BaseException as error:  # noqa: BLE001 - told by the thread that waits for the load
            self.error = error

    def _change(self, table: CrashTable) -> None:
        roll = self._random.random()
        number = self._random.randrange(KEYS)
        if roll < 0.35 and table.present:
            self._update(table, self._present(table))
        elif roll < 0.55 and len(table.present) > KEYS // 2:
            self._delete(table, self._present(table))
        elif roll < 0.62:
            self._batch(table, self._random.sample(range(KEYS), 12))
        elif roll < 0.70:
            self._transact(table)
        else:
            self._put(table, number)

    def _present(self, table: CrashTable) -> int:
        while True:
            number = self._random.randrange(KEYS)
            if number in table.present:
                return number

    def _put(self, table: CrashTable, number: int) -> None:
        with self._writing(table, "put", {number: False}) as (version,):
            call(self._simulator, "PutItem", TableName=table.name, Item=grown_item(number, version))

    def _update(self, table: CrashTable, number: int) -> None:
        with self._writing(table, "update", {number: False}) as (version,):
            call(self._simulator, "UpdateItem", TableName=table.name, **_update_of(number, version))

    def _delete(self, table: CrashTable, number: int) -> None:
        with self._writing(table, "delete", {number: True}):
            call(self._simulator, "DeleteItem", TableName=table.name, Key=_key(number))

    def _batch(self, table: CrashTable, numbers: range | list[int]) -> None:
        gone = {
            number: number in table.present and not isinstance(numbers, range) and self._random.random() < 0.3
            for number in numbers
        }
        with self._writing(table, "batch", gone) as versions:
            requests = [
                {"DeleteRequest": {"Key": _key(number)}}
                if deletes
                else {"PutRequest": {"Item": grown_item(number, version)}}
                for (number, deletes), version in zip(gone.items(), versions, strict=True)
            ]
            call(self._simulator, "BatchWriteItem", RequestItems={table.name: requests})

    def _transact(self, table: CrashTable) -> None:
        """Put, update and delete at once."""
        new, changed, removed = self._random.sample(range(KEYS), 3)
        gone = {new: False, changed: False, removed: True}
        with self._writing(table, "transaction", gone) as versions:
            name = {"TableName": table.name}
            call(
                self._simulator,
                "TransactWriteItems",
                TransactItems=[
                    {"Put": {**name, "Item": grown_item(new, versions[0])}},
                    {"Update": {**name, **_update_of(changed, versions[1])}},
                    {"Delete": {**name, "Key": _key(removed)}},
                ],
            )

    def _put_large(self) -> None:
        for number in range(KEYS, KEYS + LARGE):
            with self._writing(self.tables[0], "large", {number: False}) as (version,):
                text = f"{version}," * (_LARGE_BYTES // (len(str(version)) + 1))
                item = {**_key(number), "revision": {"N": str(version)}, "large": {"S": text}}
                call(self._simulator, "PutItem", TableName=self.tables[0].name, Item=item)

    def _reshape(self, table: CrashTable) -> None:
        """Split, rotate, or make a chain of shards faster than anyone can discover it."""
        streams, name = self._simulator.streams, table.name
        leaves = streams.open_shards(name)
        roll = self._random.random()
        if roll < 0.4 and len(leaves) < _MOST_SHARDS:
            self._count("split")
            streams.split_shard(name)
        elif roll < 0.7:
            self._count("rotation")
            streams.rotate_shards(name)
        else:
            self._count("chain")
            shard = self._random.choice(leaves)
            for _ in range(3):
                (shard,) = streams.rotate_shards(name, shard)

    @contextmanager
    def _writing(self, table: CrashTable, what: str, gone: dict[int, bool]) -> Iterator[list[int]]:
        """Versions for writes to these numbers (true: a deletion), noted before and after they are sent."""
        versions = []
        for number, deletes in gone.items():
            self.writes += 1
            versions.append(self.writes)
            table.history.intend(name_of(number), self.writes, deletes=deletes)
        yield versions
        written = [(name_of(number), version) for number, version in zip(gone, versions, strict=True)]
        table.history.answered(time.monotonic(), written)
        for number, deletes in gone.items():
            (table.present.discard if deletes or number >= KEYS else table.present.add)(number)
        self._count(what)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


def call(simulator: Simulator, operation: str, **request: object) -> dict:
    """One request that must be answered."""
    response = simulator(operation, json.dumps(request).encode())
    assert response.status == 200, f"{operation}: {response.body.decode()}"
    return json.loads(response.body)


def name_of(number: int) -> str:
    """The key of an item."""
    return f"item-{number:05d}"


def _key(number: int) -> dict:
    return {"id": {"S": name_of(number)}}


def _update_of(number: int, version: int) -> dict:
    return {
        "Key": _key(number),
        "UpdateExpression": "SET revision = :r, price = :p REMOVE note",
        "ExpressionAttributeValues": {":r": {"N": str(version)}, ":p": {"N": "0.25"}},
    }


def grown_item(number: int, version: int) -> dict:
    """An item of every type; from version to version there are more attributes, and wider numbers."""
    item = make_item(number, version)
    known = min(40, 1 + version // 400)
    for extra in {version % known, (version // 7) % known}:
        item[f"grown_{extra}"] = _grown(extra, version)
    return item


def _grown(extra: int, version: int) -> dict:
    match extra % 4:
        case 0:
            return {"S": f"text {version} ☃"}
        case 1:
            wider = (f"{version}", f"{version}.25", f"1{version:036d}", f"-0.000000{version}")
            return {"N": wider[min(3, version // 3000)]}
        case 2:
            return {"BOOL": version % 2 == 0}
        case _:
            return {"SS": sorted({f"s{version % 7}", f"s{version % 11}"})}


def differences(rows: list[dict], items: dict[str, dict]) -> list[tuple[str, object, object]]:
    """Keys whose rows, as answered over HTTP, are not what the table holds; both sides of the first few."""
    read = {row["id"]: _as_numbers(comparable(row)) for row in rows}
    held = {key: _as_numbers(reads_as(item)) for key, item in items.items()}
    if len(read) != len(rows):
        return [("a key is there twice", len(rows), len(read))]
    wrong = sorted(key for key in read.keys() | held.keys() if read.get(key) != held.get(key))
    return [(key, *_unlike(read.get(key), held.get(key))) for key in wrong[:3]]


def _unlike(row: dict | None, item: dict | None) -> tuple[object, object]:
    if row is None or item is None:
        return row, item
    names = [name for name in row.keys() | item.keys() if row.get(name) != item.get(name)]
    return {name: row.get(name) for name in names}, {name: item.get(name) for name in names}


def _as_numbers(row: dict) -> dict:
    return {name: _as_number(value) if name.startswith("grown_") else value for name, value in row.items()}


def _as_number(value: object) -> object:
    if isinstance(value, list):
        return sorted(value)
    if isinstance(value, bool):
        return value
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return value
