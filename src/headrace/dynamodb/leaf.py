"""A table of DynamoDB as statements read it where there is no copy of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Final

import pyarrow as pa

from headrace.change import ScanPage
from headrace.dynamodb.asking import Asking
from headrace.dynamodb.fetching import MOST_READERS, Fetching
from headrace.dynamodb.known_columns import KnownColumns
from headrace.dynamodb.paging import Paging, most_items
from headrace.dynamodb.plan import Asked, Plan, Planner
from headrace.dynamodb.request_writer import BATCH, Request
from headrace.dynamodb.row_filter import kept
from headrace.dynamodb.served_table import ServedTable, counted
from headrace.dynamodb.told import told
from headrace.errors import (
    AccessDenied,
    HeadraceError,
    LeafWidened,
    QueryError,
    QueryFault,
    RequestRejected,
    TableUnusable,
)
from headrace.leaf import Condition, Fit, RemoteLeaf, RemoteReading
from headrace.observe import ItemsLeftOut, Observation, Observer
from headrace.read_budget import ReadBudget
from headrace.schema import TableSchema
from headrace.table_shape import Shelf, TableShape

HELD_BYTES: Final = 8 * 2**20
"""Bytes of rows that are held back before the first are given: what widens a column mostly comes early."""

FEW: Final = 1000
"""Rows up to which a limit is worth asking one request after another."""


def _unobserved(_: Observation) -> None:
    """Nobody is told."""


class TableLeaf(RemoteLeaf):
    """``table`` as ``dataset``, whose statements read consistently or not, within ``budget``.

    ``segments`` says in how many parts a table of so many items and bytes is scanned. What it learns of the items' columns
    it knows for as long as it lives.
    """

    def __init__(
        self,
        dataset: str,
        table: ServedTable,
        *,
        consistent: bool = False,
        segments: Callable[[int, int], int] = lambda items, size_bytes: 1,  # noqa: ARG005  # Whatever its size.
        budget: ReadBudget | None = None,
        observe: Observer = _unobserved,
    ) -> None:
        self._dataset = dataset
        self._table = table
        self._consistent = consistent
        self._segments = segments
        self._budget = budget
        self._observe = observe

    def begin(self) -> TableReading:
        """A reading that asks for nothing until its first question."""
        asking = Asking(self._dataset, self._budget, self._observe)
        return TableReading(asking, self._table, self._observe, self._segments, consistent=self._consistent)


class TableReading(RemoteReading):
    """One run of a statement. Its columns are those that were known when it was first asked for them."""

    def __init__(
        self,
        asking: Asking,
        table: ServedTable,
        observe: Observer,
        segments: Callable[[int, int], int],
        *,
        consistent: bool,
    ) -> None:
        self._asking = asking
        self._table = table
        self._observe = observe
        self._segments = segments
        self._consistent = consistent

    @property
    def schema(self) -> pa.Schema:
        """The columns that a sample, and all that was read so far, has."""
        return self._columns.arrow()

    def fit(self, condition: Condition) -> Fit:
        """How far a filter, or a key condition, carries out ``condition``."""
        return self._planner().filter(condition).fit

    def scan(
        self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The rows, of the cheapest requests that give them."""
        asked = Asked(frozenset(columns), tuple(conditions), limit)
        while True:
            plan = self._planner().plan(asked)
            optional = _optional(plan)
            given = False
            try:
                for rows in self._rows(plan, asked, list(columns)):
                    given = True
                    yield rows
            except AccessDenied as error:
                if optional is None or given:
                    raise self._failed(error) from error
                self._table.deny(optional)
            except (QueryError, LeafWidened):
                raise
            except HeadraceError as error:
                raise self._failed(error) from error
            else:
                return

    def seeks(self, column: str) -> bool:
        """Whether it is the partition key of the table, or of an index that has all that may be asked for."""
        return self._planner().seeks(column)

    def told(self, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None) -> str:
        """The requests, and an estimate of the read units that they consume."""
        planner = self._planner()
        plan = planner.plan(Asked(frozenset(columns), tuple(conditions), limit))
        return told(plan, consistent=self._consistent)

    def cancel(self) -> None:
        """Let what runs fail soon."""
        self._asking.stop()

    def close(self) -> None:
        """Let go of what runs. Safe to call twice."""
        self._asking.stop()

    @cached_property
    def _known(self) -> tuple[TableShape, TableSchema]:
        try:
            shape = self._table.shape(self._asking)
        except QueryError:
            raise
        except HeadraceError as error:
            raise self._failed(error) from error
        return shape, self._table.schema

    @property
    def _columns(self) -> TableSchema:
        return self._known[1]

    def _planner(self) -> Planner:
        shape, columns = self._known
        return Planner(
            self._table.name,
            shape,
            columns,
            self._table.mapping,
            self._consistent,
            self._segments,
            self._table.denied,
        )

    def _rows(self, plan: Plan, asked: Asked, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """What the plan gives, at first held back; as many as suffice."""
        paging = Paging(plan, self._most(plan.shelf))
        known = KnownColumns(self._columns, asked, everything=plan.paths is None)
        strands = [partial(self._strand, request, plan, paging, known) for request in plan.requests]
        few = plan.limit is not None and plan.limit <= FEW
        fetching = Fetching(strands, 1 if few else MOST_READERS, self._asking)
        try:
            for rows in _held_back(_limited(fetching.take, plan.limit)):
                yield rows.select(columns)
        finally:
            fetching.end()

    def _most(self, shelf: Shelf | None) -> int | None:
        """Items that the budget of a second reads."""
        if shelf is None or self._asking.units_per_second is None:
            return None
        return most_items(shelf, self._asking.units_per_second, consistent=self._consistent)

    def _strand(
        self, request: Request, plan: Plan, paging: Paging, known: KnownColumns
    ) -> Iterator[pa.RecordBatch]:
        for answer in self._table.pages(request, self._asking, paging.next_limit):
            if plan.counting:
                count = counted(answer)
                paging.count(count)
                yield _bare(count)
                continue
            page = self._table.decoded(answer)
            self._tell_left_out(page)
            if page.changes is None:
                paging.count(0)
                continue
            rows = kept(known.of(page.changes.schema, page.changes.rows), plan.local)
            paging.count(rows.num_rows)
            yield rows

    def _tell_left_out(self, page: ScanPage) -> None:
        if page.dead:
            self._observe(ItemsLeftOut(self._asking.dataset, len(page.dead), page.dead[0].reason))

    def _failed(self, error: HeadraceError) -> QueryError:
        if isinstance(error, (RequestRejected, TableUnusable)):
            # The table may have changed since it was described.
            self._table.forget()
        return QueryError(
            QueryFault.FAILED,
            f"{self._asking.dataset} is answered from DynamoDB, which does not answer: {error}",
        )


def _optional(plan: Plan) -> str | None:
    """What the plan asks for that other requests could replace: an operation, or an index."""
    if plan.shelf is None:
        return None
    return BATCH if any(request.operation == BATCH for request in plan.requests) else plan.shelf.name


def _limited(take: Callable[[], pa.RecordBatch | None], limit: int | None) -> Iterator[pa.RecordBatch]:
    left = limit
    while left is None or left > 0:
        rows = take()
        if rows is None:
            return
        if left is not None:
            rows = rows.slice(0, left)
            left -= rows.num_rows
        yield rows


def _held_back(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    held: list[pa.RecordBatch] = []
    size = 0
    for rows in batches:
        held.append(rows)
        size += rows.nbytes
        if size >= HELD_BYTES:
            break
    yield from held
    yield from batches


def _bare(count: int) -> pa.RecordBatch:
    """So many rows of no columns."""
    return pa.RecordBatch.from_arrays([pa.nulls(count)], ["none"]).select([])
