"""From facts to families of samples, as Prometheus' library takes them."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from headrace.metric import Metric, MetricKind


def family_of(metric: Metric) -> Family:
    """An empty family for one metric."""
    match metric.kind:
        case MetricKind.COUNTER:
            return CounterMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        case MetricKind.GAUGE:
            return GaugeMetricFamily(metric.full_name, metric.help, labels=metric.labels)
        case MetricKind.HISTOGRAM:
            return HistogramMetricFamily(metric.full_name, metric.help, labels=metric.labels)


def amount(fact: object, field: str | None) -> float:
    """By how much a fact moves a figure: what the field says, or how many it lists; one where there is no field."""
    value = 1 if field is None else getattr(fact, field)
    return float(len(value) if isinstance(value, tuple) else value)


def add_sample(family: Family, labels: Sequence[str], value: float) -> None:
    """Add one sample to a family of counters or gauges."""
    if isinstance(family, CounterMetricFamily | GaugeMetricFamily):
        family.add_metric(labels, value)


def buckets(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """How many values are no larger than each bound, of ``counts`` between one and the next; all, at the end."""
    total = 0
    found: list[tuple[str, float]] = []
    for bound, count in zip((*map(str, bounds), "+Inf"), counts, strict=True):
        total += count
        found.append((bound, total))
    return found
