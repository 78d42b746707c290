"""The one lane that applies: at most one transaction, tried until it is durable."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from headrace.accelerator import Stored, Target
from headrace.checkpoint import Checkpoint
from headrace.errors import CommitUnknown, HeadraceError
from headrace.replicate.commands import Apply
from headrace.replicate.health import Health
from headrace.replicate.liveness import TRANSACTION, Pulse
from headrace.replicate.outbox import Outbox
from headrace.replicate.plan import Plan


class Lane:
    """Holds the plan that is being applied. ``unknown`` says that its outcome must be read from the store."""

    def __init__(self, outbox: Outbox, health: Health) -> None:
        self.plan: Plan | None = None
        self.unknown = False
        self.since = 0.0
        self.sent_at: float | None = None
        self._outbox = outbox
        self._health = health
        self._tries = 0
        self._retry_at = 0.0
        self._abandoned = False

    @property
    def in_flight(self) -> bool:
        """Whether the accelerator is at work."""
        return self.sent_at is not None

    @property
    def wire_bytes(self) -> int:
        """The size of the pages in the plan."""
        return self.plan.wire_bytes if self.plan is not None else 0

    def send(self, plan: Plan, now: float) -> None:
        """Apply ``plan``; the lane must be free."""
        self.plan, self.since = plan, now
        self._dispatch(now)

    def advance(self, now: float) -> None:
        """Try a failed plan again when its time has come."""
        if self.plan is None or self.in_flight or self.unknown:
            return
        if self._retry_at <= now:
            self._dispatch(now)
        else:
            self._outbox.wake(self._retry_at)

    def abandon(self) -> None:
        """Forget the plan; one that is in flight may still commit, and is not missed."""
        self._abandoned = self.in_flight
        if not self.in_flight:
            self._clear()

    def durable(self) -> Plan | None:
        """The plan is durable: free the lane; the plan, None if it was abandoned."""
        plan = None if self._abandoned else self.plan
        self._clear()
        return plan

    def failed(self, error: HeadraceError, now: float) -> None:
        """Keep the plan for another try; after an unknown commit the store is asked first."""
        self._tries += 1
        wait = self._health.failed(TRANSACTION, error, self._tries, now)
        self.sent_at = None
        if self._abandoned:
            self._clear()
            return
        self.unknown = isinstance(error, CommitUnknown)
        self._retry_at = now + wait

    def resolve(self, stored: Stored, durable: Checkpoint | None) -> bool | None:
        """After an unknown commit: whether it happened; None if the store has lost what was durable before.

        ``durable`` is the checkpoint before the plan. Without a happened commit the plan is tried again.
        """
        assert self.plan is not None
        self.unknown = False
        work = self.plan.work
        target = Target.LIVE if work.swap else work.target
        copy = stored.live if target is Target.LIVE else stored.building
        if copy is not None and copy.checkpoint == work.checkpoint and not self.plan.settles_letters:
            return True
        before = stored.live if work.target is Target.LIVE else stored.building
        if work.create is not None or (before is not None and before.checkpoint == durable):
            return False
        self._clear()
        return None

    def pulses(self) -> Iterator[Pulse]:
        """The transaction that is not durable yet."""
        if self.plan is not None:
            yield Pulse(TRANSACTION, self.since)

    def _dispatch(self, now: float) -> None:
        assert self.plan is not None
        self._outbox.send(partial(Apply, work=self.plan.work))
        self.sent_at = now

    def _clear(self) -> None:
        self.plan, self.sent_at = None, None
        self.unknown = self._abandoned = False
        self._tries = 0
        self._health.healed(TRANSACTION)
