"""Changes on their way from a table to its copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

import pyarrow as pa

from headrace.position import SequenceNumber
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Origins:
    """The stream records that a batch's rows come from, row by row.

    ``numbers`` are their sequence numbers, ``created`` their ApproximateCreationDateTime (epoch seconds,
    floored by the service to the second); null where a record has none.
    """

    numbers: pa.StringArray
    created: pa.DoubleArray


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A change that could not be decoded or applied, kept whole beside the reason.

    ``shard`` is None for an item of a Scan. ``key`` and ``record`` are DynamoDB JSON text, ``key`` None
    where it cannot be read. ``at`` is epoch seconds. ``place`` is the number of rows that came before it:
    in its page, and within a Work in all of its batches of the same kind (stream or Scan).
    """

    shard: str | None
    sequence: SequenceNumber | None
    key: str | None
    reason: str
    record: str
    at: float
    place: int = 0

    @property
    def id(self) -> str:
        """16 hex digits, the same whenever the same record is met again.

        Of a stream's record its shard and number, of a Scan's item its key, of what has neither its text.
        """
        sequence = "" if self.sequence is None else self.sequence.text
        known = (
            f"{self.shard or ''}/{sequence}" if sequence else f"{self.shard or ''}//{self.key or self.record}"
        )
        return blake2b(known.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class WirePage(Protocol):
    """The page that the rows of a batch came from, as it came over the wire."""

    def letter(self, row: int, reason: str) -> DeadLetter:
        """The record behind a row as a dead letter; ``place`` is ``row``."""
        ...


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """Rows in the order in which they changed, each the whole item after the change.

    ``rows`` has exactly the columns of ``schema``. ``deleted`` marks the rows that are deletions, of
    which only the key columns hold values; None says that none is. ``wire_bytes`` is the size of the
    page that the batch came from: the measure by which memory is bounded. ``origins`` tells which records
    the rows are; None for items of a Scan. ``page`` keeps what they looked like on the wire: without
    it no row can be set aside, and an engine that refuses one refuses them all.
    """

    schema: TableSchema
    rows: pa.RecordBatch
    deleted: pa.BooleanArray | None
    wire_bytes: int
    origins: Origins | None = None
    page: WirePage | None = field(default=None, compare=False, repr=False)

    @property
    def count(self) -> int:
        """The number of changes."""
        return int(self.rows.num_rows)


@dataclass(frozen=True, slots=True)
class Redriven:
    """A stored dead letter on its way back, by its id: decoded anew, or why that failed again.

    ``changes`` is one row; None where ``reason`` says why there is none, or where none was asked for.
    ``sequence`` is the record's number as text, ``shard`` where it was; None for an item of a Scan.
    """

    id: str
    sequence: str | None
    changes: ChangeBatch | None
    reason: str | None = None
    shard: str | None = None


@dataclass(frozen=True, slots=True)
class RecordsPage:
    """One answer of GetRecords.

    An empty page is not the end: records may lie ahead. The end is ``next_iterator`` None, and that page
    may hold records too. ``last`` is the last record's number, ``oldest_at`` and ``newest_at`` the least
    and greatest ApproximateCreationDateTime of the page's records (epoch seconds, floored by the
    service to the second); all None on an empty page. ``count`` is the number of records, dead letters
    included.
    """

    changes: ChangeBatch | None
    dead: tuple[DeadLetter, ...]
    count: int
    last: SequenceNumber | None
    oldest_at: float | None
    newest_at: float | None
    next_iterator: str | None
    service_time: float | None = None


@dataclass(frozen=True, slots=True)
class ScanPage:
    """One answer of Scan. ``cursor`` is the LastEvaluatedKey as JSON text, None at the segment's end.

    ``pause`` is how many seconds to wait before another page of the table is asked for: what it may consume is used up.
    """

    changes: ChangeBatch | None
    dead: tuple[DeadLetter, ...]
    count: int
    cursor: str | None
    service_time: float | None = None
    pause: float = 0.0
