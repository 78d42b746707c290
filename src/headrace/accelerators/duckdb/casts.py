"""Widening casts as DuckDB SQL: every value keeps a form from which it can be read back.

The text forms are those of ``headrace.dynamodb``: a number in plain digits, ``true`` and ``false``,
base64 for binary, and for lists a JSON array of their elements' texts.
"""

from __future__ import annotations

from headrace.schema import ColumnType, Kind

_SQL_TYPES = {
    Kind.NULL: "VARCHAR",
    Kind.BOOL: "BOOLEAN",
    Kind.INT: "BIGINT",
    Kind.LONG: "BIGINT",
    Kind.FLOAT: "DOUBLE",
    Kind.BINARY: "BLOB",
    Kind.JSON: "VARCHAR",
    Kind.TEXT: "VARCHAR",
}

_SHORT_ESCAPES = {0x08: "b", 0x09: "t", 0x0A: "n", 0x0C: "f", 0x0D: "r"}


def sql_type(type_: ColumnType) -> str:
    """The DuckDB type that stores a column of this type."""
    return _SQL_TYPES[type_.kind] + ("[]" if type_.many else "")


def cast(value: str, source: ColumnType, target: ColumnType) -> str:
    """SQL for the expression ``value`` of type ``source`` as ``target``, a join of it."""
    if source == target:
        return value
    if source.kind is Kind.NULL and not source.many:
        return f"CAST(NULL AS {sql_type(target)})"
    if source.many and target.many:
        return (
            f"list_transform({value}, lambda headrace_e: {_scalar('headrace_e', source.kind, target.kind)})"
        )
    if source.many:
        items = f"list_transform({value}, lambda headrace_e: {_json('headrace_e', source.kind)})"
        return f"('[' || array_to_string({items}, ',') || ']')"
    return _scalar(value, source.kind, target.kind)


def _scalar(value: str, source: Kind, target: Kind) -> str:
    if source is Kind.NULL:
        return f"CAST(NULL AS {_SQL_TYPES[target]})"
    if target is Kind.TEXT:
        return _text(value, source)
    return f"CAST({value} AS {_SQL_TYPES[target]})"


def _text(value: str, kind: Kind) -> str:
    match kind:
        case Kind.FLOAT:
            return _plain_digits(value)
        case Kind.BINARY:
            return f"to_base64({value})"
        case _:
            return f"CAST({value} AS VARCHAR)"


def _json(value: str, kind: Kind) -> str:
    """An element of a JSON array; a missing one is ``null``."""
    text = _escaped(value) if kind in (Kind.TEXT, Kind.JSON) else _text(value, kind)
    return f"""coalesce('"' || {text} || '"', 'null')"""


def _plain_digits(value: str) -> str:
    """A double's shortest digits that read back as the same double, without exponent or ``.0``."""
    text = f"CAST({value} AS VARCHAR)"
    sign = f"CASE WHEN {text} LIKE '-%' THEN '-' ELSE '' END"
    digits = f"regexp_replace(split_part({text}, 'e', 1), '[-.]', '', 'g')"
    exponent = f"CAST(split_part({text}, 'e', 2) AS INTEGER)"
    return (
        f"CASE WHEN NOT isfinite({value}) OR NOT contains({text}, 'e') THEN regexp_replace({text}, '\\.0$', '') "
        f"WHEN {exponent} < 0 THEN {sign} || '0.' || repeat('0', -{exponent} - 1) || {digits} "
        f"WHEN length({digits}) <= {exponent} + 1 "
        f"THEN {sign} || {digits} || repeat('0', {exponent} + 1 - length({digits})) "
        f"ELSE {sign} || substr({digits}, 1, {exponent} + 1) || '.' || substr({digits}, {exponent} + 2) END"
    )


def _escaped(value: str) -> str:
    """Text as inside a JSON string, with the escapes that msgspec writes."""
    value = rf"""replace(replace({value}, '\', '\\'), '"', '\"')"""
    for code in range(0x20):
        short = _SHORT_ESCAPES.get(code)
        escape = f"\\{short}" if short else f"\\u{code:04x}"
        value = f"replace({value}, chr({code}), '{escape}')"
    return value
