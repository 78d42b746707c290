"""The Scan, segment by segment, each resumable at the last page that became durable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.change import ScanPage
from headrace.checkpoint import SegmentState

SETTLE = 10.0
"""Seconds before an eventually consistent Scan: writes before the shards were listed are then seen."""

_BY_ITEMS = ((10_000, 2), (100_000, 4), (1_000_000, 8), (10_000_000, 16))
_BY_BYTES = ((16 * 2**20, 2), (128 * 2**20, 4), (2**30, 8), (16 * 2**30, 16))
_MOST = 32


def choose_segments(items: int, size_bytes: int) -> int:
    """Segments for a table of this size.

    The service refreshes both figures only about every six hours, so a table that claims to be empty is
    still read in two.
    """
    by_items = next((count for limit, count in _BY_ITEMS if items < limit), _MOST)
    by_bytes = next((count for limit, count in _BY_BYTES if size_bytes < limit), _MOST)
    return max(by_items, by_bytes)


@dataclass(slots=True)
class SegmentReader:
    """The volatile side of one segment.

    ``cursor`` is where its next page starts, ``exhausted`` that there is none; ``unapplied`` counts pages
    read but not durable. ``asked_since`` is when its next page was first asked for, None while none is.
    """

    cursor: str | None
    exhausted: bool
    due_at: float
    busy: bool = False
    failures: int = 0
    unapplied: int = 0
    asked_since: float | None = None

    def asked(self, now: float) -> None:
        """Account for a request for the next page."""
        self.busy = True
        if self.asked_since is None:
            self.asked_since = now

    def take(self, page: ScanPage) -> None:
        """Account for a page that was read."""
        self.failures = 0
        self.asked_since = None
        self.unapplied += 1
        self.cursor = page.cursor
        self.exhausted = page.cursor is None


class ScanProgress:
    """All segments: what is durable, and what is being read."""

    def __init__(self, durable: Sequence[SegmentState], rows: int, now: float) -> None:
        self.durable = list(durable)
        self.rows = rows
        self.readers = [SegmentReader(s.cursor, s.done, now) for s in durable]

    @property
    def done(self) -> bool:
        """Whether every segment's end is durable."""
        return all(segment.done for segment in self.durable)

    @property
    def segments_done(self) -> int:
        """How many segments' ends are durable."""
        return sum(segment.done for segment in self.durable)

    def after(self, pages: Sequence[tuple[int, ScanPage]]) -> tuple[tuple[SegmentState, ...], int]:
        """Segments and rows as they will be once ``pages`` (segment and page, in order) are durable."""
        states = list(self.durable)
        rows = self.rows
        for number, page in pages:
            states[number] = SegmentState(page.cursor, done=page.cursor is None)
            rows += page.count
        return tuple(states), rows

    def commit(
        self, states: Sequence[SegmentState], rows: int, pages: Sequence[tuple[int, ScanPage]]
    ) -> None:
        """Take over what ``after`` promised."""
        self.durable = list(states)
        self.rows = rows
        for number, _ in pages:
            self.readers[number].unapplied -= 1
