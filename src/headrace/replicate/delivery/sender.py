"""Hands failures to their destination: durable first, then sent, so that none is lost while the destination is away."""

from __future__ import annotations

from collections import deque
from functools import partial

from headrace.errors import HeadraceError
from headrace.ledger import Failure
from headrace.mapping_facts import FailureSent
from headrace.replicate.delivery.commands import (
    DeliveryAnswer,
    DeliveryRequest,
    FailuresRead,
    ReadFailures,
    SendFailure,
    Sent,
)
from headrace.replicate.delivery.post import Post
from headrace.replicate.health import Health

DESTINATION = "the destination of failures"

_AT_ONCE = 10


class Sender:
    """One failure after another, in the order of the ledger. Without a destination, there is nothing to send."""

    def __init__(self, mapping: str, post: Post, health: Health, *, has_destination: bool) -> None:
        self.has_destination = has_destination
        self._mapping = mapping
        self._post = post
        self._health = health
        self._wanted = has_destination
        self._reading = self._sending = self._added = False
        self._queue: deque[Failure] = deque()
        self._sent: list[str] = []
        self._uncommitted = 0
        self._failures = 0
        self._due_at = 0.0

    def added(self) -> None:
        """There are new failures, and they are durable."""
        self._wanted = self._added = self.has_destination

    def advance(self, now: float) -> float | None:
        """Ask for what is due; when to come again, None: after news."""
        if self._reading or self._sending:
            return None
        if self._queue:
            if now < self._due_at:
                return self._due_at
            self._sending = True
            self._post.send(partial(SendFailure, failure=self._queue[0]))
        elif self._wanted and not self._uncommitted:
            if now < self._due_at:
                return self._due_at
            self._reading, self._added = True, False
            self._post.send(partial(ReadFailures, ids=None, unsent=True, after=None, limit=_AT_ONCE))
        return None

    def heard(self, request: DeliveryRequest, outcome: DeliveryAnswer | HeadraceError, now: float) -> None:
        """What came of a request of the sender's."""
        self._reading = self._sending = False
        match outcome:
            case HeadraceError():
                self._failures += 1
                self._due_at = now + self._health.failed(DESTINATION, outcome, self._failures, now)
            case FailuresRead(failures=failures):
                self._queue.extend(stored.failure for stored in failures if not stored.sent)
                self._wanted = bool(failures) or self._added
            case Sent():
                self._taken(self._queue.popleft())
            case _:
                raise TypeError(f"{request} was answered with {outcome}")

    def _taken(self, failure: Failure) -> None:
        self._failures = 0
        self._sent.append(failure.id)
        self._uncommitted += 1
        self._health.healed(DESTINATION)
        self._post.report(FailureSent(self._mapping, failure.id))

    def take(self) -> tuple[str, ...]:
        """The ids that the next transaction marks as sent."""
        sent, self._sent = self._sent, []
        return tuple(sent)

    def committed(self, sent: tuple[str, ...]) -> None:
        """These are marked."""
        self._uncommitted -= len(sent)

    def marked(self, failures: tuple[Failure, ...]) -> tuple[str, ...]:
        """Those of new failures that count as sent, because there is nowhere to send them."""
        return () if self.has_destination else tuple(failure.id for failure in failures)
