"""The page that documents the metrics, made from their definitions: ``python -m headrace.metrics.reference``."""

from __future__ import annotations

import sys

from headrace.metric import APPLY_BUCKETS, METRICS

_HEAD = """\
# Metrics

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


def metrics_page() -> str:
    """The whole page as Markdown."""
    rows = [
        f"| `{metric.name}` | `{metric.full_name}` | {metric.kind} | {metric.help} |\n" for metric in METRICS
    ]
    bounds = ", ".join(f"{bound:g}" for bound in APPLY_BUCKETS)
    return (
        _HEAD + "".join(rows) + f"\nThe upper bounds of the `apply_seconds` buckets are {bounds} seconds.\n"
        "\nThis page is generated: `python -m headrace.metrics.reference > docs/metrics.md`.\n"
    )


if __name__ == "__main__":
    sys.stdout.write(metrics_page())
