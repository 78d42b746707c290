"""When recent rows become a file, and which files become one: pure functions of sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """Sizes at which work is due.

    Recent rows are flushed at ``flush_rows``, or where their changes take ``flush_bytes`` in the metastore. Files are of
    one tier if their numbers of rows differ by less than ``fan``; ``fan`` files of a tier are merged, up to ``most_rows``
    or ``most_bytes``. A file of which more than ``dead_share`` is dead is written anew, unless that is less than
    ``dead_rows``: of few rows it takes no time to ask which are dead. Where nothing changes for ``idle`` seconds, any
    file with dead rows is.
    """

    flush_rows: int = 131_072
    flush_bytes: int = 32 * 2**20
    fan: int = 4
    most_rows: int = 2**21
    most_bytes: int = 256 * 2**20
    dead_share: float = 0.01
    dead_rows: int = 8_192
    idle: float = 60.0

    def flush_is_due(self, rows: int, size: int) -> bool:
        """Whether recent rows, and the bytes of their changes, are large enough for a file."""
        return rows >= self.flush_rows or size >= self.flush_bytes

    def must_wait(self, rows: int, size: int) -> bool:
        """Whether there are so many that changes wait for the flush."""
        return rows >= _PATIENCE * self.flush_rows or size >= _PATIENCE * self.flush_bytes

    def merged(self, files: Sequence[FileSize], *, idle: bool = False) -> tuple[int, ...]:
        """The numbers of files that should become one now; empty if they are well as they are. ``idle``: nothing changes."""
        tiers: dict[int, list[FileSize]] = {}
        for file in sorted(files, key=lambda one: one.number):
            tiers.setdefault(self._tier(file), []).append(file)
        for tier in sorted(tiers):
            some = self._fitting(tiers[tier])
            if len(some) >= self.fan:
                return tuple(file.number for file in some)
        worn = [file for file in files if file.dead > (0 if idle else self._most_dead(file))]
        worst = max(worn, key=lambda file: (file.dead / file.rows, file.number), default=None)
        return () if worst is None else (worst.number,)

    def _most_dead(self, file: FileSize) -> float:
        return min(max(self.dead_share * file.rows, self.dead_rows), file.rows - 1)

    def _tier(self, file: FileSize) -> int:
        rows = max(1.0, file.rows / self.flush_rows)
        return math.floor(math.log(rows) / math.log(self.fan) + _ROUNDING)

    def _fitting(self, files: Sequence[FileSize]) -> list[FileSize]:
        """The first files that make a file not too large."""
        found: list[FileSize] = []
        rows = size = 0
        for file in files:
            rows, size = rows + file.rows - file.dead, size + file.size
            if rows > self.most_rows or size > self.most_bytes:
                continue
            found.append(file)
            if len(found) == self.fan:
                break
        return found


@dataclass(frozen=True, slots=True)
class FileSize:
    """A file's number, its rows, how many of them are dead, and its bytes."""

    number: int
    rows: int
    dead: int
    size: int


_PATIENCE: Final = 8
"""Times the size at which a flush is due that recent rows may grow to while it is under way."""

_ROUNDING: Final = 1e-9
