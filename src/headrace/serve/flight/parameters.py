"""The values of a prepared statement's parameters, as clients bind them: the columns of one row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from headrace.errors import QueryError, QueryFault

MOST_BYTES: Final = 2**20
"""Bytes of one row of parameters."""


def schema_of(count: int) -> pa.Schema:
    """The columns of so many parameters. A statement takes values of many types, so that none is told."""
    return pa.schema([pa.field(f"${number}", pa.null()) for number in range(1, count + 1)])


def bound_row(batches: Iterable[pa.RecordBatch], schema: pa.Schema, count: int) -> bytes:
    """The one row of ``batches`` as Arrow's IPC writes it. Raises QueryError INVALID, TOO_LARGE."""
    if len(schema) != count:
        raise QueryError(
            QueryFault.INVALID, f"the statement takes {count} parameters, and {len(schema)} are bound"
        )
    found: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows == 0 and count:
            continue
        found.append(batch)
        if batch.nbytes > MOST_BYTES:
            raise QueryError(QueryFault.TOO_LARGE, f"parameters may have {MOST_BYTES:,} bytes together")
        if len(found) > 1 or batch.num_rows > 1:
            raise QueryError(
                QueryFault.INVALID, "bind one row of parameters, and run the statement once for each row"
            )
    if not found and count:
        raise QueryError(QueryFault.INVALID, "no row of parameters is bound")
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        for batch in found:
            writer.write_batch(batch)
    row: bytes = sink.getvalue().to_pybytes()
    return row


def scalars(bound: bytes | None) -> list[pa.Scalar]:
    """The values of a row that ``bound_row`` gave. Raises pa.ArrowException for what it did not."""
    if bound is None:
        return []
    with pa.ipc.open_stream(bound) as reader:
        return [column[0] for column in reader.read_all().columns if len(column)]
