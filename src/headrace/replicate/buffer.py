"""Pages that were read and are not durable yet, in the order in which they must be applied."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from headrace.change import RecordsPage, ScanPage

WORK_BYTES = 16 * 2**20
"""Bytes of pages that one transaction takes of each kind: enough to be efficient, little enough to be quick."""


@dataclass(frozen=True, slots=True)
class StreamUnit:
    """Pages of one shard that must become visible together; almost always one page.

    ``serves`` is false where they end in the past, and newer records of their keys are still to be read.
    """

    shard_id: str
    pages: tuple[RecordsPage, ...]
    serves: bool = True

    @property
    def wire_bytes(self) -> int:
        """The size of the pages."""
        return sum(_bytes(page) for page in self.pages)


SCAN_BYTES = 4 * 2**20
"""Bytes of Scan pages that are worth a transaction of their own while more are on their way."""

SCAN_WAIT = 0.1
"""Seconds at most that Scan pages wait for others."""


class Buffer:
    """Stream units in the order of their arrival, and Scan pages in theirs."""

    def __init__(self) -> None:
        self._stream: deque[StreamUnit] = deque()
        self._scan: deque[tuple[int, ScanPage]] = deque()
        self.wire_bytes = 0
        self._scan_since = 0.0

    def __bool__(self) -> bool:
        return bool(self._stream or self._scan)

    @property
    def units(self) -> tuple[StreamUnit, ...]:
        """Pages of the stream, in the order in which they will be applied."""
        return tuple(self._stream)

    @property
    def pages(self) -> tuple[tuple[int, ScanPage], ...]:
        """Pages of the Scan with their segments, in the order in which they will be applied."""
        return tuple(self._scan)

    def add_stream(self, unit: StreamUnit) -> None:
        """Append pages of a shard."""
        self._stream.append(unit)
        self.wire_bytes += unit.wire_bytes

    def holds_before(self, time: float) -> bool:
        """Whether a record of the stream waits that was created before ``time``."""
        return any(
            page.oldest_at is not None and page.oldest_at < time
            for unit in self._stream
            for page in unit.pages
        )

    def add_scan(self, segment: int, page: ScanPage, now: float) -> None:
        """Append a page of a segment."""
        if not self._scan:
            self._scan_since = now
        self._scan.append((segment, page))
        self.wire_bytes += _bytes(page)

    def worth_waiting_until(self, now: float) -> float | None:
        """Until when a transaction had better wait for more of the Scan; None if it should not.

        Each transaction has a cost of its own, and nobody reads a copy that is not complete. Changes of
        the stream never wait.
        """
        until = self._scan_since + SCAN_WAIT
        waits = self._scan and not self._stream and self.wire_bytes < SCAN_BYTES and now < until
        return until if waits else None

    def take(self) -> tuple[tuple[StreamUnit, ...], tuple[tuple[int, ScanPage], ...]]:
        """Remove and return what the next transaction applies: stream units first, each kind within its bound."""
        units: list[StreamUnit] = []
        pages: list[tuple[int, ScanPage]] = []
        room = WORK_BYTES
        while self._stream and room > 0:
            units.append(self._stream.popleft())
            room -= units[-1].wire_bytes
        room = WORK_BYTES
        while self._scan and room > 0:
            pages.append(self._scan.popleft())
            room -= _bytes(pages[-1][1])
        self.wire_bytes -= sum(unit.wire_bytes for unit in units) + sum(_bytes(page) for _, page in pages)
        return tuple(units), tuple(pages)


def _bytes(page: RecordsPage | ScanPage) -> int:
    return page.changes.wire_bytes if page.changes is not None else 0
