"""Values as plain Python objects, and the forms of ``column_type`` told once more, one value at a time.

This is the yardstick for ``widen``, of which it shares nothing: it is written to be obviously right. Structs
are dictionaries by field name, maps by key, times counts of their column's unit since 1970.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from headrace.column_type import ColumnType, Kind, Times
from headrace.schema import TableSchema
from headrace.time_layout import PER_SECOND, Layout

Row = dict[str, Any]


def plain_rows(rows: pa.Table | pa.RecordBatch) -> list[Row]:
    """Each row by column name. Raises UnicodeDecodeError where a text is not UTF-8."""
    plain = pa.schema([field.with_type(_countable(field.type)) for field in rows.schema])
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    found: list[Row] = table.cast(plain).to_pylist(maps_as_pydicts="strict")
    return found


def widened_row(row: Row, old: TableSchema, new: TableSchema) -> Row:
    """``row`` under the names and types of ``new``, which holds every column of ``old``."""
    if old == new:
        return row
    known = {column.path: column for column in old.columns}
    wide: Row = {}
    for target in new.columns:
        column = known.get(target.path)
        value = None if column is None else row[column.name]
        wide[target.name] = None if column is None else widened(value, column.type, target.type)
    return wide


def widened(value: Any, source: ColumnType, target: ColumnType) -> Any:  # noqa: PLR0911  # One return per kind.
    """``value`` of type ``source`` as type ``target``, a join of it."""
    if value is None or source == target:
        return value
    match target:
        case ColumnType(Kind.TEXT):
            return text(value, source)
        case ColumnType(Kind.JSON):
            return json(value, source)
        case ColumnType(Kind.NUMBER):
            return _number(text(value, source), target.arrow())
        case ColumnType(Kind.TIME, times=Times() as times):
            assert source.times is not None, "only times become times"
            return value * (_per_second(times) // _per_second(source.times))
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            assert source.element is not None, "only lists become lists"
            return [widened(one, source.element, element) for one in value]
        case ColumnType(Kind.MAP, element=ColumnType() as element):
            members = _members(value, source)
            return {name: widened(one, type_, element) for name, (one, type_) in members.items()}
        case ColumnType(Kind.STRUCT) if target.members:
            members = _members(value, source)
            nothing = (None, target)
            return {
                name: widened(*members.get(member.attribute, nothing), member.type)
                for name, member in target.named()
            }
        case _:
            return value


def text(value: Any, type_: ColumnType) -> str:  # noqa: PLR0911  # One return per kind.
    """The text of a value that is not null."""
    match type_:
        case ColumnType(Kind.BOOL):
            return "true" if value else "false"
        case ColumnType(Kind.NUMBER):
            return _digits(value)
        case ColumnType(Kind.BINARY):
            return base64.b64encode(value).decode()
        case ColumnType(Kind.TIME, times=Times() as times):
            return _time(value, times)
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            return _written([None if one is None else text(one, element) for one in value])
        case ColumnType(Kind.MAP) | ColumnType(Kind.STRUCT):
            members = sorted(_members(value, type_).items())
            return _written({name: msgspec.Raw(json(one, type_).encode()) for name, (one, type_) in members})
        case _:
            return str(value)


def json(value: Any, type_: ColumnType) -> str:
    """The JSON of a map's member that is not null."""
    if type_.kind in (Kind.TEXT, Kind.TIME, Kind.BINARY):
        return _written(text(value, type_))
    return text(value, type_)


def _members(value: Any, type_: ColumnType) -> dict[str, tuple[Any, ColumnType]]:
    """What a struct or a map holds, by attribute, with its type; nulls are left out."""
    if type_.element is not None:
        return {name: (one, type_.element) for name, one in value.items() if one is not None}
    return {
        member.attribute: (value[name], member.type)
        for name, member in type_.named()
        if value[name] is not None
    }


def _number(plain: str, stored: pa.DataType) -> Any:
    if pa.types.is_string(stored):
        return plain
    if pa.types.is_decimal(stored):
        return Decimal(plain)
    return int(plain) if pa.types.is_integer(stored) else float(plain)


def _time(count: int, times: Times) -> str:
    """By the last layout of the unit: all of them write the time alike."""
    layouts = [layout for layout in map(Layout.of, sorted(times.layouts)) if layout.unit == _unit(times)]
    return layouts[-1].format(count, times.zone)


def _digits(number: Any) -> str:
    plain = format(Decimal(repr(number) if isinstance(number, float) else number), "f")
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain == "-0" else plain


def _written(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _unit(times: Times) -> str:
    return str(times.arrow().unit)


def _per_second(times: Times) -> int:
    return next(per_second for unit, per_second in PER_SECOND.items() if unit == _unit(times))


def _countable(type_: pa.DataType) -> pa.DataType:
    """The type with integers in place of timestamps, at whatever depth."""
    if pa.types.is_timestamp(type_):
        return pa.int64()
    if pa.types.is_map(type_):
        return pa.map_(type_.key_type, _countable(type_.item_type))
    if pa.types.is_list(type_):
        return pa.list_(_countable(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(_countable(field.type)) for field in type_])
    return type_
