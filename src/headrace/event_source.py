"""What an event source mapping asks of its table: single requests, each answered or raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headrace.change import RecordsPage
from headrace.position import Position
from headrace.shard import ShardListing
from headrace.source import SourceTable
from headrace.stream_record import StreamRecord


@dataclass(frozen=True, slots=True)
class EventPage(RecordsPage):
    """One answer of GetRecords, for a mapping.

    ``records`` are those that its filters let through, in their order. ``count``, ``last``, ``oldest_at`` and
    ``newest_at`` tell of all records, the others included; ``changes`` is None. A record that cannot be read is among
    ``dead``.
    """

    records: tuple[StreamRecord, ...] = ()

    @property
    def filtered(self) -> int:
        """How many records the filters have left out."""
        return self.count - len(self.records) - len(self.dead)

    @property
    def wire_bytes(self) -> int:
        """The size of the records."""
        return sum(len(record.text) for record in self.records)


class EventSource(Protocol):
    """One table and its stream, with a mapping's filters. Each method is one request; all may be called from several threads.

    Every method raises the SourceErrors; none retries.
    """

    def describe(self) -> SourceTable:
        """DescribeTable. Raises TableUnusable where its stream is off, or is not of a view type that the mapping can do with."""
        ...

    def successor(self, stream_arn: str) -> SourceTable:
        """The table, with the stream that followed this one as its own: the first of several; empty where none has."""
        ...

    def list_shards(self, stream_arn: str, start_after: str | None) -> ShardListing:
        """One page of DescribeStream."""
        ...

    def list_children(self, stream_arn: str, parent_id: str) -> ShardListing:
        """The children of one shard; the whole stream where the service ignores the filter."""
        ...

    def open_iterator(self, stream_arn: str, shard_id: str, position: Position) -> str:
        """GetShardIterator. Raises PositionTrimmed, ShardGone, or RequestRejected (no AT_TIMESTAMP)."""
        ...

    def get_records(self, shard_id: str, iterator: str) -> EventPage:
        """GetRecords, filtered. Raises IteratorExpired, PositionTrimmed or ShardGone too."""
        ...
