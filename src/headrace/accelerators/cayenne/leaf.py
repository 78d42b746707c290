"""The live copy as statements read it: one commit, without the files in which no row can be an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.cayenne.condition import Expression, all_of, condition
from headrace.accelerators.cayenne.part import FilePart, RecentPart
from headrace.accelerators.cayenne.table import CayenneTable
from headrace.accelerators.cayenne.transaction import CopyState
from headrace.accelerators.widen import alike, widen
from headrace.arrow_view import VIEWS
from headrace.errors import AcceleratorError, QueryError, QueryFault
from headrace.leaf import Condition, Fit, Predicate, simple
from headrace.schema import Column, TableSchema

_BATCH_ROWS = 65_536


class CayenneLeaf:
    """A Leaf over the live copy of a dataset."""

    def __init__(self, table: CayenneTable) -> None:
        self._table = table

    def begin(self) -> CayenneReading:
        """The newest commit; its files stay until the reading is closed. Raises AcceleratorError."""
        pins = self._table.pins
        number = pins.enter()
        state = self._table.copies.get(Target.LIVE)
        if state is None:
            pins.leave(number)
            raise AcceleratorError(f"{self._table.dataset} is not open; ask again soon")
        return CayenneReading(self._table.dataset, state, lambda: pins.leave(number))


class CayenneReading:
    """A LeafReading of one state of a copy; ``closed`` is called when it is closed."""

    def __init__(self, dataset: str, state: CopyState, closed: Callable[[], None]) -> None:
        self._dataset = dataset
        self._state = state
        self._closed = closed
        self._columns: Mapping[str, Column] = {column.name: column for column in state.schema.columns}
        self._cancelled = False

    @property
    def schema(self) -> pa.Schema:
        """The columns as queries see them, in their order."""
        return self._state.schema.arrow()

    def fit(self, condition: Condition) -> Fit:
        """Files are asked, and recent rows are not; neither lists, structs and maps."""
        predicate = simple(condition)
        if predicate is None or pa.types.is_nested(self._column(predicate.column).type.arrow()):
            return Fit.NO
        return Fit.SUPERSET

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows that may satisfy ``conditions``, those of ``columns``, as they are read."""
        del limit  # It is given only where every predicate is exact.
        wanted = [self._column(name) for name in columns]
        asked = [simple(one) for one in conditions if self.fit(one) is not Fit.NO]
        return self._batches(wanted, [one for one in asked if one is not None])

    def files(self, predicates: Sequence[Predicate]) -> list[FilePart]:
        """The files in which a row may satisfy all predicates."""
        return [
            part
            for part in self._state.files.values()
            if part.live_rows and all(self._may_hold(part, one) for one in predicates)
        ]

    def cancel(self) -> None:
        """Let a scan that runs fail soon."""
        self._cancelled = True

    def close(self) -> None:
        """Let go of the files. Safe to call twice."""
        self._closed()

    def _batches(
        self, columns: Sequence[Column], predicates: Sequence[Predicate]
    ) -> Iterator[pa.RecordBatch]:
        for recent in self._state.recent:
            yield from self._going(_recent_rows(recent, [column.name for column in columns]))
        for part in self.files(predicates):
            file = part.source.schema
            asked = [condition(one, self._column(one.column), file) for one in predicates]
            conditions = [one for one in asked if one is not None]
            if columns or conditions:
                yield from self._going(_file_rows(part, columns, all_of(conditions)))
            else:
                yield _rows_of_nothing(part.live_rows)

    def _going(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self._cancelled:
                raise AcceleratorError(f"reading {self._dataset} was cancelled")
            yield batch

    def _may_hold(self, part: FilePart, predicate: Predicate) -> bool:
        column, file = self._column(predicate.column), part.source
        known = file.schema.column(column.path)
        if known is None or known.name != column.name or not alike(known.type, column.type):
            return True
        return file.statistics.may_hold(predicate)

    def _column(self, name: str) -> Column:
        found = self._columns.get(name)
        if found is None:
            raise QueryError(QueryFault.UNKNOWN_NAME, f"{self._dataset} has no column {name}")
        return found


def _recent_rows(part: RecentPart, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    if not names:
        yield _rows_of_nothing(part.live_rows)
        return
    rows = part.source.table.select(list(names))
    if part.dead is not None:
        rows = rows.filter(pa.array(~part.dead))
    yield from rows.to_batches(_BATCH_ROWS)


def _file_rows(
    part: FilePart, columns: Sequence[Column], asked: Expression | None
) -> Iterator[pa.RecordBatch]:
    """Columns of a file's live rows for which a condition holds, in the types of ``columns``."""
    file = part.source.schema
    places = [
        place for place, known in enumerate(file.columns) if any(one.path == known.path for one in columns)
    ]
    names = [column.name for column in columns]
    for rows, count in part.source.scan(places, asked, part.dead, views=True):
        if columns:
            arrays = [_array(column, rows, count, file) for column in columns]
            yield from pa.Table.from_arrays(arrays, names).to_batches()
        else:
            yield _rows_of_nothing(count)


def _array(column: Column, rows: pa.Table, count: int, file: TableSchema) -> pa.Array | pa.ChunkedArray:
    known = file.column(column.path)
    if known is None:
        return pa.nulls(count, column.type.arrow())
    values, type_ = rows.column(known.name), known.type.arrow()
    if known.type != column.type and values.type == VIEWS.get(type_):
        values = values.cast(type_)
    return widen(values, known.type, column.type)


def _rows_of_nothing(rows: int) -> pa.RecordBatch:
    # Arrow makes no batch of rows without columns, but it leaves columns out.
    return pa.record_batch([pa.nulls(rows)], names=["none"]).select([])
