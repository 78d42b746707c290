"""How a dataset stands that is made by refreshes: what is told of it after each step, and to whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from headrace.accelerator import Target
from headrace.checkpoint import LastRefresh
from headrace.observe import StatusChanged
from headrace.replicate.agenda import Agenda
from headrace.replicate.commands import Explained
from headrace.replicate.copies import Copies
from headrace.replicate.course import Course
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.explain import Moment, explain_refresh, trail
from headrace.replicate.keeper import Keeper
from headrace.replicate.lane import Lane
from headrace.replicate.liveness import Liveness, Pulse
from headrace.replicate.phase import Phase
from headrace.replicate.report import Reporter, state_of
from headrace.source import SourceTable


@dataclass(frozen=True, slots=True)
class View:
    """How the machine itself stands.

    ``ready``: the copy may be queried. ``entered``: store and table have been looked at; ``opening`` says that they are
    to be, for the next refresh too. ``table`` is None until it is known.
    """

    ready: bool
    entered: bool
    opening: bool
    table: SourceTable | None


class Outlook:
    """Judges whether a dataset is live and fresh, finds the reason why not, and tells the status.

    Live: nothing that is to be done stands still, or waits for a person. Fresh: the last refresh was when the schedule
    says. The lag is the age of the data: the copy is as the table was when the Scan of it began.
    """

    def __init__(
        self,
        desk: Desk,
        errands: Errands,
        lane: Lane,
        agenda: Agenda,
        course: Course,
        copies: Copies,
        keeper: Keeper,
    ) -> None:
        self._desk = desk
        self._errands = errands
        self._lane = lane
        self._agenda = agenda
        self._course = course
        self._copies = copies
        self._keeper = keeper
        self._liveness = Liveness(desk.dataset, desk.outbox, desk.health)
        self._reporter = Reporter(desk.outbox)

    def tell(self, view: View, now: float) -> StatusChanged:
        """Tell the status if it is news, and have a snapshot taken if one is due; the status."""
        service_now, refreshing = self._desk.clock.at(now), self._agenda.order is not None
        wrong = self._liveness.trouble(self._pulses(), now, self._desk.settings.liveness)
        if wrong is None and self._agenda.failure is not None and not refreshing:
            wrong = f"the last refresh failed: {self._agenda.failure}"
        last = self._last if view.ready else None
        until = None if last is None else self._agenda.schedule.fresh_until(last)
        status = StatusChanged(
            self._desk.dataset,
            state_of(failing=wrong is not None, ready=view.ready, rebuilding=refreshing),
            ready=view.ready,
            live=view.entered and wrong is None,
            fresh=last is not None and (until is None or service_now <= until),
            lag=None if last is None else max(0.0, service_now - last.started_at),
            reason=wrong or self._progress(view),
        )
        self._reporter.report(status, now)
        # A snapshot may be as old as a fresh copy is: there is nothing newer.
        fit = replace(status, lag=0.0) if status.fresh else status
        live = self._copies.live
        if live is not None and live.checkpoint.reading != self._course.reading(self._course.selection):
            # No start would restore it.
            fit = replace(fit, live=False, reason="its rows are those of another refresh_sql than its own")
        self._keeper.advance(fit, None if last is None else last.started_at, now)
        return status

    def explain(self, id_: int, view: View, reason: str | None, now: float) -> Explained:
        """The answer to the Explain of this id."""
        copying = self._course.copying
        aside = copying is not None and copying.target is Target.BUILDING
        phase = Phase.OPENING if view.opening else self._course.phase
        moment = Moment(phase, reason, view.table, rebuilding=aside)
        explained = explain_refresh(self._desk, copying, self._last, moment, now)
        buffer = copying.buffer if copying is not None else None
        return Explained(id_, explained, trail(self._desk.journal, self._lane, buffer))

    @property
    def _last(self) -> LastRefresh | None:
        live = self._copies.live
        return live.checkpoint.last_refresh if live is not None else None

    def _pulses(self) -> Iterator[Pulse]:
        yield from self._errands.pulses()
        yield from self._lane.pulses()
        yield from self._course.pulses()

    def _progress(self, view: View) -> str | None:
        """Why a healthy dataset is not ready, or not at rest."""
        copying = self._course.copying
        if copying is not None:
            scan, items = copying.scan, view.table.item_count if view.table is not None else 0
            doing = "refreshing" if view.ready else "copying"
            done, segments = scan.segments_done, len(scan.durable)
            return f"{doing}: {scan.rows} rows of about {items} items, {done} of {segments} segments read"
        if not view.entered:
            return self._keeper.reason or "opening"
        return "a refresh begins" if self._agenda.order is not None else None
