"""The one transaction that may be under way in the ledger, made again until it is durable."""

from __future__ import annotations

from functools import partial
from typing import Final

from headrace.errors import HeadraceError
from headrace.ledger import DeliveryWork, StreamDelivery
from headrace.replicate.delivery.commands import CommitDelivery
from headrace.replicate.delivery.following import Following, Progress
from headrace.replicate.delivery.parking import Parking
from headrace.replicate.delivery.post import Post
from headrace.replicate.delivery.redriver import Redriver
from headrace.replicate.delivery.sender import Sender
from headrace.replicate.health import Health

LEDGER: Final = "the ledger of deliveries"


class Bookkeeping:
    """Collects what is done into transactions, each made durable before the next.

    ``anew``: the next one leaves no shard of before. Whatever it takes it keeps until the ledger has it, so that a ledger that
    fails for a while loses nothing; a transaction may be carried out twice.
    """

    def __init__(
        self, post: Post, health: Health, parking: Parking, sender: Sender, redriver: Redriver
    ) -> None:
        self.anew = False
        self._post = post
        self._health = health
        self._parking = parking
        self._sender = sender
        self._redriver = redriver
        self._work: DeliveryWork | None = None
        self._progress = Progress()
        self._sent = False
        self._failures = 0
        self._due_at = 0.0

    @property
    def under_way(self) -> bool:
        """Whether something is on its way into the ledger."""
        return self._work is not None

    def advance(self, following: Following, stream: StreamDelivery, now: float) -> float | None:
        """Make what is done durable, unless a transaction is under way; when to come again, None: after news."""
        if self._work is None:
            self._work = self._collect(following, stream, now)
        if self._work is None or self._sent:
            return None
        if now < self._due_at:
            return self._due_at
        self._sent = True
        self._post.send(partial(CommitDelivery, work=self._work))
        return None

    def _collect(self, following: Following, stream: StreamDelivery, now: float) -> DeliveryWork | None:
        progress = following.take(now)
        parked, released = self._parking.take()
        resolved, again, tried = self._redriver.take()
        failures = (*following.handover.failures, *tried)
        following.handover.failures.clear()
        sent = (*self._sender.take(), *self._sender.marked(failures))
        self._progress = progress
        work = DeliveryWork(
            stream,
            progress.shards,
            anew=self.anew,
            forgotten=() if self.anew else progress.forgotten,
            failures=failures,
            sent=sent,
            resolved=resolved,
            again=again,
            parked=parked,
            released=released,
        )
        if work == DeliveryWork(stream) and not progress.units:
            return None
        self.anew = False
        return work

    def committed(self, following: Following, now: float) -> tuple[DeliveryWork, tuple[str, ...]]:
        """The transaction is durable; it, and the keys of items of which nothing waits any more."""
        work = self._work
        assert work is not None, "only a transaction is committed"
        self._work, self._sent, self._failures = None, False, 0
        self._health.healed(LEDGER)
        following.commit(self._progress, now)
        free = self._parking.committed(work.released)
        self._redriver.committed()
        marked = set(self._sender.marked(work.failures))
        self._sender.committed(tuple(id_ for id_ in work.sent if id_ not in marked))
        if work.failures:
            self._sender.added()
        return work, free

    def failed(self, error: HeadraceError, now: float) -> None:
        """The ledger did not take it: the same transaction again, after a while."""
        self._sent = False
        self._failures += 1
        self._due_at = now + self._health.failed(LEDGER, error, self._failures, now)
