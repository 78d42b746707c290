"""What a view is: its SQL, checked and compiled.

Taken is one SELECT over one table, with WHERE. With GROUP BY or aggregates each row is a group; without, each row is
an item. Everything else is refused, with the reason and the cure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.attribute import Image
from headrace.errors import ConfigError
from headrace.targets.view.expression import Evaluate, compiled, truth
from headrace.targets.view.scope import Groups, Items, aggregates, inner_of, nodes
from headrace.targets.view.syntax import Tree, outline, parsed, written
from headrace.targets.view.totals import Measure


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the view. ``attribute``: it is that attribute of an item, as it is.

    ``constant``: it is made of the group's values alone; ``group`` is which of them it is, None for none.
    """

    name: str
    evaluate: Evaluate
    attribute: str | None = None
    constant: bool = False
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A view. ``columns`` are computed from Totals with ``groups``, from an item without (None).

    ``everything``: an item's attributes are all columns, without those in ``left_out``. ``groups`` () is one row for all items.
    ``source`` is what FROM calls the table.
    """

    sql: str
    columns: tuple[Column, ...]
    where: Evaluate | None
    groups: tuple[Evaluate, ...] | None = None
    measures: tuple[Measure, ...] = ()
    everything: bool = False
    left_out: frozenset[str] = frozenset()
    source: str = ""

    @property
    def is_grouped(self) -> bool:
        """Whether a row is a group, not an item."""
        return self.groups is not None

    def takes(self, item: Image) -> bool:
        """Whether an item counts. Raises Unevaluable."""
        return self.where is None or truth(self.where(item), "WHERE") is True


def define(sql: str) -> Definition:
    """The view that ``sql`` says. Raises ConfigError."""
    tree = parsed(sql)
    _expect_flat(tree)
    _expect_plain(tree)
    source: Tree = tree["from_table"]
    items = Items(_names_of(source))
    where = None if tree.get("where_clause") is None else compiled(tree["where_clause"], items)
    selected: list[Tree] = tree["select_list"]
    groups = _groups(tree, selected)
    if groups is None and not any(aggregates(node) for node in selected):
        made = _projection(sql, selected, where, items)
    else:
        made = _aggregation(sql, selected, where, groups or [], items)
    return replace(made, source=str(source["table_name"]))


# What is not taken

_DEEPEST: Final = 200
"""Levels of a syntax tree: an expression within another is two."""

_ONE: Final = "a view is one SELECT over one table, with WHERE and GROUP BY"
_SOURCES: Final = {
    "JOIN": ("joins", "select from one table alone, and join in the statement that reads the view"),
    "SUBQUERY": ("subqueries", "select from one table alone"),
    "TABLE_FUNCTION": ("table functions", "select from the table"),
    "EMPTY": ("SELECT without FROM", "write FROM and the table's name"),
    "EXPRESSION_LIST": ("VALUES", "select from the table"),
    "PIVOT": ("PIVOT", "use GROUP BY"),
    "SHOW_REF": ("SHOW", "select from the table"),
}
_MODIFIERS: Final = {
    "DISTINCT_MODIFIER": ("DISTINCT", "GROUP BY gives each group once"),
    "ORDER_MODIFIER": ("ORDER BY", "rows are found by key; order them in the statement that reads the view"),
    "LIMIT_MODIFIER": ("LIMIT", "limit the statement that reads the view"),
    "LIMIT_PERCENT_MODIFIER": ("LIMIT", "limit the statement that reads the view"),
}


def _expect_flat(tree: Tree) -> None:
    """Raises ConfigError where expressions stand in one another too deeply to be walked."""
    level: list[Any] = [tree]
    for _ in range(_DEEPEST):
        level = [inner for node in level for inner in inner_of(node)]
        if not level:
            return
    raise ConfigError("its expressions are nested too deeply; write less in one another")


def _expect_plain(tree: Tree) -> None:
    refused: list[tuple[str, str]] = []
    if tree.get("type") != "SELECT_NODE":
        raise ConfigError(f"{_ONE}; no UNION, no WITH RECURSIVE: make a view of each part")
    if tree["cte_map"]["map"]:
        refused.append(("WITH", "write the expressions where they are used"))
    refused += [
        _MODIFIERS.get(each["type"], (each["type"], "leave it out")) for each in tree.get("modifiers") or ()
    ]
    source = tree["from_table"]
    refused += _refused_of(source)
    if tree.get("having") is not None:
        refused.append(("HAVING", "filter the rows in the statement that reads the view"))
    if tree.get("qualify") is not None:
        refused.append(("QUALIFY", "filter in the statement that reads the view"))
    if tree.get("sample") is not None or source.get("sample") is not None:
        refused.append(("samples", "their answer is another one each time"))
    sets = tree.get("group_sets") or []
    if len(sets) > 1 or (sets and len(sets[0]) != len(tree["group_expressions"])):
        refused.append(("GROUPING SETS, ROLLUP and CUBE", "make a view of each grouping"))
    if refused:
        what = "; ".join(f"it takes no {name}: {cure}" for name, cure in refused)
        raise ConfigError(f"{_ONE}; {what}")


def _refused_of(source: Tree) -> list[tuple[str, str]]:
    if source["type"] != "BASE_TABLE":
        return [_SOURCES.get(source["type"], (source["type"], "select from one table alone"))]
    refused = []
    if source.get("column_name_alias") or source.get("at_clause"):
        refused.append(("columns renamed in FROM, and AT", "use AS in the SELECT list"))
    if source.get("schema_name") or source.get("catalog_name"):
        refused.append(("schemas", "write the table's name alone"))
    return refused


def _names_of(source: Tree) -> frozenset[str]:
    return frozenset({str(source["alias"] or source["table_name"]).casefold()})


# Rows that are items


def _projection(sql: str, selected: Sequence[Tree], where: Evaluate | None, items: Items) -> Definition:
    columns: list[Column] = []
    everything, left_out = False, frozenset[str]()
    for node in selected:
        if node["class"] == "STAR":
            _expect_plain_star(node)
            everything, left_out = True, frozenset(map(str, node["exclude_list"]))
        else:
            columns.append(Column(_name(node, items), compiled(node, items), _attribute(node, items)))
    _expect_distinct(columns)
    return Definition(sql, tuple(columns), where, everything=everything, left_out=left_out)


def _attribute(node: Tree, items: Items) -> str | None:
    path = items.path(node) if node["class"] == "COLUMN_REF" else ()
    return path[0] if len(path) == 1 else None


def _expect_plain_star(node: Tree) -> None:
    if any(
        node.get(part)
        for part in ("replace_list", "rename_list", "columns", "expr", "qualified_exclude_list")
    ):
        raise ConfigError(
            "of *, a view takes * and * EXCLUDE (...); name the attributes that are to be otherwise"
        )


# Rows that are groups


def _groups(tree: Tree, selected: Sequence[Tree]) -> list[Tree] | None:
    """What stands in GROUP BY, positions and names of columns replaced by what they are; None where there is none."""
    given: list[Tree] = tree.get("group_expressions") or []
    if tree.get("aggregate_handling") == "FORCE_AGGREGATES":
        return [node for node in selected if not aggregates(node) and _references(node)]
    if not given and not tree.get("group_sets"):
        return None
    return [_grouped_by(node, selected) for node in given]


def _grouped_by(node: Tree, selected: Sequence[Tree]) -> Tree:
    if node["class"] == "CONSTANT":
        place = node["value"].get("value")
        is_place = node["value"]["type"]["id"] == "INTEGER" and place is not None
        if not is_place or not 1 <= place <= len(selected):
            raise ConfigError(
                f"GROUP BY {written(node)}: there is no such column; there are 1 to {len(selected)}"
            )
        node = selected[place - 1]
    elif node["class"] == "COLUMN_REF" and len(node["column_names"]) == 1:
        (name,) = node["column_names"]
        named = next((each for each in selected if each.get("alias") == name), None)
        if named is not None and name in _references(named) and outline(named) != outline(node):
            raise ConfigError(
                f"GROUP BY {name} may mean the attribute {name} or the column {written(named)}; write the expression, or another name "
                "after AS"
            )
        node = named or node
    if aggregates(node):
        raise ConfigError(f"GROUP BY {written(node)}: an aggregate is of a group, and cannot make one")
    return node


def _references(node: Tree) -> set[str]:
    """The names of columns in it."""
    return {str(each["column_names"][-1]) for each in nodes(node) if each.get("class") == "COLUMN_REF"}


def _aggregation(
    sql: str, selected: Sequence[Tree], where: Evaluate | None, grouped: Sequence[Tree], items: Items
) -> Definition:
    evaluates: list[Evaluate] = []
    outlines: list[Any] = []
    for node in grouped:
        if items.outline(node) not in outlines:
            outlines.append(items.outline(node))
            evaluates.append(compiled(node, items))
    scope = Groups(outlines, items)
    columns = []
    for node in selected:
        if node["class"] == "STAR":
            raise ConfigError("* with GROUP BY or aggregates: name the columns")
        scope.aggregated = False
        evaluate = compiled(node, scope)
        columns.append(
            Column(
                _name(node, items),
                evaluate,
                constant=not scope.aggregated,
                group=scope.group_of(node),
            )
        )
    _expect_distinct(columns)
    return Definition(sql, tuple(columns), where, tuple(evaluates), tuple(scope.measures))


def _name(node: Tree, items: Items) -> str:
    if node.get("alias"):
        return str(node["alias"])
    if node["class"] == "COLUMN_REF":
        return items.path(node)[-1]
    raise ConfigError(f"{written(node)} has no name; write {written(node)} AS name")


def _expect_distinct(columns: Sequence[Column]) -> None:
    names = [column.name for column in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"two columns are called {', '.join(twice)}; write AS and another name")
