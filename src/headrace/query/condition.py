"""One conjunct of a WHERE or ON -> what it asks of columns, where that can be said simply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa

from headrace.leaf import AllOf, AnyOf, Comparison, Condition, Predicate
from headrace.query.parser import Tree

_COMPARISONS: Final = {
    "COMPARE_EQUAL": Comparison.EQUAL,
    "COMPARE_NOTEQUAL": Comparison.NOT_EQUAL,
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
_OPPOSITE_PAIRS: Final = (
    (Comparison.EQUAL, Comparison.NOT_EQUAL),
    (Comparison.LESS, Comparison.GREATER_OR_EQUAL),
    (Comparison.LESS_OR_EQUAL, Comparison.GREATER),
    (Comparison.IN, Comparison.NOT_IN),
    (Comparison.STARTS_WITH, Comparison.NOT_STARTS_WITH),
    (Comparison.IS_NULL, Comparison.IS_NOT_NULL),
)
_OPPOSITES: Final = dict(_OPPOSITE_PAIRS) | {second: first for first, second in _OPPOSITE_PAIRS}
_PREFIXES: Final = ("starts_with", "prefix", "^@")
_EXTRACTIONS: Final = ("STRUCT_EXTRACT", "ARRAY_EXTRACT")
_PARTS_OF_ROW: Final = 2


@dataclass(frozen=True, slots=True)
class Test:
    """What is asked of a column: each of ``comparisons`` with the literal of its place, IN and NOT_IN with all of them.

    ``column`` is the reference as written, which may end in fields; ``extracted`` are fields for certain.
    ``either``: one of the comparisons suffices.
    """

    column: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    literals: tuple[Tree, ...] = ()
    extracted: tuple[str, ...] = ()
    either: bool = False

    def condition(self, column: str, field: tuple[str, ...], values: Sequence[pa.Scalar]) -> Condition:
        """The same of the column and field that are meant, with the literals' values."""
        if len(self.comparisons) == 1:
            return Predicate(column, self.comparisons[0], tuple(values), field)
        pairs = zip(self.comparisons, values, strict=True)
        predicates = tuple(Predicate(column, comparison, (value,), field) for comparison, value in pairs)
        return AnyOf(predicates) if self.either else AllOf(predicates)


@dataclass(frozen=True, slots=True)
class Every:
    """Asks all of ``parts``. Where some part of what is written is not among them, ``whole`` is false."""

    parts: tuple[Asks, ...]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Some:
    """Asks one of ``parts``."""

    parts: tuple[Asks, ...]


Asks = Test | Every | Some


def conjuncts(expression: Tree | None) -> Iterator[Tree]:
    """The parts of a condition that must all hold."""
    if expression is None:
        return
    if expression["type"] == "CONJUNCTION_AND":
        for child in expression["children"]:
            yield from conjuncts(child)
    else:
        yield expression


def asks(conjunct: Tree, *, negated: bool = False) -> Asks | None:
    """What ``conjunct``, or with ``negated`` its NOT, asks of columns; None where it is not of a kind that leaves are asked.

    It may ask less than what is written, never more: rows that satisfy the one satisfy the other.
    """
    match conjunct["class"]:
        case "CONJUNCTION":
            every = (conjunct["type"] == "CONJUNCTION_AND") != negated
            return _several([asks(child, negated=negated) for child in conjunct["children"]], every=every)
        case "OPERATOR" if conjunct["type"] == "OPERATOR_NOT":
            return asks(conjunct["children"][0], negated=not negated)
        case _:
            found = _plain(conjunct)
            return _negation(found) if negated else found


def tests(asked: Asks) -> Iterator[Test]:
    """All tests in ``asked``."""
    if isinstance(asked, Test):
        yield asked
    else:
        for part in asked.parts:
            yield from tests(part)


def is_whole(asked: Asks) -> bool:
    """Whether it asks all that is written."""
    if isinstance(asked, Test):
        return True
    return not (isinstance(asked, Every) and not asked.whole) and all(map(is_whole, asked.parts))


def _several(parts: Sequence[Asks | None], *, every: bool) -> Asks | None:
    known = tuple(part for part in parts if part is not None)
    whole = len(known) == len(parts)
    if not every:
        return Some(known) if whole else None
    return Every(known, whole) if known else None


def _negation(asked: Asks | None) -> Asks | None:
    """NOT of what asks all that is written: what asks less cannot be turned round."""
    if asked is None or not is_whole(asked):
        return None
    if isinstance(asked, Test):
        turned = tuple(_OPPOSITES[one] for one in asked.comparisons)
        return replace(asked, comparisons=turned, either=not asked.either)
    return _several([_negation(part) for part in asked.parts], every=isinstance(asked, Some))


def _plain(conjunct: Tree) -> Asks | None:
    match conjunct["class"]:
        case "COLUMN_REF":
            return _test(conjunct, Comparison.EQUAL, _constant("BOOLEAN", value=True))
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


def _compared(conjunct: Tree) -> Asks | None:
    left, right = conjunct["left"], conjunct["right"]
    comparison = _COMPARISONS.get(conjunct["type"])
    if _column(left) is None:
        left, right = right, left
        comparison = None if comparison is None else _TURNED.get(comparison, comparison)
    if not _is_literal(right):
        return None
    if conjunct["type"] == "COMPARE_NOT_DISTINCT_FROM":
        # NOT of it is true for NULL, and so not NOT_EQUAL.
        test = _test(left, Comparison.EQUAL, right)
        return None if test is None else Every((test,), whole=False)
    return None if comparison is None else _test(left, comparison, right)


def _between(conjunct: Tree) -> Asks | None:
    bounds, found = (conjunct["lower"], conjunct["upper"]), _column(conjunct["input"])
    if found is None or not all(map(_is_literal, bounds)):
        return None
    column, extracted = found
    return Test(column, (Comparison.GREATER_OR_EQUAL, Comparison.LESS_OR_EQUAL), bounds, extracted)


def _operator(conjunct: Tree) -> Asks | None:
    first, *others = conjunct["children"]
    match conjunct["type"]:
        case "OPERATOR_IS_NULL":
            return _test(first, Comparison.IS_NULL)
        case "OPERATOR_IS_NOT_NULL":
            return _test(first, Comparison.IS_NOT_NULL)
        case "COMPARE_IN":
            return _rows(_row(first), [_row(one) for one in others]) if _row(first) else _in(first, others)
        case "COMPARE_NOT_IN" if others and all(map(_is_literal, others)):
            return _test(first, Comparison.NOT_IN, *others)
        case extraction if extraction in _EXTRACTIONS:
            return _test(conjunct, Comparison.EQUAL, _constant("BOOLEAN", value=True))
    return None


def _in(column: Tree, values: Sequence[Tree]) -> Asks | None:
    # A NULL among them makes no row true, but NOT of it makes none true either.
    wanted = [value for value in values if not _is_null(value)]
    if not wanted or not all(map(_is_literal, wanted)):
        return None
    test = _test(column, Comparison.IN, *wanted)
    return test if test is None or len(wanted) == len(values) else Every((test,), whole=False)


def _rows(columns: Sequence[Tree], rows: Sequence[Sequence[Tree]]) -> Asks | None:
    """``(a, b) IN ((1, 2), (3, 4))``. NOT of it is left alone, as a NULL in one place may not matter for another."""
    found = [
        _several(
            [
                _test(column, Comparison.EQUAL, value) if _is_literal(value) else None
                for column, value in zip(columns, row, strict=True)
            ],
            every=True,
        )
        for row in rows
        if len(row) == len(columns)
    ]
    asked = _several(found, every=False) if len(found) == len(rows) else None
    return None if asked is None else Every((asked,), whole=False)


def _row(expression: Tree) -> list[Tree]:
    """The parts of ``(a, b)``; none of anything else."""
    is_row = expression["class"] == "FUNCTION" and expression["function_name"] == "row"
    parts: list[Tree] = expression["children"] if is_row else []
    return parts if len(parts) >= _PARTS_OF_ROW else []


def _function(conjunct: Tree) -> Asks | None:
    children = conjunct["children"]
    if len(children) != 2 or _column(children[0]) is None or conjunct.get("filter"):  # noqa: PLR2004  # Text and pattern.
        return None
    name, text = str(conjunct["function_name"]).casefold(), _text(children[1])
    if not text:
        return None
    if name in _PREFIXES:
        return _test(children[0], Comparison.STARTS_WITH, children[1])
    if name in ("~~", "!~~"):
        liked = _like(children[0], text)
        return liked if name == "~~" else _negation(liked)
    return None


def _like(column: Tree, pattern: str) -> Asks | None:
    prefix = pattern
    for sign in "%_\\":
        prefix = prefix.partition(sign)[0]
    if not prefix:
        return None
    comparison = Comparison.EQUAL if prefix == pattern else Comparison.STARTS_WITH
    test = _test(column, comparison, _constant("VARCHAR", value=prefix))
    whole = pattern in (prefix, f"{prefix}%")
    return test if whole or test is None else Every((test,), whole=False)


def _test(column: Tree, comparison: Comparison, *literals: Tree) -> Test | None:
    found = _column(column)
    return None if found is None else Test(found[0], (comparison,), literals, found[1])


def _column(expression: Tree) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The reference and the fields extracted from it; None of what is no column."""
    extracted: list[str] = []
    while expression["class"] == "OPERATOR" and expression["type"] in _EXTRACTIONS:
        expression, name = expression["children"]
        field = _text(name)
        if field is None:
            return None
        extracted.insert(0, field)
    if expression["class"] != "COLUMN_REF":
        return None
    return tuple(map(str, expression["column_names"])), tuple(extracted)


def _constant(type_: str, *, value: Any) -> Tree:
    return {"class": "CONSTANT", "value": {"type": {"id": type_}, "is_null": False, "value": value}}


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
