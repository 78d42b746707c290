"""What the outside sees of a simulated dataset: its status, its metrics and its log, from the same facts."""

from __future__ import annotations

import io
import json

from prometheus_client.parser import text_string_to_metric_families

from headrace.dataset import Dataset
from headrace.metric import PREFIX
from headrace.metrics.log import LogFormat, LogLevel, make_logger
from headrace.metrics.prometheus import PrometheusObserver
from headrace.metrics.story import LogObserver
from headrace.observe import Observation
from support.world import TABLE


class Outside:
    """The metrics and the log that ``facts`` make."""

    def __init__(self, facts: list[Observation]) -> None:
        prometheus = PrometheusObserver([Dataset(TABLE, TABLE)])
        lines = io.StringIO()
        log = LogObserver(make_logger(LogFormat.JSON, LogLevel.INFO, environ={}, stream=lines))
        for fact in facts:
            prometheus(fact)
            log(fact)
        text = prometheus.render()[0].decode()
        self.events = [json.loads(line) for line in lines.getvalue().splitlines()]
        self._samples = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("dataset") == TABLE
        }

    def metric(self, name: str) -> float:
        return self._samples[PREFIX + name]

    def logged(self, name: str) -> list[dict]:
        return [event for event in self.events if event["event"] == name]
