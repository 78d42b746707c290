"""What a scan becomes: which requests, and what of the conditions these carry out.

The cheapest that serves, by this order: whole keys of the table; a Query of the partitions that the conditions name, by the
table, or by a local index if that alone bounds the sort key too; a Query of a global index, first one of which the
whole key is known, then one of which a range is, then the smaller one; a Scan.

Rules: Amazon DynamoDB API Reference, Query, Scan and BatchGetItem; Developer Guide, "Using Global Secondary Indexes in
DynamoDB". An index does not have the items that lack one of its key's attributes, nor those in which it is of another type.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from headrace.column_name import Path
from headrace.dynamodb.bounds import UNBOUND, Bounds, Target, bounds_of, conjuncts, targets_of
from headrace.dynamodb.expression import MOST_BYTES, Expression, Placeholders, all_of, fits
from headrace.dynamodb.filters import Filter, filter_of
from headrace.dynamodb.key_way import MOST_PARTITION_BYTES, MOST_SORT_BYTES, Way, sort_range, usable_values
from headrace.dynamodb.request_writer import BATCH, Request, RequestWriter
from headrace.leaf import Condition, Fit
from headrace.mapping import Mapping as ColumnMapping
from headrace.schema import REST, Column, TableSchema
from headrace.table_shape import Shelf, TableShape

MOST_KEYS: Final = 1000
"""Keys that one scan asks for; where there are more, fewer of their attributes are asked for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a scan is asked for: columns by their names."""

    columns: frozenset[str]
    conditions: tuple[Condition, ...]
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests, which may be made in any order, and what they give.

    ``shelf`` is what they read, None where there is nothing to ask. ``key`` and ``filter`` are the conditions that they
    carry, ``keys`` how many keys are asked for, 0 by a Scan. ``paths`` are what they project, None all. ``counting``: they
    give the number of the rows alone. ``local`` are conditions that are to be carried out on what comes. ``limit`` rows
    suffice.
    """

    requests: tuple[Request, ...]
    shelf: Shelf | None
    key: str = ""
    keys: int = 0
    filter: Expression | None = None
    paths: tuple[Path, ...] | None = None
    counting: bool = False
    local: tuple[Condition, ...] = ()
    limit: int | None = None

    @property
    def whole(self) -> bool:
        """Whether each item that is read is a row."""
        return self.filter is None and not self.local


NOTHING_TO_ASK: Final = Plan((), None)


@dataclass(frozen=True, slots=True)
class Planner:
    """Plans scans of the table ``name`` whose items are read by ``schema``.

    ``denied`` are operations, and names of indexes, that are not permitted. ``segments`` says in how many parts a table of so many
    items and bytes is scanned.
    """

    name: str
    shape: TableShape
    schema: TableSchema
    mapping: ColumnMapping
    consistent: bool
    segments: Callable[[int, int], int]
    denied: Collection[str] = ()

    def filter(self, condition: Condition) -> Filter:
        """What a filter can do for a condition."""
        return filter_of(condition, self.schema, self.mapping)

    def plan(self, asked: Asked) -> Plan:
        """The requests for one scan."""
        parts = tuple(conjuncts(asked.conditions))
        bounds = bounds_of(parts)
        if any(one.empty for one in bounds.values()) or asked.limit == 0:
            return NOTHING_TO_ASK
        filters = {part: self.filter(part) for part in parts}
        paths = self._paths(asked, parts)
        ways = [way for shelf in self._shelves(paths) if (way := self._way(shelf, bounds)) is not None]
        way = min(ways, key=lambda way: way.rank, default=None)
        if way is not None and not way.keys:
            return NOTHING_TO_ASK
        return self._made(asked, filters, paths, way)

    def seeks(self, name: str) -> bool:
        """Whether rows with given values in a column are found by a key, whichever columns are asked for."""
        attribute, own = self._attribute(name), self.shape.table.key
        return any(
            shelf.partition.name == attribute
            and (shelf.name is None or shelf.sort is None or shelf.sort.name in own)
            for shelf in self._shelves(None)
        )

    def _shelves(self, paths: tuple[Path, ...] | None) -> Iterator[Shelf]:
        """The table, and the indexes that have all that is needed."""
        yield self.shape.table
        for index in self.shape.indexes:
            if index.name in self.denied or (self.consistent and not index.local):
                continue
            if index.projected is None or (
                paths is not None and {path[0] for path in paths} <= index.projected
            ):
                yield index

    def _way(self, shelf: Shelf, bounds: Mapping[Target, Bounds]) -> Way | None:
        """How a shelf is asked by its key; None where the conditions do not name its partitions."""
        known = {name: self._bounds(name, bounds) for name in shelf.key}
        if any(name not in self.shape.table.key and not known[name].present for name in shelf.key):
            # The index lacks items whose value is NULL, and these are not ruled out.
            return None
        name = shelf.partition.name
        partitions = usable_values(shelf.partition, self._column(name), known[name], MOST_PARTITION_BYTES)
        if partitions is None or len(partitions) > MOST_KEYS:
            return None
        alone = tuple((one, None) for one in partitions)
        if shelf.sort is None:
            return Way(shelf, alone, full=True)
        column, sorts = self._column(shelf.sort.name), known[shelf.sort.name]
        values = usable_values(shelf.sort, column, sorts, MOST_SORT_BYTES)
        if values is not None and len(partitions) * len(values) <= MOST_KEYS:
            return Way(shelf, tuple(product(partitions, values)), full=True)
        return Way(shelf, alone, full=False, range=None if values else sort_range(shelf.sort, column, sorts))

    def _made(
        self,
        asked: Asked,
        filters: Mapping[Condition, Filter],
        paths: tuple[Path, ...] | None,
        way: Way | None,
    ) -> Plan:
        left = {part: one for part, one in filters.items() if way is None or not self._carries(way, part)}
        batch = way is not None and self._is_batch(way)
        filtered = {} if batch else _fitting({p: f for p, f in left.items() if not self._names_key(way, p)})
        exact = all(one.fit is Fit.EXACT for one in filters.values())
        local = tuple(part for part, one in left.items() if one.fit is Fit.EXACT and part not in filtered)
        counting = (
            not (asked.columns or batch or local) and exact and all(filters[part].sure for part in filtered)
        )
        said = [one for part in filtered if (one := filters[part].expression) is not None]
        filter_ = all_of(said) if said else None
        writer = RequestWriter(self.name, self.consistent, filter_, paths, counting)
        shelf = self.shape.table if way is None else way.shelf
        if way is None:
            requests = writer.scans(self.segments(shelf.items, shelf.size_bytes))
        else:
            requests = writer.batches(way) if batch else writer.queries(way)
        return Plan(
            tuple(requests),
            shelf,
            key="" if way is None else way.text,
            keys=0 if way is None else len(way.keys),
            filter=filter_,
            paths=paths,
            counting=counting,
            local=local,
            limit=asked.limit if exact else None,
        )

    def _is_batch(self, way: Way) -> bool:
        return way.full and way.shelf.name is None and len(way.keys) > 1 and BATCH not in self.denied

    def _carries(self, way: Way, part: Condition) -> bool:
        """Whether the key condition carries out a conjunct wholly."""
        targets = targets_of(part)
        attributes = {self._attribute(name) for name, _ in targets}
        if len(targets) != 1 or any(field for _, field in targets):
            return False
        if attributes == {way.shelf.partition.name}:
            return True
        if way.shelf.sort is None or attributes != {way.shelf.sort.name}:
            return False
        return way.full or (way.range is not None and way.range.carries(part))

    def _names_key(self, way: Way | None, part: Condition) -> bool:
        """Whether a conjunct is about an attribute of the key, which the filter of a Query may not name."""
        attributes = {self._attribute(name) for name, _ in targets_of(part)}
        return way is not None and not attributes.isdisjoint(way.shelf.key)

    def _attribute(self, name: str) -> str | None:
        """The attribute in which the values of a column are."""
        return next((column.attribute for column in self.schema.columns if column.name == name), None)

    def _bounds(self, attribute: str, bounds: Mapping[Target, Bounds]) -> Bounds:
        column = self._column(attribute)
        return UNBOUND if column is None else bounds.get((column.name, ()), UNBOUND)

    def _column(self, attribute: str) -> Column | None:
        return self.schema.column(attribute)

    def _paths(self, asked: Asked, parts: tuple[Condition, ...]) -> tuple[Path, ...] | None:
        """What of the items is needed; None all: also what has no column yet, where all columns are asked for."""
        needed = asked.columns | {name for part in parts for name, _ in targets_of(part)}
        columns = [column for column in self.schema.columns if column.key or column.name in needed]
        names = {column.name for column in self.schema.columns}
        if (asked.columns and names <= asked.columns) or any(column.path == REST for column in columns):
            return None
        paths = {column.path: None for column in columns}
        whole = tuple(
            path for path in paths if not any(path[:length] in paths for length in range(1, len(path)))
        )
        nameable = all(map(all, whole)) and len(Placeholders().projected(whole)) <= MOST_BYTES
        return whole if nameable else None


def _fitting(filters: Mapping[Condition, Filter]) -> dict[Condition, Filter]:
    """Those that one expression takes together: the longest are left out first."""
    said = {part: one.expression for part, one in filters.items() if one.expression is not None}
    lengths = {part: len(Placeholders().rendered(expression)) for part, expression in said.items()}
    shortest = sorted(said, key=lengths.__getitem__)

    def is_too_long(count: int) -> bool:
        return count > 0 and not fits(all_of([said[part] for part in shortest[:count]]))

    # A statement may have thousands, and each look writes them all.
    most = bisect_left(range(len(shortest) + 1), x=True, key=is_too_long) - 1
    kept = set(shortest[:most])
    return {part: one for part, one in filters.items() if part in kept}
