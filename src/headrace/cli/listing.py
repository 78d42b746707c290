"""Datasets and event source mappings as the runtime lists them, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from headrace.cli.table import draw, one_line

STATUS_COLUMNS = ("name", "status", "ready", "live", "fresh", "lag_ms", "rows", "dead_letters", "reason")
MAPPING_COLUMNS = (
    "name",
    "consumer",
    "status",
    "live",
    "iterator_age_ms",
    "delivered",
    "filtered",
    "errors",
    "given_up",
    "parked",
    "failures",
    "reason",
)
DATASET_COLUMNS = ("name", "from", "engine", "status", "rows")


def as_table(listed: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """One line a dataset or mapping; what is not known is empty."""
    rows = [[as_text(one.get(column)) for column in columns] for one in listed]
    return draw(columns, rows)[0]


def schema_lines(datasets: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """For each dataset whose columns have changed, how often and how last."""
    for dataset in datasets:
        last = dataset.get("last_schema_change")
        if last:
            count, columns = dataset.get("schema_changes", 0), dataset.get("columns")
            times = f"{count:,} schema change{'' if count == 1 else 's'}"
            yield one_line(
                f"{dataset['name']}: {as_text(columns)} columns after {times}, the last at {last['at']}: {last['text']}"
            )


def index_lines(datasets: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """For each dataset with indexes that wait for columns, which."""
    for dataset in datasets:
        waiting = dataset.get("waiting_indexes")
        if waiting:
            yield one_line(
                f"{dataset['name']}: no item has all columns of these indexes yet: {'; '.join(waiting)}"
            )


def snapshot_lines(datasets: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """For each dataset of which a snapshot is known, up to when it has the changes, and why the next has failed."""
    for dataset in datasets:
        snapshot = dataset.get("snapshot")
        if snapshot:
            newest = f"its snapshot {snapshot['id']} has the changes up to {snapshot['current_to']}"
            told = newest if snapshot.get("id") else "there is no snapshot yet"
            failure = snapshot.get("failure")
            why = f"; the last try failed: {failure}" if failure else ""
            yield one_line(f"{dataset['name']}: {told}{why}")


def as_json(value: object) -> str:
    """As indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def as_text(value: object) -> str:
    """One value as people read it, on one line; empty where it is not known."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return one_line(str(value))
