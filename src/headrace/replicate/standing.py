"""How a dataset stands: what is told of it after each step."""

from __future__ import annotations

from headrace.observe import StatusChanged
from headrace.replicate.desk import Desk
from headrace.replicate.entry import Gap
from headrace.replicate.errands import Errands
from headrace.replicate.lane import Lane
from headrace.replicate.liveness import Liveness
from headrace.replicate.report import Reporter, lag, progress, state_of
from headrace.replicate.run import Run
from headrace.source import SourceTable


class Standing:
    """Judges whether a dataset is live and fresh, finds the reason why not, and tells the status."""

    def __init__(self, desk: Desk, errands: Errands, lane: Lane) -> None:
        self._desk = desk
        self._errands = errands
        self._lane = lane
        self._liveness = Liveness(desk.dataset, desk.outbox, desk.health)
        self._reporter = Reporter(desk.outbox)

    def tell(
        self,
        now: float,
        run: Run | None,
        table: SourceTable | None,
        halted_by: Gap | None,
        *,
        ready: bool,
        rebuilding: bool,
        drained: bool,
        opening: str | None,
    ) -> StatusChanged:
        """Tell the status if it is news; the status.

        ``halted_by`` is the gap at which replication has stopped; ``drained`` says that the stream is off and
        read to its end, and nothing has followed yet; ``opening`` is what is done before anything is replicated.
        """
        settings = self._desk.settings
        behind = lag(run.watermark(now), self._desk.clock.at(now)) if run is not None else None
        wrong = self._trouble(now, run) if halted_by is None else halted_by.cure
        if wrong is not None:
            reason: str | None = wrong
        elif drained:
            reason = "the table's stream is off and read to its end; waiting for another"
        elif run is None and opening is not None:
            reason = opening
        else:
            scan, items = run.scan if run is not None else None, table.item_count if table is not None else 0
            reason = progress(scan, items, behind, ready=ready, ready_lag=settings.ready_lag)
        status = StatusChanged(
            self._desk.dataset,
            state_of(failing=wrong is not None, ready=ready, rebuilding=rebuilding),
            ready=ready,
            live=run is not None and wrong is None,
            fresh=behind is not None and behind <= settings.ready_lag,
            lag=behind,
            reason=reason,
        )
        self._reporter.report(status, now)
        return status

    def _trouble(self, now: float, run: Run | None) -> str | None:
        pulses = (*self._errands.pulses(), *self._lane.pulses())
        if run is not None:
            pulses += tuple(run.pulses(now))
        limit = max(self._desk.settings.liveness, 3 * self._desk.settings.scan_interval)
        return self._liveness.trouble(pulses, now, limit)
