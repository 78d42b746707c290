"""One shard being read: when to ask next, what is on its way, and how far it vouches for."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.change import RecordsPage
from headrace.position import Anchor, Position

PROOF = 5
"""Empty pages in a row that show a shard's tip. DynamoDB Streams may return empty pages in the middle of a
shard; that it never returns this many in a row is an assumption, stated in the ADR on bootstrap."""

RESOLUTION = 1.0
"""Seconds: ApproximateCreationDateTime is floored to the second."""

BUSY_WAIT = 0.1
"""Seconds between polls of a shard that gives records, but not full pages."""

IDLE_WAIT = 0.25
"""Seconds at most between polls of an idle shard: the four polls a second that AWS Lambda makes."""

FULL_PAGE = 900
"""Records: a page of about the service's 1,000 says that more lie ahead."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What of one shard became durable since it is followed: records, and when the last page did (caller's clock)."""

    records: int
    at: float


@dataclass(slots=True)
class ShardReader:
    """The volatile side of a shard in stage READING; a new one is made from the checkpoint after a restart.

    ``position`` is after the last record read. ``due_at`` and ``answered_at`` (the last page, or since when one is
    expected) are on the caller's clock,
    ``read_up_to`` and ``applied_up_to`` (the watermark) on the service's: the time up to which every record is read,
    or applied; None while nothing proves any. ``unapplied`` counts pages read but not durable. ``gone_since`` is
    when the service first said, in a row, that it does not know the shard.
    """

    id: str
    position: Position
    answered_at: float
    due_at: float
    read_up_to: float | None = None
    applied_up_to: float | None = None
    iterator: str | None = None
    busy: bool = False
    ended: bool = False
    failures: int = 0
    gone_since: float | None = None
    expiries: int = 0
    unapplied: int = 0
    idle: float = BUSY_WAIT
    held: list[RecordsPage] = field(default_factory=list)
    empties: deque[float] = field(default_factory=lambda: deque(maxlen=PROOF))

    def repeats(self, page: RecordsPage) -> bool:
        """Whether a page ends before the position it was asked for: applied, it would take keys into the past."""
        sequence = self.position.sequence
        if page.last is None or sequence is None:
            return False
        if self.position.anchor is Anchor.AFTER_SEQUENCE_NUMBER:
            return page.last <= sequence
        return page.last < sequence

    def take(self, page: RecordsPage, asked_at: float) -> None:
        """Account for a page that was asked for at ``asked_at`` (the service's clock)."""
        self.failures = self.expiries = 0
        self.gone_since = None
        self.iterator = page.next_iterator
        self.ended = page.next_iterator is None
        if page.count:
            self.empties.clear()
            self._vouch_read(page.newest_at)
            if page.last is not None:
                self.position = Position.after(page.last)
        else:
            self.empties.append(asked_at)
            if len(self.empties) == PROOF:
                self._vouch_read(self.empties[0] - RESOLUTION)
        if page.count or self.ended:
            self.unapplied += 1
        if not self.unapplied:
            self.applied_up_to = self.read_up_to

    @property
    def at_tip(self) -> bool:
        """Whether enough empty pages in a row say that nothing lies ahead."""
        return self.ended or len(self.empties) == PROOF

    def schedule(self, page: RecordsPage, now: float, *, least: float, most: float) -> None:
        """Set the time of the next poll: at once after a full page, later and later while nothing comes."""
        if page.count >= FULL_PAGE:
            self.idle = BUSY_WAIT
            wait = 0.0
        elif page.count:
            wait = self.idle = min(BUSY_WAIT, most)
        else:
            self.idle = min(self.idle * 1.5, most)
            wait = self.idle
        self.due_at = now + max(wait, least)

    def applied(self, pages: int, newest_at: float | None) -> None:
        """Account for pages that became durable, the last record among them created at ``newest_at``."""
        self.unapplied -= pages
        if newest_at is not None and (self.applied_up_to is None or newest_at > self.applied_up_to):
            self.applied_up_to = newest_at
        if not self.unapplied:
            self.applied_up_to = self.read_up_to

    def recant(self, pages: Sequence[RecordsPage]) -> None:
        """Take back what was vouched for: these pages, read and not applied, are older."""
        self.read_up_to = max((p.newest_at for p in pages if p.newest_at is not None), default=None)
        oldest = min((p.oldest_at for p in pages if p.oldest_at is not None), default=None)
        self.applied_up_to = None if oldest is None else oldest - RESOLUTION

    def _vouch_read(self, until: float | None) -> None:
        if until is not None and (self.read_up_to is None or until > self.read_up_to):
            self.read_up_to = until


def idle_ceiling(ready_lag: float) -> float:
    """Seconds at most between polls, such that the proof of a tip fits into ``ready_lag`` with room to spare."""
    return min(IDLE_WAIT, max(ready_lag / (2 * PROOF), 0.02))
