"""A view as the plan of leaves sees it: its plain columns are those of the tables that it reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Fit, Predicate
from headrace.query.catalog import Reference
from headrace.query.from_clause import FromClause, Standing
from headrace.query.functions import ROW_FUNCTIONS
from headrace.query.joined_far import Questioned
from headrace.query.leaf_plan import Asked
from headrace.query.parser import Parsed, Tree

_CHANGES_OF_STAR: Final = (
    "exclude_list",
    "qualified_exclude_list",
    "replace_list",
    "rename_list",
    "columns",
    "expr",
)
_NUMBERED: Final = re.compile(r"_\d+\Z")
_OF_SEVERAL_ROWS: Final = ("WINDOW", "SUBQUERY", "LAMBDA", "POSITIONAL_REFERENCE")


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A query whose tables are relations of one connection: a view's, or with no ``name`` the statement's own.

    ``tree`` is that of ``parsed`` with the values of parameters in it.
    """

    name: str | None
    parsed: Parsed
    tree: Tree
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class _Origin:
    """The table in the view's FROM that a plain column comes from, and what that calls it."""

    standing: Standing
    table: str
    column: str


class ViewReading:
    """What may be asked of the tables beneath a view, in terms of the view's columns.

    Nothing (``schema`` has no columns) unless each row of the view is made of one row of the join in its FROM, by itself:
    then a row that fails a condition on the view may as well not be there.
    """

    def __init__(self, body: Body, readings: Mapping[str, Questioned]) -> None:
        self._body = body
        self._readings = readings
        self._tables = {id(one.node): one.table for one in body.references if one.table in readings}
        self._clause = FromClause(body.tree.get("from_table"))
        self._origins = self._plain() if _is_row_by_row(body.tree) else {}

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that may be spoken of."""
        types = {
            own: self._schema(origin.table).field(origin.column) for own, origin in self._origins.items()
        }
        return pa.schema([(own, field.type) for own, field in types.items()])

    def fit(self, condition: Condition) -> Fit:
        """How far the table that it speaks of carries it out."""
        origin = self._origin(condition)
        return Fit.NO if origin is None else self._readings[origin.table].fit(self._beneath(condition))

    def carried(self, wanted: Asked, own: Mapping[int, Asked]) -> Mapping[int, Asked]:
        """What the tables are asked, by the ids of their nodes: ``own`` by the view, and what is ``wanted`` of it."""
        asked = dict(own)
        for condition, fit in wanted.conditions:
            origin = self._origin(condition)
            if origin is not None and fit is not Fit.NO:
                place = id(origin.standing.node)
                added = (*asked[place].conditions, (self._beneath(condition), fit))
                asked[place] = replace(asked[place], conditions=added)
        tree = self._body.tree
        if self._origins and tree["from_table"]["type"] != "JOIN":
            every_row = tree["where_clause"] is None and not tree["modifiers"]
            place = id(tree["from_table"])
            asked[place] = replace(asked[place], limit=wanted.limit if every_row else None)
        return asked

    def _origin(self, condition: Condition) -> _Origin | None:
        """Where all that it speaks of comes from, if it may be asked there."""
        predicates = list(_predicates(condition))
        origins = [self._origins[one.column] for one in predicates]
        first, steps = origins[0], origins[0].standing.steps
        safe = all(one.standing is first.standing for one in origins)
        safe = safe and all(step.leaves_others_alone() for step in steps)
        if any(one.comparison is Comparison.IS_NULL for one in predicates):
            safe = safe and all(step.keeps_values() for step in steps)
        return first if safe else None

    def _beneath(self, condition: Condition) -> Condition:
        match condition:
            case Predicate():
                return replace(condition, column=self._origins[condition.column].column)
            case AllOf(parts):
                return AllOf(tuple(map(self._beneath, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(self._beneath, parts)))

    def _plain(self) -> Mapping[str, _Origin]:
        """The plain columns; none where the names of some columns are not known, as two might be the same."""
        found: list[tuple[str, _Origin | None]] = []
        for selected in self._body.tree["select_list"]:
            if selected["class"] != "STAR":
                names = [str(name) for name in selected.get("column_names") or ()]
                own = str(selected["alias"] or (names or [""])[-1])
                found.append((own, self._named(names) if selected["class"] == "COLUMN_REF" else None))
                continue
            standing = self._starred(selected)
            if standing is None:
                return {}
            changed = any(selected.get(key) for key in _CHANGES_OF_STAR)
            table = self._tables[id(standing.node)]
            names = self._schema(table).names
            found += [(name, None if changed else _Origin(standing, table, name)) for name in names]
        several = Counter(own.casefold() for own, _ in found)
        doubtful = {own for own, count in several.items() if count > 1}
        if doubtful:
            # DuckDB calls the second of two `id` by the name `id_1`, whichever else has that.
            doubtful |= {own for own in several if _NUMBERED.search(own)}
        return {own: origin for own, origin in found if origin is not None and own.casefold() not in doubtful}

    def _starred(self, star: Tree) -> Standing | None:
        """The one known table whose columns ``*`` means."""
        name = str(star.get("relation_name") or "").casefold()
        tables = [one for one in self._clause.tables if not name or one.name == name]
        alone = self._clause.is_only(name) if name else not self._clause.joins
        known = alone and len(tables) == 1 and tables[0].columns_have_their_names
        return tables[0] if known and id(tables[0].node) in self._tables else None

    def _named(self, names: list[str]) -> _Origin | None:
        """The column that ``names`` mean without doubt."""
        first, *others = map(str.casefold, names)
        if not others:
            candidates, column = self._clause.owners_of(first, self._has), first
        elif len(others) == 1 and self._clause.is_only(first):
            column = others[0]
            named = [one for one in self._clause.tables if one.name == first and one.columns_have_their_names]
            candidates = [one for one in named if self._has(one, column)]
        else:
            return None
        if len(candidates) != 1:
            return None
        table = self._tables[id(candidates[0].node)]
        spelled = next(name for name in self._schema(table).names if name.casefold() == column)
        return _Origin(candidates[0], table, spelled)

    def _has(self, standing: Standing, column: str) -> bool:
        table = self._tables.get(id(standing.node))
        names = () if table is None else self._schema(table).names
        return [name.casefold() for name in names].count(column) == 1

    def _schema(self, table: str) -> pa.Schema:
        return self._readings[table].schema


def _predicates(condition: Condition) -> Iterator[Predicate]:
    if isinstance(condition, Predicate):
        yield condition
    else:
        for part in condition.conditions:
            yield from _predicates(part)


def _is_row_by_row(tree: Tree) -> bool:
    """Whether each of its rows comes of one row of what stands in FROM, and depends on no other of them."""
    return (
        tree["type"] == "SELECT_NODE"
        and not (tree.get("cte_map") or {}).get("map")
        and not (tree["group_expressions"] or tree["group_sets"])
        and tree["aggregate_handling"] == "STANDARD_HANDLING"
        and not (tree["having"] or tree["qualify"] or tree["sample"])
        and all(modifier["type"] == "ORDER_MODIFIER" for modifier in tree["modifiers"])
        and all(map(_is_of_row, tree["select_list"]))
    )


def _is_of_row(expression: Any) -> bool:
    """Whether it is computed from one row."""
    if isinstance(expression, list):
        return all(map(_is_of_row, expression))
    if not isinstance(expression, dict):
        return True
    if expression.get("class") in _OF_SEVERAL_ROWS:
        return False
    if "function_name" in expression and str(expression["function_name"]).casefold() not in ROW_FUNCTIONS:
        return False
    return all(map(_is_of_row, expression.values()))
