"""The last write of each key, as pure Arrow: what remains of a list of batches when all are applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.widen import widen_rows
from headrace.change import ChangeBatch
from headrace.errors import RowRefused
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class Merged:
    """Changes with one row per key, in the order of their last writes, all of one schema.

    ``written`` are the rows to store, ``removed`` those to delete (only their key columns count). The
    last ``scanned`` rows of ``written`` come from the Scan.
    """

    written: pa.Table
    removed: pa.Table
    scanned: int


def join_schemas(schema: TableSchema, batches: Sequence[ChangeBatch]) -> TableSchema:
    """The schema that holds ``schema`` and every batch."""
    for batch in batches:
        if batch.schema is not schema:
            schema = schema.join(batch.schema)
    return schema


def merge(stream: Sequence[ChangeBatch], scan: Sequence[ChangeBatch], schema: TableSchema) -> Merged:
    """Merge the batches of one transaction; ``schema`` must hold each of them.

    A Scan's row never replaces a stream's: the stream is read on from its rows, so whatever the Scan saw
    later still comes by it, but what the Scan saw earlier would stay. Raises RowRefused for a row
    without a value in a key column.
    """
    batches = (*scan, *stream)
    tables = [widen_rows(batch.rows, batch.schema, schema) for batch in batches]
    rows = pa.concat_tables(tables) if tables else schema.arrow().empty_table()
    keys = [column.name for column in schema.keys]
    if any(rows.column(key).null_count for key in keys):
        raise RowRefused(f"a change has no value in a key column ({', '.join(keys)}); items always have one")
    removed = _deleted(batches)
    from_scan = sum(batch.count for batch in scan)
    last = last_writes(rows, keys)
    if last is None:
        last = pa.array(range(rows.num_rows), pa.int64()) if removed is not None or stream else None
    if last is None:
        return Merged(rows, rows.slice(0, 0), rows.num_rows)
    scanned = last.filter(pc.less(last, from_scan))
    streamed = last.filter(pc.greater_equal(last, from_scan))
    if removed is None:
        order = pa.concat_arrays([streamed, scanned])
        return Merged(rows.take(order), rows.slice(0, 0), len(scanned))
    kept_stream = streamed.filter(pc.invert(removed.take(streamed)))
    kept_scan = scanned.filter(pc.invert(removed.take(scanned)))
    gone = last.filter(removed.take(last))
    return Merged(rows.take(pa.concat_arrays([kept_stream, kept_scan])), rows.take(gone), len(kept_scan))


def last_writes(rows: pa.Table, keys: Sequence[str]) -> pa.Int64Array | None:
    """The index of each key's last row, ascending; None where every row is its key's only one."""
    numbered = rows.select(list(keys)).append_column("headrace_row", pa.array(range(rows.num_rows)))
    grouped = numbered.group_by(list(keys), use_threads=False).aggregate([("headrace_row", "max")])
    if grouped.num_rows == rows.num_rows:
        return None
    last = grouped.column("headrace_row_max").combine_chunks()
    return last.take(pc.sort_indices(last))


def _deleted(batches: Sequence[ChangeBatch]) -> pa.BooleanArray | None:
    """Which rows of all batches, one after the other, are deletions; None where none is."""
    if all(batch.deleted is None for batch in batches):
        return None
    return pa.concat_arrays(
        [
            pa.repeat(pa.scalar(value=False), batch.count) if batch.deleted is None else batch.deleted
            for batch in batches
        ]
    )
