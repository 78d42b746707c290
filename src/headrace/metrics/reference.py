"""The page that documents metrics and log events, made from them: ``python -m headrace.metrics.reference``."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator

from headrace.metric import APPLY_BUCKETS, METRICS
from headrace.metrics.results import RESULTS
from headrace.metrics.story import EVENTS

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


def metrics_page() -> str:
    """The whole page as Markdown."""
    rows = [
        f"| `{metric.name}` | `{metric.full_name}` | {metric.kind} | {metric.help} |\n" for metric in METRICS
    ]
    bounds = ", ".join(f"{bound:g}" for bound in APPLY_BUCKETS)
    return (
        _HEAD
        + "".join(rows)
        + f"\nThe upper bounds of the `apply_seconds` buckets are {bounds} seconds.\n"
        + _RESULTS_HEAD
        + "".join(f"| `{name}` | {kind} | {text} |\n" for name, kind, text in RESULTS)
        + _EVENTS_HEAD
        + "".join(_event_rows())
        + "\nThis page is generated: `python -m headrace.metrics.reference > docs/metrics.md`.\n"
    )


def _event_rows() -> Iterator[str]:
    for fact, (name, level) in EVENTS.items():
        meaning = " ".join((fact.__doc__ or "").split()).split(". ")[0].rstrip(".").replace("``", "`")
        fields = ", ".join(f"`{field.name}`" for field in dataclasses.fields(fact))
        yield f"| `{name}` | {level} | {meaning}. | {fields} |\n"


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
