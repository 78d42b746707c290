"""The columns of a reading, which must hold what the pages bring."""

from __future__ import annotations

import pyarrow as pa

from headrace.column_type import ColumnType, Kind
from headrace.dynamodb.bounds import conjuncts, targets_of
from headrace.dynamodb.plan import Asked
from headrace.errors import LeafWidened
from headrace.schema import TableSchema


class KnownColumns:
    """Those of ``schema`` that a scan needs; with ``everything``, and all columns asked for, also those of it that are new."""

    def __init__(self, schema: TableSchema, asked: Asked, *, everything: bool) -> None:
        needed = asked.columns | {
            name for part in conjuncts(asked.conditions) for name, _ in targets_of(part)
        }
        self._columns = [column for column in schema.columns if column.name in needed]
        self._all = schema
        self._open = everything and {column.name for column in schema.columns} <= asked.columns

    def of(self, schema: TableSchema, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The needed columns of a page's rows, which are those of ``schema``. Raises LeafWidened."""
        arrays = []
        for column in self._columns:
            own = schema.column(column.path)
            if own is None:
                arrays.append(pa.nulls(rows.num_rows, column.type.arrow()))
                continue
            if own.name != column.name or not _is_stored_alike(column.type, own.type):
                raise LeafWidened(f"the column {column.name} was wider than known")
            arrays.append(rows.column(own.name))
        if self._open:
            self._expect_nothing_new(schema, rows)
        if not arrays:
            return rows.select([])
        return pa.RecordBatch.from_arrays(arrays, [column.name for column in self._columns])

    def _expect_nothing_new(self, schema: TableSchema, rows: pa.RecordBatch) -> None:
        for column in schema.columns:
            if self._all.column(column.path) is None and rows.column(column.name).null_count < rows.num_rows:
                raise LeafWidened(f"there is a column {column.name}, which was not known")


def _is_stored_alike(known: ColumnType, now: ColumnType) -> bool:
    """Whether each value that the one type holds is the same in a column of the other."""
    if known.arrow() != now.arrow():
        return False
    if Kind.NULL in (known.kind, now.kind):
        return True
    if known.kind is not now.kind:
        return False
    if known.element is not None and now.element is not None:
        return _is_stored_alike(known.element, now.element)
    pairs = zip(known.members, now.members, strict=True)
    return all(_is_stored_alike(one.type, two.type) for one, two in pairs)
