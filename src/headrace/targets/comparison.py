"""Whether what is kept equal to a table is equal to it: every item of both, compared while they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final, Protocol

from headrace.targets.scanned import Row, Scanned

SETTLE: Final = 3.0
"""Seconds between two looks at a difference, in which a target that follows closely has caught up with the change."""

LOOKING: Final = 16
"""Requests for single items that are under way at once."""

_LOOKS: Final = 3
"""How often an item is looked at whose source keeps changing."""

_AT_ONCE: Final = 10_000
"""Differences that are looked at together: each look of them takes SETTLE once."""

_GROUP: Final = 25
"""Items that one look reads: on both sides they are in memory, and an item may have 400 KB."""


class Kind(StrEnum):
    """How an item differs: the target lacks it, has it alone, or has it otherwise."""

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
class Look:
    """One item on both sides: the source's digest (None: it has none), and how they differ (None: they do not)."""

    source: bytes | None
    kind: Kind | None = None
    attributes: tuple[str, ...] = ()


class Pair(Protocol):
    """A table and what is kept equal to it. Any thread may call; each method raises HeadraceError."""

    def scans(self) -> Iterable[tuple[str, Iterator[Sequence[Row]]]]:
        """All of both sides, in parts that may be read at once: a side (see ``scanned.SIDES``), and its rows page by page."""
        ...

    def look(self, keys: Sequence[str]) -> dict[str, Look]:
        """These items as both sides have them now, the target read before the source."""
        ...

    def mend(self, keys: Sequence[str]) -> dict[str, str]:
        """Make these items of the target what the source's are, unless somebody else writes them; of those left, why."""
        ...


class Comparison:
    """Of both sides of ``pair``. ``settle`` are the seconds between two looks, SETTLE for None; ``pause`` waits so many."""

    def __init__(
        self, pair: Pair, *, settle: float | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._pair = pair
        self._settle = SETTLE if settle is None else settle
        self._pause = pause

    def run(self, tell: Callable[[ItemDifference], None], *, repair: bool = False) -> Compared:
        """Compare, and tell of each difference as soon as it is sure, in no order; ``repair`` those.

        Raises what the pair does, and HeadraceError where there is no room for what is compared.
        """
        compared = Compared()
        scans = list(self._pair.scans())
        # The file goes last: a reader may still be adding to it when another one has failed.
        with Scanned() as scanned, ThreadPoolExecutor(max(LOOKING, len(scans))) as workers:
            _scan(scanned, scans, workers)
            compared.source, compared.replica = scanned.counts["source"], scanned.counts["replica"]
            candidates = scanned.differing()
            while keys := list(islice(candidates, _AT_ONCE)):
                for found in self._settled(keys, compared, workers, repair=repair):
                    tell(found)
        return compared

    def _settled(
        self, keys: Sequence[str], compared: Compared, workers: ThreadPoolExecutor, *, repair: bool
    ) -> Iterator[ItemDifference]:
        """Those of ``keys`` that differ for sure, repaired where that is asked."""
        sure, moving = self._sure(keys, workers)
        compared.moving += moving
        left, reasons = dict(sure), dict[str, str]()
        for _ in range(_LOOKS if repair else 0):
            if not left:
                break
            refused = workers.map(self._pair.mend, _groups(list(left)))
            reasons = {key: reason for group in refused for key, reason in group.items()}
            # What the source changed or deleted while it was written is seen here, and mended again.
            left = {key: look for key, look in self._look(list(left), workers).items() if look.kind}
        for key, look in sure.items():
            assert look.kind is not None
            done = repair and key not in left
            why = reasons.get(key, "it changes all the time") if repair and not done else None
            compared.repaired += done
            setattr(compared, look.kind.value, getattr(compared, look.kind.value) + 1)
            yield ItemDifference(key, look.kind, look.attributes, repaired=done, reason=why)

    def _sure(self, keys: Sequence[str], workers: ThreadPoolExecutor) -> tuple[dict[str, Look], int]:
        """Those whose source stayed the same over two looks while the target differed, and how many kept changing."""
        sure: dict[str, Look] = {}
        before = {key: look for key, look in self._look(keys, workers).items() if look.kind}
        for _ in range(_LOOKS):
            if not before:
                break
            self._pause(self._settle)
            now = {key: look for key, look in self._look(list(before), workers).items() if look.kind}
            sure |= {key: look for key, look in now.items() if look.source == before[key].source}
            before = {key: look for key, look in now.items() if key not in sure}
        return sure, len(before)

    def _look(self, keys: Sequence[str], workers: ThreadPoolExecutor) -> dict[str, Look]:
        looks: dict[str, Look] = {}
        for found in workers.map(self._pair.look, _groups(keys)):
            looks |= found
        return looks


def _scan(
    scanned: Scanned,
    scans: Sequence[tuple[str, Iterator[Sequence[Row]]]],
    workers: ThreadPoolExecutor,
) -> None:
    over = threading.Event()

    def read(side: str, pages: Iterator[Sequence[Row]]) -> None:
        for rows in pages:
            if over.is_set():
                return
            scanned.add(side, rows)

    reading = [workers.submit(read, side, pages) for side, pages in scans]
    try:
        wait(reading, return_when=FIRST_EXCEPTION)
        over.set()
        for each in reading:
            each.result()
    finally:
        over.set()
        for each in reading:
            each.cancel()


def _groups(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return [keys[first : first + _GROUP] for first in range(0, len(keys), _GROUP)]
