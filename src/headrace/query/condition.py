"""One conjunct of a WHERE or ON -> what it asks of one column, where that can be said simply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from headrace.leaf import Comparison, Predicate
from headrace.query.parser import Tree

_COMPARISONS: Final = {
    "COMPARE_EQUAL": Comparison.EQUAL,
    "COMPARE_LESSTHAN": Comparison.LESS,
    "COMPARE_LESSTHANOREQUALTO": Comparison.LESS_OR_EQUAL,
    "COMPARE_GREATERTHAN": Comparison.GREATER,
    "COMPARE_GREATERTHANOREQUALTO": Comparison.GREATER_OR_EQUAL,
}
_TURNED: Final = {
    Comparison.LESS: Comparison.GREATER,
    Comparison.LESS_OR_EQUAL: Comparison.GREATER_OR_EQUAL,
    Comparison.GREATER: Comparison.LESS,
    Comparison.GREATER_OR_EQUAL: Comparison.LESS_OR_EQUAL,
}
_PREFIXES: Final = ("starts_with", "prefix", "^@")


@dataclass(frozen=True, slots=True)
class Condition:
    """What is asked of a column: each of ``comparisons`` with the literal of its place, IN with all of them.

    ``whole`` says that it asks all that the conjunct asks.
    """

    column: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    literals: tuple[Tree, ...] = ()
    whole: bool = True

    def predicates(self, column: str, values: Sequence[pa.Scalar]) -> tuple[Predicate, ...]:
        """The same of the column that is meant, with the literals' values."""
        if len(self.comparisons) == 1:
            return (Predicate(column, self.comparisons[0], tuple(values)),)
        pairs = zip(self.comparisons, values, strict=True)
        return tuple(Predicate(column, comparison, (value,)) for comparison, value in pairs)


def conjuncts(expression: Tree | None) -> Iterator[Tree]:
    """The parts of a condition that must all hold."""
    if expression is None:
        return
    if expression["type"] == "CONJUNCTION_AND":
        for child in expression["children"]:
            yield from conjuncts(child)
    else:
        yield expression


def condition(conjunct: Tree) -> Condition | None:
    """What ``conjunct`` asks of one column; None where it is not of a kind that leaves are asked."""
    match conjunct["class"]:
        case "COLUMN_REF":
            return _is(conjunct, truth=True)
        case "COMPARISON":
            return _compared(conjunct)
        case "BETWEEN":
            return _between(conjunct)
        case "OPERATOR":
            return _operator(conjunct)
        case "FUNCTION":
            return _function(conjunct)
        case _:
            return None


def _is(column: Tree, *, truth: bool) -> Condition:
    value = {"type": {"id": "BOOLEAN"}, "is_null": False, "value": truth}
    return Condition(_named(column), (Comparison.EQUAL,), ({"class": "CONSTANT", "value": value},))


def _compared(conjunct: Tree) -> Condition | None:
    comparison = _COMPARISONS.get(conjunct["type"])
    left, right = conjunct["left"], conjunct["right"]
    if comparison is None:
        return None
    if left["class"] != "COLUMN_REF":
        left, right, comparison = right, left, _TURNED.get(comparison, comparison)
    if left["class"] != "COLUMN_REF" or not _is_literal(right):
        return None
    return Condition(_named(left), (comparison,), (right,))


def _between(conjunct: Tree) -> Condition | None:
    bounds = (conjunct["lower"], conjunct["upper"])
    if conjunct["input"]["class"] != "COLUMN_REF" or not all(map(_is_literal, bounds)):
        return None
    return Condition(
        _named(conjunct["input"]), (Comparison.GREATER_OR_EQUAL, Comparison.LESS_OR_EQUAL), bounds
    )


def _operator(conjunct: Tree) -> Condition | None:
    first, *others = conjunct["children"]
    if first["class"] != "COLUMN_REF":
        return None
    match conjunct["type"]:
        case "OPERATOR_IS_NULL":
            return Condition(_named(first), (Comparison.IS_NULL,))
        case "OPERATOR_IS_NOT_NULL":
            return Condition(_named(first), (Comparison.IS_NOT_NULL,))
        case "OPERATOR_NOT":
            return _is(first, truth=False)
        case "COMPARE_IN":
            # A NULL among them makes no row true.
            wanted = tuple(one for one in others if not _is_null(one))
            if wanted and all(map(_is_literal, wanted)):
                return Condition(_named(first), (Comparison.IN,), wanted)
    return None


def _function(conjunct: Tree) -> Condition | None:
    children = conjunct["children"]
    if len(children) != 2 or children[0]["class"] != "COLUMN_REF" or conjunct.get("filter"):  # noqa: PLR2004  # Text and pattern.
        return None
    name, text = str(conjunct["function_name"]).casefold(), _text(children[1])
    if not text:
        return None
    if name in _PREFIXES:
        return Condition(_named(children[0]), (Comparison.STARTS_WITH,), (children[1],))
    return _like(children[0], text) if name == "~~" else None


def _like(column: Tree, pattern: str) -> Condition | None:
    prefix = pattern
    for sign in "%_\\":
        prefix = prefix.partition(sign)[0]
    if not prefix:
        return None
    comparison = Comparison.EQUAL if prefix == pattern else Comparison.STARTS_WITH
    value = {"type": {"id": "VARCHAR"}, "is_null": False, "value": prefix}
    whole = pattern in (prefix, f"{prefix}%")
    return Condition(_named(column), (comparison,), ({"class": "CONSTANT", "value": value},), whole)


def _named(column: Tree) -> tuple[str, ...]:
    return tuple(map(str, column["column_names"]))


def _is_literal(expression: Tree) -> bool:
    """Whether it is a constant that is not NULL, or a cast of one, such as ``DATE '2024-01-01'``."""
    if expression["class"] == "CAST" and not expression["try_cast"]:
        expression = expression["child"]
    return expression["class"] == "CONSTANT" and not _is_null(expression)


def _is_null(expression: Tree) -> bool:
    value: dict[str, Any] = expression.get("value") or {}
    return expression["class"] == "CONSTANT" and bool(value.get("is_null"))


def _text(expression: Tree) -> str | None:
    """The text of a VARCHAR constant."""
    value: dict[str, Any] = expression.get("value") or {}
    is_text = expression["class"] == "CONSTANT" and value.get("type", {}).get("id") == "VARCHAR"
    return str(value["value"]) if is_text and not value["is_null"] else None
