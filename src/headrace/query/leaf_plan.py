"""A checked statement -> what each of its leaves is asked.

Only conditions of columns and literals are asked, and only where it makes no difference to the answer
whether a row that fails them is there: DuckDB evaluates the whole statement again over what comes. What a leaf
is asked of columns is not decided here: DuckDB says it at every scan.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Fit, LeafReading, Predicate
from headrace.query.catalog import Reference
from headrace.query.condition import Asks, Every, Test, asks, conjuncts, tests
from headrace.query.from_clause import FromClause, Standing, Step
from headrace.query.joined_far import JoinedFar, Place, Questioned
from headrace.query.literal import Cast, values
from headrace.query.parser import Tree

_MOST_ASKED: Final = 1000
"""Values of one IN that a leaf is asked; a longer list is DuckDB's alone."""
_NO_OFFSET: Final = {"class": "CONSTANT", "value": {"type": {"id": "INTEGER"}, "value": 0}}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the scan of a leaf is asked of rows: each condition with how far the leaf carries it out.

    ``whole``: the query reads this table alone, and these conditions are all of its WHERE, exactly.
    """

    conditions: tuple[tuple[Condition, Fit], ...] = ()
    limit: int | None = None
    whole: bool = False

    @property
    def carried_out(self) -> tuple[Condition, ...]:
        """The conditions that the leaf does something about."""
        return tuple(condition for condition, fit in self.conditions if fit is not Fit.NO)


@dataclass(frozen=True, slots=True)
class Lookups:
    """What a plan looks up: casts by DuckDB, the values in columns of its ``native`` tables, and those of leaves that are near."""

    cast: Cast
    native: Collection[str] = ()
    scanned: Mapping[str, LeafReading] = field(default_factory=dict)
    keys_among: Callable[[Tree, str, Sequence[Tree], pa.DataType], tuple[pa.Scalar, ...] | None] = lambda *_: (
        None
    )


def asked_of(
    tree: Tree, references: Sequence[Reference], readings: Mapping[str, Questioned], lookups: Lookups
) -> list[Asked]:
    """What each of ``references`` is asked, those of the query to the tables of ``readings`` and to native ones.

    The latter are asked for nothing: a table far away that is joined with one of them is asked for its few values.
    """
    plan = _Plan(references, readings, lookups)
    for node in _selects(tree):
        plan.visit(node)
    asked = [tuple(plan.conditions[id(reference.node)]) for reference in references]
    whole = len(references) == 1 and plan.whole and tree.get("from_table") is references[0].node
    limit = _limit(tree, references[0].node) if whole else None
    return [Asked(conditions, limit, whole) for conditions in asked]


class _Plan:
    def __init__(
        self, references: Sequence[Reference], readings: Mapping[str, Questioned], lookups: Lookups
    ) -> None:
        self.conditions: dict[int, list[tuple[Condition, Fit]]] = {id(one.node): [] for one in references}
        self.whole = True
        """Whether leaves carry out exactly all that WHERE and ON ask."""
        self._tables = {id(one.node): one.table for one in references if one.table in readings}
        self._schemas = {name: reading.schema for name, reading in readings.items()}
        self._readings = readings
        self._lookups = lookups
        native = {id(one.node) for one in references if one.table in lookups.native}
        questioned = {node: readings[table] for node, table in self._tables.items()}
        scanned = {
            node: lookups.scanned[table] for node, table in self._tables.items() if table in lookups.scanned
        }
        self._joined = JoinedFar(
            questioned, native, scanned, self.conditions, lookups.keys_among, self._place_of
        )

    def visit(self, select: Tree) -> None:
        clause = FromClause(select["from_table"])
        if not any(id(one.node) in self._tables for one in clause.tables) or select["sample"] is not None:
            return
        for conjunct in conjuncts(select["where_clause"]):
            self._visit_where(conjunct, clause)
        for join in clause.joins:
            for conjunct in conjuncts(join["condition"]):
                self._visit_on(conjunct, join, clause)
        self._joined.visit(select, clause)

    def _visit_where(self, conjunct: Tree, clause: FromClause) -> None:
        found = asks(conjunct)
        targets = self._targets(found, clause)
        carried_out = [self._ask(found, target, target.steps, clause) for target in targets if found]
        self.whole = self.whole and carried_out == [True]

    def _visit_on(self, conjunct: Tree, join: Tree, clause: FromClause) -> None:
        found = asks(conjunct)
        for target in self._targets(found, clause, join):
            step = next(step for step in target.steps if step.join is join)
            if found is not None and step.may_lose_by_condition():
                self._ask(found, target, target.within(join) or (), clause, join)

    def _targets(self, found: Asks | None, clause: FromClause, join: Tree | None = None) -> list[Standing]:
        """The leaves of whose columns ``found`` speaks without doubt; of those in ``join``, if given."""
        if found is None or sum(len(test.literals) for test in tests(found)) > _MOST_ASKED:
            return []
        places = [self._place(test, clause, join) for test in tests(found)]
        return list({id(one.table.node): one.table for one in places if one is not None}.values())

    def _ask(
        self,
        found: Asks,
        target: Standing,
        around: tuple[Step, ...],
        clause: FromClause,
        join: Tree | None = None,
    ) -> bool:
        """Ask it of the leaf where that is safe; whether the leaf then carries out all of it."""

        def condition_of(test: Test) -> Condition | None:
            place = self._place(test, clause, join)
            if place is None or place.table is not target:
                return None
            meant = values(test.literals, place.type, self._lookups.cast) if test.literals else ()
            return None if meant is None else test.condition(place.column, place.field, meant)

        condition, whole = _resolved(found, condition_of)
        safe = all(step.leaves_others_alone() for step in around)
        if condition is None or not safe:
            return False
        if _asks_for_null(condition) and not all(step.keeps_values() for step in around):
            return False
        reading = self._readings[self._tables[id(target.node)]]
        parts = condition.conditions if isinstance(condition, AllOf) else (condition,)
        fits = [(one, reading.fit(one)) for one in parts]
        self.conditions[id(target.node)] += fits
        return whole and all(fit is Fit.EXACT for _, fit in fits)

    def _place_of(self, column: tuple[str, ...], clause: FromClause) -> Place | None:
        return self._place(Test(column, ()), clause, None)

    def _place(self, test: Test, clause: FromClause, join: Tree | None) -> Place | None:
        """What ``test`` speaks of, if that is without doubt of a leaf; of one in ``join``, if given."""
        first, *names = map(str.casefold, test.column)
        extracted = [name.casefold() for name in test.extracted]
        if len(names) > 1 and clause.has(names[0]):
            # The first may be a schema's name.
            return None
        if names and clause.has(first):
            # Beside a table of that name, what follows is its column.
            named = [one for one in clause.tables if one.name == first and clause.is_only(first)]
            candidates = [one for one in named if one.columns_have_their_names]
            column, fields = names[0], [*names[1:], *extracted]
            candidates = [one for one in candidates if self._has(one, column)]
        else:
            column, fields = first, [*names, *extracted]
            candidates = clause.owners_of(column, self._has)
        if join is not None:
            candidates = [one for one in candidates if one.within(join) is not None]
        return self._within(candidates[0], column, fields) if len(candidates) == 1 else None

    def _within(self, table: Standing, column: str, fields: Sequence[str]) -> Place | None:
        schema = self._schemas[self._tables[id(table.node)]]
        name = self._spelled(table, column)
        type_, path = schema.field(name).type, []
        for member in fields:
            known = [type_.field(index) for index in range(type_.num_fields)] if _is_struct(type_) else []
            found = [one for one in known if one.name.casefold() == member]
            if len(found) != 1:
                return None
            path.append(found[0].name)
            type_ = found[0].type
        return Place(table, name, tuple(path), type_)

    def _has(self, standing: Standing, column: str) -> bool:
        return self._spelled(standing, column) != ""

    def _spelled(self, standing: Standing, column: str) -> str:
        """How the leaf spells a column; empty if it is no leaf, or has none or several of that name."""
        table = self._tables.get(id(standing.node))
        schema: Sequence[str] = () if table is None else self._schemas[table].names
        found = [name for name in schema if name.casefold() == column]
        return found[0] if len(found) == 1 else ""


def _resolved(asked: Asks, condition_of: Callable[[Test], Condition | None]) -> tuple[Condition | None, bool]:
    """What ``asked`` asks of one table, or as much of it as can be asked, and whether that is all."""
    if isinstance(asked, Test):
        condition = condition_of(asked)
        return condition, condition is not None
    resolved = [_resolved(part, condition_of) for part in asked.parts]
    known = tuple(condition for condition, _ in resolved if condition is not None)
    whole = len(known) == len(resolved) and all(whole for _, whole in resolved)
    if isinstance(asked, Every):
        condition = AllOf(known) if len(known) > 1 else next(iter(known), None)
        return condition, whole and asked.whole
    if len(known) < len(resolved):
        return None, False
    return AnyOf(known) if len(known) > 1 else known[0], whole


def _asks_for_null(condition: Condition) -> bool:
    """Whether it may be true of a row that has NULL in all columns."""
    if isinstance(condition, Predicate):
        return condition.comparison is Comparison.IS_NULL
    return any(map(_asks_for_null, condition.conditions))


def _is_struct(type_: pa.DataType) -> bool:
    return bool(pa.types.is_struct(type_))


def _selects(node: Any) -> Iterator[Tree]:
    """Every SELECT in the tree."""
    if isinstance(node, list):
        for child in node:
            yield from _selects(child)
    elif isinstance(node, dict):
        if node.get("type") == "SELECT_NODE":
            yield node
        for child in node.values():
            yield from _selects(child)


def _limit(tree: Tree, table: Tree) -> int | None:
    """How many rows of ``table`` suffice, if WHERE is carried out by the table itself."""
    plain = (
        tree["type"] == "SELECT_NODE"
        and tree["from_table"] is table
        and not table.get("sample")
        and not (tree["group_expressions"] or tree["group_sets"])
        and tree["aggregate_handling"] == "STANDARD_HANDLING"
        and not (tree["having"] or tree["qualify"] or tree["sample"])
        and all(_is_row_by_row(selected) for selected in tree["select_list"])
    )
    modifiers = tree["modifiers"]
    if not plain or [one["type"] for one in modifiers] != ["LIMIT_MODIFIER"]:
        return None
    limit, offset = _count(modifiers[0]["limit"]), _count(modifiers[0]["offset"] or _NO_OFFSET)
    return None if limit is None or offset is None else limit + offset


def _is_row_by_row(selected: Tree) -> bool:
    """Whether it gives one value for each row: no aggregate, no window, nothing that unfolds."""
    if selected["class"] == "CAST":
        return _is_row_by_row(selected["child"])
    return selected["class"] in ("COLUMN_REF", "CONSTANT") or (
        selected["class"] == "STAR" and not (selected.get("expr") or selected.get("replace_list"))
    )


def _count(expression: Tree | None) -> int | None:
    """A whole number that is not negative; None where there is none, or it must be computed."""
    if expression is None:
        return None
    value = expression.get("value") or {}
    count = value.get("value")
    whole = expression["class"] == "CONSTANT" and value["type"]["id"] in ("INTEGER", "BIGINT")
    return count if whole and isinstance(count, int) and count >= 0 else None
