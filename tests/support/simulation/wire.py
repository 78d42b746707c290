"""The way to the simulated service: what the weather does to it, and how big its pages are."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from headrace.dynamodb.transport import require_whole
from headrace.refusal import Place
from headrace.simulator import Simulator
from headrace.simulator.faults import EmptyPage, Fault
from headrace.simulator.streams import read_iterator
from headrace.simulator.weather import Weather
from headrace.simulator.weather.pages import EMPTY_PAGES_PROVING_THE_TIP
from headrace.wire import Response
from support.simulation.scenario import SILENCE, Scenario
from support.simulation.trace import Clock, Trace

_PLACE = Place(None, None)
_BROKEN = (b'"poison":{"S":"broken record"}', b'"poison":{"Q":"broken record"}')


class Skies:
    """The weather of one round, in which stretches of calm alternate with rough ones.

    Long silences, which break the assumption that five empty pages in a row prove a shard's tip, come once a shard at
    most: what the design then promises is that one deception takes no key back, not that two do not.
    """

    def __init__(self, scenario: Scenario, number: int, clock: Clock) -> None:
        seed = scenario.seed * 10 + number
        rates = dict(scenario.weather)
        silence = rates.pop(SILENCE, 0.0)
        self.weather = Weather(seed, rates, clock)
        self.silence = Weather(seed, {SILENCE: silence} if silence else {}, clock)
        self.deceived: set[str] = set()
        self._silent: dict[str, int] = {}
        self._empties: Counter[tuple[str, int]] = Counter()
        self._is_quiet = _stretches(scenario, number, clock)
        self._over = False

    @property
    def counts(self) -> dict[str, int]:
        """How often each kind changed something."""
        return {**self.weather.counts, **self.silence.counts}

    @property
    def quiet(self) -> bool:
        """Whether nothing goes wrong just now."""
        return self._over or self._is_quiet()

    def __call__(self, operation: str, request: dict[str, Any]) -> Sequence[Fault]:
        """What befalls a request: the simulator's ``faults``."""
        if self.quiet:
            return ()
        faults = list(self.weather(operation, request))
        if operation == "GetRecords":
            _, shard_id, place = read_iterator(request["ShardIterator"])[:3]
            if self._silent.get(shard_id, place) == place:
                silence = self.silence(operation, request)
                if silence:
                    self._silent[shard_id] = place
                    faults += silence
            faults = [self._counted(fault, shard_id, place) for fault in faults]
        return faults

    def _counted(self, fault: Fault, shard_id: str, place: int) -> Fault:
        """An empty page that is a lie is counted: as many as prove the tip deceive."""
        if not isinstance(fault, EmptyPage):
            return fault

        def told() -> None:
            fault.told()
            self._empties[shard_id, place] += 1
            if self._empties[shard_id, place] >= EMPTY_PAGES_PROVING_THE_TIP:
                self.deceived.add(shard_id)

        return EmptyPage(told=told)

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self._over = True
        self.weather.calm()
        self.silence.calm()


def _stretches(scenario: Scenario, number: int, clock: Clock) -> Callable[[], bool]:
    """Whether it is a quiet moment: the seed decides when, and how much of the time."""
    random = Random(f"{scenario.seed}/stretches/{number}")
    length = max(0.5, scenario.gap * scenario.writes / random.choice((1, 3, 8)))
    quiet_share = random.choice((0.0, 0.3, 0.7))
    offset = random.random() * length
    return lambda: (clock.now + offset) % length < quiet_share * length


class Wire:
    """A Transport: small pages, whole answers or none, every answer noted. ``slow`` is what the last one took."""

    def __init__(self, scenario: Scenario, simulator: Simulator, trace: Trace) -> None:
        self.slow = 0.0
        self._simulator = simulator
        self._trace = trace
        self._limit = scenario.page_limit
        self._random = Random(f"{scenario.seed}/page sizes")

    def __call__(self, operation: str, body: bytes) -> Response:
        """Send and wait. Raises Unavailable where no whole answer came."""
        self.slow = 0.0
        if operation in ("GetRecords", "Scan"):
            request = msgspec.json.decode(body)
            request["Limit"] = self._random.randint(1, self._limit)
            body = msgspec.json.encode(request)
        response = self._simulator(operation, body)
        self.slow = getattr(response, "seconds", 0.0)
        require_whole(response, operation, _PLACE)
        self._trace.note(f"{operation} {response.status} {zlib.crc32(response.body):08x}")
        if _BROKEN[0] in response.body:
            # A type that nobody knows: as whole as can be, and not to be decoded.
            return Response(response.status, response.headers, response.body.replace(*_BROKEN))
        return response
