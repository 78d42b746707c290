"""A stream's shards: who is whose child, which one takes an item, what each still holds.

Rules: reference of the DynamoDB Streams API. Records live 24 hours, shards rotate about every 4 hours, a
shard that is closed for 24 hours is forgotten.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil
from random import Random

from headrace.simulator.answers import Refusal, invalid
from headrace.simulator.keys import RING

RETENTION_SECONDS = 24 * 3600.0
ROTATION_SECONDS = 4 * 3600.0
# The first numbers lie just under 22 digits, so that a stream's text stops sorting after a few records.
_FIRST_NUMBERS_END = 10**21
_FIRST_NUMBERS_BITS = 65
_STEP_BITS = 63
_MOST_DIGITS = 40


@dataclass(frozen=True, slots=True)
class ListedShard:
    """A shard as DescribeStream tells of it, and when it was opened and closed."""

    id: str
    parent: str | None
    start: int
    end: int | None
    opened_at: float
    closed_at: float | None


@dataclass(slots=True)
class Shard:
    """A run of records of one part of the hash ring, in order of their sequence numbers.

    ``end`` and ``closed_at`` are set together, when it takes no more records. ``trimmed_through`` is the
    number up to which records are forgotten.
    """

    id: str
    parent: str | None
    low: int
    high: int
    opened_at: float
    start: int
    random: Random
    end: int | None = None
    closed_at: float | None = None
    trimmed_through: int = 0
    numbers: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    created: list[float] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)  # running totals of what the records weigh
    _last: int = 0
    _weight: int = 0
    _trimmed_weight: int = 0

    def __post_init__(self) -> None:
        self._last = self.trimmed_through = self.start - 1

    @property
    def is_open(self) -> bool:
        """Whether it takes records."""
        return self.end is None

    @property
    def tip(self) -> int:
        """The least number that a later record may have."""
        return self._last + 1

    @property
    def listed(self) -> ListedShard:
        """What can be told of it."""
        return ListedShard(self.id, self.parent, self.start, self.end, self.opened_at, self.closed_at)

    def draw(self) -> int:
        """The next sequence number; the gaps are as irregular as AWS's."""
        self._last += self.random.getrandbits(_STEP_BITS) + 1
        return self._last

    def leap(self) -> bool:
        """Let the numbers have a digit more within the next few records; False if they have as many as can be."""
        digits = len(str(self._last))
        if digits >= _MOST_DIGITS:
            return False
        self._last = max(self._last, 10**digits - self.random.getrandbits(_STEP_BITS + 1))
        return True

    def append(self, number: int, body: bytes, weight: int, now: float) -> None:
        """Keep a record under a number that ``draw`` gave."""
        self._weight += weight
        self.numbers.append(number)
        self.bodies.append(body)
        self.created.append(now)
        self.weights.append(self._weight)

    def close(self, now: float) -> None:
        """Take no more records."""
        self.end = self.draw()
        self.closed_at = now

    def trim(self, horizon: float) -> None:
        """Forget records created before ``horizon``."""
        if not self.created or self.created[0] >= horizon:
            return
        count = bisect_left(self.created, horizon)
        self.trimmed_through = self.numbers[count - 1]
        self._trimmed_weight = self.weights[count - 1]
        del self.numbers[:count], self.bodies[:count], self.created[:count], self.weights[:count]

    def page(self, position: int, limit: int, max_weight: int) -> tuple[Sequence[bytes], int]:
        """Records from the number ``position`` on, and the position after them. At least one, if there is one."""
        start = bisect_left(self.numbers, position)
        if start == len(self.numbers):
            return (), position
        before = self.weights[start - 1] if start else self._trimmed_weight
        by_weight = bisect_right(self.weights, before + max_weight)
        stop = min(max(by_weight, start + 1), start + limit)
        return self.bodies[start:stop], self.numbers[min(stop, len(self.numbers)) - 1] + 1

    def first_at_or_after(self, timestamp: float) -> int:
        """The number of the first record whose whole second is ``timestamp`` or later; else the tip."""
        place = bisect_left(self.created, ceil(timestamp))
        return self.numbers[place] if place < len(self.numbers) else self.tip

    def is_spent(self, position: int) -> bool:
        """Whether it is closed and holds nothing from ``position`` on."""
        return not self.is_open and (not self.numbers or self.numbers[-1] < position)


class Lineage:
    """All shards of one stream. Its open shards always cover the whole hash ring, until it is closed."""

    def __init__(
        self,
        random: Random,
        now: float,
        shards: int,
        rotation_seconds: float | None,
        retention_seconds: float,
    ) -> None:
        self._random = random
        self._rotation_seconds = rotation_seconds
        self._retention_seconds = retention_seconds
        self._shards: dict[str, Shard] = {}
        self._leaves: list[Shard] = []
        for index in range(shards):
            first = _FIRST_NUMBERS_END - random.getrandbits(_FIRST_NUMBERS_BITS)
            self._leaves.append(
                self._open(None, RING * index // shards, RING * (index + 1) // shards, now, first)
            )
        self._lows = [leaf.low for leaf in self._leaves]
        self._oldest = now

    def leaf(self, token: int) -> Shard:
        """The open shard that takes records of this place on the ring."""
        return self._leaves[bisect_right(self._lows, token) - 1]

    @property
    def leaves(self) -> Sequence[Shard]:
        """The open shards, by their place on the ring."""
        return tuple(self._leaves)

    @property
    def listing(self) -> Sequence[Shard]:
        """Every shard not forgotten, by id: the order in which DescribeStream pages."""
        return [self._shards[name] for name in sorted(self._shards)]

    def get(self, shard_id: str) -> Shard | None:
        """The shard of this id, unless it is forgotten."""
        return self._shards.get(shard_id)

    def rotate(self, shard: Shard, now: float) -> Shard:
        """Close a shard; one child takes over its part of the ring."""
        return self._replace(shard, (shard.low, shard.high), now)[0]

    def split(self, shard: Shard, now: float) -> tuple[Shard, Shard]:
        """Close a shard; two children take over a half each."""
        if shard.high - shard.low < 2:  # noqa: PLR2004  # One point of the ring cannot be halved.
            raise invalid(f"{shard.id} is too narrow to be split")
        left, right = self._replace(shard, (shard.low, (shard.low + shard.high) // 2, shard.high), now)
        return left, right

    def close(self, now: float) -> None:
        """Close every open shard without children: the stream is disabled."""
        for leaf in self._leaves:
            leaf.close(now)
        self._leaves, self._lows = [], []

    def advance(self, now: float) -> None:
        """Do what time does: rotate the shards that are due, trim old records, forget old shards."""
        self.rotate_due(now)
        horizon = now - self._retention_seconds
        for shard in list(self._shards.values()):
            shard.trim(horizon)
            if shard.closed_at is not None and shard.closed_at < horizon:
                del self._shards[shard.id]

    def rotate_due(self, now: float) -> None:
        """Rotate the shards that have been open for long enough, as often as it fell due."""
        every = self._rotation_seconds
        if every is None or now < self._oldest + every:
            return
        due = [leaf for leaf in self._leaves if leaf.opened_at + every <= now]
        while due:
            heirs = [self.rotate(leaf, leaf.opened_at + every) for leaf in due]
            due = [heir for heir in heirs if heir.opened_at + every <= now]
        self._oldest = min((leaf.opened_at for leaf in self._leaves), default=now)

    def _replace(self, shard: Shard, bounds: Sequence[int], now: float) -> list[Shard]:
        if not shard.is_open:
            raise Refusal("ResourceInUseException", f"{shard.id} is closed already")
        shard.close(now)
        children = [self._open(shard.id, low, high, now, shard.draw()) for low, high in pairwise(bounds)]
        place = self._leaves.index(shard)
        self._leaves[place : place + 1] = children
        self._lows = [leaf.low for leaf in self._leaves]
        return children

    def _open(self, parent: str | None, low: int, high: int, now: float, start: int) -> Shard:
        shard = Shard(self._new_id(now), parent, low, high, now, start, self._random)
        self._shards[shard.id] = shard
        return shard

    def _new_id(self, now: float) -> str:
        while True:
            name = f"shardId-{int(now * 1000):020}-{self._random.getrandbits(32):08x}"
            if name not in self._shards:
                return name
