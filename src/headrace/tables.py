"""The tables of a Spicepod as DynamoDB has them: how each dataset's is read, for copies and for statements."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from headrace.dataset import AwsAccess, Dataset, ReadyState
from headrace.dynamodb import (
    DynamoDBSource,
    Follower,
    Probe,
    ServedTable,
    SharedStreams,
    TableLeaf,
    place_of,
)
from headrace.event_source_mapping import EventSourceMapping
from headrace.observe import Observer, StatusChanged
from headrace.read_budget import ReadBudget
from headrace.replicate.reader import idle_ceiling
from headrace.replicate.scan import choose_segments
from headrace.wire import Transport

ONE_PAGE: Final = 2**20
"""Bytes that one answer of a Scan holds.

Amazon DynamoDB API Reference, Scan: 1 MB of data. Each further segment costs a request, and half a read unit at least.
"""


class Tables:
    """Those of ``datasets``, each over a transport of its own that ``connect`` makes. ``observe`` is told what statements ask.

    Through ``streams``, datasets and ``mappings`` of one table share their reads of its stream.
    """

    def __init__(
        self,
        datasets: Iterable[Dataset],
        connect: Callable[[AwsAccess], Transport],
        observe: Observer,
        mappings: Collection[EventSourceMapping] = (),
    ) -> None:
        self._observe = observe
        self._datasets = {dataset.name: dataset for dataset in datasets}
        followed = [
            Follower(dataset.access, dataset.table, idle_ceiling(dataset.replication.ready_lag))
            for dataset in self._datasets.values()
            if dataset.follows
        ]
        followed += [Follower(mapping.access, mapping.table) for mapping in mappings]
        self.streams = SharedStreams(connect, followed)
        """Transports of those who follow streams, mappings too."""
        self._transports = {
            name: self.streams.transport(dataset.access, dataset.table)
            if dataset.follows
            else connect(dataset.access)
            for name, dataset in self._datasets.items()
        }
        self._budgets = {
            name: _budget(dataset.reads.units_per_second) for name, dataset in self._datasets.items()
        }
        self._budgets_beside = {mapping.name: _budget(mapping.read_units) for mapping in mappings}
        self.sources = {name: self._source(dataset) for name, dataset in self._datasets.items()}
        self.leaves = {
            name: self._leaf(dataset)
            for name, dataset in self._datasets.items()
            if dataset.acceleration is None or dataset.ready_state is ReadyState.ON_REGISTRATION
        }
        """What statements read where there is no copy, or none that is complete."""

    def probes(self, observe: Callable[[StatusChanged], None], salt: str) -> list[Probe]:
        """One for each dataset without a copy, which tells ``observe`` whether its table can be read."""
        return [
            Probe(name, self.sources[name], observe, salt)
            for name, dataset in self._datasets.items()
            if dataset.acceleration is None
        ]

    def budget(self, mapping: EventSourceMapping) -> ReadBudget | None:
        """Within which the mapping's table is read: that of its dataset, or one of its own."""
        if mapping.dataset in self._budgets:
            return self._budgets[mapping.dataset]
        return self._budgets_beside[mapping.name]

    def _source(self, dataset: Dataset) -> DynamoDBSource:
        place = place_of(dataset.access)
        return DynamoDBSource(
            self._transports[dataset.name],
            dataset.table,
            region=place.region,
            endpoint_url=place.endpoint_url,
            consistent_read=dataset.replication.consistent_read,
            mapping=dataset.mapping,
            followed=dataset.follows,
            budget=self._budgets[dataset.name],
        )

    def _leaf(self, dataset: Dataset) -> TableLeaf:
        replication = dataset.replication

        def segments(items: int, size_bytes: int) -> int:
            # A table that claims to be empty may hold anything by now.
            small = 0 < size_bytes <= ONE_PAGE
            return replication.scan_segments or (1 if small else choose_segments(items, size_bytes))

        table = ServedTable(
            self._transports[dataset.name],
            dataset.table,
            mapping=dataset.mapping,
            place=place_of(dataset.access),
        )
        return TableLeaf(
            dataset.name,
            table,
            consistent=dataset.reads.consistent_queries,
            segments=segments,
            budget=self._budgets[dataset.name],
            observe=self._observe,
        )


def _budget(units: int | None) -> ReadBudget | None:
    return None if units is None else ReadBudget(units)
