"""The machine that replicates one table: ``step(event, now) -> commands``.

It decides and does nothing: no I/O, lock, thread, clock or randomness. Every request it makes has one
outside effect and comes back as one event, or never. From the same events at the same times it makes
the same commands, so that a run can be replayed from its seed.
"""

from __future__ import annotations

import math

from headrace.accelerator import Applied, LetterTally, Stored, Target
from headrace.change import RecordsPage, ScanPage
from headrace.checkpoint import Checkpoint
from headrace.dataset import Engine, GapBehavior, KeyClaims, Replication, Snapshots
from headrace.errors import HeadraceError, TableUnusable
from headrace.replicate.beginning import Beginning
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
    Explain,
    Explained,
    Failed,
    GetRecords,
    Intact,
    LettersRead,
    ListChildren,
    ListShards,
    OpenIterator,
    OpenStore,
    ReadLetters,
    ReadSegment,
    Redrive,
    Request,
    ShelfRequest,
    StoreRequest,
    TakeSnapshot,
)
from headrace.replicate.desk import Desk
from headrace.replicate.entry import (
    CopyTable,
    Gap,
    Resume,
    decide,
    serves_old,
    unfit_key,
)
from headrace.replicate.errands import CHECK, Errands
from headrace.replicate.explain import Moment, explain_stream, trail
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.keeper import Keeper
from headrace.replicate.lane import Lane
from headrace.replicate.operator import COPYING, Operator
from headrace.replicate.outbox import Outbox
from headrace.replicate.phase import Phase
from headrace.replicate.run import Run
from headrace.replicate.scan import SETTLE
from headrace.replicate.standing import Standing
from headrace.replicate.telling import Telling
from headrace.shard import ShardListing
from headrace.source import SourceTable

RECHECK = 30.0
"""Seconds between looks at a table whose stream was read to its end and is said to be on."""


class Machine:
    """One dataset's replication.

    ``claims`` are what the Spicepod takes for the table's key, None if it says nothing. ``salt`` spreads
    the backoff of datasets and processes. Only snapshots of ``engine`` are restored; None: of any.
    """

    def __init__(
        self,
        dataset: str,
        settings: Replication,
        claims: KeyClaims | None = None,
        salt: str = "",
        *,
        engine: Engine | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.dataset = dataset
        self.settings = settings
        self._claims = claims or {}
        self._outbox = Outbox()
        self._clock = ServiceClock()
        self._health = Health(dataset, self._outbox, f"{salt}/{dataset}")
        self._journal = Journal(settings.history_bytes)
        self._desk = Desk(dataset, settings, self._outbox, self._clock, self._health, self._journal)
        self._errands = Errands(self._outbox, self._health)
        self._telling = Telling(dataset, self._outbox)
        self._lane = Lane(self._outbox, self._health)
        self._operator = Operator(self._outbox, self._lane)
        self._standing = Standing(self._desk, self._errands, self._lane)
        self._keeper = Keeper(self._desk, self._errands, engine, snapshots)
        self._phase = Phase.OPENING
        self._stored: Stored | None = None
        self._table: SourceTable | None = None
        self._run: Run | None = None
        self._target = Target.LIVE
        self._ready = False
        self._gap: Gap | None = None
        self._drained = False
        self._drained_at = -math.inf
        self._beginning: Beginning | None = None
        self._scan_from = 0.0
        self._began_at = 0.0

    def step(self, event: Event, now: float) -> list[Command]:
        """Take in what happened by ``now`` (seconds, never decreasing) and say what to do next."""
        self._outbox.begin(now)
        for request, outcome in self._outbox.settled(event):
            self._heard(request, outcome, now)
        if isinstance(event, (Redrive, Discard)):
            self._operator.take(event)
        elif isinstance(event, TakeSnapshot):
            self._keeper.take(event)
        self._advance(now)
        rebuilding = self._target is Target.BUILDING
        run = self._run if self._phase is Phase.RUNNING else None
        status = self._standing.tell(
            now,
            run,
            self._table,
            self._gap if self._phase is Phase.HALTED else None,
            ready=self._ready,
            rebuilding=rebuilding,
            drained=self._drained,
            opening=self._keeper.reason,
        )
        self._keeper.advance(status, None if run is None else run.watermark(now), now)
        if isinstance(event, Explain):
            moment = Moment(self._phase, status.reason, self._table, rebuilding=rebuilding)
            stream = explain_stream(self._desk, run, self._stored, moment, now)
            read = (run.buffer, run.held()) if run is not None else (None, ())
            self._outbox.explain(Explained(event.id, stream, trail(self._journal, self._lane, *read)))
        # A machine that nothing happens to must still notice that nothing happens.
        self._outbox.wake(now + 1.0)
        return self._outbox.drain()

    # What happened

    def _heard(self, request: Request, event: Done | Failed, now: float) -> None:
        if isinstance(event, Done):
            self._clock.observe(getattr(event.answer, "service_time", None), now)
        if isinstance(request, ShelfRequest):
            self._stored = None if self._keeper.heard(request, event, now) else self._stored
        elif isinstance(request, (ListShards, OpenIterator)) and self._beginning is not None:
            self._beginning.heard(request, event, now)
            if self._beginning.gone:
                self._begin_again()
        elif isinstance(event, Done):
            self._done(request, event.answer, now)
        else:
            self._failed(request, event.error, now)

    def _done(self, request: Request, answer: Answer, now: float) -> None:
        match request, answer:
            case ((OpenStore() | CheckStore() | ReadLetters() | Apply()), _):
                self._store_did(request, answer, now)
            case Describe(), SourceTable():
                self._described_as(request, answer, now)
            case ((ListShards() | ListChildren()), ShardListing()):
                self._running.stream.listed(request, answer, now)
            case OpenIterator(), str():
                self._forgotten(self._running.stream.opened(request, answer, now))
            case GetRecords(), RecordsPage():
                self._ready = self._running.received(request, answer, now) and self._ready
            case ReadSegment(), ScanPage():
                self._running.pages.scanned(request, answer, now)
            case _:
                raise TypeError(f"{request} was answered with {answer}")

    def _store_did(self, request: StoreRequest, answer: Answer, now: float) -> None:
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
        match request:
            case OpenStore() | Describe():
                self._errands.failed(request, error, now)
            case CheckStore():
                self._errands.failed(request, error, now)
                if self._phase is Phase.RUNNING and not self._lane.in_flight:
                    self._stored = None
            case ListShards() | ListChildren() | OpenIterator() | GetRecords():
                self._forgotten(self._running.stream.failed(request, error, now))
            case ReadSegment():
                self._running.pages.failed(request, error, now)
            case ReadLetters():
                self._operator.failed(request, error)
            case Apply():
                self._lane.failed(error, now)
                if self._lane.unknown:
                    self._stored = None

    # Opening

    def _opened(self, stored: Stored, now: float) -> None:
        self._stored = stored
        self._telling.opened(stored)
        if stored.live is None:
            self._ready = False
        durable = self._run.checkpoint if self._run is not None else None
        if self._lane.plan is not None:
            happened = self._lane.resolve(stored, durable)
            if happened:
                self._committed(LetterTally(), now)
        else:
            copy = stored.live if self._target is Target.LIVE else stored.building
            kept = durable is None or (copy is not None and copy.checkpoint == durable)
            happened = False if kept else None
        if happened is None:
            # The engine has lost what was durable, as one in memory does with its process.
            self._begin_again()
            self._stored = stored
        self._enter(now)

    def _described_as(self, request: Describe, table: SourceTable, now: float) -> None:
        unfit = unfit_key(table, self._claims)
        if unfit is not None:
            self._errands.failed(request, TableUnusable(unfit), now)
            return
        self._errands.answered(request)
        self._table = table
        self._enter(now)

    def _enter(self, now: float) -> None:
        """Decide what to do, once store and table are known."""
        stored, table = self._stored, self._table
        if stored is None or table is None or self._phase is not Phase.OPENING:
            return
        if self._keeper.begin(stored, table, now):
            return
        self._target = Target.BUILDING if stored.building else Target.LIVE
        gap, self._gap = self._gap, None
        drained, self._drained = self._drained, False
        match decide(stored, table, self._clock.at(now), gap=gap, drained=drained):
            case Resume(copy):
                self._ready = self._target is Target.BUILDING and serves_old(
                    stored, self.settings.gap_behavior
                )
                if self._journal.since is None:
                    self._journal.begin(now, whole=False)
                self._keeper.resumed(now)
                self._start_run(copy.checkpoint, now)
                self._telling.resumed(self._running.scan, copy, self._clock.at(now))
            case CopyTable(reason):
                self._copy(stored, table, reason, now)
            case Gap() as gap:
                self._follow(gap, stored, table, now)

    def _start_run(self, checkpoint: Checkpoint, now: float) -> None:
        self._run = Run(self._desk, checkpoint, self._lane, now)
        settled = 0.0 if self.settings.consistent_read else checkpoint.started_at + SETTLE
        self._scan_from = now + max(0.0, settled - self._clock.at(now))
        self._began_at = now
        self._phase = Phase.RUNNING

    def _begin_again(self) -> None:
        """Stop reading; ask the store and the service anew."""
        self._outbox.abandon_source()
        self._errands.clear()
        self._health.forget()
        self._lane.abandon()
        self._operator.abandon()
        self._keeper.begin_again()
        self._run = None
        self._beginning = None
        self._stored = None
        self._table = None
        self._phase = Phase.OPENING

    # Copying

    def _copy(self, stored: Stored, table: SourceTable, reason: str | None, now: float) -> None:
        """List the shards first; build aside where a copy exists that was served."""
        self._telling.begins_again(reason)
        aside = stored.live is not None and stored.live.checkpoint.was_ready
        self._target = Target.BUILDING if aside else Target.LIVE
        self._ready = serves_old(stored, self.settings.gap_behavior)
        self._beginning = Beginning(
            self._desk, self._errands, self._lane, self._telling, table, self._target, now
        )
        self._phase = Phase.LISTING

    # The stream

    def _forgotten(self, gap: Gap | None) -> None:
        """Look at the table before judging a gap: it, or its stream, may have been re-created."""
        if gap is not None:
            self._begin_again()
            self._gap = gap

    def _follow(self, gap: Gap, stored: Stored, table: SourceTable, now: float) -> None:
        behavior = self.settings.gap_behavior
        self._telling.gap(gap, behavior)
        if behavior is GapBehavior.ERROR:
            self._gap = gap
            self._ready = False
            self._phase = Phase.HALTED
        else:
            self._copy(stored, table, f"the stream has forgotten changes: {gap}", now)

    # Applying

    def _applied(self, applied: Applied, now: float) -> None:
        plan, sent_at = self._lane.plan, self._lane.sent_at
        if plan is not None and sent_at is not None:
            self._telling.applied(plan, applied, now - sent_at)
            self._operator.applied(applied.letters)
        self._committed(applied.letters, now)

    def _committed(self, letters: LetterTally, now: float) -> None:
        plan = self._lane.durable()
        if plan is None:
            return
        if self._phase is Phase.CREATING:
            self._start_run(plan.work.checkpoint, now)
            return
        run = self._running
        served = run.checkpoint.was_ready and self._target is Target.LIVE
        run.commit(plan, letters, now)
        self._keeper.committed(plan, anew=plan.makes_ready and not served)
        items = self._table.item_count if self._table is not None else 0
        self._telling.scanned(plan, run.scan, items, now - self._began_at)
        if plan.makes_ready:
            self._target = Target.LIVE
            self._ready = True

    # What to do next

    def _advance(self, now: float) -> None:
        if self._stored is None and not self._lane.in_flight:
            self._errands.ask(OpenStore, OpenStore, now)
        if self._phase is Phase.OPENING and self._table is None:
            self._errands.ask(Describe, Describe, now)
        self._enter(now)
        if self._beginning is not None and self._beginning.sent:
            self._beginning, self._phase = None, Phase.CREATING
        if self._beginning is not None and self._lane.plan is None:
            self._beginning.ask(now)
        if self._phase is not Phase.RUNNING:
            self._operator.refuse("the dataset is not open; ask again once it follows its stream")
        elif not self._lane.unknown:
            self._advance_run(self._running, now)
        if self._stored is not None:
            self._lane.advance(now)

    def _advance_run(self, run: Run, now: float) -> None:
        run.read(now, scan_from=self._scan_from)
        if self._stored is not None:
            self._serve(run, now)
        if self._lane.plan is None and self._stored is not None:
            run.apply_next(now, self._target)
        if self._lane.plan is None and self._stored is not None:
            self._errands.ask(CheckStore, CheckStore, now)
        served = run.checkpoint.was_ready and not run.checkpoint.snapshot and self._target is Target.LIVE
        if served and run.caught_up(now):
            self._ready = True
        if run.drained:
            self._begin_again()
            self._drained = True
            self._errands.postpone(Describe, self._drained_at + RECHECK)
            self._drained_at = now

    def _serve(self, run: Run, now: float) -> None:
        """Do what operators ask, of a copy that was served: only then may a letter be applied (see Work).

        While a shard's late records are held its keys are ahead of the stream, and letters wait too.
        """
        if not run.checkpoint.was_ready or self._target is not Target.LIVE:
            self._operator.refuse(COPYING)
        elif not run.hold.wire_bytes:
            self._operator.serve(run.checkpoint, self._clock.at(now), now)

    @property
    def _running(self) -> Run:
        assert self._run is not None, "nothing is read in this phase"
        return self._run
