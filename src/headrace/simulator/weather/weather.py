"""Faults by name, each with its own rate, dice and count, in any mixture."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from headrace.simulator.faults import Fault
from headrace.simulator.simulator import Simulator
from headrace.simulator.weather.acts import Act
from headrace.simulator.weather.catalogue import ACT_KINDS, REQUEST_KINDS, RequestKind
from headrace.simulator.weather.chance import Chance
from headrace.simulator.weather.refusals import Strike

WEATHER: Mapping[str, str] = {name: kind.says for name, kind in REQUEST_KINDS.items()} | {
    name: kind.says for name, kind in ACT_KINDS.items()
}
"""Every fault's name, and what it is in one line."""

READS = ("DescribeTable", "Scan", "ListStreams", "DescribeStream", "GetShardIterator", "GetRecords")
"""The requests of whoever copies a table."""


class Weather:
    """Give it to a Simulator as ``faults``, and let whoever moves the clock call ``act`` now and then.

    ``rates`` are probabilities by name: of requests that may meet the fault, of shards for those that are a
    shard's fate ("late children", "early children", "shard not found"), of calls of ``act`` for what happens to
    the table. ``clock`` is the simulator's. Only ``operations`` are befallen. Each fault has dice of its own,
    thrown at every opportunity: leaving one out leaves the decisions of the others as they were, for as long
    as they get the same requests. ``counts`` says of each name in ``rates`` how often it changed something.

    Raises ValueError for a name that is none, naming those that are, and for a rate outside 0 to 1.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[str, float],
        clock: Callable[[], float],
        operations: Collection[str] = READS,
    ) -> None:
        for name, rate in rates.items():
            if name not in WEATHER:
                raise ValueError(f"{name!r} is no weather; there is {', '.join(WEATHER)}")
            if not 0 <= rate <= 1:
                raise ValueError(f"the rate of {name!r} is {rate}, and must be between 0 and 1")
        self.counts: dict[str, int] = dict.fromkeys(rates, 0)
        self._operations = operations
        self._pauses = 0
        self._ending: list[Act] = []

        def chance(name: str) -> Chance:
            return Chance(name, seed, rates[name], clock, self._count)

        self._strikes: list[tuple[RequestKind, Strike]] = [
            (kind, kind.make(chance(name))) for name, kind in REQUEST_KINDS.items() if rates.get(name)
        ]
        self._acts = [kind.make(chance(name)) for name, kind in ACT_KINDS.items() if rates.get(name)]

    def __call__(self, operation: str, request: dict[str, Any]) -> Sequence[Fault]:
        """What befalls this request: a Simulator's ``faults``."""
        if self._pauses or operation not in self._operations:
            return ()
        faults: list[Fault] = []
        taken: Fault | None = None
        for kind, strike in self._strikes:
            if kind.operations and operation not in kind.operations:
                continue
            # Every one throws its dice, whatever the others threw.
            fault = strike(operation, request)
            if fault is None:
                continue
            if kind.takes:
                taken = taken or fault
            else:
                faults.append(fault)
        return faults if taken is None else (taken,)

    def act(self, simulator: Simulator, table: str) -> float:
        """Let things happen to ``table`` and its stream.

        Gives the seconds by which the caller must move the clock, 0 mostly. Raises SourceError where the
        simulator refuses what should happen. After ``calm`` it ends what could not be ended then.
        """
        with self.paused():
            self._ending = [act for act in self._ending if not act.end()]
            return max((act(simulator, table) for act in self._acts), default=0.0)

    def calm(self) -> bool:
        """End all of it, for good: what goes on for a while ends too, and a disabled stream is replaced.

        False where the service takes its time, as over a table that is being deleted: call ``act`` as the clock
        moves, until ``is_calm``.
        """
        self._strikes.clear()
        with self.paused():
            self._ending = [act for act in self._acts if not act.end()]
        self._acts.clear()
        return self.is_calm

    @property
    def is_calm(self) -> bool:
        """Whether nothing happens any more."""
        return not (self._strikes or self._acts or self._ending)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is asked inside meets no fault, and no dice are thrown for it: the test's own requests."""
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1

    def _count(self, name: str) -> None:
        self.counts[name] += 1
