"""One table's description and its stream, as everything that follows it reads them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from headrace.dynamodb.calls import Calls, service_time
from headrace.dynamodb.transport import BotocoreTransport
from headrace.errors import TableUnusable
from headrace.position import Position
from headrace.refusal import Place
from headrace.shard import ShardListing
from headrace.source import SourceTable
from headrace.table_shape import identity_of, keys_of
from headrace.wire import Response, Transport

VIEWS: Final = ("KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES")
"""The stream view types (Amazon DynamoDB API Reference, StreamSpecification), the one that holds most at the end."""

# A table that is UPDATING (its capacity, its stream) is read as ever.
_READABLE = ("ACTIVE", "UPDATING")


class TableStream:
    """Reads the stream of ``table`` over ``transport``.

    ``region`` and ``endpoint_url`` stand in messages only; AWS's own transport knows them better. ``clock`` (epoch
    seconds) dates answers where the service sends no Date.
    """

    def __init__(
        self,
        transport: Transport,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._table = table
        place = Place(region, endpoint_url)
        self._place = transport.place if isinstance(transport, BotocoreTransport) else place
        self._calls = Calls(transport, table, self._place)
        self._clock = clock

    def list_shards(self, stream_arn: str, start_after: str | None) -> ShardListing:
        """One page of DescribeStream."""
        return self._calls.describe_stream(stream_arn, start_after)

    def list_children(self, stream_arn: str, parent_id: str) -> ShardListing:
        """The children of one shard; other shards too where the service ignores the filter."""
        return self._calls.describe_children(stream_arn, parent_id)

    def open_iterator(self, stream_arn: str, shard_id: str, position: Position) -> str:
        """GetShardIterator."""
        return self._calls.get_shard_iterator(stream_arn, shard_id, position)

    def _described(self, views: frozenset[str] | None, lacking: str) -> SourceTable:
        """DescribeTable; ``views`` are the view types that its stream may have, None where no stream is followed.

        Raises TableUnusable where the table is not active, or its stream is off or of another view type; ``lacking``
        says what is wrong with those.
        """
        table, answered_at = self._calls.describe_table()
        status = table.get("TableStatus")
        if status not in _READABLE:
            raise TableUnusable(
                f"table {self._table} in {self._place} is {status}, not ACTIVE; it is looked at again later"
            )
        if views is not None:
            self._require_stream(table, views, lacking)
        return SourceTable(
            name=self._table,
            table_id=identity_of(table),
            stream_arn=str(table["LatestStreamArn"]) if views is not None else "",
            keys=keys_of(table),
            item_count=int(table.get("ItemCount") or 0),
            size_bytes=int(table.get("TableSizeBytes") or 0),
            service_time=answered_at,
            view=str(table["StreamSpecification"]["StreamViewType"]) if views is not None else "",
        )

    def _dated(self, response: Response) -> float:
        answered_at = service_time(response)
        return self._clock() if answered_at is None else answered_at

    def _require_stream(self, table: dict[str, Any], views: frozenset[str], lacking: str) -> None:
        known = [view for view in VIEWS if view in views]
        stream = table.get("StreamSpecification") or {}
        if not stream.get("StreamEnabled") or not table.get("LatestStreamArn"):
            raise TableUnusable(
                f"table {self._table} in {self._place} has no stream of its changes; enable it with "
                f"`{self._enable(known[-1])}`"
            )
        view = stream.get("StreamViewType")
        if view not in views:
            raise TableUnusable(
                f"the stream of table {self._table} in {self._place} is {view}, and {lacking}; "
                f"it must be {' or '.join(known)}. A stream's view type cannot be changed: "
                f"turn it off with `{self._update('StreamEnabled=false')}`, then on with `{self._enable(known[-1])}`"
            )

    def _enable(self, view: str) -> str:
        return self._update(f"StreamEnabled=true,StreamViewType={view}")

    def _update(self, specification: str) -> str:
        return (
            f"aws dynamodb update-table --table-name {self._table} "
            f"--stream-specification {specification}{self._place.options()}"
        )
