"""Rows on their way to PostgreSQL and back, many at once, as CSV: by COPY, which alone is fast."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import psycopg
import pyarrow as pa
from pyarrow import csv

Buffer = bytes | bytearray | memoryview

BLOCK_BYTES = 4 * 2**20
"""What is aimed at for one batch of rows that are read."""

_WRITE = csv.WriteOptions(include_header=False)
"""Texts are quoted and nulls are not, by which PostgreSQL tells a null from an empty text."""

_PARSE = csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)


def copy_in(connection: psycopg.Connection, rows: pa.Table, table: str, columns: Sequence[str]) -> None:
    """Append ``rows``, of which ``columns`` are the quoted names, to a table."""
    sink = pa.BufferOutputStream()
    csv.write_csv(rows, sink, _WRITE)
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT csv)") as copy,
    ):
        copy.write(memoryview(sink.getvalue()))


def copy_out(
    connection: psycopg.Connection, query: str, types: Sequence[pa.DataType], block_bytes: int = BLOCK_BYTES
) -> Generator[pa.Table]:
    """What a query without parameters gives, some rows at a time, as they come; its columns have these types."""
    names = [str(number) for number in range(len(types))]
    convert = csv.ConvertOptions(
        column_types=dict(zip(names, types, strict=True)),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        true_values=["t"],
        false_values=["f"],
    )
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy:
        lines: list[Buffer] = []
        size = 0
        while line := copy.read():
            lines.append(line)
            size += len(line)
            if size >= block_bytes:
                yield _parsed(lines, size, names, convert)
                lines, size = [], 0
        if lines:
            yield _parsed(lines, size, names, convert)


def _parsed(lines: Sequence[Buffer], size: int, names: list[str], convert: csv.ConvertOptions) -> pa.Table:
    # One block, because a line may be longer than the blocks that Arrow would choose.
    read = csv.ReadOptions(column_names=names, block_size=size + 1, use_threads=False)
    return csv.read_csv(pa.BufferReader(b"".join(lines)), read, _PARSE, convert)
