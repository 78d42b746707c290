"""A KeyConditionExpression as a place in a partition.

Rules: developer guide, "Key condition expressions for the Query operation".
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.simulator.answers import Refusal, invalid, invalid_values
from headrace.simulator.expressions.tree import (
    And,
    Between,
    Call,
    Comparison,
    Condition,
    Constant,
    In,
    Not,
    Operand,
    Or,
    Path,
)
from headrace.simulator.items import Value
from headrace.simulator.keys import KeyAttribute, KeySchema, sortable

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class KeyRange:
    """A partition key and bounds on the sort key. ``sign`` is a comparator, BETWEEN, begins_with or empty."""

    partition: Value
    sign: str = ""
    bounds: tuple[Any, ...] = ()

    def places(self, sorts: Sequence[Any]) -> tuple[int, int]:
        """The range of places, [first, last), in a partition's sorted sort values."""
        if not self.sign:
            return 0, len(sorts)
        low, high = self.bounds[0], self.bounds[-1]
        first = bisect_left(sorts, low) if self.sign in {"=", ">=", "BETWEEN", "begins_with"} else 0
        if self.sign == ">":
            first = bisect_right(sorts, low)
        if self.sign in {"=", "<=", "BETWEEN"}:
            return first, bisect_right(sorts, high)
        if self.sign == "<":
            return first, bisect_left(sorts, high)
        if self.sign == "begins_with":
            return first, bisect_left(sorts, x=True, lo=first, key=lambda sort: not sort.startswith(low))
        return first, len(sorts)


def key_range(condition: Condition, schema: KeySchema) -> KeyRange:
    """What the condition asks for. Raises a ValidationException for whatever a Query cannot look up."""
    found: dict[str, tuple[str, tuple[Constant, ...]]] = {}
    for term in _terms(condition):
        name, sign, constants = _term(term)
        if name in found:
            raise _invalid("KeyConditionExpressions must only contain one condition per key")
        found[name] = sign, constants
    if schema.hash.name not in found:
        raise invalid(f"Query condition missed key schema element: {schema.hash.name}")
    extra = [name for name in found if name not in schema.names]
    if extra and schema.sort is not None and schema.sort.name not in found:
        raise invalid(f"Query condition missed key schema element: {schema.sort.name}")
    if extra:
        raise invalid("Query key condition not supported")
    for attribute in schema.attributes:
        _check_type(attribute, found.get(attribute.name, ("", ()))[1])
    sign, constants = found[schema.hash.name]
    if sign != "=":
        raise invalid("Query key condition not supported")
    partition = constants[0].value
    if schema.sort is None or schema.sort.name not in found:
        return KeyRange(partition)
    sign, constants = found[schema.sort.name]
    if sign == "begins_with" and schema.sort.kind == "N":
        raise _invalid(
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"
        )
    return KeyRange(partition, sign, tuple(sortable(constant.value) for constant in constants))


def _terms(condition: Condition) -> Iterator[Comparison | Between | Call]:
    match condition:
        case And(terms=terms):
            for term in terms:
                yield from _terms(term)
        case Or() | Not() | In():
            raise _unusable(type(condition).__name__.upper())
        case _:
            yield condition


def _term(term: Comparison | Between | Call) -> tuple[str, str, tuple[Constant, ...]]:
    """The key attribute's name, the sign that follows it, and the constants."""
    match term:
        case Comparison(sign="<>"):
            raise _unusable("<>")
        case Comparison(sign=sign, left=left, right=right):
            if isinstance(right, Path) and not isinstance(left, Path):
                return _name(right), _MIRRORED[sign], _constants((left,))
            return _name(left), sign, _constants((right,))
        case Between(operand=operand, low=low, high=high):
            return _leading_name("BETWEEN", operand), "BETWEEN", _constants((low, high))
        case Call(name="begins_with", operands=operands):
            return _leading_name("begins_with", operands[0]), "begins_with", _constants(operands[1:])
    raise _unusable(term.name)


def _leading_name(sign: str, operand: Operand) -> str:
    if not isinstance(operand, Path):
        raise _invalid(
            f"Invalid condition in KeyConditionExpression: {sign} operator must have the key attribute as its "
            "first operand",
            prefix=False,
        )
    return _name(operand)


def _name(operand: Operand) -> str:
    if isinstance(operand, Call):
        raise _invalid("KeyConditionExpressions cannot contain nested operations")
    if not isinstance(operand, Path):
        raise _invalid(
            "Invalid condition in KeyConditionExpression: No key attribute specified", prefix=False
        )
    if len(operand.parts) > 1:
        raise _invalid("KeyConditionExpressions cannot have conditions on nested attributes")
    return str(operand.parts[0])


def _constants(operands: Sequence[Operand]) -> tuple[Constant, ...]:
    for operand in operands:
        if isinstance(operand, Path):
            raise _invalid(
                "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
                prefix=False,
            )
        if not isinstance(operand, Constant):
            raise _invalid("KeyConditionExpressions cannot contain nested operations")
    return tuple(operand for operand in operands if isinstance(operand, Constant))


def _check_type(attribute: KeyAttribute, constants: Sequence[Constant]) -> None:
    for constant in constants:
        if constant.kind != attribute.kind:
            raise invalid_values("Condition parameter type does not match schema type")
        if attribute.kind != "N" and not constant.value[attribute.kind]:
            kind = "string" if attribute.kind == "S" else "binary"
            raise invalid(
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot "
                f"contain an empty {kind} value. Key: {attribute.name}"
            )


def _unusable(operator: str) -> Refusal:
    return _invalid(f"Invalid operator used in KeyConditionExpression: {operator}", prefix=False)


def _invalid(message: str, *, prefix: bool = True) -> Refusal:
    return invalid(f"Invalid KeyConditionExpression: {message}" if prefix else message)
