"""The machine that refreshes one table's copy: ``step(event, now) -> commands``, as the one that follows a stream.

It is pure, as that is. A refresh reads the whole table. In mode full it makes a copy aside, which takes the place of
the one that is served in one transaction; in mode append it adds to that what is newer. The first copy is made in
place: nobody reads it before it is complete.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from headrace.accelerator import Applied, Stored, StoredCopy
from headrace.change import ScanPage
from headrace.dataset import Dataset, OnStartup
from headrace.errors import HeadraceError, TableUnusable
from headrace.replicate.agenda import Agenda, Cause, Order
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import (
    Answer,
    Apply,
    CheckStore,
    Command,
    Describe,
    Discard,
    Done,
    Event,
    Expired,
    Explain,
    Failed,
    FindExpired,
    FindNewest,
    Intact,
    LettersRead,
    Newest,
    OpenStore,
    ReadLetters,
    ReadSegment,
    Redrive,
    RefreshNow,
    Request,
    Reselect,
    ShelfRequest,
    TakeSnapshot,
)
from headrace.replicate.copies import Copies
from headrace.replicate.course import Course
from headrace.replicate.desk import Desk
from headrace.replicate.entry import unfit_key
from headrace.replicate.errands import CHECK, Errands
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.keeper import Keeper
from headrace.replicate.lane import Lane
from headrace.replicate.operator import COPYING, Operator
from headrace.replicate.outbox import Outbox
from headrace.replicate.outlook import Outlook, View
from headrace.replicate.retention import Removal
from headrace.replicate.telling import Telling
from headrace.selection import Selection
from headrace.source import SourceTable

TICK = 0.01
"""Seconds that a due time is waited for at least: sums of epoch seconds do not tell less apart."""


class Refresher:
    """One dataset's refreshes. ``selection`` is the dataset's own; ``salt`` spreads backoff and jitter."""

    def __init__(self, dataset: Dataset, selection: Selection, salt: str = "") -> None:
        acceleration = dataset.acceleration
        assert acceleration is not None, "only a copy is refreshed"
        self.dataset = dataset.name
        self._settings = dataset.replication
        self._acceleration = acceleration
        self._outbox = Outbox()
        self._clock = ServiceClock()
        self._health = Health(dataset.name, self._outbox, f"{salt}/{dataset.name}")
        self._desk = Desk(
            dataset.name, dataset.replication, self._outbox, self._clock, self._health, Journal(0)
        )
        self._errands = Errands(self._outbox, self._health)
        self._telling = Telling(dataset.name, self._outbox)
        self._lane = Lane(self._outbox, self._health)
        self._operator = Operator(self._outbox, self._lane)
        self._agenda = Agenda(dataset.name, acceleration.refresh, self._outbox, salt)
        self._removal = Removal(self._desk, self._errands, self._lane, acceleration.retention)
        self._keeper = Keeper(
            self._desk, self._errands, acceleration.engine, acceleration.snapshots, follows=False
        )
        self._course = Course(
            self._desk,
            self._lane,
            self._agenda,
            self._telling,
            acceleration,
            dataset.mapping.fingerprint,
            selection,
        )
        self._copies = Copies()
        self._outlook = Outlook(
            self._desk,
            self._errands,
            self._lane,
            self._agenda,
            self._course,
            self._copies,
            self._keeper,
        )
        self._opening = True
        self._starts_at: float | None = None
        self._always = acceleration.refresh.on_startup is OnStartup.ALWAYS
        self._stored: Stored | None = None
        self._table: SourceTable | None = None
        self._known: SourceTable | None = None
        self._served: str | None = None
        self._ready = False
        self._shown = False
        self._entered = False

    def step(self, event: Event, now: float) -> list[Command]:
        """Take in what happened by ``now`` (seconds, never decreasing) and say what to do next."""
        self._outbox.begin(now)
        if self._starts_at is None:
            self._starts_at = now + self._agenda.schedule.start_delay
        for request, outcome in self._outbox.settled(event):
            self._heard(request, outcome, now)
        match event:
            case Redrive() | Discard():
                self._operator.take(event)
            case TakeSnapshot():
                self._keeper.take(event)
            case RefreshNow():
                self._agenda.take(event, self._clock.at(now))
            case Reselect(selection):
                self._course.selection = selection
                if self._opening:
                    # What was described by another is described again.
                    self._table = None
            case _:
                pass
        self._advance(now)
        view = View(self._ready, self._entered, self._opening, self._table or self._known)
        status = self._outlook.tell(view, now)
        self._shown = status.ready
        if isinstance(event, Explain):
            self._outbox.explain(self._outlook.explain(event.id, view, status.reason, now))
        # A machine that nothing happens to must still notice that nothing happens.
        self._outbox.wake(now + 1.0)
        return self._outbox.drain()

    # What happened

    def _heard(self, request: Request, event: Done | Failed, now: float) -> None:
        if isinstance(request, ShelfRequest):
            self._stored = None if self._keeper.heard(request, event, now) else self._stored
        elif isinstance(event, Done):
            self._clock.observe(getattr(event.answer, "service_time", None), now)
            self._agenda.went_well(request)
            self._done(request, event.answer, now)
        else:
            self._failed(request, event.error, now)

    def _done(self, request: Request, answer: Answer, now: float) -> None:
        match request, answer:
            case Describe(), SourceTable():
                self._described_as(request, answer, now)
            case ReadSegment(), ScanPage():
                self._course.at_work.scanned(request, answer, now)
            case FindNewest(), Newest(time):
                self._errands.answered(request)
                if self._course.launch is not None:
                    self._course.launch.found_newest(time, now)
            case FindExpired(), Expired():
                self._removal.found(request, answer, now)
            case _:
                self._store_did(request, answer, now)

    def _store_did(self, request: Request, answer: Answer, now: float) -> None:
        match request, answer:
            case OpenStore(), Stored():
                self._errands.answered(request)
                self._opened(answer, now)
            case CheckStore(), Intact():
                self._errands.answered(request)
                self._errands.postpone(CheckStore, now + CHECK)
            case ReadLetters(), LettersRead():
                self._operator.read(request, answer)
            case Apply(), Applied():
                self._applied(answer, now)
            case _:
                raise TypeError(f"{request} was answered with {answer}")

    def _failed(self, request: Request, error: HeadraceError, now: float) -> None:
        if self._agenda.order is not None and self._is_of_refresh(request):
            self._agenda.went_wrong(request, error)
        match request:
            case ReadSegment():
                self._course.at_work.failed(request, error, now)
            case FindExpired():
                self._removal.failed(request, error, now)
            case ReadLetters():
                self._operator.failed(request, error)
            case Apply():
                self._lane.failed(error, now)
                if self._lane.unknown:
                    self._stored = None
            case _:
                self._errands.failed(request, error, now)
                if isinstance(request, CheckStore) and not self._lane.in_flight:
                    self._stored = None

    def _is_of_refresh(self, request: Request) -> bool:
        """Whether a request is one that the refresh under way needs."""
        if isinstance(request, Apply):
            plan = self._lane.plan
            return plan is not None and self._course.needs(plan)
        return isinstance(request, Describe | ReadSegment | FindNewest)

    # Opening

    def _opened(self, stored: Stored, now: float) -> None:
        self._stored = stored
        self._telling.opened(stored)
        plan = self._lane.plan
        if plan is not None:
            durable = self._copies.of(plan.work.target)
            happened = self._lane.resolve(stored, durable.checkpoint if durable is not None else None)
            if happened:
                self._committed(None, now)
        else:
            happened = None if self._copies.lacks(stored) else False
        if happened is None:
            # The engine has lost what was durable, as one in memory does with its process.
            self._begin_again()
            self._stored = stored
        self._copies.take(stored)
        served = self._copies.served
        known = (self._served, self._course.reading(self._course.selection))
        was_ready, self._ready = self._ready, False
        if served is not None and served.checkpoint.reading in known:
            if not was_ready:
                self._agenda.resumed(served.checkpoint.last_refresh)
            self._serve(served)
        self._enter(now)

    def _serve(self, live: StoredCopy) -> None:
        """This copy may be queried."""
        self._ready = True
        self._served = live.checkpoint.reading
        if self._served == self._course.reading(self._course.selection):
            self._operator.selection = self._course.selection
        self._telling.letters(live)

    def _described_as(self, request: Describe, table: SourceTable, now: float) -> None:
        unfit = unfit_key(table, self._acceleration.key_claims)
        if unfit is not None:
            self._errands.failed(request, TableUnusable(unfit), now)
            return
        self._errands.answered(request)
        self._known = table
        if request.selection is self._course.ordered:
            self._table = table
            self._enter(now)

    def _enter(self, now: float) -> None:
        """Decide what to do, once store and table are known."""
        stored, table = self._stored, self._table
        if stored is None or table is None or not self._opening:
            return
        own = replace(table, reading=self._course.reading(self._course.selection))
        if self._keeper.begin(stored, own, now):
            return
        order = self._agenda.order or self._opening_order(table, now)
        self._opening = False
        self._entered = True
        if order is not None:
            self._go_on(order, table, now)
            return
        served = self._copies.served
        if served is not None and served.checkpoint.last_refresh is not None:
            self._agenda.wait(served.checkpoint.last_refresh)
            self._keeper.resumed(now)
        if self._always and self._starts_at is not None:
            self._agenda.postpone(Order(Cause.STARTUP, not_before=self._clock.at(self._starts_at)))
        self._always = False

    def _opening_order(self, table: SourceTable, now: float) -> Order | None:
        """What must be done at once although nobody asked for it, and nothing is due."""
        served = self._copies.served
        if served is None:
            return Order(Cause.FIRST)
        if not self._ready:
            return Order(Cause.SETTINGS)
        if served.checkpoint.table_id != table.table_id:
            return Order(Cause.TABLE)
        return Order(Cause.RESUMED) if self._course.is_interrupted(table, self._copies, now) else None

    def _go_on(self, order: Order, table: SourceTable, now: float) -> None:
        """Begin to read the table, or go on where that was cut off."""
        self._always = False
        if order is not self._agenda.order:
            self._agenda.begin(order)
        self._course.begin(order, table, self._copies, now, served=self._ready)

    def _begin_again(self) -> None:
        """Stop reading; ask the store and the service anew."""
        self._drop(anew=False)
        self._operator.abandon()
        self._keeper.begin_again()
        self._stored = self._table = None
        self._copies.forget()
        self._entered = False
        self._opening = True

    def _drop(self, *, anew: bool) -> None:
        """Stop reading, and forget what is not durable."""
        self._outbox.abandon_source()
        self._errands.clear()
        self._health.forget()
        self._lane.abandon()
        self._removal.forget()
        self._course.drop(anew=anew)

    # A refresh

    def _begin(self, order: Order) -> None:
        """Begin this one, in place of one under way. The lane is at rest."""
        self._drop(anew=True)
        self._table = None
        self._opening = True
        self._agenda.begin(order)

    def _finish(self, rows: int, now: float) -> None:
        """The copy is complete, and served."""
        served, began_at = self._copies.served, self._course.at_work.began_at
        assert served is not None and served.checkpoint.last_refresh is not None  # noqa: PT018
        self._operator.selection = self._course.ordered
        self._agenda.finished(served.checkpoint.last_refresh, rows, now - began_at)
        self._removal.due()
        self._serve(served)
        self._course.drop(anew=True)

    def _give_up(self, now: float) -> None:
        self._drop(anew=True)
        self._opening = False
        self._agenda.give_up(self._clock.at(now))

    # Applying

    def _applied(self, applied: Applied, now: float) -> None:
        plan, sent_at = self._lane.plan, self._lane.sent_at
        if plan is not None and sent_at is not None:
            self._telling.applied(plan, applied, now - sent_at)
            self._operator.applied(applied.letters)
        self._committed(applied, now)

    def _committed(self, applied: Applied | None, now: float) -> None:
        """Take over what became durable; ``applied`` as far as it is known."""
        plan = self._lane.durable()
        if plan is None:
            return
        self._copies.commit(plan.work, applied)
        snapshots = self._acceleration.snapshots
        each = snapshots is None or snapshots.interval is None
        self._keeper.committed(plan, anew=plan.makes_ready and (each or not self._ready))
        if self._agenda.order is not None and self._course.needs(plan):
            self._course.commit(plan, self._described, now, served=self._ready)
            if plan.makes_ready:
                self._finish(plan.rows, now)

    # What to do next

    def _advance(self, now: float) -> None:
        if self._stored is None and not self._lane.in_flight:
            self._errands.ask(OpenStore, OpenStore, now)
        self._turn(now)
        if self._opening and self._table is None:
            self._describe(now)
        self._enter(now)
        launch, copying = self._course.launch, self._course.copying
        if copying is not None:
            copying.read(now)
        if not self._ready:
            self._operator.refuse(COPYING)
        if self._stored is not None:
            if launch is not None and launch.wants_newest:
                self._errands.ask(FindNewest, FindNewest, now)
            if self._lane.plan is None:
                self._apply_next(now)
            if self._lane.plan is None:
                self._errands.ask(CheckStore, CheckStore, now)
            self._lane.advance(now)

    def _turn(self, now: float) -> None:
        """Turn to the refresh that is to begin now, or from one that failed for good."""
        plan, service_now = self._lane.plan, self._clock.at(now)
        next_at = self._agenda.next_at
        if next_at is not None and next_at > service_now:
            self._outbox.wake(now + max(TICK, next_at - service_now))
        if self._lane.in_flight or self._lane.unknown or (plan is not None and plan.settles_letters):
            return
        order = self._agenda.next(service_now)
        if order is not None and (self._entered or order.cause is Cause.REQUEST):
            self._begin(order)
        elif self._agenda.order is not None and self._ready and self._agenda.exhausted:
            self._give_up(now)

    def _describe(self, now: float) -> None:
        assert self._starts_at is not None, "the first step sets it"
        if self._agenda.order is None and not self._ready and now < self._starts_at:
            self._outbox.wake(self._starts_at)
        else:
            self._errands.ask(Describe, partial(Describe, selection=self._course.ordered), now)

    def _apply_next(self, now: float) -> None:
        """Send the next transaction, if there is one to make; the lane is free."""
        live = self._copies.live
        if self._ready and live is not None:
            # The copy answers questions once everybody has been told that it does.
            if self._shown and self._removal.advance(live.checkpoint, now):
                return
            self._operator.serve(live.checkpoint, self._clock.at(now), now)
            if self._lane.plan is not None:
                return
        plan = self._course.next_plan(now)
        if plan is not None:
            self._lane.send(plan, now)

    @property
    def _described(self) -> SourceTable:
        assert self._table is not None, "the table is not described in this phase"
        return self._table
