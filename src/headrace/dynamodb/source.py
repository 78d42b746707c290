"""One table and its stream, as replication sees them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from headrace.attribute import BrokenValue
from headrace.change import DeadLetter, RecordsPage, Redriven, ScanPage
from headrace.dynamodb.calls import service_time
from headrace.dynamodb.capacity import consumed
from headrace.dynamodb.compare import differences
from headrace.dynamodb.declared import declared_schema
from headrace.dynamodb.decode import DEFAULT, Decoder
from headrace.dynamodb.key import Key
from headrace.dynamodb.reader import ItemReader
from headrace.dynamodb.stream import TableStream
from headrace.errors import SourceError
from headrace.explanation import StoredKey, TableItem
from headrace.mapping import Mapping as ColumnMapping
from headrace.read_budget import ReadBudget
from headrace.schema import TableSchema
from headrace.source import Source, SourceTable
from headrace.wire import Response, Transport

SAMPLED_SEGMENTS = 10
"""Parts of the table from which a sample is taken."""

_VIEWS: Final = frozenset({"NEW_IMAGE", "NEW_AND_OLD_IMAGES"})


class DynamoDBSource(TableStream, Source):
    """Reads ``table`` over ``transport``, as TableStream does.

    Where the stream is not ``followed``, the table needs none. Pages of Scans are taken from ``budget``, and say how
    long the next one must wait for it.
    """

    def __init__(
        self,
        transport: Transport,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        consistent_read: bool = True,
        mapping: ColumnMapping = DEFAULT,
        followed: bool = True,
        clock: Callable[[], float] = time.time,
        budget: ReadBudget | None = None,
    ) -> None:
        super().__init__(transport, table, region=region, endpoint_url=endpoint_url, clock=clock)
        self._consistent_read = consistent_read
        self._mapping = mapping
        self._followed = followed
        self._budget = budget
        self._decoder = Decoder(TableSchema(()), mapping)
        # One page at a time: the interpreter would take turns anyway, at the memory of all of them.
        self._turn = threading.Lock()
        self._sampling = threading.Lock()

    def learn(self, schema: TableSchema, reading: str) -> None:
        """Decode with at least ``schema`` from now on, if it was made by this mapping."""
        if reading == self._mapping.fingerprint:
            self._decoder.learn(schema)

    def describe(self) -> SourceTable:
        """DescribeTable; the table's key is learned from it.

        Raises TableUnusable where the table is not active, or its stream is followed and has no new images.
        """
        table = self._described(_VIEWS if self._followed else None, "does not hold items after their changes")
        self._learn_keys(table.keys)
        return replace(table, declared=self._declared(table.keys), reading=self._mapping.fingerprint)

    def get_records(self, shard_id: str, iterator: str) -> RecordsPage:
        """GetRecords, decoded."""
        self._sample()
        response = self._calls.get_records(shard_id, iterator)
        at, answered_at = self._dated(response), service_time(response)
        with self._turn:
            return self._decoder.records_page(response.body, shard=shard_id, at=at, service_time=answered_at)

    def scan_page(
        self, segment: int, segments: int, cursor: str | None, *, limit: int | None = None
    ) -> ScanPage:
        """One page of a parallel Scan, of at most ``limit`` items, decoded."""
        self._sample()
        response = self._scan(segment, segments, cursor, limit)
        at, answered_at = self._dated(response), service_time(response)
        with self._turn:
            page = self._decoder.scan_page(response.body, at=at, service_time=answered_at)
        return page if self._budget is None else replace(page, pause=self._budget.pause())

    def redecode(self, letter: DeadLetter) -> Redriven:
        """A dead letter's record decoded anew."""
        with self._turn:
            return self._decoder.redecode(letter)

    def compared(self, key: Key, stored: StoredKey) -> TableItem:
        """GetItem, and in what the row differs from the item. A table that cannot be asked is no error here."""
        read_at = self._clock()
        try:
            item = self._calls.get_item(key.values)
            schema = stored.schema or TableSchema(())
            found = tuple(differences(item, stored.row, schema, ItemReader(self._mapping)))
        except (SourceError, BrokenValue) as error:
            return TableItem(read_at, error=str(error))
        return TableItem(read_at, item is not None, found)

    def _sample(self) -> None:
        """Where the columns are to be those of a sample: take it, from segments all over the table.

        A table without items has no sample yet: it is looked at again with the next page.
        """
        with self._sampling:
            if not self._decoder.wants_sample:
                return
            segments = min(self._mapping.sample, SAMPLED_SEGMENTS)
            each = -(-self._mapping.sample // segments)
            answers = [self._scan(segment, segments, None, each) for segment in range(segments)]
            self._decoder.freeze([answer.body for answer in answers])

    def _scan(self, segment: int, segments: int, cursor: str | None, limit: int | None) -> Response:
        budget, consistent = self._budget, self._consistent_read
        counted = budget is not None
        answer = self._calls.scan(
            segment, segments, cursor, consistent=consistent, limit=limit, counted=counted
        )
        if budget is not None:
            budget.spend(consumed(answer.body))
        return answer

    def _declared(self, keys: tuple[tuple[str, str], ...]) -> TableSchema | None:
        # A stored copy with columns beside the key's counts as sampled, so frozen columns wait for that.
        return None if self._mapping.freeze else declared_schema(TableSchema.of_keys(keys), self._mapping)

    def _learn_keys(self, keys: tuple[tuple[str, str], ...]) -> None:
        known = [column.attribute for column in self._decoder.schema.keys]
        if known and known != [attribute for attribute, _ in keys]:
            # The table was made anew under another key: nothing of the old one's items holds.
            self._decoder = Decoder(TableSchema.of_keys(keys), self._mapping)
        else:
            self._decoder.learn(TableSchema.of_keys(keys))
