"""How a dataset stands that is made by refreshes: what is told of it after each step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headrace.checkpoint import LastRefresh
from headrace.observe import StatusChanged
from headrace.replicate.desk import Desk
from headrace.replicate.liveness import Liveness, Pulse
from headrace.replicate.report import Reporter, state_of
from headrace.replicate.scan import ScanProgress
from headrace.replicate.schedule import Schedule


@dataclass(frozen=True, slots=True)
class View:
    """What the machine knows of itself.

    ``ready``: the copy may be queried. ``entered``: store and table have been looked at. ``last`` is what the copy is
    complete by, ``scan`` the one under way, of about ``items``; ``refreshing`` says that one is, or is about to begin.
    ``failure`` says why the last refresh was given up, ``opening`` what is done before anything is read.
    """

    ready: bool
    entered: bool
    refreshing: bool
    last: LastRefresh | None
    scan: ScanProgress | None
    items: int
    failure: str | None
    opening: str | None


class Outlook:
    """Judges whether a dataset is live and fresh, finds the reason why not, and tells the status.

    Live: nothing that is to be done stands still, or waits for a person. Fresh: the last refresh was when the schedule
    says. The lag is the age of the data: the copy is as the table was when the Scan of it began.
    """

    def __init__(self, desk: Desk, schedule: Schedule) -> None:
        self._desk = desk
        self._schedule = schedule
        self._liveness = Liveness(desk.dataset, desk.outbox, desk.health)
        self._reporter = Reporter(desk.outbox)

    def tell(self, view: View, pulses: Iterable[Pulse], now: float) -> StatusChanged:
        """Tell the status if it is news; the status."""
        service_now = self._desk.clock.at(now)
        wrong = self._liveness.trouble(pulses, now, self._desk.settings.liveness)
        if wrong is None and view.failure is not None and not view.refreshing:
            wrong = f"the last refresh failed: {view.failure}"
        last = view.last if view.ready else None
        until = None if last is None else self._schedule.fresh_until(last)
        status = StatusChanged(
            self._desk.dataset,
            state_of(failing=wrong is not None, ready=view.ready, rebuilding=view.refreshing),
            ready=view.ready,
            live=view.entered and wrong is None,
            fresh=last is not None and (until is None or service_now <= until),
            lag=None if last is None else max(0.0, service_now - last.started_at),
            reason=wrong or _progress(view),
        )
        self._reporter.report(status, now)
        return status


def _progress(view: View) -> str | None:
    """Why a healthy dataset is not ready, or not at rest."""
    if view.scan is not None:
        doing = "refreshing" if view.ready else "copying"
        done, segments = view.scan.segments_done, len(view.scan.durable)
        return (
            f"{doing}: {view.scan.rows} rows of about {view.items} items, {done} of {segments} segments read"
        )
    if not view.entered:
        return view.opening or "opening"
    return "a refresh begins" if view.refreshing else None
