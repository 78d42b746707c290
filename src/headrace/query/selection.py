"""What ``refresh_sql`` and ``refresh_data_window`` keep of the pages of a refresh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import blake2b
from typing import Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.change import ChangeBatch, DeadLetter, Origins, WirePage
from headrace.column_name import wish
from headrace.column_reference import referenced
from headrace.dataset import Dataset, Refresh, TimeColumn
from headrace.errors import SelectionUnusable
from headrace.mapping import Mapping
from headrace.query.parser import Parser
from headrace.query.row_mask import RowMask
from headrace.query.row_query import RowQuery, selected
from headrace.query.row_time import RowTime
from headrace.schema import Column, TableSchema
from headrace.selection import Selection


class SqlSelection(Selection):
    """The rows and columns that a dataset's ``refresh`` names; all without one.

    Raises QueryError, which says what is wrong and what is allowed, for SQL that cannot be a ``refresh_sql``.
    """

    def __init__(
        self,
        dataset: str,
        refresh: Refresh,
        time_column: TimeColumn | None,
        mapping: Mapping,
        parser: Parser,
    ) -> None:
        self._dataset = dataset
        self._query = RowQuery() if refresh.sql is None else selected(refresh.sql, dataset, parser)
        self._window = refresh.window
        self._time_column = time_column
        self._time = None if time_column is None else RowTime(time_column, mapping.layouts)
        self._mapping = mapping
        condition = self._query.condition
        self._mask = (
            None if condition is None else RowMask(condition, f"refresh_sql of {dataset}", parser.sandbox)
        )
        self._last: tuple[TableSchema, TableSchema] | None = None

    @classmethod
    def of(cls, dataset: Dataset, parser: Parser) -> Self:
        """What the dataset's own ``refresh_sql`` and window keep. Raises QueryError."""
        refresh = Refresh() if dataset.acceleration is None else dataset.acceleration.refresh
        return cls(dataset.name, refresh, dataset.time_column, dataset.mapping, parser)

    @property
    def fingerprint(self) -> str:
        """16 hex digits, "" where all is kept."""
        columns, condition, time = self._query.columns, self._query.condition, self._time_column
        if columns is None and condition is None and self._window is None:
            return ""
        written = msgspec.json.encode(
            {
                "columns": None if columns is None else sorted(name.lower() for name in columns),
                "condition": None if condition is None else [condition.alias, condition.text.strip()],
                "window": self._window,
                "time": None if time is None or self._window is None else [time.name, time.format],
            },
            order="deterministic",
        )
        return blake2b(written, digest_size=8).hexdigest()

    def columns(self, schema: TableSchema) -> TableSchema:
        """The columns of ``schema`` that are kept: those of a name that the list has, whatever its capitals."""
        last = self._last
        if last is not None and last[0] is schema:
            return last[1]
        kept = self._kept(schema)
        self._expect_possible(schema)
        self._last = (schema, kept)
        return kept

    def keep(self, changes: ChangeBatch, now: float, since: float | None) -> ChangeBatch | None:
        """The rows of a page that are kept, with their columns; None where there are none."""
        kept = self.columns(changes.schema)
        bounds = [] if self._window is None else [Fraction(now) - Fraction(self._window)]
        bounds += [] if since is None else [Fraction(since)]
        masks = [] if self._mask is None else [self._mask.of(changes.schema, changes.rows, now)]
        if bounds:
            masks.append(self._not_before(changes, max(bounds)))
        narrowed = _narrowed(changes, kept)
        if not masks:
            return narrowed
        mask = masks[0] if len(masks) == 1 else pc.and_(*masks)
        return _filtered(narrowed, mask)

    def _kept(self, schema: TableSchema) -> TableSchema:
        names = self._query.columns
        if names is None:
            return schema
        wanted = {name.casefold() for name in names}
        kept = [column for column in schema.columns if wanted & _names(column)]
        lacking = [column.name for column in schema.keys if column not in kept]
        if lacking:
            raise SelectionUnusable(
                f"refresh_sql of {self._dataset} leaves out {' and '.join(lacking)}, of the table's key, by which a copy "
                f"finds its rows; write SELECT {', '.join(lacking)}, ... or SELECT *"
            )
        return TableSchema.of(kept)

    def _expect_possible(self, schema: TableSchema) -> None:
        """Raise SelectionUnusable where something is named that never will be there."""
        closed = self._mapping.json_column is not None or (self._mapping.freeze and schema.rest is not None)
        if not closed:
            return
        known = {name for column in schema.columns for name in _names(column)}
        asked = {name.casefold(): name for name in self._query.columns or ()}
        condition = self._query.condition
        if condition is not None:
            asked |= {
                path[0].casefold(): path[0] for path in condition.columns if path[0] not in condition.bound
            }
        if self._time_column is not None and referenced(schema, self._time_column.name) is None:
            asked[""] = self._time_column.name
        missing = [name for folded, name in asked.items() if folded not in known]
        if missing:
            there = ", ".join(column.name for column in schema.columns)
            raise SelectionUnusable(
                f"{self._dataset} has no column {missing[0]}, and gets no more than it has ({there}); declare it under "
                "columns, or name another"
            )

    def _not_before(self, changes: ChangeBatch, bound: Fraction) -> pa.BooleanArray:
        assert self._time is not None, "who asks for times has a time_column"
        column = referenced(changes.schema, self._time.column.name)
        if column is None:
            return pa.array([False] * changes.count, pa.bool_())
        values = changes.rows.column(changes.schema.columns.index(column))
        return self._time.not_before(values, bound)


@dataclass(frozen=True, slots=True)
class _SomeRows:
    """A WirePage of some rows of another, by their numbers there."""

    page: WirePage
    places: Sequence[int]

    def letter(self, row: int, reason: str) -> DeadLetter:
        """The record behind a row as a dead letter."""
        return replace(self.page.letter(self.places[row], reason), place=row)


def _names(column: Column) -> set[str]:
    """The names under which SQL may know a column, beside others or alone: attributes may differ in capitals only."""
    return {column.name.casefold(), wish(column.path).casefold()} - {""}


def _narrowed(changes: ChangeBatch, kept: TableSchema) -> ChangeBatch:
    """The columns that are kept, under the names that they have there."""
    if kept is changes.schema:
        return changes
    places = {column.path: place for place, column in enumerate(changes.schema.columns)}
    arrays = [changes.rows.column(places[column.path]) for column in kept.columns]
    return replace(changes, schema=kept, rows=pa.RecordBatch.from_arrays(arrays, schema=kept.arrow()))


def _filtered(changes: ChangeBatch, mask: pa.BooleanArray) -> ChangeBatch | None:
    count = mask.true_count
    if count == changes.count:
        return changes
    if not count:
        return None
    origins, page = changes.origins, changes.page
    return replace(
        changes,
        rows=changes.rows.filter(mask),
        deleted=None if changes.deleted is None else changes.deleted.filter(mask),
        origins=origins and Origins(origins.numbers.filter(mask), origins.created.filter(mask)),
        page=page and _SomeRows(page, pc.indices_nonzero(mask).to_pylist()),
    )
