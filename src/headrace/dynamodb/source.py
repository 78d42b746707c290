"""One table and its stream, as replication sees them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from headrace.change import DeadLetter, RecordsPage, Redriven, ScanPage
from headrace.dynamodb.attribute import BrokenValue
from headrace.dynamodb.budget import ReadBudget
from headrace.dynamodb.calls import Calls, service_time
from headrace.dynamodb.capacity import consumed
from headrace.dynamodb.compare import differences
from headrace.dynamodb.declared import declared_schema
from headrace.dynamodb.decode import DEFAULT, Decoder
from headrace.dynamodb.key import Key
from headrace.dynamodb.reader import ItemReader
from headrace.dynamodb.refusal import Place
from headrace.dynamodb.transport import BotocoreTransport
from headrace.errors import SourceError, TableUnusable, Unavailable
from headrace.explanation import StoredKey, TableItem
from headrace.mapping import Mapping as ColumnMapping
from headrace.position import Position
from headrace.schema import TableSchema
from headrace.shard import ShardListing
from headrace.source import Source, SourceTable
from headrace.wire import Response, Transport

SAMPLED_SEGMENTS = 10
"""Parts of the table from which a sample is taken."""

_VIEWS = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
# A table that is UPDATING (its capacity, its stream) is read as ever.
_READABLE = ("ACTIVE", "UPDATING")


class DynamoDBSource(Source):
    """Reads ``table`` over ``transport``.

    ``region`` and ``endpoint_url`` stand in messages only; AWS's own transport knows them better.
    ``clock`` (epoch seconds) dates dead letters where the service sends no Date. Where the stream is not ``followed``,
    the table needs none. Pages of Scans are taken from ``budget``, and say how long the next one must wait for it.
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
        self._table = table
        place = Place(region, endpoint_url)
        self._place = transport.place if isinstance(transport, BotocoreTransport) else place
        self._calls = Calls(transport, table, self._place)
        self._consistent_read = consistent_read
        self._clock = clock
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
        table, answered_at = self._calls.describe_table()
        status = table.get("TableStatus")
        if status not in _READABLE:
            raise TableUnusable(
                f"table {self._table} in {self._place} is {status}, not ACTIVE; it is looked at again later"
            )
        if self._followed:
            self._require_stream(table)
        keys = _keys(table)
        self._learn_keys(keys)
        return SourceTable(
            name=self._table,
            table_id=str(table.get("TableId") or f"{table.get('TableArn')}@{table.get('CreationDateTime')}"),
            stream_arn=str(table["LatestStreamArn"]) if self._followed else "",
            keys=keys,
            item_count=int(table.get("ItemCount") or 0),
            size_bytes=int(table.get("TableSizeBytes") or 0),
            service_time=answered_at,
            declared=self._declared(keys),
            reading=self._mapping.fingerprint,
        )

    def list_shards(self, stream_arn: str, start_after: str | None) -> ShardListing:
        """One page of DescribeStream."""
        return self._calls.describe_stream(stream_arn, start_after)

    def list_children(self, stream_arn: str, parent_id: str) -> ShardListing:
        """The children of one shard; other shards too where the service ignores the filter."""
        return self._calls.describe_children(stream_arn, parent_id)

    def open_iterator(self, stream_arn: str, shard_id: str, position: Position) -> str:
        """GetShardIterator."""
        return self._calls.get_shard_iterator(stream_arn, shard_id, position)

    def get_records(self, shard_id: str, iterator: str) -> RecordsPage:
        """GetRecords, decoded."""
        self._sample()
        response = self._calls.get_records(shard_id, iterator)
        answered_at = service_time(response)
        at = self._dated(answered_at)
        with self._turn:
            return self._decoder.records_page(response.body, shard=shard_id, at=at, service_time=answered_at)

    def scan_page(
        self, segment: int, segments: int, cursor: str | None, *, limit: int | None = None
    ) -> ScanPage:
        """One page of a parallel Scan, of at most ``limit`` items, decoded."""
        self._sample()
        response = self._scan(segment, segments, cursor, limit)
        answered_at = service_time(response)
        at = self._dated(answered_at)
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

    def _dated(self, answered_at: float | None) -> float:
        return self._clock() if answered_at is None else answered_at

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

    def _require_stream(self, table: dict[str, Any]) -> None:
        stream = table.get("StreamSpecification") or {}
        if not stream.get("StreamEnabled") or not table.get("LatestStreamArn"):
            raise TableUnusable(
                f"table {self._table} in {self._place} has no stream of its changes; enable it with "
                f"`{self._enable()}`"
            )
        view = stream.get("StreamViewType")
        if view not in _VIEWS:
            raise TableUnusable(
                f"the stream of table {self._table} in {self._place} is {view}, and does not hold items after "
                f"their changes; it must be {' or '.join(_VIEWS)}. A stream's view type cannot be changed: "
                f"turn it off with `{self._update('StreamEnabled=false')}`, then on with `{self._enable()}`"
            )

    def _enable(self) -> str:
        return self._update("StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES")

    def _update(self, specification: str) -> str:
        return (
            f"aws dynamodb update-table --table-name {self._table} "
            f"--stream-specification {specification}{self._place.options()}"
        )


def _keys(table: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Pairs of attribute and type, partition key first."""
    try:
        types = {each["AttributeName"]: each["AttributeType"] for each in table["AttributeDefinitions"]}
        elements = sorted(table["KeySchema"], key=lambda element: element["KeyType"] != "HASH")
        return tuple((element["AttributeName"], types[element["AttributeName"]]) for element in elements)
    except (KeyError, TypeError) as error:
        raise Unavailable(f"the answer of DescribeTable is not as documented ({error!r})") from error
