"""Reads the pages of a Scan, several segments at once, each a little ahead of what is durable."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from headrace.change import ScanPage
from headrace.errors import HeadraceError, Unavailable
from headrace.replicate.buffer import Buffer
from headrace.replicate.commands import ReadSegment
from headrace.replicate.desk import Desk
from headrace.replicate.liveness import Pulse, segment
from headrace.replicate.scan import ScanProgress
from headrace.replicate.sieve import Sieve

REQUESTS = 16
"""Requests to the source at once."""

SCANS = 8
"""Of which pages of the Scan: polls of the stream always find room."""

PAGES_PER_SEGMENT = 2
"""Pages of one segment that may be read ahead of what is durable."""

PAGE_BYTES = 2**20
"""What a request that is under way may bring: pages are at most 1 MB."""


class ScanPages:
    """Asks for the pages of ``scan``, or what passes the ``sieve`` of them, and puts them into ``buffer``."""

    def __init__(self, desk: Desk, scan: ScanProgress, buffer: Buffer, sieve: Sieve | None = None) -> None:
        self._desk = desk
        self._scan = scan
        self._buffer = buffer
        self._sieve = sieve
        self._resumes_at = 0.0
        self._most = SCANS

    def room(self, wire_bytes: int) -> int:
        """How many requests memory and the service may still be asked; ``wire_bytes`` are read and not durable."""
        under_way = self._desk.outbox.source_requests
        left = (self._desk.settings.buffer_bytes - wire_bytes) // PAGE_BYTES - under_way
        return min(REQUESTS - under_way, left)

    @property
    def are_coming(self) -> bool:
        """Whether some page is on its way."""
        return any(reader.busy for reader in self._scan.readers)

    def left_out(self, now: float) -> bool:
        """Whether a page could be asked for, and none is."""
        return not (self.are_coming or self._resumes_at > now) and any(
            not reader.exhausted and reader.unapplied < PAGES_PER_SEGMENT and reader.due_at <= now
            for reader in self._scan.readers
        )

    def ask(self, now: float, room: int) -> None:
        """Ask for at most ``room`` more pages."""
        readers = self._scan.readers
        if self._resumes_at > now:
            self._desk.outbox.wake(self._resumes_at)
            return
        room = min(room, self._most - sum(reader.busy for reader in readers))
        for number, reader in enumerate(readers):
            if room <= 0:
                return
            if reader.busy or reader.exhausted or reader.unapplied >= PAGES_PER_SEGMENT:
                continue
            if reader.due_at > now:
                self._desk.outbox.wake(reader.due_at)
                continue
            reader.asked(now)
            self._desk.outbox.send(
                partial(
                    ReadSegment,
                    segment=number,
                    segments=len(readers),
                    cursor=reader.cursor,
                    sieve=self._sieve,
                )
            )
            room -= 1

    def scanned(self, request: ReadSegment, page: ScanPage, now: float) -> None:
        """Buffer a page."""
        if page.cursor is not None and page.cursor == request.cursor:
            message = f"a page of the Scan ends where it began, at {page.cursor}; it would never end"
            self.failed(request, Unavailable(message), now)
            return
        reader = self._scan.readers[request.segment]
        reader.busy = False
        reader.take(page)
        self._resumes_at = max(self._resumes_at, now + page.pause)
        # Once the source asks for a pause, all segments at once would use up at a stroke what it has saved meanwhile.
        self._most = 1 if page.pause else SCANS
        self._desk.health.healed(segment(request.segment))
        self._buffer.add_scan(request.segment, page, now)

    def failed(self, request: ReadSegment, error: HeadraceError, now: float) -> None:
        """Back off with one segment; the others go on."""
        reader = self._scan.readers[request.segment]
        reader.busy = False
        reader.failures += 1
        wait = self._desk.health.failed(segment(request.segment), error, reader.failures, now)
        reader.due_at = now + wait

    def pulses(self) -> Iterator[Pulse]:
        """The segments whose next page was asked for."""
        for number, reader in enumerate(self._scan.readers):
            if reader.asked_since is not None:
                yield Pulse(segment(number), reader.asked_since)
