"""The latest status of each event source mapping, for whoever asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headrace.event_source_mapping import EventSourceMapping
from headrace.mapping_facts import (
    BatchBisected,
    FillFailed,
    FillFinished,
    FillProgressed,
    FillStarted,
    Invoked,
    MappingFact,
    MappingStatusChanged,
    RecordsFiltered,
    RecordsGivenUp,
)
from headrace.observe import Observation
from headrace.status import SILENCE, MappingStatus, State


@dataclass(slots=True)
class _Counts:
    """What has happened since the process started."""

    invocations: int = 0
    errors: int = 0
    retries: int = 0
    bisected: int = 0
    delivered: int = 0
    filtered: int = 0
    given_up: int = 0
    filling: bool = False
    filled: int = 0
    unfilled: str | None = None

    def add(self, fact: MappingFact | Observation) -> None:
        match fact:
            case Invoked(done=done, attempt=attempt, failed_whole=failed_whole):
                self.invocations += 1
                self.errors += failed_whole
                self.retries += attempt > 1
                self.delivered += done
            case BatchBisected():
                self.bisected += 1
            case RecordsFiltered(records=records):
                self.filtered += records
            case RecordsGivenUp(records=records):
                self.given_up += records
            case FillStarted(resumed=resumed):
                self.filling, self.unfilled = True, None
                self.filled = self.filled if resumed else 0
            case FillProgressed(items=items):
                self.filled, self.unfilled = items, None
            case FillFinished(items=items):
                self.filling, self.filled = False, items
            case FillFailed(error=error):
                self.filling, self.unfilled = True, f"its fill rests: {error}"
            case _:
                pass


class MappingBoard:
    """A MappingObserver that keeps the latest status of each mapping, in their order.

    Any thread may tell and ask. ``clock`` gives seconds and only ever goes forward.
    """

    def __init__(
        self, mappings: Sequence[EventSourceMapping], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._mappings = {mapping.name: mapping for mapping in mappings}
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = {name: _Counts() for name in self._mappings}
        opening = {name: _not_opened(name) for name in self._mappings}
        self._latest = {name: (clock(), status) for name, status in opening.items()}

    def __call__(self, fact: MappingFact | Observation, /) -> None:
        """Take note of a status and of what is counted; facts about other mappings do not matter here."""
        name = mapping_of(fact)
        if name not in self._mappings:
            return
        with self._lock:
            self._counts[name].add(fact)
            if isinstance(fact, MappingStatusChanged):
                self._latest[name] = (self._clock(), fact)

    def statuses(self) -> tuple[MappingStatus, ...]:
        """Every mapping now: its ages and lag have grown since they were last told.

        A mapping of which nothing was heard for SILENCE is not live, whatever was told last: the thread that delivers its
        records has died, or hangs.
        """
        with self._lock:
            now = self._clock()
            return tuple(self._status(name, now) for name in self._mappings)

    def _status(self, name: str, now: float) -> MappingStatus:
        mapping, counts = self._mappings[name], self._counts[name]
        told_at, told = self._latest[name]
        since = now - told_at
        silent = since > SILENCE and told.status is not State.ERROR
        reason = told.reason
        if silent:
            reason = (
                f"nothing was heard of the mapping {name} for {since:.0f} s: its thread has died or hangs; restart "
                "headrace, and report this with its log"
            )
        ages = ages_after(told.ages, since)
        return MappingStatus(
            name=name,
            source=f"dynamodb:{mapping.table}",
            consumer=mapping.consumer_name,
            status=State.ERROR if silent else told.status,
            live=told.live and not silent,
            iterator_age_ms=max(ages.values(), default=None),
            shards=ages,
            lag_ms=None if told.lag is None else round((told.lag + since) * 1000),
            invocations=counts.invocations,
            errors=counts.errors,
            retries=counts.retries,
            bisected=counts.bisected,
            delivered=counts.delivered,
            filtered=counts.filtered,
            given_up=counts.given_up,
            parked=told.parked,
            failures=told.failures,
            filling=counts.filling,
            filled=counts.filled,
            reason=reason or counts.unfilled,
        )


def mapping_of(fact: MappingFact | Observation) -> str:
    """The name of the mapping that a fact is about; facts in the words of datasets have it as ``dataset``."""
    return fact.mapping if isinstance(fact, MappingFact) else fact.dataset


def ages_after(ages: Mapping[str, float], seconds: float) -> dict[str, int]:
    """The ages of shards, told so many seconds ago, in milliseconds: what waits grows older, nothing does not."""
    return {shard: round((age + seconds) * 1000) if age > 0 else 0 for shard, age in ages.items()}


def _not_opened(name: str) -> MappingStatusChanged:
    return MappingStatusChanged(
        name, State.LOADING, live=False, lag=None, reason="the mapping has not been opened yet"
    )
