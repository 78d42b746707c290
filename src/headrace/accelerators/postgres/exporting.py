"""A live copy in PostgreSQL as Parquet files, and back."""
# ruff: noqa: S608 - names are quoted or ours, values are written by ``literal``

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators import parquet_copy
from headrace.accelerators.exports import unusable
from headrace.accelerators.parquet_copy import LETTER_FIELDS, LETTERS, NOTES, ROWS, CopyFacts
from headrace.accelerators.postgres import column_forms
from headrace.accelerators.postgres.bulk import copy_out
from headrace.accelerators.postgres.column_forms import literal
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.lookup import reading
from headrace.accelerators.postgres.readers import Reader
from headrace.accelerators.postgres.tables import PostgresTransaction
from headrace.accelerators.relational import CopyRow
from headrace.accelerators.stored_schema import decode_schema
from headrace.checkpoint import Checkpoint
from headrace.dataset import Engine
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema
from headrace.snapshot import Exported

_PART_BYTES: Final = 16 * 2**20
"""What is read before it is written as one part of a file."""


def export(reader: Reader, folder: Path, snapshot: str) -> Exported:
    """Write the live copy into ``folder``, as one commit left it. Raises AcceleratorError, and what psycopg raises."""
    names, dataset = reader.names, reader.names.dataset
    with reading(reader.connection, names) as known:
        if Target.LIVE not in known:
            raise AcceleratorError(f"there is no copy of {dataset} yet that could be exported")
        row = known[Target.LIVE].row
        checkpoint, schema = Checkpoint.decode(row.checkpoint), decode_schema(row.schema)
        keys = TableSchema(schema.keys)
        rows = _write(folder / ROWS, reader, names.rows(Target.LIVE), schema, Layout.of(schema))
        notes = None
        if row.noted:
            notes = _write(folder / NOTES, reader, names.notes(Target.LIVE), keys, Layout.of(schema))
        letters = _write_letters(folder / LETTERS, reader)
        server = reader.connection.info.server_version
    marked = replace(checkpoint, snapshot=snapshot).encode()
    facts = CopyFacts(Engine.POSTGRES, dataset, marked, row.schema, rows, notes, letters, row.waiting)
    parquet_copy.write_facts(folder, facts)
    return Exported(checkpoint, schema, rows, letters, row.waiting, f"{server // 10_000}.{server % 10_000}")


def expect_exported(folder: Path, dataset: str) -> CopyFacts:
    """What is known of an exported copy. Raises SnapshotRefused where there is none of the dataset."""
    facts = parquet_copy.read_facts(folder, Engine.POSTGRES, dataset)
    try:
        Checkpoint.decode(facts.checkpoint)
        decode_schema(facts.schema)
    except AcceleratorError as error:
        raise unusable(dataset, str(error)) from error
    return facts


def put_in_place(transaction: PostgresTransaction, folder: Path, facts: CopyFacts) -> None:
    """Put an exported copy in place of all copies. Raises SnapshotRefused, and what psycopg raises."""
    for target in Target:
        tables = transaction.copy(target)
        row = tables.stored()
        if row is not None:
            tables.drop(row)
    schema = decode_schema(facts.schema)
    keys = TableSchema(schema.keys)

    def parts(name: str, fields: pa.Schema, count: int) -> Iterator[pa.Table]:
        return parquet_copy.read(folder / name, fields, count, facts.dataset)

    live = transaction.copy(Target.LIVE)
    live.fill(
        schema,
        parts(ROWS, schema.arrow(), facts.rows),
        None if facts.notes is None else parts(NOTES, keys.arrow(), facts.notes),
    )
    live.letters.fill(parts(LETTERS, LETTER_FIELDS, facts.letters))
    noted = facts.notes is not None
    live.store(CopyRow(facts.checkpoint, facts.schema, noted, facts.letters, facts.waiting))


def _write(path: Path, reader: Reader, table: str, schema: TableSchema, layout: Layout) -> int:
    """Write all of a table whose columns are those of ``schema``, as ``layout`` has them."""
    selected = layout.selected(schema.columns)
    query = f"SELECT {', '.join(sql for sql, _ in selected)} FROM {reader.names.qualified(table)}"
    # What is not read to its end holds the session until it is closed.
    with closing(copy_out(reader.connection, query, [type_ for _, type_ in selected], _PART_BYTES)) as parts:
        tables = (pa.Table.from_batches([layout.restored(part, schema.columns)]) for part in parts)
        return parquet_copy.write(path, schema.arrow(), tables)


def _write_letters(path: Path, reader: Reader) -> int:
    """Write the live copy's letters."""
    names, fields = reader.names, LETTER_FIELDS
    selected = ", ".join(column_forms.selected(field.name, field.type) for field in fields)
    dataset, target = (literal(pa.scalar(text)) for text in (names.dataset, Target.LIVE.value))
    query = (
        f"SELECT {selected} FROM {names.letters} WHERE dataset = {dataset} AND copy = {target} ORDER BY id"
    )
    received = [column_forms.received(field.type) for field in fields]
    with closing(copy_out(reader.connection, query, received)) as parts:
        tables = (
            pa.Table.from_arrays(
                [column.cast(field.type) for column, field in zip(part.columns, fields, strict=True)],
                schema=fields,
            )
            for part in parts
        )
        return parquet_copy.write(path, fields, tables)
