"""A leaf as a table of one DuckDB connection.

DuckDB reads a ``pyarrow.dataset.Dataset`` by asking its ``scanner`` anew for every scan, with the columns that it needs.
It would also hand conditions over and trust Arrow to carry them out; it does not translate all of its own (Bloom
filters of joins, comparisons of structs), and for NaN Arrow has other rules. So the table that statements see is a
view in which each column is an expression, which stops the conditions before the scan.
"""
# ruff: noqa: S608 - names are quoted or ours

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as arrow_dataset

from headrace.arrow_view import VIEWS
from headrace.arrow_zone import without_nanosecond_zones
from headrace.errors import InternalError
from headrace.query.leaf_names import quoted

Scan = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]
"""Reads these columns, in whatever order it gives them."""

_ROWS: Final = pa.field("headrace_rows", pa.null())
"""The first column, which DuckDB reads where it needs none."""

_FIRST_ROWS: Final = 1024
_MOST_ROWS: Final = 64 * 1024
_MOST_BYTES: Final = 8 * 2**20
"""Rows and bytes that are enough for a batch: the rows of the first, and of later ones."""


class LeafTable:
    """The leaf's rows under ``relation``; ``schema`` has the columns as the leaf gives them."""

    def __init__(self, relation: str, schema: pa.Schema, scan: Scan) -> None:
        self._relation = relation
        self._own = {f"{relation}.{name}": name for name in schema.names}
        seen = [field.with_name(f"{relation}.{field.name}").with_type(_given(field.type)) for field in schema]
        self._dataset = _Dataset(pa.schema([_ROWS, *seen]), self._own, scan)

    def query(self, cursor: duckdb.DuckDBPyConnection, name: str) -> str:
        """SQL for all rows, once they are known to ``cursor`` as ``name``, which must be free."""
        cursor.register(name, self._dataset)
        columns = (
            f"CASE WHEN {quoted(seen)} IS NOT NULL THEN {quoted(seen)} END AS {quoted(own)}"
            for seen, own in self._own.items()
        )
        return f"SELECT {', '.join(columns)} FROM {quoted(name)}"

    def columns_among(self, read: Collection[str]) -> list[str]:
        """The leaf's columns among those that DuckDB's plan says are read."""
        return [own for seen, own in self._own.items() if seen in read]


class _Dataset(arrow_dataset.Dataset):  # type: ignore[misc]  # pyarrow is not typed.
    """What DuckDB scans: it calls ``scanner`` from any of its threads, and ``to_reader`` of what that gives."""

    def __init__(self, schema: pa.Schema, own: dict[str, str], scan: Scan) -> None:
        # The base class forbids being made, and has nothing that is used here.
        self._schema = schema
        self._own = own
        self._scan = scan

    @property
    def schema(self) -> pa.Schema:
        """The columns as DuckDB sees them."""
        return self._schema

    def scanner(self, columns: Sequence[str] | None = None, filter: Any = None, **_: Any) -> _Scanner:  # noqa: A002  # DuckDB's word.
        """One scan of these columns."""
        if filter is not None:
            raise InternalError(f"DuckDB leaves a condition to the scan of a leaf: {filter}")
        names = self._schema.names if columns is None else columns
        schema = pa.schema([self._schema.field(name) for name in names])
        return _Scanner(schema, [self._own.get(name) for name in names], self._scan)


class _Scanner:
    """One scan, which begins when the first batch is asked for."""

    def __init__(self, schema: pa.Schema, columns: Sequence[str | None], scan: Scan) -> None:
        self._schema = schema
        self._columns = columns
        self._scan = scan

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows. A reader that DuckDB lets go of closes the scan."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        batches = self._scan([name for name in self._columns if name is not None])
        try:
            yield from _gathered(
                pa.RecordBatch.from_arrays(list(self._arrays(batch)), schema=self._schema)
                for batch in batches
            )
        finally:
            _close(batches)

    def _arrays(self, batch: pa.RecordBatch) -> Iterator[pa.Array]:
        for field, name in zip(self._schema, self._columns, strict=True):
            if name is None:
                yield pa.nulls(batch.num_rows)
            else:
                array = batch.column(name)
                yield array if array.type == field.type else array.cast(field.type)


def _given(type_: pa.DataType) -> pa.DataType:
    """The type in which DuckDB is given values of a type; strings as views, which need not be copied."""
    return VIEWS.get(type_) or without_nanosecond_zones(type_)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in fewer batches, the first ones soon.

    Where two threads of DuckDB 1.5 take turns at batches of one of its vectors each, it never notices that enough rows
    wait for whoever reads the answer, and goes on until all of them do.
    """
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    enough = _FIRST_ROWS
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= enough or size >= _MOST_BYTES:
            yield waiting[0] if len(waiting) == 1 else pa.concat_batches(waiting)
            waiting.clear()
            rows = size = 0
            enough = min(2 * enough, _MOST_ROWS)
    if waiting:
        yield pa.concat_batches(waiting)


def _close(batches: Iterator[pa.RecordBatch]) -> None:
    close = getattr(batches, "close", None)
    if close is not None:
        close()
