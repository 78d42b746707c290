"""Whether a replica is equal to its source: every item of both, compared while they change.

Both tables are scanned, and what differs is looked at again by its key. To look up every item of the source in the replica would need no
file, but up to forty times the read units: a Scan adds up items before it rounds to 4 KB, a lookup rounds each. That the Scans of two tables
come in the same order is nowhere promised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import Final

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.errors import Unavailable
from headrace.target import Replica
from headrace.targets.canonical import differing, digest
from headrace.targets.replication.repair import Repair
from headrace.targets.replication.scanned import Scanned
from headrace.targets.replication.sides import looked_at
from headrace.targets.table import Table, key_of

SETTLE: Final = 3.0
"""Seconds between two looks at a difference, in which a replica that follows closely has caught up with the change."""

_LOOKS: Final = 3
"""How often an item is looked at whose source keeps changing."""

_AT_ONCE: Final = 10_000
"""Differences that are looked at together: each look of them takes SETTLE once."""

_LOOKING: Final = 16
"""Requests for single items that are under way at once."""

_GROUP: Final = 25
"""Items that one of them reads: on both sides they are in memory, and an item may have 400 KB."""

_KEY: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Kind(StrEnum):
    """How an item differs: the replica lacks it, has it alone, or has it otherwise."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class ItemDifference:
    """One item. ``key`` is DynamoDB JSON; ``attributes`` are those that differ. ``repaired``: it is equal now.

    ``reason`` says why it could not be repaired, None where that was not asked.
    """

    key: str
    kind: Kind
    attributes: tuple[str, ...] = ()
    repaired: bool = False
    reason: str | None = None


@dataclass(slots=True)
class Compared:
    """What was found, in items; ``moving`` ones changed on the source each time they were looked at, which proves nothing."""

    source: int = 0
    replica: int = 0
    missing: int = 0
    extra: int = 0
    different: int = 0
    repaired: int = 0
    moving: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether nothing that was found differs any more."""
        return self.missing + self.extra + self.different == self.repaired


@dataclass(frozen=True, slots=True)
class _Look:
    """One item on both sides: the source's digest (None: it has none), and how they differ (None: they do not)."""

    source: bytes | None
    kind: Kind | None = None
    attributes: tuple[str, ...] = field(default=())


class Comparison:
    """Of ``source`` and ``target``, its replica as ``replica`` says. ``pause`` waits so many seconds, ``clock`` gives epoch seconds."""

    def __init__(
        self,
        source: Table,
        target: Table,
        replica: Replica,
        *,
        segments: int = 4,
        settle: float | None = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._target = target
        self._replica = replica
        self._segments = segments
        self._settle = SETTLE if settle is None else settle
        self._pause = pause
        self._clock = clock
        self._ignored = replica.version_attribute if replica.conditional else None

    def run(self, tell: Callable[[ItemDifference], None], *, repair: bool = False) -> Compared:
        """Compare, and tell of each difference as soon as it is sure, in no order; ``repair`` those.

        Raises the SourceErrors, and HeadraceError where there is no room for what is compared.
        """
        sides = looked_at(self._source, self._target, self._replica)
        compared = Compared()
        mending = Repair(self._source, self._target, self._replica, sides, self._clock) if repair else None
        with ThreadPoolExecutor(max(_LOOKING, 2 * self._segments)) as workers, Scanned() as scanned:
            self._scan(scanned, [name for name, _ in sides.keys], workers)
            compared.source, compared.replica = scanned.counts["source"], scanned.counts["replica"]
            candidates = scanned.differing()
            while keys := list(islice(candidates, _AT_ONCE)):
                for found in self._settled(keys, mending, compared, workers):
                    tell(found)
        return compared

    def _scan(self, scanned: Scanned, names: Sequence[str], workers: ThreadPoolExecutor) -> None:
        def read(side: str, table: Table, segment: int) -> None:
            for page in table.scan(segment, self._segments):
                scanned.add(side, [(key_of(item, names), self._digest(table, item)) for item in page])

        reading = [
            workers.submit(read, side, table, segment)
            for side, table in (("source", self._source), ("replica", self._target))
            for segment in range(self._segments)
        ]
        try:
            for each in reading:
                each.result()
        finally:
            for each in reading:
                each.cancel()

    def _settled(
        self, keys: Sequence[str], mending: Repair | None, compared: Compared, workers: ThreadPoolExecutor
    ) -> Iterator[ItemDifference]:
        """Those of ``keys`` that differ for sure, repaired where that is asked."""
        sure, moving = self._sure(keys, workers)
        compared.moving += moving
        left, reasons = dict(sure), dict[str, str]()
        for _ in range(_LOOKS if mending is not None else 0):
            if not left:
                break
            assert mending is not None
            refused = workers.map(mending.mend, _groups(list(left)))
            reasons = {key: reason for group in refused for key, reason in group.items()}
            # What the source changed or deleted while it was written is seen here, and mended again.
            left = {key: look for key, look in self._look(list(left), workers).items() if look.kind}
        for key, look in sure.items():
            assert look.kind is not None
            done = mending is not None and key not in left
            why = reasons.get(key, "it changes all the time") if mending is not None and not done else None
            compared.repaired += done
            setattr(compared, look.kind.value, getattr(compared, look.kind.value) + 1)
            yield ItemDifference(key, look.kind, look.attributes, repaired=done, reason=why)

    def _sure(self, keys: Sequence[str], workers: ThreadPoolExecutor) -> tuple[dict[str, _Look], int]:
        """Those whose source stayed the same over two looks while the replica differed, and how many kept changing."""
        sure: dict[str, _Look] = {}
        before = {key: look for key, look in self._look(keys, workers).items() if look.kind}
        for _ in range(_LOOKS):
            if not before:
                break
            self._pause(self._settle)
            now = {key: look for key, look in self._look(list(before), workers).items() if look.kind}
            sure |= {key: look for key, look in now.items() if look.source == before[key].source}
            before = {key: look for key, look in now.items() if key not in sure}
        return sure, len(before)

    def _look(self, keys: Sequence[str], workers: ThreadPoolExecutor) -> dict[str, _Look]:
        looks: dict[str, _Look] = {}
        for found in workers.map(self._look_at, _groups(keys)):
            looks |= found
        return looks

    def _look_at(self, keys: Sequence[str]) -> dict[str, _Look]:
        asked = [_KEY.decode(key) for key in keys]
        # The replica first: a change that arrives between the two makes no difference then.
        theirs, ours = self._target.items(asked), self._source.items(asked)
        return {key: self._compared(ours.get(key), theirs.get(key)) for key in keys}

    def _compared(self, ours: Image | None, theirs: Image | None) -> _Look:
        if ours is None:
            return _Look(None, Kind.EXTRA if theirs is not None else None)
        mine = self._digest(self._source, ours)
        if theirs is None:
            return _Look(mine, Kind.MISSING)
        names = differing(ours, theirs, self._ignored)
        return _Look(mine, Kind.DIFFERENT if names else None, names)

    def _digest(self, table: Table, item: Image) -> bytes:
        try:
            return digest(item, self._ignored)
        except BrokenValue as error:
            raise Unavailable(f"{table} gave an item that is none: {error}") from error


def _groups(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return [keys[first : first + _GROUP] for first in range(0, len(keys), _GROUP)]
