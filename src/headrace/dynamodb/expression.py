"""Expressions of DynamoDB, without their placeholders: what a request sends, and what people read, are made of one.

Syntax and limits: Amazon DynamoDB Developer Guide, "Condition and filter expressions, operators, and functions", and
"Quotas in Amazon DynamoDB" (Expression parameters).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from headrace.attribute import AttributeValue
from headrace.column_name import Path

MOST_BYTES: Final = 4096
"""Bytes of one expression, as it is sent."""

MOST_OPERATORS: Final = 300
"""Operators and functions of one expression."""

MOST_OPERANDS: Final = 100
"""Values in one list of IN."""

_SIMPLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Operand:
    """A value within an expression."""

    value: AttributeValue


Piece = str | Path | Operand


@dataclass(frozen=True, slots=True)
class Expression:
    """Text, document paths and values in turn. ``operators`` counts operators and functions; ``loose``: it needs parentheses."""

    pieces: tuple[Piece, ...]
    operators: int
    loose: bool = False

    @property
    def text(self) -> str:
        """For people: names and values stand where they are meant."""
        return "".join(_readable(piece) for piece in self.pieces)


def compared(path: Path, operator: str, value: AttributeValue) -> Expression:
    """``path operator value``."""
    return Expression((path, f" {operator} ", Operand(value)), 1)


def between(path: Path, low: AttributeValue, high: AttributeValue) -> Expression:
    """``path BETWEEN low AND high``."""
    return Expression((path, " BETWEEN ", Operand(low), " AND ", Operand(high)), 1)


def one_of(path: Path, values: Sequence[AttributeValue]) -> Expression:
    """``path IN (values)``, in several lists where there are many; ``=`` where there is one."""
    lists = [
        _list(path, values[first : first + MOST_OPERANDS]) for first in range(0, len(values), MOST_OPERANDS)
    ]
    return any_of(lists)


def called(function: str, path: Path, *values: AttributeValue) -> Expression:
    """``function(path, values)``."""
    pieces: list[Piece] = [f"{function}(", path]
    for value in values:
        pieces += [", ", Operand(value)]
    return Expression((*pieces, ")"), 1)


def negated(expression: Expression) -> Expression:
    """``NOT expression``."""
    return Expression(("NOT ", *_firm(expression, always=expression.operators > 1)), expression.operators + 1)


def all_of(expressions: Sequence[Expression]) -> Expression:
    """All of one or more."""
    return _joined(expressions, " AND ")


def any_of(expressions: Sequence[Expression]) -> Expression:
    """At least one of one or more."""
    return _joined(expressions, " OR ")


@dataclass
class Placeholders:
    """The names and values of one request's expressions, each under a placeholder: no word is reserved then."""

    _names: dict[str, str] = field(default_factory=dict)
    _values: dict[bytes, tuple[str, AttributeValue]] = field(default_factory=dict)

    def rendered(self, expression: Expression) -> str:
        """The expression as it is sent."""
        return "".join(self._sent(piece) for piece in expression.pieces)

    def projected(self, paths: Iterable[Path]) -> str:
        """A ProjectionExpression."""
        return ",".join(self._sent(path) for path in paths)

    def members(self) -> dict[str, Any]:
        """The members of a request that say what the placeholders stand for."""
        members: dict[str, Any] = {}
        if self._names:
            members["ExpressionAttributeNames"] = {key: name for name, key in self._names.items()}
        if self._values:
            members["ExpressionAttributeValues"] = dict(self._values.values())
        return members

    def _sent(self, piece: Piece) -> str:
        if isinstance(piece, str):
            return piece
        if isinstance(piece, Operand):
            known = msgspec.json.encode(piece.value)
            return self._values.setdefault(known, (f":v{len(self._values)}", piece.value))[0]
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in piece)


def fits(expression: Expression) -> bool:
    """Whether one expression may be as long as this."""
    return expression.operators <= MOST_OPERATORS and len(Placeholders().rendered(expression)) <= MOST_BYTES


def readable_path(path: Path) -> str:
    """A document path for people."""
    return ".".join(
        name if _SIMPLE_NAME.fullmatch(name) else '"{}"'.format(name.replace('"', '""')) for name in path
    )


def readable_value(value: AttributeValue) -> str:
    """A value for people."""
    ((tag, content),) = value.items()
    match tag:
        case "S":
            return "'{}'".format(content.replace("'", "''"))
        case "B":
            return f"base64 '{content}'"
        case "BOOL":
            return "true" if content else "false"
        case _:
            return str(content)


def _list(path: Path, values: Sequence[AttributeValue]) -> Expression:
    if len(values) == 1:
        return compared(path, "=", values[0])
    pieces: list[Piece] = [path, " IN ("]
    for place, value in enumerate(values):
        pieces += [", ", Operand(value)] if place else [Operand(value)]
    return Expression((*pieces, ")"), 1)


def _joined(expressions: Sequence[Expression], word: str) -> Expression:
    assert expressions, "nothing joins to nothing"
    if len(expressions) == 1:
        return expressions[0]
    pieces: list[Piece] = []
    for place, one in enumerate(expressions):
        pieces += [word] if place else []
        pieces += _firm(one, always=False)
    operators = sum(one.operators for one in expressions) + len(expressions) - 1
    return Expression(tuple(pieces), operators, loose=True)


def _firm(expression: Expression, *, always: bool) -> tuple[Piece, ...]:
    return ("(", *expression.pieces, ")") if expression.loose or always else expression.pieces


def _readable(piece: Piece) -> str:
    if isinstance(piece, str):
        return piece
    return readable_value(piece.value) if isinstance(piece, Operand) else readable_path(piece)
