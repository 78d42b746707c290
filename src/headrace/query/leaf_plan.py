"""A checked statement -> what each of its leaves is asked.

Only conditions of the form column and literals are asked, and only where it makes no difference to the answer
whether a row that fails them is there: DuckDB evaluates the whole statement again over what comes. What a leaf
is asked of columns is not decided here: DuckDB says it at every scan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headrace.leaf import Comparison, Fit, LeafReading, Predicate
from headrace.query.allow_list import Reference
from headrace.query.condition import Condition, condition, conjuncts
from headrace.query.from_clause import FromClause, Standing, Step
from headrace.query.literal import Cast, values
from headrace.query.parser import Tree

_MOST_ASKED: Final = 1000
"""Values of one IN that a leaf is asked; a longer list is DuckDB's alone."""
_NO_OFFSET: Final = {"class": "CONSTANT", "value": {"type": {"id": "INTEGER"}, "value": 0}}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the scan of a leaf is asked of rows: each predicate with how far the leaf carries it out."""

    predicates: tuple[tuple[Predicate, Fit], ...] = ()
    limit: int | None = None

    @property
    def carried_out(self) -> tuple[Predicate, ...]:
        """The predicates that the leaf does something about."""
        return tuple(predicate for predicate, fit in self.predicates if fit is not Fit.NO)


def asked_of(
    tree: Tree, references: Sequence[Reference], readings: Mapping[str, LeafReading], cast: Cast
) -> list[Asked]:
    """What each of ``references``, those of the statement to the tables of ``readings``, is asked."""
    plan = _Plan(references, readings, cast)
    for node in _selects(tree):
        plan.visit(node)
    asked = [tuple(plan.predicates[id(reference.node)]) for reference in references]
    limit = _limit(tree, references[0].node) if len(references) == 1 and plan.whole else None
    return [Asked(predicates, limit) for predicates in asked]


class _Plan:
    def __init__(
        self, references: Sequence[Reference], readings: Mapping[str, LeafReading], cast: Cast
    ) -> None:
        self.predicates: dict[int, list[tuple[Predicate, Fit]]] = {id(one.node): [] for one in references}
        self.whole = True
        """Whether leaves carry out exactly all that WHERE and ON ask."""
        self._tables = {id(one.node): one.table for one in references}
        self._readings = readings
        self._cast = cast

    def visit(self, select: Tree) -> None:
        clause = FromClause(select["from_table"])
        if not any(id(one.node) in self._tables for one in clause.tables) or select["sample"] is not None:
            return
        for conjunct in conjuncts(select["where_clause"]):
            found = condition(conjunct)
            target = None if found is None else self._target(found, clause)
            if found is None or target is None or not self._ask(found, target, target.steps):
                self.whole = False
        for join in clause.joins:
            for conjunct in conjuncts(join["condition"]):
                self._visit_on(conjunct, join, clause)

    def _visit_on(self, conjunct: Tree, join: Tree, clause: FromClause) -> None:
        found = condition(conjunct)
        target = None if found is None else self._target(found, clause, join)
        if found is None or target is None:
            return
        step = next(step for step in target.steps if step.join is join)
        if step.may_lose_by_condition():
            self._ask(found, target, target.within(join) or ())

    def _target(self, found: Condition, clause: FromClause, join: Tree | None = None) -> Standing | None:
        """The table of whose column ``found`` speaks without doubt, if it is a leaf; of those in ``join``, if given."""
        *qualifier, column = map(str.casefold, found.column)
        if len(qualifier) > 1:
            return None
        if qualifier:
            named = [one for one in clause.tables if one.name == qualifier[0] and clause.is_only(one.name)]
            candidates = [one for one in named if one.columns_have_their_names and self._has(one, column)]
        else:
            candidates = clause.owners_of(column, self._has)
        if join is not None:
            candidates = [one for one in candidates if one.within(join) is not None]
        return candidates[0] if len(candidates) == 1 else None

    def _ask(self, found: Condition, target: Standing, around: tuple[Step, ...]) -> bool:
        """Ask it of the leaf where that is safe; whether the leaf then carries out all of it."""
        safe = all(step.leaves_others_alone() for step in around)
        if Comparison.IS_NULL in found.comparisons:
            safe = safe and all(step.keeps_values() for step in around)
        if not safe or len(found.literals) > _MOST_ASKED:
            return False
        reading = self._readings[self._tables[id(target.node)]]
        name = self._spelled(target, found.column[-1].casefold())
        meant = values(found.literals, reading.schema.field(name).type, self._cast) if found.literals else ()
        if meant is None:
            return False
        fits = [(one, reading.fit(one)) for one in found.predicates(name, meant)]
        self.predicates[id(target.node)] += fits
        return found.whole and all(fit is Fit.EXACT for _, fit in fits)

    def _has(self, standing: Standing, column: str) -> bool:
        return self._spelled(standing, column) != ""

    def _spelled(self, standing: Standing, column: str) -> str:
        """How the leaf spells a column; empty if it is no leaf, or has none or several of that name."""
        table = self._tables.get(id(standing.node))
        schema: Sequence[str] = () if table is None else self._readings[table].schema.names
        found = [name for name in schema if name.casefold() == column]
        return found[0] if len(found) == 1 else ""


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
