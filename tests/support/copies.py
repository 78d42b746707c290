"""Batches and works for tests of accelerators."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from headrace.accelerator import Notes, Target, Work
from headrace.change import ChangeBatch, DeadLetter
from headrace.checkpoint import Checkpoint, SegmentState
from headrace.column_type import ColumnType
from headrace.position import SequenceNumber
from headrace.schema import TableSchema

KEYS = TableSchema.of_keys((("id", "S"),))
GONE = object()
"""In place of an item's attributes: the item was deleted."""


def schema_of(keys: TableSchema = KEYS, **columns: ColumnType) -> TableSchema:
    """``keys`` and columns of these attributes."""
    return keys.including({(attribute,): type_ for attribute, type_ in columns.items()})


def batch(schema: TableSchema, *rows: dict[str, Any], deleted: Sequence[bool] | None = None) -> ChangeBatch:
    """Rows by column name, as ``plain`` has them; missing values are None."""
    names = [column.name for column in schema.columns]
    whole = [{name: row.get(name) for name in names} for row in rows]
    record_batch = pa.RecordBatch.from_pylist(whole, schema=schema.arrow())
    return ChangeBatch(schema, record_batch, None if deleted is None else pa.array(deleted, pa.bool_()), 100)


@dataclass(frozen=True)
class Page:
    """A WirePage: its rows are the stream's records from number ``first`` on, or items of a Scan."""

    rows: tuple[dict[str, Any], ...]
    first: int | None

    def letter(self, row: int, reason: str) -> DeadLetter:
        return dead(self.rows[row]["id"], None if self.first is None else self.first + row, reason, place=row)


def paged(one: ChangeBatch, first: int | None = 100) -> ChangeBatch:
    """The batch, able to give up rows; ``first`` None: it is a page of the Scan."""
    keys = [{"id": value} for value in one.rows.column("id").to_pylist()]
    return replace(one, page=Page(tuple(keys), first))


def dead(
    key: str | None, number: int | None, reason: str = "no such type", *, place: int = 0, at: float = 12.5
) -> DeadLetter:
    """A letter of the stream's record ``number``, or of the Scan's item."""
    sequence = None if number is None else SequenceNumber(str(number))
    text = None if key is None else json.dumps({"id": {"S": key}})
    return DeadLetter(None if number is None else "shard-1", sequence, text, reason, "{}", at, place)


BROKEN = object()
"""In place of a text: bytes that are no UTF-8, which no engine takes."""


def broken_texts(texts: Sequence[object]) -> pa.StringArray:
    """Texts, BROKEN ones among them, as an Arrow column that claims to be UTF-8."""
    raw = [b"\xff\xfe" if text is BROKEN else str(text).encode() for text in texts]
    return pa.Array.from_buffers(pa.string(), len(raw), pa.array(raw, pa.binary()).buffers())


def checkpoint(mark: int = 0, *, rows_scanned: int = 0, cursor: str | None = None) -> Checkpoint:
    """A checkpoint that differs by ``mark``, of a Scan in one segment that has come to ``cursor``."""
    return Checkpoint(
        table_id="table-1",
        stream_arn="arn:aws:dynamodb:eu-west-1:1:table/orders/stream/1",
        started_at=1000.0,
        segments=(SegmentState(cursor),),
        shards=(),
        scan_ended_at=float(mark),
        rows_scanned=rows_scanned,
    )


def work(mark: int, *stream: ChangeBatch, **changes: Any) -> Work:
    """A transaction on the live copy, its checkpoint told apart by ``mark``."""
    changes.setdefault("target", Target.LIVE)
    changes.setdefault("checkpoint", checkpoint(mark))
    return Work(stream=stream, **changes)


def create(mark: int = 0, keys: TableSchema = KEYS, **changes: Any) -> Work:
    """The first transaction of a copy, while its Scan runs."""
    return work(mark, create=keys, scanning=True, notes=Notes.KEEP, **changes)
