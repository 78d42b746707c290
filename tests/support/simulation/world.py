"""One seed's world: a table that is written to, the machine that copies it, and what watches both."""

from __future__ import annotations

import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from random import Random

from headrace.accelerator import Which
from headrace.dataset import GapBehavior
from headrace.dynamodb import DynamoDBSource
from headrace.replicate.commands import Discard, Redrive
from headrace.simulator import Simulator
from support.simulation.checks import Checks
from support.simulation.engines import make_engine
from support.simulation.ledger import Ledger
from support.simulation.model import Broken, HarnessFault, Model
from support.simulation.place import Place
from support.simulation.runner import Runner
from support.simulation.scenario import POISONS, START, Scenario
from support.simulation.trace import Clock, Trace
from support.simulation.wire import Skies, Wire
from support.simulation.workload import TABLE, Workload

CALM = 600.0
"""Seconds in which the copy must come to rest once nothing goes wrong any more."""


@dataclass(frozen=True)
class Outcome:
    """What became of a scenario. ``broken`` names the check that failed, None if none did."""

    scenario: Scenario
    trace: str
    seconds: float
    lines: int
    counts: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    facts: Counter[str] = field(default_factory=Counter)
    broken: str | None = None
    message: str = ""
    last: tuple[str, ...] = ()


class World:
    """Everything one scenario needs. ``counts`` says how often each kind of trouble happened."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.counts: Counter[str] = Counter()
        self.clock = Clock(START)
        self.trace = Trace(self.clock)
        self.model = Model(scenario.keys)
        self.simulator = Simulator(
            self.clock,
            scenario.seed,
            initial_shards=scenario.shards,
            rotation_seconds=scenario.rotation,
        )
        self.workload = Workload(scenario, self.simulator, self.model, self.counts)
        self.ledger = Ledger(self.simulator, self.model)
        self.engine = make_engine(scenario.engine)
        wire = Wire(scenario, self.simulator, self.trace)
        self.runner = Runner(
            scenario,
            self.clock,
            self.engine,
            wire,
            lambda: DynamoDBSource(
                wire, TABLE, consistent_read=scenario.settings.consistent_read, clock=self.clock
            ),
            self.trace,
            self.counts,
            Place(self.clock),
        )
        self.checks = Checks(scenario, self.runner, self.model, self.ledger)
        self.runner.watcher = self.checks
        self._random = Random(f"{scenario.seed}/world")
        self._orders = Random(f"{scenario.seed}/operator")
        self._retry_at = 0.0
        self._skies: Skies | None = None
        self._left = 0
        self._operator_called = False

    def begin(self) -> None:
        """Make the table and its history, and start the process."""
        self.workload.create()
        self.ledger.note()
        for _ in range(self.scenario.items * 2):
            self._write()
            if self._random.random() < 0.03:
                self.simulator.streams.split_shard(TABLE)
            # What is replayed before Ready must not be seen after it.
            self.clock.now += self._random.random() * min(2.0, 250.0 / self.scenario.items)
        self.runner.boot()

    def live(self, number: int) -> None:
        """A stretch of writes while everything may go wrong."""
        self.tally()
        self._skies = skies = Skies(self.scenario, number, self.clock)
        self.checks.skies = skies
        self.simulator.faults = skies
        self.runner.is_quiet = lambda: skies.quiet
        self._left = self.scenario.writes
        self._next_write()
        self._next_look()
        self._next_order()
        while self._left:
            self.runner.step()
            self._operate()

    def settle(self) -> None:
        """Nothing goes wrong any more and nothing is written: the copy comes to rest, equal and current."""
        assert self._skies is not None
        before = dict(self._skies.counts)
        self._skies.calm()
        self._sync(before)
        self.runner.is_quiet = lambda: True
        while not self.runner.is_up:
            self.runner.step()
        self.engine.is_mended = True
        self._retry_at = self.clock.now
        done = self.runner.run(CALM, self._at_rest)
        if not done:
            status = self.runner.status
            raise Broken(
                "liveness", f"no rest in {CALM:.0f} s of calm: {status}; {self.checks.differences()}"
            )
        self.checks.at_rest()

    def close(self) -> None:
        """Let go of the copy."""
        self.engine.close()

    def _at_rest(self) -> bool:
        self._operate()
        status = self.runner.status
        if status is None or not (status.ready and status.live and status.fresh) or self.runner.asked:
            return False
        if self._has_poison and self.clock.now >= self._retry_at and self.checks.retriable():
            # What was refused is taken by now; a copy that was made meanwhile has letters of its own.
            self._retry_at = self.clock.now + 5.0
            self.runner.ask(Redrive)
            return False
        return self.checks.equal()

    def _operate(self) -> None:
        """Somebody reads the status, and does what it says cures a gap."""
        status = self.runner.status
        halted = status is not None and "lag_exceeds_shard_retention_behavior" in (status.reason or "")
        if halted and not self._operator_called:
            self._operator_called = True
            self.runner.after(self._random.uniform(0.0, 20.0), self._cure)

    def _cure(self) -> None:
        self._operator_called = False
        choices = (GapBehavior.READY_BEFORE_LOAD, GapBehavior.READY_AFTER_LOAD)
        self.runner.restart(self._random.choice(choices))

    @property
    def _has_poison(self) -> bool:
        return bool(set(POISONS) & self.scenario.mishaps.keys())

    def _next_order(self) -> None:
        if self._left and self._has_poison:
            self.runner.after(self._orders.expovariate(1 / (4 * self.scenario.looks_every)), self._order)

    def _order(self) -> None:
        """An operator does what comes to mind with dead letters."""
        roll = self._orders.random()
        if roll < 0.1:
            self.engine.is_mended = True
        elif roll < 0.5:
            self.runner.ask(Redrive)
        elif roll < 0.7 and self.runner.is_up:
            known = [letter.id for letter in self.runner.letters(Which.ANY)] if self.runner.ready else []
            names = tuple(self._orders.sample([*known, "nobody"], min(2, len(known) + 1)))
            self.runner.ask(partial(Redrive, names=names))
        elif roll < 0.9:
            self.runner.ask(partial(Discard, which=Which.SUPERSEDED))
        else:
            self.checks.are_discarded = True
            self.runner.ask(Discard)
        self._next_order()

    def _write(self) -> None:
        self.workload.write(self.clock.now)
        self.ledger.note()

    def _next_write(self) -> None:
        if self._left:
            burst = self._random.random() < 0.2
            self.runner.after(
                0.0 if burst else self._random.expovariate(1 / self.scenario.gap), self._write_one
            )

    def _write_one(self) -> None:
        self._left -= 1
        self._write()
        self._next_write()

    def _next_look(self) -> None:
        if self._left:
            self.runner.after(self.scenario.looks_every, self._look_at_sky)

    def _look_at_sky(self) -> None:
        """Whatever may befall the table befalls it, the passing of a day included."""
        skies = self._skies
        assert skies is not None
        if not skies.quiet:
            before = dict(skies.counts)
            seconds = skies.weather.act(self.simulator, TABLE)
            self._sync(before)
            if seconds:
                self.checks.time_jumps(self.clock.now + seconds)
                self.clock.now += seconds
        self._next_look()

    def _sync(self, before: dict[str, int]) -> None:
        """Take note of what the weather did to the table."""
        assert self._skies is not None
        after = self._skies.counts
        happened = {name for name, count in after.items() if count > before.get(name, 0)}
        self.ledger.note()
        if "table recreated" in happened:
            self.model.clear(self.clock.now)
        if happened & {"table recreated", "stream replaced"}:
            self.checks.causes += 1

    def tally(self) -> None:
        """Count what the weather did since the last time."""
        if self._skies is not None:
            self.counts.update({name: count for name, count in self._skies.counts.items() if count})
            self._skies = None


def run(scenario: Scenario) -> Outcome:
    """Live through a scenario, to its end or to the first promise that does not hold."""
    world = World(scenario)
    broken, message = None, ""
    try:
        world.begin()
        for number in range(scenario.rounds):
            world.live(number)
            world.settle()
    except Broken as problem:
        broken, message = problem.check, str(problem)
    except HarnessFault:
        raise
    except Exception:  # noqa: BLE001  # Whatever the machine raises is the finding.
        broken, message = "defect", traceback.format_exc(limit=-6)
    finally:
        world.close()
    world.tally()
    return Outcome(
        scenario,
        world.trace.hash,
        world.clock.now - START,
        world.trace.lines,
        world.counts,
        world.checks.counts,
        world.checks.facts,
        broken,
        message,
        tuple(world.trace.last),
    )
