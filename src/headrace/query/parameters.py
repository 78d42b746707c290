"""The values of a statement's parameters: what DuckDB binds, and what stands for them in the syntax tree.

A value never becomes part of a statement's text. Leaves are asked by the tree alone, so there each parameter gives way to
the literal that DuckDB compares in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import pyarrow as pa

from headrace.arrow_name import arrow_name
from headrace.errors import QueryError, QueryFault
from headrace.query.parser import Tree

_TYPES: Final = {
    pa.bool_(): "BOOLEAN",
    pa.int8(): "TINYINT",
    pa.int16(): "SMALLINT",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.uint8(): "UTINYINT",
    pa.uint16(): "USMALLINT",
    pa.uint32(): "UINTEGER",
    pa.uint64(): "UBIGINT",
    pa.float16(): "DOUBLE",
    pa.float32(): "DOUBLE",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.large_string(): "VARCHAR",
    pa.string_view(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.large_binary(): "BLOB",
    pa.binary_view(): "BLOB",
    pa.date32(): "DATE",
    pa.date64(): "DATE",
    pa.time32("s"): "TIME",
    pa.time32("ms"): "TIME",
    pa.time64("us"): "TIME",
    pa.duration("s"): "INTERVAL",
    pa.duration("ms"): "INTERVAL",
    pa.duration("us"): "INTERVAL",
}
"""What DuckDB calls a value's type; timestamps, decimals and dictionaries are told beside these."""

_UNITS: Final = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}
_MOST_DIGITS: Final = 38
_NOWHERE: Final = 2**64 - 1
"""The place of a node that stands nowhere in the text."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value: the name of its type, and a text that DuckDB casts to it; of a BLOB, its bytes. None is NULL."""

    type: str
    content: str | bytes | None

    def bound(self) -> Any:
        """What a statement is run with."""
        return None if self.content is None else duckdb.Value(self.content, duckdb.sqltype(self.type))

    def constant(self) -> Tree:
        """The expression that stands for it, as the parser would have read it."""
        match self.content:
            case None:
                return _constant("NULL", None)
            case bytes():
                return _cast("".join(f"\\x{byte:02X}" for byte in self.content), self.type)
            case text:
                return self._written(text)

    def _written(self, text: str) -> Tree:
        if self.type == "VARCHAR":
            return _constant(self.type, text)
        if self.type == "DOUBLE":
            return _constant(self.type, float(text))
        if self.type.startswith("DECIMAL"):
            whole, _, fraction = text.partition(".")
            info = {"type": "DECIMAL_TYPE_INFO", "width": _MOST_DIGITS, "scale": len(fraction)}
            return _constant("DECIMAL", int(whole + fraction), info)
        if self.type.endswith(("INT", "INTEGER")):
            return _constant(self.type, int(text))
        if self.type == "BOOLEAN":
            return _constant(self.type, text == "true")
        return _cast(text, self.type)


@dataclass(frozen=True, slots=True)
class Given:
    """The values of one run, by the numbers of the parameters that the statement has."""

    values: Mapping[int, Value] = field(default_factory=dict)

    def bound(self) -> dict[str, Any] | None:
        """What DuckDB is given beside the text; None for a statement without parameters."""
        return {str(number): value.bound() for number, value in self.values.items()} or None

    def within(self, tree: Tree) -> Tree:
        """``tree`` with the values in the places of parameters. What holds no parameter is the same node."""
        replaced: Tree = self._replaced(tree) if self.values else tree
        return replaced

    def _replaced(self, node: Any) -> Any:
        if isinstance(node, list):
            children = [self._replaced(child) for child in node]
            same = all(new is old for new, old in zip(children, node, strict=True))
            return node if same else children
        if not isinstance(node, dict):
            return node
        if node.get("class") == "PARAMETER":
            return self.values[int(node["identifier"])].constant() | {"alias": node["alias"]}
        below = {key: self._replaced(child) for key, child in node.items()}
        return node if all(below[key] is child for key, child in node.items()) else below


def given(parameters: Sequence[pa.Scalar], numbers: Sequence[int]) -> Given:
    """The values ``parameters``, the first of which is $1, for a statement that has parameters of these ``numbers``.

    Raises QueryError INVALID where they are too few or too many, or one cannot be a parameter.
    """
    expected = max(numbers, default=0)
    if len(parameters) != expected:
        raise QueryError(
            QueryFault.INVALID,
            f"the statement has {_counted(expected, 'parameter')} (? or $1), but {_counted(len(parameters), 'value')} "
            f"{'was' if len(parameters) == 1 else 'were'} given",
        )
    return Given({number: _value(number, parameters[number - 1]) for number in numbers})


def nulls(numbers: Sequence[int]) -> Given:
    """NULL for each."""
    return Given({number: Value("NULL", None) for number in numbers})


def ones(numbers: Sequence[int]) -> Given:
    """1 for each."""
    return Given({number: Value("BIGINT", "1") for number in numbers})


def _value(number: int, scalar: pa.Scalar) -> Value:
    try:
        return _told(scalar)
    except (TypeError, ValueError, pa.ArrowException):
        raise QueryError(
            QueryFault.INVALID,
            f"the value of ${number} cannot be a parameter: {arrow_name(scalar.type)}; give numbers, texts, binaries, "
            "booleans, dates and times",
        ) from None


def _told(scalar: pa.Scalar) -> Value:
    """Raises TypeError, ValueError or ArrowException where it has no type in DuckDB, or is not one of its values."""
    if isinstance(scalar, pa.DictionaryScalar):
        return _told(scalar.value)
    if not scalar.is_valid:
        return Value("NULL", None)
    if pa.types.is_timestamp(scalar.type):
        return _moment(scalar)
    if pa.types.is_decimal(scalar.type):
        return _decimal(scalar)
    name = _TYPES.get(scalar.type)
    if name is None:
        raise TypeError
    return Value(name, _content(scalar, name))


def _content(scalar: pa.Scalar, name: str) -> str | bytes:
    match name:
        case "BLOB" | "VARCHAR":
            content: str | bytes = scalar.as_py()
            return content
        case "BOOLEAN":
            return str(scalar.as_py()).lower()
        case "DATE" | "TIME":
            return str(scalar.cast(pa.string()).as_py())
        case "INTERVAL":
            return f"{scalar.cast(pa.duration('us')).value} microseconds"
        case "DOUBLE":
            return repr(float(scalar.as_py()))
        case _:
            return repr(scalar.as_py())


def _decimal(scalar: pa.Scalar) -> Value:
    precision, scale = scalar.type.precision, scalar.type.scale
    if not 0 <= scale <= precision <= _MOST_DIGITS:
        raise TypeError
    return Value(f"DECIMAL({precision}, {scale})", f"{scalar.as_py():f}")


def _moment(scalar: pa.TimestampScalar) -> Value:
    unit, zone = scalar.type.unit, scalar.type.tz
    # With a zone DuckDB knows microseconds only; columns of finer instants have none there, but are in UTC.
    zoned = zone is not None and unit != "ns"
    text = str(pa.scalar(scalar.value, pa.timestamp(unit)).cast(pa.string()).as_py())
    return Value("TIMESTAMP WITH TIME ZONE", f"{text}+00") if zoned else Value(_UNITS[unit], text)


def _constant(type_: str, content: Any, info: Tree | None = None) -> Tree:
    value: Tree = {"type": {"id": type_, "type_info": info}, "is_null": content is None}
    if content is not None:
        value["value"] = content
    return {
        "class": "CONSTANT",
        "type": "VALUE_CONSTANT",
        "alias": "",
        "query_location": _NOWHERE,
        "value": value,
    }


def _cast(text: str, type_: str) -> Tree:
    return {
        "class": "CAST",
        "type": "OPERATOR_CAST",
        "alias": "",
        "query_location": _NOWHERE,
        "child": _constant("VARCHAR", text),
        "cast_type": {"id": type_, "type_info": None},
        "try_cast": False,
    }


def _counted(count: int, noun: str) -> str:
    return f"{count or 'no'} {noun}{'' if count == 1 else 's'}"
