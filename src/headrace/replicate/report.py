"""What the outside is told: ready, live and fresh, which are three facts."""

from __future__ import annotations

from dataclasses import replace

from headrace.observe import StatusChanged
from headrace.replicate.health import Health
from headrace.replicate.lane import Lane
from headrace.replicate.outbox import Outbox
from headrace.replicate.reader import RESOLUTION
from headrace.status import State

LIVENESS = 30.0
"""Seconds without progress after which a shard, the discovery or the lane is not live."""

REPEAT = 0.5
"""Seconds after which an unchanged status is told again, for its lag."""


def lag(watermark: float | None, service_now: float) -> float | None:
    """Seconds between what is applied and now, beyond the second to which the service floors its times."""
    return None if watermark is None else max(0.0, service_now - watermark - RESOLUTION)


def trouble(health: Health, lane: Lane, now: float) -> str | None:
    """What keeps the dataset from being live, of the things that are common to all phases."""
    worst = health.worst()
    if worst is not None:
        return f"{worst[0]}: {worst[1].error}"
    if lane.plan is not None and now - lane.since > LIVENESS:
        return f"a transaction has not committed for {now - lane.since:.0f} s"
    for what, fault in health.faults.items():
        if now - fault.since > LIVENESS:
            return f"{what} has failed for {now - fault.since:.0f} s: {fault.error}"
    return None


def state_of(*, failing: bool, ready: bool, rebuilding: bool) -> State:
    """One word for the three facts."""
    if failing:
        return State.ERROR
    if ready:
        return State.REFRESHING if rebuilding else State.READY
    return State.LOADING


class Reporter:
    """Tells the status when it changes, and now and then while it does not, for its lag."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._last: StatusChanged | None = None
        self._told_at = 0.0

    def report(self, status: StatusChanged, now: float) -> None:
        """Tell ``status`` if it is news."""
        last = self._last
        if last is not None:
            same = replace(status, lag=last.lag, reason=last.reason) == last
            if same and now - self._told_at < REPEAT:
                return
        self._last, self._told_at = status, now
        self._outbox.tell(status)
