"""Runs the machine: every request, answer, tick and crash is an event at a time that the seed decides."""

from __future__ import annotations

import heapq
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Protocol

from headrace.accelerator import ChangeSink, Which
from headrace.change import DeadLetter
from headrace.checkpoint import ShardState
from headrace.dataset import GapBehavior
from headrace.errors import (
    AcceleratorError,
    AcceleratorFull,
    AcceleratorLocked,
    CommitUnknown,
    HeadraceError,
    InternalError,
    SnapshotUnavailable,
)
from headrace.observe import Observation, SnapshotRestored, SnapshotSaved, StatusChanged
from headrace.replicate.commands import (
    Apply,
    CheckStore,
    Discard,
    Done,
    Event,
    Failed,
    OpenStore,
    ReadLetters,
    Redrive,
    Reply,
    Request,
    Restored,
    RestoreSnapshot,
    SaveSnapshot,
    ShelfRequest,
    SourceRequest,
    Tell,
    Tick,
    WakeAt,
)
from headrace.replicate.machine import Machine
from headrace.replicate.perform import perform
from headrace.snapshot import Manifest
from headrace.snapshots.shelf import DatasetShelf, Label
from headrace.source import Source
from support.engines.harness import SCRATCH
from support.simulation.chance import Dice
from support.simulation.engines import Engine, Kept
from support.simulation.model import Broken
from support.simulation.place import Gone, Place
from support.simulation.scenario import MISHAPS, Scenario
from support.simulation.trace import Clock, Trace
from support.simulation.wire import Wire

_STORE = (OpenStore, CheckStore, ReadLetters, Apply, RestoreSnapshot)
"""What is done in one lane."""

_FORWARD = 1e-6
_PUT_OFF = 0.4
"""How often upkeep that is due is put off until after a later transaction."""

_MOST_EVENTS = 150_000


class Watcher(Protocol):
    """Sees everything that happens, and raises Broken where it must not."""

    def asked(self, request: Request) -> None: ...
    def committed(self) -> None: ...
    def answered(self, request: Request, event: Done | Failed) -> None: ...
    def stepped(self) -> None: ...
    def told(self, fact: Observation) -> None: ...
    def booted(self) -> None: ...
    def lost(self) -> None: ...
    def saved(self, manifest: Manifest) -> None: ...
    def restored(self, manifest: Manifest) -> None: ...


class Runner:
    """One dataset under one seed. ``status`` is what it last said of itself; None before it said anything."""

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock,
        engine: Engine,
        wire: Wire,
        make_source: Callable[[], Source],
        trace: Trace,
        counts: Counter[str],
        place: Place,
    ) -> None:
        self.clock = clock
        self.place = place
        self.engine = engine
        self.settings = scenario.settings
        self.snapshots = scenario.snapshots
        self.status: StatusChanged | None = None
        self.machine: Machine
        self.watcher: Watcher
        self.undelivered: dict[int, Done | Failed] = {}
        self.asked: dict[int, Redrive | Discard] = {}
        self.is_quiet: Callable[[], bool] = lambda: False
        self.life = 0
        self.is_up = False
        self._latency = scenario.latency
        self._wire = wire
        self._make_source = make_source
        self._trace = trace
        self._dice = {
            name: Dice(name, scenario.seed, scenario.mishaps.get(name, 0.0), counts) for name in MISHAPS
        }
        self._random = Random(f"{scenario.seed}/schedule")
        self._upkeep = Random(f"{scenario.seed}/upkeep")
        self._heap: list[tuple[float, float, int, Callable[[], None]]] = []
        self._events = 0
        self._tickets = 0
        self._tokens = 0
        self._known: set[str] = set()
        self._lane_free_at = 0.0
        self._wake = (float("inf"), 0)

    @property
    def ready(self) -> bool:
        """Whether the dataset says that it may be queried."""
        return self.status is not None and self.status.ready

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen later; things of the same moment come in an order that the seed decides."""
        self._events += 1
        heapq.heappush(self._heap, (self.clock.now + seconds, self._random.random(), self._events, action))

    def step(self) -> None:
        """Let the next thing happen."""
        at, _, _, action = heapq.heappop(self._heap)
        self.clock.now = max(self.clock.now, at)
        action()
        if self._events > _MOST_EVENTS:
            raise Broken("liveness", f"{_MOST_EVENTS} events, and no end")

    def run(self, seconds: float, condition: Callable[[], bool]) -> bool:
        """Step until ``condition`` holds, or for so long; whether it came to hold."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            if condition():
                return True
            self.step()
        return condition()

    # A process's life

    def boot(self) -> None:
        """Start a process: a new machine and source, the old copy."""
        self.life += 1
        self.is_up = True
        self._trace.note(f"process {self.life}")
        self.machine = Machine("orders", self.settings, snapshots=self.snapshots)
        self._source = self._make_source()
        self._sink: ChangeSink = self.engine.boot()
        self._shelf = self._new_shelf()
        self.undelivered.clear()
        self.asked.clear()
        self.status = None
        self._lane_free_at = self.clock.now
        self._wake = (float("inf"), self._wake[1] + 1)
        self.watcher.booted()
        self._take(Tick())

    def restart(self, behavior: GapBehavior) -> None:
        """The operator stops the process, changes how gaps are dealt with, and starts it again."""
        self.settings = replace(self.settings, gap_behavior=behavior)
        self.engine.crash(None)
        self.boot()

    def _new_shelf(self) -> DatasetShelf | None:
        """The dataset's snapshots, as a new process comes to them."""
        if self.snapshots is None:
            return None
        self.place.lives()
        label = Label("orders", "simulated", "orders", self.snapshots.keep)
        return DatasetShelf(label, self.place, self._sink, SCRATCH, self._token, self.clock)

    def _token(self) -> str:
        self._tokens += 1
        return f"{self._tokens:08x}"

    def _crash(self, *, cut: bool, lost: bool = False) -> None:
        """Every request and answer under way is lost; what is committed remains, where the engine outlives it.

        With ``lost``, the disk is gone too.
        """
        dice = self._dice["crash inside a commit"]
        if lost:
            self.engine.lose()
            self.watcher.lost()
        else:
            self.engine.crash(dice.random if cut else None)
        self._trace.note("lost disk" if lost else "crash")
        self.life += 1
        self.is_up = False
        down = self._dice["long downtime"]
        seconds = down.random.choice((1.0, 30.0, 1200.0)) if down.hits(quiet=self.is_quiet()) else 0.0
        self.status = None
        life = self.life
        self.after(seconds, lambda: self.boot() if life == self.life else None)

    def ask(self, make: Callable[[int], Redrive | Discard]) -> None:
        """An operator wants something done with dead letters."""
        if self.is_up:
            self._tickets += 1
            asked = self.asked[self._tickets] = make(self._tickets)
            self._trace.note(repr(asked))
            self._take(asked)

    def letters(self, which: Which) -> list[DeadLetter]:
        """The dead letters of the live copy."""
        found: list[DeadLetter] = []
        while chunk := self._sink.letters(None, which, found[-1].id if found else None):
            found += [stored.letter for stored in chunk]
        return found

    # Requests

    def _take(self, event: Event) -> None:
        commands = self.machine.step(event, self.clock.now)
        for command in commands:
            match command:
                case Tell(observation=fact):
                    self._trace.note(told(fact))
                    if isinstance(fact, StatusChanged):
                        self.status = fact
                    self.watcher.told(fact)
                case Reply(ticket=ticket):
                    self._trace.note(repr(command))
                    del self.asked[ticket]
                case WakeAt(at=at):
                    self._schedule_tick(at)
                case _:
                    self._send(command)
        self.watcher.stepped()

    def _schedule_tick(self, at: float) -> None:
        number = self._wake[1] + 1
        self._wake = (at, number)
        dice = self._dice["late tick"]
        late = dice.random.random() * 2.0 if dice.hits(quiet=self.is_quiet()) else 0.0

        life = self.life

        def tick() -> None:
            if self._wake[1] == number and life == self.life:
                self._take(Tick())

        self.after(max(_FORWARD, at - self.clock.now) + late, tick)

    def _half(self) -> float:
        """Half of a request's time: mostly about the mean, now and then much more."""
        if not self._latency:
            return 0.0
        mean = self._latency * (10 if self._random.random() < 0.03 else 1)
        return min(self._random.expovariate(1 / mean), 12 * self._latency)

    def _send(self, request: Request) -> None:
        self._trace.note(named(request))
        self.watcher.asked(request)
        quiet = self.is_quiet()
        if isinstance(request, SourceRequest) and self._dice["hung request"].hits(quiet=quiet):
            return
        delay = self._half()
        if isinstance(request, _STORE):
            # One lane: what is asked of the store is done in order.
            self._lane_free_at = max(self.clock.now + delay, self._lane_free_at)
            delay = self._lane_free_at - self.clock.now
        life = self.life
        self.after(delay, lambda: self._carry_out(request) if life == self.life else None)

    def _carry_out(self, request: Request) -> None:
        quiet = self.is_quiet()
        call = "commit" if isinstance(request, Apply) else "call"
        if self._dice[f"crash before a {call}"].hits(quiet=quiet):
            self._crash(cut=False)
            return
        if self._dice["lost disk"].hits(quiet=quiet):
            self._crash(cut=False, lost=True)
            return
        event = self._outcome(request, quiet=quiet)
        if isinstance(event, Done) and isinstance(request, Apply):
            if self._dice["crash inside a commit"].hits(quiet=quiet):
                self._crash(cut=True)
                return
            self.watcher.committed()
            if self._is_gone_in_upkeep(quiet=quiet):
                return
        elif isinstance(request, ShelfRequest) and self._is_gone_in_a_snapshot(request, event, quiet=quiet):
            return
        elif isinstance(event, Done) and isinstance(request, OpenStore):
            # What the last process left can be looked at from here on.
            self.watcher.committed()
        if self._dice[f"crash after a {call}"].hits(quiet=quiet):
            self._crash(cut=False)
            return
        delay = self._half() + (0.0 if isinstance(request, _STORE) else self._wire.slow)
        late = self._dice["late answer"]
        if late.hits(quiet=quiet):
            delay += late.random.choice((1.0, 10.0, 70.0)) * late.random.random()
        self.undelivered[request.id] = event
        life = self.life
        self.after(delay, lambda: self._deliver(request, event) if life == self.life else None)

    def _is_gone_in_upkeep(self, *, quiet: bool) -> bool:
        """Do what the engine has to do between transactions, now and then; whether the process ended in it."""
        engine = self.engine
        if not isinstance(engine, Kept) or self._upkeep.random() < _PUT_OFF or not engine.is_due:
            return False
        crash, full = self._dice["crash inside upkeep"], self._dice["full disk in upkeep"]
        if crash.hits(quiet=quiet):
            engine.crash_in_upkeep(crash.random)
            self._crash(cut=False)
            return True
        told = engine.keep_up(full.random if full.hits(quiet=quiet) else None)
        self._trace.note(f"upkeep {told}")
        self.watcher.committed()
        return False

    def _is_gone_in_a_snapshot(self, request: ShelfRequest, event: Done | Failed, *, quiet: bool) -> bool:
        """Tell what came of it, and spoil it now and then; whether the process ended while it wrote one."""
        answer = event.answer if isinstance(event, Done) else None
        if isinstance(event, Failed) and isinstance(event.error, InternalError):
            for id_ in self.place.ids:
                # Its last object may have been the one that makes it whole.
                if id_ not in self._known:
                    self._known.add(id_)
                    self.watcher.saved(self.place.manifest(id_))
            self._crash(cut=False)
            return True
        if isinstance(answer, Manifest):
            self._known.add(answer.id)
            self.watcher.saved(answer)
            damage = self._dice["damaged snapshot"]
            if damage.hits(quiet=quiet):
                self.place.damage(answer.id, damage.random)
        elif isinstance(answer, Restored) and isinstance(request, RestoreSnapshot):
            self.watcher.restored(request.manifest)
        return False

    def _deliver(self, request: Request, event: Done | Failed) -> None:
        del self.undelivered[request.id]
        self._trace.note(
            f"answer {request.id} {event.error!r}" if isinstance(event, Failed) else f"answer {request.id}"
        )
        self.watcher.answered(request, event)
        self._take(event)

    def _outcome(self, request: Request, *, quiet: bool) -> Done | Failed:
        fault = self._mishap(request, quiet=quiet)
        if fault is not None:
            return Failed(request.id, fault)
        self._wire.slow = 0.0
        dies = self._dice["crash in a snapshot"]
        if isinstance(request, SaveSnapshot) and dies.hits(quiet=quiet):
            self.place.dies(dies.random)
        try:
            answer = perform(request, self._source, self._sink, self._shelf)
        except Gone:
            return Failed(request.id, InternalError("the process has ended"))
        except InternalError:
            raise
        except HeadraceError as error:
            return Failed(request.id, error)
        if isinstance(request, Apply) and self._dice["unknown commit that happened"].hits(quiet=quiet):
            self.watcher.committed()
            return Failed(request.id, CommitUnknown("the connection was lost at commit"))
        return Done(request.id, answer)

    def _mishap(self, request: Request, *, quiet: bool) -> HeadraceError | None:
        if isinstance(request, Apply):
            if self._dice["unknown commit that did not"].hits(quiet=quiet):
                return CommitUnknown("the connection was lost at commit")
            if self._dice["failed commit"].hits(quiet=quiet):
                return AcceleratorError("disk error")
            if self._dice["full disk"].hits(quiet=quiet):
                return AcceleratorFull("no space left")
        elif isinstance(request, ShelfRequest) and self._dice["silent place"].hits(quiet=quiet):
            return SnapshotUnavailable("the place does not answer")
        elif isinstance(request, (OpenStore, CheckStore)) and self._dice["store not opened"].hits(
            quiet=quiet
        ):
            return AcceleratorLocked("another process holds the file")
        return None


def named(request: Request) -> str:
    """A request in words that do not depend on where in memory its rows are."""
    if isinstance(request, RestoreSnapshot):
        return f"RestoreSnapshot {request.id} {request.manifest.id}"
    if not isinstance(request, Apply):
        return repr(request)
    work = request.work
    rows = "+".join(str([batch.count for batch in batches]) for batches in (work.stream, work.scan))
    flags = f"{work.notes}{' swap' if work.swap else ''}{' create' if work.create else ''}"
    text = work.checkpoint.encode()
    shards = " ".join(_named_shard(state) for state in work.checkpoint.shards)
    ended, ready = work.checkpoint.scan_ended_at, work.checkpoint.was_ready
    return f"Apply {request.id} {work.target} {rows} {flags} {zlib.crc32(text.encode()):08x} {ended} {ready} {shards}"


def told(fact: Observation) -> str:
    """A fact in words that do not depend on how an engine packs its files."""
    if isinstance(fact, (SnapshotSaved, SnapshotRestored)):
        return repr(replace(fact, size_bytes=0))
    return repr(fact)


def _named_shard(state: ShardState) -> str:
    at = state.position
    place = "" if at is None else at.sequence.text if at.sequence is not None else at.anchor
    return f"{state.id[-8:]}:{state.stage}:{place}"
