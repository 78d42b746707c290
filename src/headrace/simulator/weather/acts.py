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
    """One thing that may happen at any time. ``end`` ends at once what goes on for a while."""

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

    def end(self) -> None:
        """Nothing goes on."""


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


class StreamReplaced(Act):
    """The stream is disabled, and some time later another is enabled: what is written between is in neither."""

    def __init__(self, chance: Chance) -> None:
        super().__init__(chance)
        self._enable: Callable[[], None] | None = None
        self._enable_at = 0.0

    def __call__(self, simulator: Simulator, table: str) -> float:
        """As every act; and enable what was disabled for long enough."""
        if self._enable is not None and self.chance.clock() >= self._enable_at:
            self.end()
        return super().__call__(simulator, table)

    def do(self, simulator: Simulator, table: str) -> float:
        """Disable it."""
        specification = ask(simulator, "DescribeTable", TableName=table)["Table"]["StreamSpecification"]

        def enable() -> None:
            # A table that was made anew meanwhile has a stream.
            if not _streams(simulator, table):
                ask(simulator, "UpdateTable", TableName=table, StreamSpecification=specification)

        ask(simulator, "UpdateTable", TableName=table, StreamSpecification={"StreamEnabled": False})
        self._enable = enable
        self._enable_at = self.chance.clock() + self.chance.random.uniform(*_OFF_SECONDS)
        self.chance.happened()
        return 0.0

    def end(self) -> None:
        """Enable it now."""
        if self._enable is not None:
            self._enable()
            self._enable = None


class TableRecreated(Act):
    """The table is deleted with all its items, and made anew under the same name."""

    def do(self, simulator: Simulator, table: str) -> float:
        """Delete and make it."""
        old = ask(simulator, "DescribeTable", TableName=table)["Table"]
        new = {
            name: old[name]
            for name in ("TableName", "KeySchema", "AttributeDefinitions", "StreamSpecification")
        }
        ask(simulator, "DeleteTable", TableName=table)
        ask(simulator, "CreateTable", BillingMode="PAY_PER_REQUEST", **new)
        self.chance.happened()
        return 0.0


def ask(simulator: Simulator, operation: str, **request: Any) -> dict[str, Any]:
    """The answer. Raises SourceError where it is an error."""
    response = simulator(operation, msgspec.json.encode(request))
    if response.status != 200:  # noqa: PLR2004  # HTTP's OK.
        raise SourceError(f"{operation} was refused: {response.body.decode()}")
    answer: dict[str, Any] = msgspec.json.decode(response.body)
    return answer


def _streams(simulator: Simulator, table: str) -> bool:
    """Whether the table is there and its stream enabled."""
    try:
        return bool(simulator.streams.open_shards(table))
    except ValueError:
        return False
