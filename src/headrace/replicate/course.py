"""The refresh under way: from its order to its last transaction."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.accelerator import Target
from headrace.checkpoint import Checkpoint
from headrace.dataset import Acceleration, OnStartup, RefreshMode
from headrace.replicate.agenda import Agenda, Order
from headrace.replicate.copies import Copies
from headrace.replicate.copying import Copying
from headrace.replicate.desk import Desk
from headrace.replicate.lane import Lane
from headrace.replicate.launch import Launch
from headrace.replicate.liveness import Pulse
from headrace.replicate.phase import Phase
from headrace.replicate.plan import Plan
from headrace.replicate.sieve import reading_of
from headrace.replicate.telling import Telling
from headrace.selection import Selection
from headrace.source import SourceTable


class Course:
    """Begins refreshes, reads their pages and plans their transactions, one refresh at a time.

    ``selection`` is the dataset's own, ``mapping`` the fingerprint by which items become columns. What an earlier process
    began is gone on with, unless each start is to refresh.
    """

    def __init__(
        self,
        desk: Desk,
        lane: Lane,
        agenda: Agenda,
        telling: Telling,
        acceleration: Acceleration,
        mapping: str,
        selection: Selection,
    ) -> None:
        self.selection = selection
        self.launch: Launch | None = None
        self.copying: Copying | None = None
        self._desk = desk
        self._lane = lane
        self._agenda = agenda
        self._telling = telling
        self._mode = acceleration.refresh_mode
        self._overlap = acceleration.refresh.overlap
        self._mapping = mapping
        self._resumes = acceleration.refresh.on_startup is OnStartup.AUTO
        self._begun: Selection | None = None

    # Knowing

    @property
    def ordered(self) -> Selection:
        """The selection of the refresh under way; the dataset's own where there is none, or it has no other.

        One that has begun keeps its own: all of a copy is by the selection that its checkpoint names.
        """
        if self._begun is not None:
            return self._begun
        order = self._agenda.order
        return self.selection if order is None or order.selection is None else order.selection

    def reading(self, selection: Selection) -> str:
        """The fingerprint of copies by this selection."""
        return reading_of(self._mode, selection, self._mapping)

    def is_interrupted(self, table: SourceTable, copies: Copies, now: float) -> bool:
        """Whether there is a Scan to be gone on with."""
        return self._launched(None, table, copies, now).resumed is not None

    def begins_with(self, plan: Plan) -> bool:
        """Whether it is the transaction that begins the refresh."""
        return self.launch is not None and plan is self.launch.plan

    def needs(self, plan: Plan) -> bool:
        """Whether the transaction is one of the refresh."""
        return self.begins_with(plan) or bool(plan.pages) or plan.makes_ready

    @property
    def phase(self) -> Phase:
        """How far the refresh is."""
        if self.copying is not None:
            return Phase.RUNNING
        return Phase.IDLE if self.launch is None else Phase.CREATING

    @property
    def at_work(self) -> Copying:
        """The Scan under way, of which there is one."""
        assert self.copying is not None, "nothing is read in this phase"
        return self.copying

    def pulses(self) -> Iterator[Pulse]:
        """What is expected to make progress."""
        return self.copying.pulses() if self.copying is not None else iter(())

    # Going on

    def drop(self, *, anew: bool) -> None:
        """Forget what is not durable; ``anew``: what is durable of the refresh is not gone on with either."""
        self.launch = self.copying = self._begun = None
        self._resumes = self._resumes and not anew

    def begin(self, order: Order, table: SourceTable, copies: Copies, now: float, *, served: bool) -> None:
        """Go on with what was interrupted, else make a copy or add to the one that there is, which is ``served``."""
        self._begun = self.ordered
        launch = self.launch = self._launched(order, table, copies, now)
        self._agenda.started("append" if launch.appends else "full", table.item_count)
        if launch.resumed is not None:
            copying = self._copy(launch.resumed.copy.checkpoint, launch.resumed.target, now)
            if not served:
                self._telling.scan_resumed(copying.scan)
        elif launch.plan is not None and not served:
            self._telling.begins(launch.plan, table)

    def next_plan(self, now: float) -> Plan | None:
        """The next transaction, None if there is none to make yet."""
        if self.launch is not None:
            return self.launch.plan
        return self.copying.next_plan(now) if self.copying is not None else None

    def commit(self, plan: Plan, table: SourceTable, now: float, *, served: bool) -> None:
        """One of its transactions is durable."""
        if self.begins_with(plan):
            self._copy(plan.work.checkpoint, plan.work.target, now)
            return
        copying = self.at_work
        copying.commit(plan)
        if not served:
            self._telling.scanned(plan, copying.scan, table.item_count, now - copying.began_at)

    def _launched(self, order: Order | None, table: SourceTable, copies: Copies, now: float) -> Launch:
        whole = order.whole if order is not None else None
        appends = self._mode is RefreshMode.APPEND if whole is None else not whole
        reading = self.reading(self.ordered)
        return Launch(self._desk, table, reading, copies, appends=appends, resumes=self._resumes, now=now)

    def _copy(self, checkpoint: Checkpoint, target: Target, now: float) -> Copying:
        """Read the table from here on."""
        self.copying = Copying(self._desk, self._lane, checkpoint, target, self.ordered, self._overlap, now)
        self.launch = None
        self._resumes = True
        return self.copying
