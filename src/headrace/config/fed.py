"""Datasets whose rows the target of an event source mapping writes: ``from: target:MAPPING``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from headrace.config.document import Document
from headrace.config.mappings import NOTHING
from headrace.config.problem import KeyPath, Problem, nearest, written
from headrace.dataset import Dataset, Mode
from headrace.event_source_mapping import EventSourceMapping
from headrace.target import AuditTrail, CustomTarget, MaterializedView

_WRITERS: Final = (AuditTrail, MaterializedView, CustomTarget)
"""The targets that may write rows to a dataset."""

_OF_DATASET: Final = frozenset(
    {"from", "name", "description", "metadata", "metrics", "columns", "acceleration"}
)
_OF_ACCELERATION: Final = frozenset({"enabled", "engine", "mode", "params", "indexes"})


def fed_problems(
    document: Document, datasets: Sequence[tuple[KeyPath, Dataset]], mappings: Sequence[EventSourceMapping]
) -> Iterator[Problem]:
    """What is wrong with those of ``datasets`` that are fed, each with its place."""
    first: dict[str, KeyPath] = {}
    consumers = {mapping.name: mapping.consumer for mapping in mappings}
    for path, dataset in datasets:
        if dataset.fed_by is None:
            continue
        yield from _keys(document, path)
        if dataset.acceleration is None:
            yield document.at_value(path, "has no place for its rows; add acceleration: {engine: ...}")
        elif dataset.acceleration.mode is Mode.MEMORY:
            yield document.at_value(
                (*path, "acceleration"),
                "its rows would be gone with the process, and the mapping goes on after them; write mode: file",
            )
        elif dataset.acceleration.snapshots is not None:
            yield document.at_value(
                (*path, "acceleration"), "snapshots are of copies of tables; leave them out here"
            )
        consumer = consumers.get(dataset.fed_by)
        if consumer is None:
            guess = nearest(dataset.fed_by, consumers)
            known = (
                f"did you mean 'target:{guess}'?" if guess else f"there are: {', '.join(consumers) or 'none'}"
            )
            yield document.at_value(
                (*path, "from"), f"there is no event source mapping '{dataset.fed_by}'; {known}"
            )
        elif not isinstance(consumer, _WRITERS) and consumer is not NOTHING:
            yield document.at_value(
                (*path, "from"),
                f"{dataset.fed_by} writes no rows; audit, view and custom do: name a mapping with one of these targets",
            )
        earlier = first.setdefault(dataset.fed_by, path)
        if earlier != path:
            yield document.at_value(
                (*path, "from"), f"{written(earlier)} has the rows of that mapping already"
            )


def _keys(document: Document, path: KeyPath) -> Iterator[Problem]:
    """Keys that say how a table is copied."""
    for at, known in ((path, _OF_DATASET), ((*path, "acceleration"), _OF_ACCELERATION)):
        block = document.at(at)
        for key in block if isinstance(block, dict) else ():
            if key not in known:
                yield document.at_key(
                    (*at, key), "belongs to a copy of a table; the rows of this dataset are a target's"
                )
