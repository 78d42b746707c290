"""Level 0: the changes of recent commits, which are in no file yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.merge import last_writes
from headrace.accelerators.widen import widen_rows
from headrace.schema import TableSchema

_DELETED: Final = "headrace_deleted"


@dataclass(frozen=True, slots=True)
class Recent:
    """Changes of one commit that are in no file yet: rows of ``schema``, and keys that are gone (its key columns)."""

    schema: TableSchema
    written: pa.Table
    removed: pa.Table


def remaining(changes: Sequence[Recent], schema: TableSchema) -> pa.Table:
    """The rows that remain of changes, as rows of ``schema``."""
    rows, gone = last_changes(changes, schema)
    return rows.filter(pc.invert(gone))


def last_changes(changes: Sequence[Recent], schema: TableSchema) -> tuple[pa.Table, pa.ChunkedArray]:
    """The last change of each key, as a row of ``schema``, and whether it removed the key: then the rest is null."""
    parts = [schema.arrow().empty_table().append_column(_DELETED, pa.array([], pa.bool_()))]
    for one in changes:
        gone = widen_rows(one.removed, TableSchema(one.schema.keys), TableSchema(schema.keys))
        blank = widen_rows(gone, TableSchema(schema.keys), schema)
        for rows, deleted in ((blank, True), (widen_rows(one.written, one.schema, schema), False)):
            parts.append(rows.append_column(_DELETED, pa.repeat(pa.scalar(deleted), rows.num_rows)))
    rows = pa.concat_tables(parts)
    last = last_writes(rows, [column.name for column in schema.keys])
    if last is not None:
        rows = rows.take(last)
    return rows.drop_columns(_DELETED), rows.column(_DELETED)


def packed(rows: pa.Table) -> bytes:
    """Rows as the metastore keeps them: a stream of Arrow IPC, compressed by LZ4."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue())


def unpacked(blob: bytes | None, schema: pa.Schema) -> pa.Table:
    """From ``packed``'s bytes; None are no rows of ``schema``. Raises ArrowException."""
    if blob is None:
        return schema.empty_table()
    with pa.ipc.open_stream(blob) as stream:
        return stream.read_all()
