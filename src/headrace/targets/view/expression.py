"""Expressions of a view, compiled from their syntax trees to functions of Python: three-valued logic, exact numbers, no guessed types.

DuckDB's engine is not asked: it wants one type for a column, and DynamoDB's attributes have one for each item; and its sums and
products of decimals end at 38 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

from headrace.errors import ConfigError
from headrace.targets.view.functions import FUNCTIONS, Function, cast
from headrace.targets.view.literal import literal
from headrace.targets.view.refused import refuse
from headrace.targets.view.syntax import Tree, is_of_schema, written
from headrace.targets.view.value import Document, Unevaluable, Value, told, value_in

Evaluate = Callable[[Any], Value]
"""An expression: from what it is evaluated over (an item, or a group's values) to its value. Raises Unevaluable."""


class Scope(Protocol):
    """What the names in an expression mean."""

    def taken(self, node: Tree) -> Evaluate | None:
        """What ``node`` stands for, where that is not made of its parts. Raises ConfigError."""
        ...

    def reference(self, node: Tree) -> Evaluate:
        """What a reference to a column stands for. Raises ConfigError."""
        ...


def compiled(node: Tree, scope: Scope) -> Evaluate:
    """``node`` as a function. Raises ConfigError where a part of it is not taken."""
    found = scope.taken(node)
    if found is not None:
        return found
    make = _MAKERS.get(str(node.get("class")))
    if make is None:
        refuse(node)
    return make(node, scope)


def truth(value: Value, where: str) -> bool | None:
    """``value`` as true, false or unknown. Raises Unevaluable where it is no boolean."""
    if value is None or isinstance(value, bool):
        return value
    raise Unevaluable(f"{where} takes booleans, and got {told(value)}")


# Constants and casts


def _constant(node: Tree, _: Scope) -> Evaluate:
    value = literal(node)
    return lambda _: value


_CASTS: Final = ("VARCHAR", "BOOLEAN", "BIGINT", "INTEGER", "DECIMAL")


def _cast(node: Tree, scope: Scope) -> Evaluate:
    type_ = str(node["cast_type"]["id"])
    if type_ not in _CASTS:
        raise ConfigError(
            f"{written(node)}: a view casts to {', '.join(_CASTS)}, not to {type_}: doubles would round, and times are texts or "
            "numbers in DynamoDB, which compare as they are"
        )
    inner = compiled(node["child"], scope)
    info = node["cast_type"].get("type_info") or {}
    width, scale = int(info.get("width") or 0), int(info.get("scale") or 0)
    tries = bool(node.get("try_cast"))

    def evaluate(over: Any) -> Value:
        value = inner(over)
        if value is None:
            return None
        try:
            return cast(value, type_, width, scale)
        except Unevaluable:
            if tries:
                return None
            raise

    return evaluate


# Comparisons


def compare(one: Value, other: Value, name: str) -> int:
    """Below, at or above zero, as ``one`` is below, equal to or above ``other``. Raises Unevaluable unless they are of one type."""
    if isinstance(one, Document) or type(one) is not type(other):
        raise Unevaluable(
            f"{name} compares values of one type, and got {told(one)} and {told(other)}; CAST or TRY_CAST one of them"
        )
    left: Any = one
    right: Any = other
    return int(left > right) - int(left < right)


_COMPARED: Final[dict[str, tuple[str, Callable[[int], bool]]]] = {
    "COMPARE_EQUAL": ("=", lambda order: order == 0),
    "COMPARE_NOTEQUAL": ("<>", lambda order: order != 0),
    "COMPARE_LESSTHAN": ("<", lambda order: order < 0),
    "COMPARE_GREATERTHAN": (">", lambda order: order > 0),
    "COMPARE_LESSTHANOREQUALTO": ("<=", lambda order: order <= 0),
    "COMPARE_GREATERTHANOREQUALTO": (">=", lambda order: order >= 0),
}


def _comparison(node: Tree, scope: Scope) -> Evaluate:
    left, right = compiled(node["left"], scope), compiled(node["right"], scope)
    kind = node["type"]
    if kind in ("COMPARE_DISTINCT_FROM", "COMPARE_NOT_DISTINCT_FROM"):
        wanted = kind == "COMPARE_NOT_DISTINCT_FROM"

        def distinct(over: Any) -> Value:
            one, other = left(over), right(over)
            if one is None or other is None:
                return (one is other) is wanted
            return (compare(one, other, "IS DISTINCT FROM") == 0) is wanted

        return distinct
    if kind not in _COMPARED:
        refuse(node)
    name, holds = _COMPARED[kind]

    def evaluate(over: Any) -> Value:
        one, other = left(over), right(over)
        return None if one is None or other is None else holds(compare(one, other, name))

    return evaluate


def _between(node: Tree, scope: Scope) -> Evaluate:
    given, lower, upper = (compiled(node[part], scope) for part in ("input", "lower", "upper"))

    def evaluate(over: Any) -> Value:
        value, least, most = given(over), lower(over), upper(over)
        if value is None:
            return None
        above = None if least is None else compare(value, least, "BETWEEN") >= 0
        below = None if most is None else compare(value, most, "BETWEEN") <= 0
        return _all((above, below))

    return evaluate


def _all(found: Sequence[bool | None]) -> bool | None:
    if False in found:
        return False
    return None if None in found else True


# Logic


def _conjunction(node: Tree, scope: Scope) -> Evaluate:
    parts = [compiled(child, scope) for child in node["children"]]
    is_and = node["type"] == "CONJUNCTION_AND"
    name = "AND" if is_and else "OR"

    def evaluate(over: Any) -> Value:
        unknown = False
        # From left to right, and no further than needed: a part may ask for the type that the next one takes.
        for part in parts:
            found = truth(part(over), name)
            if found is (not is_and):
                return found
            unknown = unknown or found is None
        return None if unknown else is_and

    return evaluate


def _case(node: Tree, scope: Scope) -> Evaluate:
    checks = [
        (compiled(check["when_expr"], scope), compiled(check["then_expr"], scope))
        for check in node["case_checks"]
    ]
    otherwise = compiled(node["else_expr"], scope)

    def evaluate(over: Any) -> Value:
        for when, then in checks:
            if truth(when(over), "CASE WHEN"):
                return then(over)
        return otherwise(over)

    return evaluate


def _operator(node: Tree, scope: Scope) -> Evaluate:
    make = _OPERATORS.get(node["type"])
    if make is None:
        refuse(node)
    return make(node, [compiled(child, scope) for child in node["children"]])


def _in(node: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    given, *members = parts
    wanted = bool(node["type"] == "COMPARE_IN")

    def evaluate(over: Any) -> Value:
        value = given(over)
        if value is None:
            return None
        unknown = False
        for member in members:
            other = member(over)
            if other is None:
                unknown = True
            elif compare(value, other, "IN") == 0:
                return wanted
        return None if unknown else not wanted

    return evaluate


def _not(_: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    (given,) = parts

    def evaluate(over: Any) -> Value:
        found = truth(given(over), "NOT")
        return None if found is None else not found

    return evaluate


def _is_null(node: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    (given,) = parts
    wanted = node["type"] == "OPERATOR_IS_NULL"
    return lambda over: (given(over) is None) is wanted


def _coalesce(_: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    return lambda over: next(_present(part(over) for part in parts), None)


def _extract(_: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    given, place = parts

    def evaluate(over: Any) -> Value:
        value, at = given(over), place(over)
        return member(value, at)

    return evaluate


def member(value: Value, at: Value) -> Value:
    """A map's member or a list's element (the first is 1, the last -1); NULL where there is none."""
    if not isinstance(value, Document):
        return None
    if isinstance(at, str):
        inner = value.attribute.get("M", {}).get(at)
    elif isinstance(at, Decimal) and "L" in value.attribute:
        elements, index = value.attribute["L"], int(at)
        index = index - 1 if index > 0 else index + len(elements)
        inner = elements[index] if at == int(at) and at and 0 <= index < len(elements) else None
    else:
        inner = None
    return None if inner is None else value_in(inner)


_OPERATORS: Final[dict[str, Callable[[Tree, Sequence[Evaluate]], Evaluate]]] = {
    "COMPARE_IN": _in,
    "COMPARE_NOT_IN": _in,
    "OPERATOR_NOT": _not,
    "OPERATOR_IS_NULL": _is_null,
    "OPERATOR_IS_NOT_NULL": _is_null,
    "OPERATOR_COALESCE": _coalesce,
    "ARRAY_EXTRACT": _extract,
    "STRUCT_EXTRACT": _extract,
}


# Functions


def _function(node: Tree, scope: Scope) -> Evaluate:
    name = str(node["function_name"]).lower()
    said = any(node.get(key) for key in ("distinct", "filter", "export_state"))
    if said or is_of_schema(node) or (node.get("order_bys") or {}).get("orders"):
        refuse(node)
    if name not in FUNCTIONS and name not in LAZY:
        refuse(node)
    parts = [compiled(child, scope) for child in node["children"]]
    if name in LAZY:
        return LAZY[name](node, parts)
    function = FUNCTIONS[name]
    _expect_count(node, function, len(parts))
    return _called(function.call, parts)


def _expect_count(node: Tree, function: Function, count: int) -> None:
    if count < function.least or (function.most is not None and count > function.most):
        most = function.least if function.most is None else function.most
        takes = f"{function.least}" if most == function.least else f"{function.least} to {most}"
        raise ConfigError(f"{written(node)}: it takes {takes} arguments, and has {count}")


def _called(call: Callable[..., Value], parts: Sequence[Evaluate]) -> Evaluate:
    def evaluate(over: Any) -> Value:
        given = [part(over) for part in parts]
        if None in given:
            return None
        try:
            return call(*given)
        except ArithmeticError as error:
            raise Unevaluable("a number of it has too many digits to be computed with exactly") from error

    return evaluate


def _greatest(node: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    name = str(node["function_name"]).lower()
    sign = 1 if name == "greatest" else -1

    def evaluate(over: Any) -> Value:
        best: Value = None
        for value in _present(part(over) for part in parts):
            if best is None or sign * compare(value, best, name) > 0:
                best = value
        return best

    return evaluate


def _nullif(node: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    _expect_count(node, Function(lambda: None, 2, 2), len(parts))
    given, other = parts

    def evaluate(over: Any) -> Value:
        value, unwanted = given(over), other(over)
        if value is None or unwanted is None:
            return value
        return None if compare(value, unwanted, "nullif") == 0 else value

    return evaluate


def _concatenated(_: Tree, parts: Sequence[Evaluate]) -> Evaluate:
    def evaluate(over: Any) -> Value:
        return FUNCTIONS["||"].call(*_present(part(over) for part in parts))

    return evaluate


LAZY: Final[dict[str, Callable[[Tree, Sequence[Evaluate]], Evaluate]]] = {
    "greatest": _greatest,
    "least": _greatest,
    "nullif": _nullif,
    "concat": _concatenated,
}
"""Functions that look at NULL themselves."""


def _present(values: Iterator[Value]) -> Iterator[Value]:
    return (value for value in values if value is not None)


def _reference(node: Tree, scope: Scope) -> Evaluate:
    return scope.reference(node)


_MAKERS: Final[dict[str, Callable[[Tree, Scope], Evaluate]]] = {
    "CONSTANT": _constant,
    "CAST": _cast,
    "COLUMN_REF": _reference,
    "COMPARISON": _comparison,
    "BETWEEN": _between,
    "CONJUNCTION": _conjunction,
    "CASE": _case,
    "OPERATOR": _operator,
    "FUNCTION": _function,
}
