"""Small ready-made values of the words, for tests that need some and care about few."""

from __future__ import annotations

import pyarrow as pa

from headrace.change import ChangeBatch, RecordsPage, ScanPage
from headrace.column_type import INT
from headrace.position import SequenceNumber
from headrace.schema import TableSchema

SCHEMA = TableSchema.of_keys((("id", "S"),)).including({("version",): INT})


def batch(*rows: tuple[str, int | None], wire_bytes: int = 100) -> ChangeBatch:
    """A batch of (id, version); version None is a deletion."""
    return ChangeBatch(
        SCHEMA,
        pa.RecordBatch.from_pylist([{"id": i, "version": v} for i, v in rows], schema=SCHEMA.arrow()),
        pa.array([v is None for _, v in rows]),
        wire_bytes,
    )


def records(
    *rows: tuple[str, int | None], last: int = 100, at: float = 1000.0, more: bool = True, service_time=None
) -> RecordsPage:
    """A page of GetRecords whose records were all created at ``at``; ``more`` False ends the shard."""
    return RecordsPage(
        batch(*rows) if rows else None,
        (),
        len(rows),
        SequenceNumber(str(last)) if rows else None,
        at if rows else None,
        at if rows else None,
        "next" if more else None,
        service_time,
    )


def scanned(*rows: tuple[str, int], cursor: str | None = None) -> ScanPage:
    """A page of a Scan."""
    return ScanPage(batch(*rows) if rows else None, (), len(rows), cursor)
