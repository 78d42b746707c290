"""The subqueries in FROM of a query, as queries of their own: to the plan of leaves they are views that are read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from headrace.query.catalog import Reference
from headrace.query.parser import Tree
from headrace.query.view_reading import Body

_NO_NAME: Final = "\0"
"""What no name of a table holds."""


def pieces(bodies: Sequence[Body]) -> list[Body]:
    """``bodies``, each followed by those of the subqueries in its FROM clauses, and by theirs.

    A query's references are those outside of its subqueries, and one to each of these, by a name that no table has.
    """
    found: list[Body] = []
    for number, body in enumerate(bodies):
        found += _split(body, f"{_NO_NAME}{number}")
    return found


def _split(body: Body, prefix: str) -> Iterator[Body]:
    inner: list[Body] = []
    references = list(body.references)
    for number, node in enumerate(_derived(body.tree)):
        name, tree = f"{prefix}.{number}", node["subquery"]["node"]
        nodes = set(_ids(tree))
        within = tuple(one for one in references if id(one.node) in nodes)
        references = [one for one in references if id(one.node) not in nodes]
        references.append(Reference(name, node))
        inner += _split(Body(name, body.parsed, tree, within), name)
    yield replace(body, references=tuple(references))
    yield from inner


def _derived(node: Any) -> Iterator[Tree]:
    """The outermost subqueries in FROM clauses."""
    if isinstance(node, list):
        for child in node:
            yield from _derived(child)
    elif isinstance(node, dict):
        # In an expression, a subquery has a class.
        if node.get("type") == "SUBQUERY" and "class" not in node:
            if node["subquery"]["node"]["type"] == "SELECT_NODE":
                yield node
            return
        for child in node.values():
            yield from _derived(child)


def _ids(node: Any) -> Iterator[int]:
    if isinstance(node, list):
        for child in node:
            yield from _ids(child)
    elif isinstance(node, dict):
        yield id(node)
        for child in node.values():
            yield from _ids(child)
