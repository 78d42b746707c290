"""Facts about event source mappings -> Prometheus text."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.event_source_mapping import EventSourceMapping
from headrace.mapping_facts import (
    Audited,
    BatchBisected,
    EventsSent,
    FailureSent,
    FailuresRedriven,
    FunctionProcess,
    Indexed,
    Invoked,
    KeyParked,
    MappingFact,
    MappingStatusChanged,
    RecordsFiltered,
    RecordsGivenUp,
    Replicated,
)
from headrace.metric import INVOCATION_BUCKETS, MAPPING_METRICS, Metric
from headrace.metrics.families import add_sample, amount, buckets, family_of
from headrace.metrics.mapping_status import ages_after, mapping_of
from headrace.observe import (
    DeadLetters,
    GapFound,
    Observation,
    RecordsRead,
    ShardsChanged,
    Stalled,
    TransientFault,
)
from headrace.status import SILENCE, State

_COUNTED: Mapping[type[MappingFact | Observation], Mapping[str, str | None]] = {
    RecordsRead: {"records_consumed_total": "records"},
    RecordsFiltered: {"records_filtered_total": "records"},
    RecordsGivenUp: {"records_given_up_total": "records"},
    BatchBisected: {"bisects_total": None},
    KeyParked: {"keys_parked_total": None},
    FailureSent: {"failures_sent_total": None},
    FailuresRedriven: {"failures_redriven_total": "done"},
    Replicated: {
        "items_put_total": "put",
        "items_deleted_total": "deleted",
        "items_left_newer_total": "newer",
        "items_left_echoes_total": "echoes",
        "items_fetched_total": "fetched",
    },
    Audited: {"audit_rows_total": "rows", "audit_rows_packed_total": "packed"},
    EventsSent: {"events_sent_total": "sent"},
    Indexed: {
        "documents_indexed_total": "indexed",
        "documents_deleted_total": "deleted",
        "documents_left_newer_total": "newer",
        "documents_refused_total": "refused",
    },
    TransientFault: {"errors_transient_total": None},
    Stalled: {"stalls_total": None},
    GapFound: {"gaps_total": None},
    DeadLetters: {"dead_letters_total": "count"},
}
"""For each fact, the counters that it moves on, and by which of its fields; by one where there is none."""

_LEVELS: Mapping[type[MappingFact | Observation], Mapping[str, str | None]] = {
    ShardsChanged: {"shards_active": "reading", "shards_waiting": "waiting", "shards_finished": "finished"},
    MappingStatusChanged: {"live": "live", "parked_keys": "parked", "failures_waiting": "failures"},
}
"""For each fact, the gauges that it sets, and to which of its fields."""

_PROCESSES = {
    "started": "function_processes_total",
    "timed_out": "function_timeouts_total",
    "out_of_memory": "function_out_of_memory_total",
}
"""For what happens to a function's process, the counter that it moves on."""


class MappingMetrics(Collector):
    """A MappingObserver that counts facts, and renders them when ``registry`` is asked.

    Each mapping's metrics exist from the start, at zero; those of shards from when they are read. Several threads may
    tell and render at once. ``clock`` gives seconds and only ever goes forward.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        mappings: Sequence[EventSourceMapping],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._figures = {mapping.name: _Figures(clock()) for mapping in mappings}
        registry.register(self)

    def __call__(self, fact: MappingFact | Observation, /) -> None:
        """Count one fact; a fact about a mapping that is not known counts nowhere."""
        figures = self._figures.get(mapping_of(fact))
        if figures is not None:
            with self._lock:
                figures.count(fact, self._clock())

    def collect(self) -> Iterator[Family]:
        """One family for each metric, as the registry asks for them; none where there are no mappings."""
        with self._lock:
            now = self._clock()
            for metric in MAPPING_METRICS if self._figures else ():
                family = family_of(metric)
                for mapping, figures in self._figures.items():
                    figures.add_to(family, metric, mapping, now)
                yield family


class _Figures:
    """What is known of one mapping. Not safe for several threads; moments are the clock's."""

    def __init__(self, now: float) -> None:
        self._values = dict.fromkeys((metric.name for metric in MAPPING_METRICS), 0.0)
        self._invocations = [0] * (len(INVOCATION_BUCKETS) + 1)
        self._seconds = 0.0
        self._ages: Mapping[str, float] = {}
        self._told_at = now
        self._watermark_at = now

    def count(self, fact: MappingFact | Observation, now: float) -> None:
        """Take one fact into the figures."""
        for name, field in _COUNTED.get(type(fact), {}).items():
            self._values[name] += amount(fact, field)
        for name, field in _LEVELS.get(type(fact), {}).items():
            self._values[name] = amount(fact, field)
        match fact:
            case Invoked():
                self._invoked(fact)
            case FunctionProcess(event=event) if event in _PROCESSES:
                self._values[_PROCESSES[event]] += 1
            case MappingStatusChanged(status=status, lag=lag, ages=ages):
                self._told_at, self._ages = now, ages
                self._watermark_at = self._watermark_at if lag is None else now - lag
                self._values["ready"] = status is State.READY
            case _:
                pass

    def _invoked(self, fact: Invoked) -> None:
        values = self._values
        values["invocations_total"] += 1
        values["invocation_errors_total"] += fact.failed_whole
        values["partial_failures_total"] += 0 < fact.done < fact.records
        values["retries_total"] += fact.attempt > 1
        values["records_delivered_total"] += fact.done
        self._invocations[bisect_left(INVOCATION_BUCKETS, fact.seconds)] += 1
        self._seconds += fact.seconds

    def add_to(self, family: Family, metric: Metric, mapping: str, now: float) -> None:
        """Add this mapping's samples of one metric, as they are at ``now``."""
        if isinstance(family, HistogramMetricFamily):
            counted = buckets(INVOCATION_BUCKETS, self._invocations)
            family.add_metric([mapping], counted, sum_value=self._seconds)
        elif metric.name == "shard_iterator_age_ms":
            for shard, age in ages_after(self._ages, now - self._told_at).items():
                add_sample(family, [mapping, shard], float(age))
        else:
            add_sample(family, [mapping], self._value(metric.name, now))

    def _value(self, name: str, now: float) -> float:
        since = now - self._told_at
        if name == "iterator_age_ms":
            return float(max(ages_after(self._ages, since).values(), default=0))
        if name == "lag_ms":
            return float(round((now - self._watermark_at) * 1000))
        if name in ("ready", "live") and since > SILENCE:
            # What was told last is no longer true: the thread that tells has died, or hangs.
            return 0.0
        return float(self._values[name])
