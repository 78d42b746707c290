"""What replication asks of a source: single requests, each answered or raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from headrace.change import DeadLetter, RecordsPage, Redriven, ScanPage
from headrace.position import Position
from headrace.schema import TableSchema
from headrace.shard import ShardListing


@dataclass(frozen=True, slots=True)
class SourceTable:
    """What DescribeTable says of a table that can be copied or followed.

    ``stream_arn``, and ``view``, the stream's view type, are empty where no stream is followed. ``keys`` are pairs of attribute and type (S, N or B), partition key first. ``item_count`` and
    ``size_bytes`` are the service's, refreshed by it about every six hours. ``declared`` are the columns that a
    copy has before any item comes, None where they are those of the key; ``reading`` is the fingerprint of the
    settings by which items become columns.
    """

    name: str
    table_id: str
    stream_arn: str
    keys: tuple[tuple[str, str], ...]
    item_count: int
    size_bytes: int
    service_time: float | None = None
    declared: TableSchema | None = None
    reading: str = ""
    view: str = ""

    @property
    def columns(self) -> TableSchema:
        """What a copy of the table begins with."""
        return TableSchema.of_keys(self.keys) if self.declared is None else self.declared


class Source(Protocol):
    """One table and its stream. Each method is one request; all may be called from several threads.

    Every method raises the SourceErrors; none retries. Pages are decoded with the widest schema that
    this source has met so far, and widen it where an item does not fit.
    """

    def learn(self, schema: TableSchema, reading: str) -> None:
        """Decode with at least ``schema`` from now on, unless it was made by other settings: by another ``reading``."""
        ...

    def describe(self) -> SourceTable:
        """DescribeTable. Raises TableUnusable where the table or its stream cannot be replicated."""
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

    def get_records(self, shard_id: str, iterator: str) -> RecordsPage:
        """GetRecords, decoded. Raises IteratorExpired, PositionTrimmed or ShardGone too."""
        ...

    def scan_page(self, segment: int, segments: int, cursor: str | None) -> ScanPage:
        """One page of a parallel Scan, decoded."""
        ...

    def redecode(self, letter: DeadLetter) -> Redriven:
        """A dead letter's record decoded anew; no request. What cannot be decoded still is no error."""
        ...
