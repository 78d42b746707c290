"""What names in a view's expressions mean: attributes of an item, or what a group has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from headrace.attribute import Image
from headrace.errors import ConfigError
from headrace.targets.view.expression import Evaluate, compiled, member, truth
from headrace.targets.view.refused import AGGREGATES, CLOCK, refuse
from headrace.targets.view.syntax import Tree, is_of_schema, outline, written
from headrace.targets.view.totals import Measure, MeasureTotals
from headrace.targets.view.value import Value, quotient, value_of


class Items:
    """Names are attributes of an item, as they are written; ``a.b`` is a member of a map."""

    def __init__(self, tables: frozenset[str]) -> None:
        self._tables = tables

    def taken(self, _: Tree) -> Evaluate | None:
        """See ``Scope``."""
        return None

    def path(self, node: Tree) -> tuple[str, ...]:
        """The attribute that a reference means, and its members."""
        names = tuple(map(str, node["column_names"]))
        return names[1:] if len(names) > 1 and names[0].casefold() in self._tables else names

    def reference(self, node: Tree) -> Evaluate:
        """See ``Scope``."""
        name, *members = self.path(node)
        if len(node["column_names"]) == 1 and name.lower() in CLOCK:
            raise ConfigError(
                f"{name} is the time in SQL, which changes though no item does; compare with it in the statement that reads the view, or "
                f"write items.{name} for an attribute of that name, after FROM items"
            )
        if not members:
            return lambda item: value_of(item.get(name))

        def evaluate(item: Image) -> Value:
            value = value_of(item.get(name))
            for each in members:
                value = member(value, each)
            return value

        return evaluate

    def outline(self, node: Tree) -> Any:
        """Equal for expressions that mean the same by their writing, with the table's name or without."""
        return _outlined(outline(node), self)


def _outlined(node: Any, items: Items) -> Any:
    if isinstance(node, Mapping):
        if node.get("class") == "COLUMN_REF":
            return {"class": "COLUMN_REF", "path": items.path(dict(node))}
        return {name: _outlined(inner, items) for name, inner in node.items()}
    return [_outlined(inner, items) for inner in node] if isinstance(node, list) else node


class Groups:
    """Names are those that a group has: what stands in GROUP BY, and aggregates, over Totals."""

    def __init__(self, groups: Sequence[Any], items: Items) -> None:
        self._groups = groups
        self._items = items
        self._outlines: list[Any] = []
        self.measures: list[Measure] = []
        self.aggregated = False

    def group_of(self, node: Tree) -> int | None:
        """Which expression of GROUP BY this is."""
        found = self._items.outline(node)
        return next((place for place, one in enumerate(self._groups) if one == found), None)

    def taken(self, node: Tree) -> Evaluate | None:
        """See ``Scope``."""
        place = self.group_of(node)
        if place is not None:
            return lambda totals: totals.group[place]
        if _is_aggregate(node):
            self.aggregated = True
            return self._aggregate(node)
        return None

    def reference(self, node: Tree) -> Evaluate:
        """See ``Scope``."""
        raise ConfigError(
            f"{written(node)} stands neither in GROUP BY nor in an aggregate; put it in GROUP BY, or take min or max of it"
        )

    def _aggregate(self, node: Tree) -> Evaluate:
        name = str(node["function_name"]).lower()
        text = written(node)
        if node.get("distinct"):
            raise ConfigError(
                f"{text}: a view takes no DISTINCT in aggregates; group by it, and count the groups"
            )
        if (node.get("order_bys") or {}).get("orders"):
            raise ConfigError(f"{text}: a view takes no ORDER BY in aggregates; leave it out")
        if node.get("export_state") or is_of_schema(node):
            raise ConfigError(
                f"{text}: of an aggregate, a view takes no EXPORT_STATE and no schema; leave it out"
            )
        arguments = node["children"]
        if name == "count_star" or (name == "count" and not arguments):
            if node.get("filter") is None:
                return lambda totals: Decimal(totals.items)
            arguments = [node["filter"]]
        if len(arguments) != 1:
            raise ConfigError(f"{text}: {name} takes one argument")
        place = self._measure(arguments[0], node, name)
        return _AGGREGATED["count" if name == "count_star" else name](place)

    def _measure(self, argument: Tree, node: Tree, name: str) -> int:
        """The place of what is aggregated: each is kept once, however many aggregates there are of it."""
        if aggregates(argument):
            refuse(argument)
        condition = node.get("filter")
        outlined = [
            self._items.outline(argument),
            None if condition is None else self._items.outline(condition),
        ]
        evaluate = compiled(argument, self._items)
        if condition is not None:
            evaluate = _filtered(evaluate, compiled(condition, self._items), is_star=argument is condition)
        adds, sorts = name in ("sum", "avg"), name in ("min", "max")
        if outlined not in self._outlines:
            self._outlines.append(outlined)
            self.measures.append(Measure(evaluate, written(argument)))
        place = self._outlines.index(outlined)
        known = self.measures[place]
        self.measures[place] = replace(known, adds=known.adds or adds, sorts=known.sorts or sorts)
        return place


def _filtered(evaluate: Evaluate, condition: Evaluate, *, is_star: bool) -> Evaluate:
    def filtered(item: Any) -> Value:
        holds = truth(condition(item), "FILTER (WHERE ...)") is True
        if is_star:
            return True if holds else None
        return evaluate(item) if holds else None

    return filtered


def _average(measure: MeasureTotals) -> Value:
    return None if measure.sum is None else quotient(measure.sum, measure.values)


_AGGREGATED: Final[dict[str, Callable[[int], Evaluate]]] = {
    "count": lambda place: lambda totals: Decimal(totals.measures[place].values),
    "sum": lambda place: lambda totals: totals.measures[place].sum,
    "avg": lambda place: lambda totals: _average(totals.measures[place]),
    "min": lambda place: lambda totals: totals.measures[place].least,
    "max": lambda place: lambda totals: totals.measures[place].greatest,
}


def _is_aggregate(node: Tree) -> bool:
    name = str(node.get("function_name", "")).lower()
    return node.get("class") == "FUNCTION" and name in (*AGGREGATES, "count_star")


def aggregates(node: Any) -> bool:
    """Whether there is an aggregate in it."""
    return any(_is_aggregate(each) for each in nodes(node))


def nodes(node: Any) -> Iterator[Tree]:
    """All nodes of a syntax tree."""
    if isinstance(node, dict):
        yield node
    for inner in inner_of(node):
        yield from nodes(inner)


def inner_of(node: Any) -> Iterator[Any]:
    """What stands directly in it."""
    if isinstance(node, (dict, list)):
        yield from node.values() if isinstance(node, dict) else node
