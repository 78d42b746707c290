"""Runs a machine under a schedule, faults and crashes that one seed decides.

Time stands still between steps and is the simulator's own. Each step either carries out an outstanding
request, delivers an answer that was carried out earlier, lets time pass, or kills the process: then
every answer on its way is lost, and only what the accelerator committed remains.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace.accelerator import ChangeSink
from headrace.dataset import Replication, Snapshots
from headrace.errors import (
    AcceleratorError,
    CommitUnknown,
    HeadraceError,
    IteratorExpired,
    SnapshotUnavailable,
    Throttled,
    Unavailable,
)
from headrace.observe import Observation, StatusChanged
from headrace.replicate.commands import (
    Apply,
    Discard,
    Done,
    Event,
    Explain,
    Explained,
    Failed,
    GetRecords,
    ListSnapshots,
    OpenStore,
    Redrive,
    RefreshNow,
    Reply,
    Request,
    Reselect,
    RestoreSnapshot,
    SaveSnapshot,
    TakeSnapshot,
    Tell,
    Tick,
    WakeAt,
)
from headrace.replicate.machine import Machine
from headrace.replicate.perform import perform
from headrace.replicate.runner import PureMachine
from headrace.selection import Kept
from headrace.snapshot import Shelf
from headrace.source import Source


class Clock:
    """The time of the simulated world, epoch seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@dataclass
class Hazards:
    """How likely each mishap is, per request carried out."""

    fault: float = 0.0
    unknown_commit: float = 0.0
    expired_iterator: float = 0.0
    crash: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    def strike(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class SeededRunner:
    """One dataset under one seed. ``facts`` are all observations; ``trace`` hashes everything that happened."""

    def __init__(
        self,
        seed: int,
        clock: Clock,
        make_source: Callable[[], Source],
        sink: ChangeSink,
        settings: Replication,
        hazards: Hazards | None = None,
        shelf: Shelf | None = None,
        snapshots: Snapshots | None = None,
        make_machine: Callable[[], PureMachine] | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.clock = clock
        self.sink = sink
        self.settings = settings
        self.hazards = hazards or Hazards()
        self.facts: list[Observation] = []
        self.replies: list[Reply] = []
        self.status: StatusChanged | None = None
        self.shelf = shelf
        self.snapshots = snapshots
        self._make_source = make_source
        self._make_machine = make_machine or (
            lambda: Machine("orders", self.settings, snapshots=self.snapshots)
        )
        self._kept = kept
        self._trace = hashlib.sha256()
        self.boot()

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    @property
    def ready(self) -> bool:
        return self.status is not None and self.status.ready

    def boot(self) -> None:
        """Start a process: a new machine and source, the old accelerator."""
        self.machine = self._make_machine()
        self.source = self._make_source()
        self.outstanding: list[Request] = []
        self.answered: list[Event] = []
        self.wake_at = self.clock()
        self.status = None
        self._take(Tick())

    def ask(self, asked: Redrive | Discard | TakeSnapshot | RefreshNow | Reselect) -> None:
        """An operator asks the machine for something; what it answers is among ``replies``."""
        self._note(repr(asked))
        self._take(asked)

    def step(self) -> None:
        """Let one thing happen."""
        if self.random.random() < self.hazards.crash:
            self.hazards.strike("crash")
            self._crash()
            return
        choices = len(self.outstanding) + len(self.answered)
        pick = self.random.randrange(choices + 1)
        if pick < len(self.outstanding):
            self.answered.append(self._carry_out(self.outstanding.pop(pick)))
        elif pick < choices:
            self._take(self.answered.pop(pick - len(self.outstanding)))
        elif choices and self.random.random() < 0.7:
            self.clock.now += self.random.random() * 0.02
        else:
            self.clock.now = max(self.clock.now, min(self.wake_at, self.clock.now + 1.0))
            self._take(Tick())

    def explain(self) -> Explained:
        """What the machine says of itself now. Does to it what a Tick does."""
        self._take(Explain(0))
        return self.explained

    def run_until(self, condition: Callable[[], bool], steps: int) -> None:
        """Step until ``condition`` holds; fails after ``steps``."""
        for _ in range(steps):
            if condition():
                return
            self.step()
        reason = self.status.reason if self.status else None
        raise AssertionError(f"not reached in {steps} steps; status: {self.status}, reason: {reason}")

    def _crash(self) -> None:
        """A transaction under way commits or does not; every other request and answer is lost."""
        for request in self.outstanding:
            if isinstance(request, Apply) and self.random.random() < 0.5:
                self._carry_out(request)
        self.boot()

    def _carry_out(self, request: Request) -> Event:
        fault = self._fault(request)
        if fault is not None and not isinstance(fault, CommitUnknown):
            return self._failed(request, fault)
        try:
            if isinstance(fault, CommitUnknown) and self.random.random() < 0.5:
                return self._failed(request, fault)
            answer = perform(request, self.source, self.sink, self.shelf, self._kept)
        except HeadraceError as error:
            return self._failed(request, error)
        if fault is not None:
            return self._failed(request, fault)
        self._note(f"{_named(request)} done")
        return Done(request.id, answer)

    def _failed(self, request: Request, error: HeadraceError) -> Event:
        self._note(f"{_named(request)} failed {error!r}")
        return Failed(request.id, error)

    def _fault(self, request: Request) -> HeadraceError | None:
        if isinstance(request, Apply) and self.random.random() < self.hazards.unknown_commit:
            self.hazards.strike("unknown commit")
            return CommitUnknown("the connection was lost at commit")
        if isinstance(request, GetRecords) and self.random.random() < self.hazards.expired_iterator:
            self.hazards.strike("expired iterator")
            return IteratorExpired("the iterator is too old")
        if self.random.random() < self.hazards.fault:
            if isinstance(request, (Apply, OpenStore)):
                self.hazards.strike("accelerator error")
                return AcceleratorError("disk error")
            if isinstance(request, (ListSnapshots, SaveSnapshot, RestoreSnapshot)):
                self.hazards.strike("place of snapshots does not answer")
                return SnapshotUnavailable("as the seed decided")
            kind = self.random.choice((Throttled, Unavailable))
            self.hazards.strike(kind.__name__)
            return kind("as the seed decided")
        return None

    def _take(self, event: Event) -> None:
        for command in self.machine.step(event, self.clock()):
            match command:
                case Tell(observation=fact):
                    self.facts.append(fact)
                    self._note(repr(fact))
                    if isinstance(fact, StatusChanged):
                        self.status = fact
                case Reply():
                    self.replies.append(command)
                    self._note(repr(command))
                case WakeAt(at=at):
                    self.wake_at = at
                case Explained():
                    self.explained = command
                case _:
                    self.outstanding.append(command)

    def _note(self, text: str) -> None:
        self._trace.update(f"{self.clock():.6f} {text}\n".encode())


def _named(request: Request) -> str:
    """A request in words that do not depend on where in memory its rows are."""
    if not isinstance(request, Apply):
        return repr(request)
    rows = [batch.rows.to_pylist() for batch in (*request.work.stream, *request.work.scan)]
    return f"Apply {request.id} {rows} {request.work.checkpoint.encode()}"
