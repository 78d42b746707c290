"""Literals of a statement -> values of a column's type, where DuckDB would compare exactly those."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from headrace.query.parser import Tree

Cast = Callable[[Sequence[str], str], pa.Array]
"""DuckDB's casts of texts to a type, NULL where it cannot."""

_INTEGERS: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
_EXACT_DOUBLE: Final = 2**53
_EXACT_POWER: Final = 15
_UNITS: Final = {"s": "TIMESTAMP_S", "ms": "TIMESTAMP_MS", "us": "TIMESTAMP", "ns": "TIMESTAMP_NS"}
_ZONED: Final = "TIMESTAMP WITH TIME ZONE"
_TIMES: Final = frozenset({"DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP"})
"""Of two of these DuckDB compares as the finer."""
_LARGEST: Final = 2**63 - 1
_CONTENTS: Final = {"VARCHAR": (str,), "BOOLEAN": (bool,), "DOUBLE": (int, float)}


def values(literals: Sequence[Tree], type_: pa.DataType, cast: Cast) -> tuple[pa.Scalar, ...] | None:
    """What ``literals``, which are compared with a column of ``type_`` together, are as values of that type.

    None unless DuckDB compares the column itself with exactly these: it may turn both into a third type, and what
    that does is not told here. None also where one of them is not a value of the type.
    """
    try:
        if pa.types.is_timestamp(type_) or pa.types.is_binary(type_):
            return _cast(literals, type_, cast)
        found = [_plain(literal, type_) for literal in literals]
        return None if None in found else tuple(pa.scalar(value, type_) for value in found)
    except (pa.ArrowException, OverflowError, ValueError):
        return None


def _plain(literal: Tree, type_: pa.DataType) -> Any:
    kind, value = _constant(literal)
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return value if kind == "VARCHAR" else None
    if pa.types.is_boolean(type_):
        return value if kind == "BOOLEAN" else None
    if pa.types.is_integer(type_):
        return value if kind == "INTEGER" else None
    if pa.types.is_float64(type_):
        return _double(kind, value)
    if pa.types.is_decimal(type_) and kind in ("INTEGER", "DECIMAL"):
        return Decimal(value)
    return None


def _double(kind: str, value: Any) -> float | None:
    """The double that DuckDB makes of it: NaN, and what it must round, stay out."""
    match kind:
        case "DOUBLE":
            return float(value) if value == value else None  # noqa: PLR0124  # NaN is not itself.
        case "INTEGER" if abs(value) <= _EXACT_DOUBLE:
            return float(value)
        case "DECIMAL":
            unscaled, power = value.as_tuple(), -int(value.as_tuple().exponent)
            digits = int("".join(map(str, unscaled.digits)))
            if digits <= _EXACT_DOUBLE and power <= _EXACT_POWER:
                return float(value)
    return None


def _constant(literal: Tree) -> tuple[str, Any]:
    """A constant's kind, INTEGER for all whole numbers, and its value; an unknown kind is empty."""
    if literal["class"] == "CAST":
        kind, text = _constant(literal["child"])
        truth = {"t": True, "f": False}.get(text) if kind == "VARCHAR" else None
        return (
            ("BOOLEAN", truth)
            if literal["cast_type"]["id"] == "BOOLEAN" and truth is not None
            else ("", None)
        )
    value: dict[str, Any] = literal["value"]
    kind, content = str(value["type"]["id"]), value["value"]
    if kind in _INTEGERS:
        return "INTEGER", int(content)
    if kind == "DECIMAL" and isinstance(content, int):
        return kind, Decimal(content).scaleb(-int(value["type"]["type_info"]["scale"]))
    known: tuple[type, ...] = _CONTENTS.get(kind, ())
    return (kind, content) if isinstance(content, known) else ("", None)


def _cast(literals: Sequence[Tree], type_: pa.DataType, cast: Cast) -> tuple[pa.Scalar, ...] | None:
    texts = [_text_and_type(literal) for literal in literals]
    types = {name for _, name in texts}
    if len(types) != 1 or any(text is None for text, _ in texts):
        return None
    target = _duckdb_type(type_)
    written = types.pop() or target
    if written != target and not {written, target} <= _TIMES:
        return None
    # Where the column has the coarser unit, what it cannot hold raises.
    scalars = tuple(cast([str(text) for text, _ in texts], written).cast(type_))
    return scalars if all(map(_is_finite, scalars)) else None


def _is_finite(scalar: pa.Scalar) -> bool:
    return scalar.is_valid and not (pa.types.is_timestamp(scalar.type) and abs(scalar.value) >= _LARGEST)


def _text_and_type(literal: Tree) -> tuple[str | None, str]:
    """The text of a literal such as ``'2024-01-01'`` or ``TIMESTAMP '2024-01-01'``, and the type that it names."""
    name = ""
    if literal["class"] == "CAST":
        name, literal = str(literal["cast_type"]["id"]), literal["child"]
    kind, text = _constant(literal) if literal["class"] == "CONSTANT" else ("", None)
    return (text if kind == "VARCHAR" else None), name


def _duckdb_type(type_: pa.DataType) -> str:
    if pa.types.is_binary(type_):
        return "BLOB"
    # As DuckDB sees it, an instant in nanoseconds has no zone.
    return _ZONED if type_.tz and type_.unit != "ns" else _UNITS[type_.unit]
