"""What is asked of the answers that are kept, as Prometheus text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.limits import Tally

RESULTS: Final = (
    ("results_cache_hits_total", "counter", "Statements that were answered from what was kept."),
    ("results_cache_misses_total", "counter", "Statements whose answer was not there, and may be kept."),
    ("results_cache_bypasses_total", "counter", "Statements whose answer is not kept, or was wanted new."),
    ("results_cache_items_count", "gauge", "Answers that are kept."),
    ("results_cache_size_bytes", "gauge", "What they take."),
)
"""The metrics that are of no dataset: name, kind and what each tells."""


class ResultsCollector(Collector):
    """Asks ``tally`` at each scrape."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Family]:
        """One family for each of ``RESULTS``."""
        tally = self._tally()
        figures = (tally.hits, tally.misses, tally.bypasses, tally.entries, tally.size_bytes)
        for (name, kind, text), figure in zip(RESULTS, figures, strict=True):
            yield (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, text, figure)
