"""Facts -> Prometheus text."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.dataset import Dataset, GapBehavior
from headrace.errors import ConfigError
from headrace.metric import APPLY_BUCKETS, METRIC_NAMES, METRICS
from headrace.metrics.families import add_sample, amount, buckets, family_of
from headrace.observe import (
    BatchApplied,
    BootstrapProgressed,
    BootstrapResumed,
    BootstrapStarted,
    CopyResumed,
    DeadLetters,
    DeadLettersDiscarded,
    DeadLettersRetried,
    DeadLettersStored,
    DeadLettersSuperseded,
    GapFound,
    ItemsLeftOut,
    LateRecordsHeld,
    Observation,
    RecordsRead,
    RefreshFailed,
    RefreshFinished,
    Reinitialized,
    SchemaEvolved,
    ShardsChanged,
    SnapshotFailed,
    SnapshotPassedOver,
    SnapshotRestored,
    SnapshotSaved,
    Stalled,
    StatusChanged,
    StreamResumed,
    TableAsked,
    TransientFault,
)
from headrace.status import SILENCE

_COUNTED: dict[type[Observation], dict[str, str | None]] = {
    RecordsRead: {"records_consumed_total": "records"},
    ItemsLeftOut: {"query_items_left_out_total": "count"},
    TableAsked: {"query_requests_total": None, "query_read_units_total": "units"},
    BatchApplied: {
        "rows_scanned_total": "scanned",
        "rows_upserted_total": "upserted",
        "rows_deleted_total": "deleted",
    },
    TransientFault: {"errors_transient_total": None},
    Stalled: {"stalls_total": None},
    GapFound: {"gaps_total": None},
    Reinitialized: {"reinitializations_total": None},
    RefreshFinished: {"refreshes_total": None},
    RefreshFailed: {"refresh_failures_total": None},
    SchemaEvolved: {"schema_changes_total": "changes"},
    LateRecordsHeld: {"held_records_total": "records"},
    DeadLetters: {"dead_letters_total": "count"},
    DeadLettersSuperseded: {"dead_letters_superseded_total": "count"},
    DeadLettersRetried: {"dead_letters_retried_total": "retried"},
    DeadLettersDiscarded: {"dead_letters_discarded_total": "count"},
    SnapshotSaved: {"snapshots_total": None},
    SnapshotFailed: {"snapshot_failures_total": None},
    SnapshotRestored: {"snapshots_restored_total": None},
    SnapshotPassedOver: {"snapshots_passed_over_total": None},
}
"""For each fact, the counters that it moves on, and by which of its fields; by one where there is none."""

_LEVELS: dict[type[Observation], dict[str, str | None]] = {
    ShardsChanged: {"shards_active": "reading", "shards_waiting": "waiting", "shards_finished": "finished"},
    StatusChanged: {"ready": "ready", "live": "live", "fresh": "fresh"},
    DeadLettersStored: {"dead_letters_stored": "stored", "dead_letters_waiting": "waiting"},
    CopyResumed: {"last_refresh_timestamp_seconds": "at"},
    RefreshFinished: {"last_refresh_timestamp_seconds": "at", "refresh_seconds": "seconds"},
    BootstrapStarted: {"bootstrap_items": "items"},
    BootstrapResumed: {"bootstrap_rows": "rows_scanned"},
    BootstrapProgressed: {"bootstrap_rows": "rows", "bootstrap_items": "items"},
    SnapshotSaved: {"snapshot_seconds": "seconds", "snapshot_bytes": "size_bytes"},
}
"""For each fact, the gauges that it sets, and to which of its fields."""

_SNAPSHOT_AGE = "snapshot_age_seconds"

_AFTER_GAP = "reinitializations_on_lag_exceeds_shard_retention_total"


class PrometheusObserver(Collector):
    """Counts facts, and renders them in the Prometheus text format.

    Each dataset's metrics exist from the start, at zero: those that its ``metrics`` names, or all; the age of its
    snapshots unasked only where any are written.
    Several threads may tell and render at once. Raises ConfigError for a name that is not a metric.
    ``clock`` gives seconds and only ever goes forward.
    """

    def __init__(self, datasets: Iterable[Dataset], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._figures = {dataset.name: _Figures(_wanted(dataset), clock()) for dataset in datasets}
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def __call__(self, observation: Observation, /) -> None:
        """Count one fact; a fact about a dataset that is not known counts nowhere."""
        figures = self._figures.get(observation.dataset)
        if figures is not None:
            with self._lock:
                figures.count(observation, self._clock())

    def render(self) -> tuple[bytes, str]:
        """The text of all metrics now, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def collect(self) -> Iterator[Family]:
        """One family for each metric that some dataset publishes, as the registry asks for them."""
        with self._lock:
            now = self._clock()
            for metric in METRICS:
                family = family_of(metric)
                for dataset, figures in self._figures.items():
                    if metric.name in figures.wanted:
                        figures.add_to(family, metric.name, dataset, now)
                if family.samples:
                    yield family


class _Figures:
    """What is known of one dataset. Not safe for several threads; moments are the clock's."""

    def __init__(self, wanted: frozenset[str], now: float) -> None:
        self.wanted = wanted
        self._values = dict.fromkeys((metric.name for metric in METRICS), 0.0)
        self._apply_counts = [0] * (len(APPLY_BUCKETS) + 1)
        self._apply_seconds = 0.0
        self._watermark_at = now
        self._told_at = now
        self._checkpoint_at = now
        self._snapshot_at = now
        self._gap_to_mend = False

    def count(self, observation: Observation, now: float) -> None:
        """Take one fact into the figures."""
        for name, fact in _COUNTED.get(type(observation), {}).items():
            self._values[name] += amount(observation, fact)
        for name, fact in _LEVELS.get(type(observation), {}).items():
            self._values[name] = amount(observation, fact)
        match observation:
            case BatchApplied(seconds=seconds):
                self._apply_counts[bisect_left(APPLY_BUCKETS, seconds)] += 1
                self._apply_seconds += seconds
                self._checkpoint_at = now
            case StreamResumed(checkpoint_age=float() | int() as age):
                self._checkpoint_at = now - age
            case StatusChanged(lag=lag):
                self._told_at = now
                self._watermark_at = self._watermark_at if lag is None else now - lag
            case SnapshotSaved(age=age) | SnapshotRestored(age=age):
                self._snapshot_at = now - age
            case GapFound(behavior=behavior):
                self._gap_to_mend = behavior != GapBehavior.ERROR
            case BootstrapStarted():
                self._values["bootstrap_rows"] = 0
            case Reinitialized():
                self._values[_AFTER_GAP] += self._gap_to_mend
                self._gap_to_mend = False
            case _:
                pass

    def add_to(self, family: Family, name: str, dataset: str, now: float) -> None:
        """Add this dataset's sample of one metric, as it is at ``now``."""
        if isinstance(family, HistogramMetricFamily):
            counted = buckets(APPLY_BUCKETS, self._apply_counts)
            family.add_metric([dataset], counted, sum_value=self._apply_seconds)
        else:
            add_sample(family, [dataset], self._value(name, now))

    def _value(self, name: str, now: float) -> float:
        if name == "lag_ms":
            return float(round((now - self._watermark_at) * 1000))
        if name == "checkpoint_age_seconds":
            return round(now - self._checkpoint_at, 3)
        if name == _SNAPSHOT_AGE:
            return round(now - self._snapshot_at, 3)
        if name in ("live", "fresh") and now - self._told_at > SILENCE:
            # What was told last is no longer true: the thread that tells has died, or hangs.
            return 0.0
        return self._values[name]


def _wanted(dataset: Dataset) -> frozenset[str]:
    if dataset.metrics is None:
        return METRIC_NAMES if _is_stored(dataset) else METRIC_NAMES - {_SNAPSHOT_AGE}
    unknown = sorted(dataset.metrics - METRIC_NAMES)
    if unknown:
        choices = ", ".join(metric.name for metric in METRICS)
        raise ConfigError(f"dataset {dataset.name}: metrics: {', '.join(unknown)}: choose from {choices}")
    return dataset.metrics


def _is_stored(dataset: Dataset) -> bool:
    """Whether snapshots are written of it; else their age would grow for ever, and alarm somebody."""
    snapshots = dataset.acceleration.snapshots if dataset.acceleration is not None else None
    return snapshots is not None and snapshots.mode.writes
