"""A view as the plan of leaves sees it: its plain columns are those of the table that it reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import pyarrow as pa

from headrace.leaf import AllOf, AnyOf, Condition, Fit, Predicate
from headrace.query.catalog import Reference
from headrace.query.functions import ROW_FUNCTIONS
from headrace.query.leaf_plan import Asked, Questioned
from headrace.query.parser import Parsed, Tree

_CHANGES_OF_STAR: Final = (
    "exclude_list",
    "qualified_exclude_list",
    "replace_list",
    "rename_list",
    "columns",
    "expr",
)
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


class ViewReading:
    """What may be asked of the table beneath a view, in terms of the view's columns.

    It is asked for nothing (``schema`` has no columns) unless the view only leaves out rows and columns of one table:
    then a row that fails a condition on the view may as well not be in that table.
    """

    def __init__(self, body: Body, readings: Mapping[str, Questioned]) -> None:
        found = [one for one in body.references if one.node is body.tree.get("from_table")]
        plain = len(found) == 1 and found[0].table in readings and _is_plain(body.tree)
        self._body = body
        self._below = readings[found[0].table] if plain else None
        self.beneath = found[0] if plain else None
        """Where the view reads the table, None where conditions do not reach it."""

    @cached_property
    def _columns(self) -> Mapping[str, str]:
        """The plain columns, and what the table calls them."""
        if self._below is None or self.beneath is None:
            return {}
        names = list(_named(self._body.tree, self.beneath.node, self._below.schema.names))
        several = Counter(own.casefold() for own, _ in names)
        return {own: name for own, name in names if name is not None and several[own.casefold()] == 1}

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns that may be spoken of."""
        if self._below is None:
            return pa.schema([])
        below = self._below.schema
        return pa.schema([(own, below.field(name).type) for own, name in self._columns.items()])

    def fit(self, condition: Condition) -> Fit:
        """How far the table carries it out."""
        return Fit.NO if self._below is None else self._below.fit(self._beneath(condition))

    def carried(self, wanted: Asked, own: Asked) -> Asked:
        """What the table is asked: ``own`` by the view, and what is ``wanted`` of the view by all who read it."""
        added = tuple((self._beneath(one), fit) for one, fit in wanted.conditions if fit is not Fit.NO)
        tree = self._body.tree
        every_row = tree["where_clause"] is None and not tree["modifiers"]
        return Asked(own.conditions + added, wanted.limit if every_row else own.limit)

    def _beneath(self, condition: Condition) -> Condition:
        match condition:
            case Predicate():
                return replace(condition, column=self._columns[condition.column])
            case AllOf(parts):
                return AllOf(tuple(map(self._beneath, parts)))
            case AnyOf(parts):
                return AnyOf(tuple(map(self._beneath, parts)))


def _is_plain(tree: Tree) -> bool:
    """Whether each of its rows comes of one row of the table in FROM, and depends on no other of them."""
    table = tree["from_table"] or {}
    return (
        tree["type"] == "SELECT_NODE"
        and not table.get("sample")
        and not table.get("column_name_alias")
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


def _named(tree: Tree, table: Tree, columns: list[str]) -> Iterator[tuple[str, str | None]]:
    """The columns of a plain SELECT by their names, with the table's name of each that is one of its own."""
    known = {name.casefold(): name for name in columns}
    alias = str(table["alias"] or table["table_name"]).casefold()
    for selected in tree["select_list"]:
        if selected["class"] == "STAR":
            changed = any(selected.get(key) for key in _CHANGES_OF_STAR)
            # Which of them another name of the list stands for must be known also where they are not.
            yield from ((name, None if changed else name) for name in columns)
            continue
        path = [str(name).casefold() for name in selected.get("column_names") or ()]
        if len(path) == 2 and path[0] == alias and alias not in known:  # noqa: PLR2004  # The table, and its column.
            path = path[1:]
        plain = selected["class"] == "COLUMN_REF" and len(path) == 1
        own = str(selected["alias"] or (selected.get("column_names") or [""])[-1])
        yield own, known.get(path[0]) if plain else None
