"""What happens to the table and its stream as time passes, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from headrace.errors import SourceError
from headrace.simulator.shards import RETENTION_SECONDS
from headrace.simulator.simulator import Simulator
from headrace.simulator.streams import ITERATOR_SECONDS
from headrace.simulator.weather.chance import Chance

MOST_OPEN_SHARDS = 24
"""No more shards are split where so many are open."""

_OFF_SECONDS = (0.0, 30.0)


class Act:
    """One thing that may happen at any time."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance

    def __call__(self, simulator: Simulator, table: str) -> float:
        """Perhaps do it; gives the seconds by which the clock must move."""
        if not self.chance.hits() or not _streams(simulator, table):
            return 0.0
        return self.do(simulator, table)

    def do(self, simulator: Simulator, table: str) -> float:
        """Do it to a table whose stream is enabled."""
        raise NotImplementedError

    def end(self) -> bool:
        """End what goes on for a while; False as long as the service does not let it."""
        return True


class Split(Act):
    """One open shard, any, becomes two."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Split it."""
        shards = simulator.streams.open_shards(table)
        if len(shards) < MOST_OPEN_SHARDS:
            simulator.streams.split_shard(table, self.chance.random.choice(shards))
            self.chance.happened()
        return 0.0


class ChainOfSplits(Act):
    """One open shard is split, and at once one of its children, for two to four generations."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Split them."""
        random = self.chance.random
        generations = random.randint(2, 4)
        shards = simulator.streams.open_shards(table)
        if len(shards) + generations <= MOST_OPEN_SHARDS:
            shard = random.choice(shards)
            for _ in range(generations):
                shard = random.choice(simulator.streams.split_shard(table, shard))
            self.chance.happened()
        return 0.0


class Rotation(Act):
    """Every open shard closes and gets one child."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Rotate them."""
        simulator.streams.rotate_shards(table)
        self.chance.happened()
        return 0.0


class LongerNumbers(Act):
    """The sequence numbers of an open shard grow by a digit."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Lengthen them, unless they are as long as can be."""
        shard = self.chance.random.choice(simulator.streams.open_shards(table))
        if simulator.streams.lengthen_numbers(table, shard):
            self.chance.happened()
        return 0.0


class TimeToLive(Act):
    """An item, any, is deleted by the service."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Delete it, if there is one."""
        keys = [element["AttributeName"] for element in _described(simulator, table)["KeySchema"]]
        items = ask(simulator, "Scan", TableName=table)["Items"]
        if items:
            item = self.chance.random.choice(items)
            simulator.streams.expire_item(table, {name: item[name] for name in keys})
            self.chance.happened()
        return 0.0


class Trim(Act):
    """The clock moves on by a day: what was not read is gone."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Count it where there is something to lose."""
        seconds = RETENTION_SECONDS + self.chance.random.uniform(1.0, 3600.0)
        if simulator.streams.held_records(table):
            self.chance.happened()
        return seconds


class Pause(Act):
    """The clock moves on by a quarter of an hour and more: every iterator expires."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Move it."""
        del simulator, table
        self.chance.happened()
        return ITERATOR_SECONDS + self.chance.random.uniform(1.0, ITERATOR_SECONDS)


class Undone(Act):
    """An act that goes on for a while, until what it did is undone."""

    def __init__(self, chance: Chance) -> None:
        super().__init__(chance)
        self._undo: Callable[[], bool] | None = None
        self._undo_at = 0.0

    def __call__(self, simulator: Simulator, table: str) -> float:
        """As every act, where it does not go on already; and undo what has gone on for long enough."""
        hit = self.chance.hits()
        if self._undo is None:
            return self.do(simulator, table) if hit and _streams(simulator, table) else 0.0
        if self.chance.clock() >= self._undo_at:
            self.end()
        return 0.0

    def begin(self, undo: Callable[[], bool], seconds: float) -> None:
        """Count it, and let ``undo`` end it in so many seconds; it gives whether it could."""
        self._undo, self._undo_at = undo, self.chance.clock() + seconds
        self.chance.happened()

    def end(self) -> bool:
        """Undo it now."""
        if self._undo is not None and self._undo():
            self._undo = None
        return self._undo is None


class StreamReplaced(Undone):
    """The stream is disabled, and some time later another is enabled: what is written between is in neither."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Disable it."""
        specification = _described(simulator, table)["StreamSpecification"]

        def enable() -> bool:
            described = _described(simulator, table)
            # A table that was made anew meanwhile has a stream.
            if described.get("TableStatus") == "ACTIVE" and "StreamSpecification" not in described:
                ask(simulator, "UpdateTable", TableName=table, StreamSpecification=specification)
                return True
            return "StreamSpecification" in described

        ask(simulator, "UpdateTable", TableName=table, StreamSpecification={"StreamEnabled": False})
        self.begin(enable, self.chance.random.uniform(*_OFF_SECONDS))
        return 0.0


class TableRecreated(Undone):
    """The table is deleted with all its items, and made anew under the same name as soon as it is gone."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Delete it, and make it."""
        old = _described(simulator, table)
        names = ("TableName", "KeySchema", "AttributeDefinitions", "StreamSpecification")
        new = {name: old[name] for name in names}

        def create() -> bool:
            if _described(simulator, table):
                return False
            ask(simulator, "CreateTable", BillingMode="PAY_PER_REQUEST", **new)
            return True

        ask(simulator, "DeleteTable", TableName=table)
        self.begin(create, 0.0)
        self.end()
        return 0.0


def ask(simulator: Simulator, operation: str, **request: Any) -> dict[str, Any]:
    """The answer. Raises SourceError where it is an error."""
    response = simulator(operation, msgspec.json.encode(request))
    if response.status != 200:  # noqa: PLR2004  # HTTP's OK.
        raise SourceError(f"{operation} was refused: {response.body.decode()}")
    answer: dict[str, Any] = msgspec.json.decode(response.body)
    return answer


def _described(simulator: Simulator, table: str) -> dict[str, Any]:
    """The table's description; empty where there is none."""
    response = simulator("DescribeTable", msgspec.json.encode({"TableName": table}))
    described: dict[str, Any] = msgspec.json.decode(response.body).get("Table", {})
    return described


def _streams(simulator: Simulator, table: str) -> bool:
    """Whether the table is active and its stream enabled."""
    try:
        simulator.streams.open_shards(table)
    except ValueError:
        return False
    return bool(_described(simulator, table).get("TableStatus") == "ACTIVE")
