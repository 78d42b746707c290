"""Whether a replica is equal to its source.

Both tables are scanned, and what differs is looked at again by its key. To look up every item of the source in the replica would need no
file, but up to forty times the read units: a Scan adds up items before it rounds to 4 KB, a lookup rounds each. That the Scans of two tables
come in the same order is nowhere promised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.decoding import json_decoder
from headrace.errors import Unavailable
from headrace.target import Replica
from headrace.targets.canonical import differing, digest
from headrace.targets.comparison import Compared, Comparison, ItemDifference, Kind, Look, Pair
from headrace.targets.replication.repair import Repair
from headrace.targets.replication.sides import Sides, looked_at
from headrace.targets.scanned import Row
from headrace.targets.table import Table, key_of

_KEY: Final = json_decoder(dict[str, msgspec.Raw])


class ReplicaComparison:
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
        self._settle = settle
        self._pause = pause
        self._clock = clock

    def run(self, tell: Callable[[ItemDifference], None], *, repair: bool = False) -> Compared:
        """See ``Comparison``. Raises the SourceErrors, and HeadraceError where there is no room for what is compared."""
        sides = looked_at(self._source, self._target, self._replica)
        mending = Repair(self._source, self._target, self._replica, sides, self._clock)
        ignored = self._replica.version_attribute if self._replica.conditional else None
        tables = _Tables(self._source, self._target, sides, mending, ignored, self._segments)
        return Comparison(tables, settle=self._settle, pause=self._pause).run(tell, repair=repair)


class _Tables(Pair):
    """Both tables; the attribute ``ignored`` does not count."""

    def __init__(
        self,
        source: Table,
        target: Table,
        sides: Sides,
        mending: Repair,
        ignored: str | None,
        segments: int,
    ) -> None:
        self._source = source
        self._target = target
        self._names = [name for name, _ in sides.keys]
        self._mending = mending
        self._ignored = ignored
        self._segments = segments

    def scans(self) -> Iterable[tuple[str, Iterator[Sequence[Row]]]]:
        """See ``Pair``."""
        return [
            (side, self._pages(table, segment))
            for side, table in (("source", self._source), ("replica", self._target))
            for segment in range(self._segments)
        ]

    def look(self, keys: Sequence[str]) -> dict[str, Look]:
        """See ``Pair``."""
        asked = [_KEY.decode(key) for key in keys]
        # The replica first: a change that arrives between the two makes no difference then.
        theirs, ours = self._target.items(asked), self._source.items(asked)
        return {key: self._compared(ours.get(key), theirs.get(key)) for key in keys}

    def mend(self, keys: Sequence[str]) -> dict[str, str]:
        """See ``Pair``."""
        return self._mending.mend(keys)

    def _pages(self, table: Table, segment: int) -> Iterator[Sequence[Row]]:
        for page in table.scan(segment, self._segments):
            yield [(key_of(item, self._names), self._digest(table, item)) for item in page]

    def _compared(self, ours: Image | None, theirs: Image | None) -> Look:
        if ours is None:
            return Look(None, Kind.EXTRA if theirs is not None else None)
        mine = self._digest(self._source, ours)
        if theirs is None:
            return Look(mine, Kind.MISSING)
        names = differing(ours, theirs, self._ignored)
        return Look(mine, Kind.DIFFERENT if names else None, names)

    def _digest(self, table: Table, item: Image) -> bytes:
        try:
            return digest(item, self._ignored)
        except BrokenValue as error:
            raise Unavailable(f"{table} gave an item that is none: {error}") from error
