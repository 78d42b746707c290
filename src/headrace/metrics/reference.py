"""The page that documents metrics and log events, made from them: ``python -m headrace.metrics.reference``."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence

from headrace.mapping_facts import MappingFact
from headrace.metric import APPLY_BUCKETS, INVOCATION_BUCKETS, MAPPING_METRICS, METRICS
from headrace.metrics.log import LogLevel
from headrace.metrics.results import RESULTS
from headrace.metrics.story import EVENTS, MAPPING_EVENTS, name_of
from headrace.observe import Observation

_HEAD = """\
# Metrics and log events

## Metrics

`headrace run` serves these at `http://127.0.0.1:9090/metrics` (`--metrics HOST:PORT`) in the Prometheus text
format. Each carries the label `dataset`, and exists from the start:

```
dataset_dynamodb_shards_active{dataset="orders"} 2.0
```

A dataset without a `metrics:` block publishes all of them; with one, those that it lists by the name in the
first column:

```yaml
datasets:
  - from: dynamodb:orders
    name: orders
    metrics:
      - name: shards_active
      - name: lag_ms
```

| Name | In the Prometheus text | Kind | Meaning |
|---|---|---|---|
"""

_MAPPINGS_HEAD = """
### Of event source mappings

Each carries the label `mapping`, those of shards `shard` too, and exists from the start:

```
event_source_mapping_iterator_age_ms{mapping="order-status"} 0.0
```

| In the Prometheus text | Labels | Kind | Meaning |
|---|---|---|---|
"""

_RESULTS_HEAD = """
These are of the process, and carry no label:

| In the Prometheus text | Kind | Meaning |
|---|---|---|
"""

_EVENTS_HEAD = """
## Events of the log

`headrace run` logs to standard error: a line for people, or with `--log-format json` one object a line, its `event` being
the name. Levels are the usual ones; a status of Error and a gap that stops a dataset are errors.

| Event | Level | Meaning | Fields |
|---|---|---|---|
"""

_MAPPING_EVENTS_HEAD = """
### Of event source mappings

They have those of datasets too where the two do alike (`records_read`, `transient_fault`, `shards_changed`, ...), with the
field `mapping` in place of `dataset`. An invocation that fails, and a process that is ended, are warnings; an error that repeats is
written every 30 seconds. Of `ages` the largest is written.

| Event | Level | Meaning | Fields |
|---|---|---|---|
"""


def metrics_page() -> str:
    """The whole page as Markdown."""
    rows = [
        f"| `{metric.name}` | `{metric.full_name}` | {metric.kind} | {metric.help} |\n" for metric in METRICS
    ]
    of_mappings = [
        f"| `{metric.full_name}` | {', '.join(metric.labels)} | {metric.kind} | {metric.help} |\n"
        for metric in MAPPING_METRICS
    ]
    return (
        _HEAD
        + "".join(rows)
        + _bounds("apply_seconds", APPLY_BUCKETS)
        + _MAPPINGS_HEAD
        + "".join(of_mappings)
        + _bounds("invocation_seconds", INVOCATION_BUCKETS)
        + _RESULTS_HEAD
        + "".join(f"| `{name}` | {kind} | {text} |\n" for name, kind, text in RESULTS)
        + _EVENTS_HEAD
        + "".join(_event_rows(EVENTS))
        + _MAPPING_EVENTS_HEAD
        + "".join(_event_rows(MAPPING_EVENTS))
        + "\nThis page is generated: `python -m headrace.metrics.reference > docs/metrics.md`.\n"
    )


def _bounds(name: str, bounds: Sequence[float]) -> str:
    listed = ", ".join(f"{bound:g}" for bound in bounds)
    return f"\nThe upper bounds of the `{name}` buckets are {listed} seconds.\n"


def _event_rows(
    events: Mapping[type[Observation], tuple[str, LogLevel]]
    | Mapping[type[MappingFact], tuple[str, LogLevel]],
) -> Iterator[str]:
    for fact, (name, level) in events.items():
        meaning = " ".join((fact.__doc__ or "").split()).split(". ")[0].rstrip(".").replace("``", "`")
        fields = ", ".join(f"`{name_of(field)}`" for field in dataclasses.fields(fact))
        yield f"| `{name}` | {level} | {meaning}. | {fields} |\n"


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
