"""Batches, works and engines for tests of accelerators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow as pa

from headrace.accelerator import Notes, StoredLetter, Target, Which, Work
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits, rows
from headrace.accelerators.duckdb.casts import restored
from headrace.accelerators.memory import MemoryAccelerator
from headrace.accelerators.plain import plain_rows
from headrace.change import ChangeBatch, DeadLetter
from headrace.checkpoint import Checkpoint, SegmentState
from headrace.column_type import ColumnType
from headrace.position import SequenceNumber
from headrace.schema import TableSchema

KEYS = TableSchema.of_keys((("id", "S"),))
GONE = object()
"""In place of an item's attributes: the item was deleted."""


ENGINES = ("memory", "duckdb-memory", "duckdb-file")
"""What the contract suite runs over: each engine in each mode."""


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


class Harness:
    """One engine under test: a dataset's accelerator, its rows, and another process's view of it."""

    dataset = "orders"

    def __init__(self, engine: str, folder: Path) -> None:
        self.engine = engine
        self.path = folder / "data" / "orders.duckdb" if engine == "duckdb-file" else None
        self.instance: DuckDBInstance | None = None
        self.sink = self._new_sink()

    @property
    def survives(self) -> bool:
        """Whether the copy outlives the process."""
        return self.path is not None

    def live(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The live rows by key."""
        return self.rows_in(self.dataset) if self.instance else self.sink.live_rows()

    def building(self) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The rows of the copy that is being built."""
        return self.rows_in("headrace_building") if self.instance else self.sink.building_rows()

    def rows_in(self, table: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The rows of a table, which must hold each key once, by key."""
        stored = self.sink.open()
        copy = stored.live if table == self.dataset else stored.building
        if copy is None:
            return {}
        cursor = self.instance.cursor()
        table_ = cursor.execute('SELECT * FROM "' + table + '"').to_arrow_table()
        cursor.close()
        assert table_.column_names == [column.name for column in copy.schema.columns]
        found = plain_rows(restored(table_, copy.schema.arrow()))
        keys = [column.name for column in copy.schema.keys]
        rows = {tuple(row[key] for key in keys): row for row in found}
        assert len(rows) == len(found), "a key is there twice"
        return rows

    def letters(self, which: Which = Which.ANY) -> dict[str, StoredLetter]:
        """The letters of the live copy, by sequence number, those of the Scan by key."""
        found, after = {}, None
        while some := self.sink.letters(None, which, after):
            after = some[-1].letter.id
            found |= {_name(stored.letter): stored for stored in some}
        return found

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        """The engine refuses rows whose ``n`` is ``value``, as DuckDB refuses what it cannot convert."""
        if self.instance is None:
            self.sink.refuses = lambda row: "Conversion Error: planted" if row.get("n") == value else None
            yield
            self.sink.refuses = lambda _: None
            return
        true = rows.replace_rows

        def replace_rows(connection: Any, merged: Any, *arguments: Any, **options: Any) -> None:
            if "n" in merged.written.column_names and value in merged.written.column("n").to_pylist():
                raise duckdb.ConversionException("Conversion Error: planted")
            true(connection, merged, *arguments, **options)

        with mock.patch.object(rows, "replace_rows", replace_rows):
            yield

    def restart(self) -> None:
        """Close everything and come back as a new process would."""
        self.close()
        if self.survives:
            self.sink = self._new_sink()

    def close(self) -> None:
        self.sink.close()
        if self.instance is not None:
            self.instance.close()

    def _new_sink(self) -> Any:
        if self.engine == "memory":
            return MemoryAccelerator()
        self.instance = DuckDBInstance({self.dataset: self.path}, Limits(memory=2**30, threads=2))
        return DuckDBAccelerator(self.instance, self.dataset)


def _name(letter: DeadLetter) -> str:
    if letter.sequence is not None:
        return letter.sequence.text
    return str(json.loads(letter.key)["id"]["S"])
