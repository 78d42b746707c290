"""Tables far away that are joined with others: what they are asked for by the few values that those have.

A row of a table far away that equals no row of the other side may as well not be there, wherever a condition on it alone
would be asked. So where a key of the far table equals a column whose values are known or few, these are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import pyarrow as pa

from headrace.leaf import Comparison, Condition, Fit, LeafReading, Predicate, RemoteReading
from headrace.query.condition import conjuncts
from headrace.query.from_clause import FromClause, Standing, Step
from headrace.query.near_keys import alike, few_in
from headrace.query.parser import Tree

KeysAmong = Callable[[Tree, str, Sequence[Tree], pa.DataType], tuple[pa.Scalar, ...] | None]
"""NearKeys.among."""


class Questioned(Protocol):
    """As much of a LeafReading as a plan needs."""

    @property
    def schema(self) -> pa.Schema:
        """The columns that may be spoken of."""
        ...

    def fit(self, condition: Condition) -> Fit:
        """How far ``condition`` is carried out."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A column of a table in FROM, or a field of its structs."""

    table: Standing
    column: str
    field: tuple[str, ...]
    type: pa.DataType


class JoinedFar:
    """Adds to ``conditions``, by the ids of nodes, what joins ask of tables far away.

    ``readings`` are the leaves, those that are near and may be scanned for that ``scanned``, and ``native`` the tables of DuckDB's
    own, all by the ids of their nodes. ``place_of`` says which column of a leaf a name means without doubt.
    """

    def __init__(
        self,
        readings: Mapping[int, Questioned],
        native: Collection[int],
        scanned: Mapping[int, LeafReading],
        conditions: Mapping[int, list[tuple[Condition, Fit]]],
        keys_among: KeysAmong,
        place_of: Callable[[tuple[str, ...], FromClause], Place | None],
    ) -> None:
        self._readings = readings
        self._native = native
        self._scanned = scanned
        self._conditions = conditions
        self._keys_among = keys_among
        self._place_of = place_of

    def visit(self, select: Tree, clause: FromClause) -> None:
        """Look at one SELECT, when its own conditions have been asked."""
        if not any(self._is_far(one) for one in clause.tables):
            return
        where = [*conjuncts(select["where_clause"])]
        for conjunct in where:
            for near, far in self._equal(conjunct, clause):
                if _is_seen(near.table.steps):
                    self._ask(near, far, far.table.steps, where)
        for join in clause.joins:
            for conjunct in (*conjuncts(join["condition"]), *_of_using(join)):
                for near, far in self._equal(conjunct, clause):
                    self._visit_on(near, far, join, where)

    def _visit_on(self, near: _Near, far: Place, join: Tree, where: Sequence[Tree]) -> None:
        step = next((step for step in far.table.steps if step.join is join), None)
        beneath = near.table.within(join)
        if step is not None and beneath is not None and step.may_lose_by_condition() and _is_seen(beneath):
            self._ask(near, far, far.table.within(join) or (), where)

    def _equal(self, conjunct: Tree, clause: FromClause) -> Iterator[tuple[_Near, Place]]:
        """Where ``conjunct`` says that a column of a table equals one of a table far away: both, in full names."""
        if conjunct["type"] != "COMPARE_EQUAL":
            return
        sides = (conjunct["left"], conjunct["right"])
        for one, other in (sides, sides[::-1]):
            named, column = _qualified(one), _qualified(other)
            if named is None or column is None:
                continue
            near, far = self._near(named, clause), self._place_of(column, clause)
            if near is not None and far is not None and self._is_far(far.table):
                yield near, far

    def _near(self, named: tuple[str, str], clause: FromClause) -> _Near | None:
        tables = [each for each in clause.tables if each.name == named[0].casefold()]
        if len(tables) != 1 or not clause.is_only(tables[0].name) or not tables[0].columns_have_their_names:
            return None
        if id(tables[0].node) in self._native:
            return _Near(tables[0], named[1])
        place = self._place_of(named, clause)
        return None if place is None or place.field else _Near(place.table, place.column)

    def _ask(self, near: _Near, far: Place, around: tuple[Step, ...], where: Sequence[Tree]) -> None:
        reading, asked = self._readings[id(far.table.node)], self._conditions[id(far.table.node)]
        if far.field or not isinstance(reading, RemoteReading) or not reading.seeks(far.column):
            return
        if near.table is far.table or _is_sought(reading, asked):
            return
        if not all(step.leaves_others_alone() for step in around):
            return
        keys = self._keys(near, far.type, where)
        if keys is None:
            return
        nothing = (Predicate(far.column, Comparison.IS_NULL), Predicate(far.column, Comparison.IS_NOT_NULL))
        wanted = (Predicate(far.column, Comparison.IN, keys),) if keys else nothing
        asked += [(one, reading.fit(one)) for one in wanted]

    def _keys(self, near: _Near, type_: pa.DataType, where: Sequence[Tree]) -> tuple[pa.Scalar, ...] | None:
        """The values in the near column of all rows that matter; None where they are not known, or too many."""
        if id(near.table.node) in self._native:
            mattering = where if all(step.keeps_values() for step in near.table.steps) else ()
            return self._keys_among(near.table.node, near.column, mattering, type_)
        reading, asked = self._readings[id(near.table.node)], self._conditions[id(near.table.node)]
        if not alike(reading.schema.field(near.column).type, type_):
            return None
        for condition, _ in asked:
            if _gives_values(condition) and condition.column == near.column:
                return tuple(value.cast(type_) for value in condition.values)
        scanned = self._scanned.get(id(near.table.node))
        carried = [condition for condition, fit in asked if fit is not Fit.NO]
        return None if scanned is None else few_in(scanned.scan([near.column], carried), type_)

    def _is_far(self, table: Standing) -> bool:
        return isinstance(self._readings.get(id(table.node)), RemoteReading)


@dataclass(frozen=True, slots=True)
class _Near:
    """A column of the other table."""

    table: Standing
    column: str


def _is_seen(steps: Sequence[Step]) -> bool:
    """Whether a table's name means it outside of these joins: what SEMI and ANTI hide may be the name of an outer query's."""
    return all(step.left or not step.is_filter() for step in steps)


def _of_using(join: Tree) -> Iterator[Tree]:
    """What USING says, as conditions; of two tables, whose columns have no other names."""
    sides = (join["left"], join["right"])
    if all(side["type"] == "BASE_TABLE" for side in sides):
        names = [side["alias"] or side["table_name"] for side in sides]
        for column in join["using_columns"]:
            one, other = ({"class": "COLUMN_REF", "column_names": [name, column]} for name in names)
            yield {"type": "COMPARE_EQUAL", "left": one, "right": other}


def _qualified(expression: Tree) -> tuple[str, str] | None:
    """``table.column``; None of anything else."""
    names = expression["column_names"] if expression["class"] == "COLUMN_REF" else []
    return (str(names[0]), str(names[1])) if len(names) == 2 else None  # noqa: PLR2004  # The two.


def _gives_values(condition: Condition) -> TypeGuard[Predicate]:
    """Whether it says which values a column has."""
    return (
        isinstance(condition, Predicate)
        and condition.comparison in (Comparison.EQUAL, Comparison.IN)
        and not condition.field
    )


def _is_sought(reading: RemoteReading, asked: Sequence[tuple[Condition, Fit]]) -> bool:
    """Whether it is asked for single values already, by which it finds its rows."""
    return any(_gives_values(one) and reading.seeks(one.column) for one, _ in asked)
