"""What the outside is told: ready, live and fresh, which are three facts."""

from __future__ import annotations

from dataclasses import replace

from headrace.observe import StatusChanged
from headrace.replicate.outbox import Outbox
from headrace.replicate.reader import RESOLUTION
from headrace.replicate.scan import ScanProgress
from headrace.status import State

REPEAT = 0.5
"""Seconds after which an unchanged status is told again, for its lag."""


def lag(watermark: float | None, service_now: float) -> float | None:
    """Seconds between what is applied and now, beyond the second to which the service floors its times."""
    return None if watermark is None else max(0.0, service_now - watermark - RESOLUTION)


def state_of(*, failing: bool, ready: bool, rebuilding: bool) -> State:
    """One word for the three facts."""
    if failing:
        return State.ERROR
    if ready:
        return State.REFRESHING if rebuilding else State.READY
    return State.LOADING


def progress(
    scan: ScanProgress | None, items: int, behind: float | None, *, ready: bool, ready_lag: float
) -> str | None:
    """Why a healthy dataset is not ready, or not fresh; ``items`` is the table's estimate."""
    if scan is None:
        return "opening"
    if not scan.done:
        return f"copying: {scan.rows} of about {items} items"
    if not ready:
        return "catching up with the stream"
    if behind is not None and behind > ready_lag:
        return f"{behind:.1f} s behind"
    return None


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
