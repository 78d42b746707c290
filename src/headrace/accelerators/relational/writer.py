"""The order in which a Work is carried out, for every engine that gives a RowTransaction."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from headrace.accelerator import Applied, Notes, Target, Work
from headrace.accelerators.letters import CopyLetters
from headrace.accelerators.merge import Merged, join_schemas, merge
from headrace.accelerators.relational.copy_row import CopyRow
from headrace.accelerators.relational.transaction import CopyTables, RowTransaction
from headrace.accelerators.stored_schema import decode_schema, encode_schema
from headrace.errors import AcceleratorError
from headrace.schema import TableSchema


@dataclass(frozen=True, slots=True)
class _Before:
    """The copy that a transaction starts from: the stored one, or, made anew, an empty one."""

    tables: CopyTables
    schema: TableSchema
    noted: bool
    letters: CopyLetters


class WorkWriter:
    """Carries out Works on one dataset. It remembers the schema that it stored last, and nothing else."""

    def __init__(self) -> None:
        self._schema = ("", TableSchema(()))

    def write(self, transaction: RowTransaction, work: Work) -> Applied:
        """Everything between BEGIN and COMMIT, in the order that ``Work`` prescribes."""
        before = self._before(transaction, work)
        tables = before.tables
        coming = before.letters.due(work)
        stream = (*coming.batches, *work.stream)
        schema = join_schemas(before.schema, (*stream, *work.scan))
        if before.schema != schema:
            tables.evolve(before.schema, schema, noted=before.noted)
        noting = work.scanning and work.notes is Notes.KEEP and bool(stream)
        if noting and not before.noted:
            tables.create_notes(schema)
        merged = merge(stream, work.scan, schema)
        written = _replace(tables, schema, merged, noted=before.noted)
        if noting:
            tables.note(schema, _streamed_keys(merged, schema))
        noted = before.noted or noting

        def among_notes(keys: pa.Table) -> list[int]:
            return list(tables.noted(schema, keys))

        tally = before.letters.file(work, coming, schema, among_notes if noted else None)
        if noted and work.notes is Notes.DROP:
            tables.drop_notes()
            noted = False
        if work.swap and work.target is Target.BUILDING:
            tables = _swapped(transaction, noted=noted)
        text = encode_schema(schema)
        self._schema = (text, schema)
        letters = before.letters
        tables.store(CopyRow(work.checkpoint.encode(), text, noted, letters.stored, letters.waiting))
        return Applied(written, merged.removed.num_rows, schema, tally)

    def _before(self, transaction: RowTransaction, work: Work) -> _Before:
        """Read what is stored; where a copy is to be made anew, make it."""
        tables = transaction.copy(work.target)
        row = tables.stored()
        if work.create is not None:
            if row is not None:
                tables.drop(row)
            tables.create(work.create)
            return _Before(tables, work.create, noted=False, letters=CopyLetters(tables.letters))
        if row is None:
            raise AcceleratorError(
                f"there is no {work.target} copy to apply to; the first work on a copy must create it"
            )
        letters = CopyLetters(tables.letters, row.letters, row.waiting)
        return _Before(tables, self._schema_of(row), row.noted, letters)

    def _schema_of(self, row: CopyRow) -> TableSchema:
        text, schema = self._schema
        if text != row.schema:
            schema = decode_schema(row.schema)
            self._schema = (row.schema, schema)
        return schema


def _replace(tables: CopyTables, schema: TableSchema, merged: Merged, *, noted: bool) -> int:
    """Store the merged rows, the Scan's unless they are noted; how many."""
    if not (noted and merged.scanned):
        tables.replace_rows(schema, merged.written, merged.removed)
        return int(merged.written.num_rows)
    streamed = merged.written.num_rows - merged.scanned
    tables.replace_rows(schema, merged.written.slice(0, streamed), merged.removed)
    return int(streamed + tables.replace_unnoted(schema, merged.written.slice(streamed)))


def _streamed_keys(merged: Merged, schema: TableSchema) -> pa.Table:
    names = [column.name for column in schema.keys]
    streamed = merged.written.select(names).slice(0, merged.written.num_rows - merged.scanned)
    return pa.concat_tables([streamed, merged.removed.select(names)])


def _swapped(transaction: RowTransaction, *, noted: bool) -> CopyTables:
    """Make the building copy the live one, in place of it."""
    live = transaction.copy(Target.LIVE)
    row = live.stored()
    if row is not None:
        live.drop(row)
    transaction.swap(noted=noted)
    return transaction.copy(Target.LIVE)
