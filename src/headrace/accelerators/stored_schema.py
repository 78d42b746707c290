"""A table's schema as the text that is stored beside its rows."""

from __future__ import annotations

import msgspec

from headrace.column_type import ColumnType, Digits, Kind, Member, Times
from headrace.decoding import json_decoder
from headrace.errors import AcceleratorError
from headrace.schema import Column, Origin, TableSchema


class _Type(msgspec.Struct, omit_defaults=True):
    kind: Kind
    digits: tuple[int, int, bool, bool, bool] | None = None
    zone: str | None = None
    layouts: tuple[str, ...] = ()
    element: _Type | None = None
    members: tuple[tuple[str, _Type], ...] = ()


class _Column(msgspec.Struct, omit_defaults=True):
    path: tuple[str, ...]
    name: str
    type: _Type
    origin: Origin = Origin.ITEMS
    fixed: bool = False


_COLUMNS = json_decoder(list[_Column])


def encode_schema(schema: TableSchema) -> str:
    """As JSON text; equal schemas have equal texts."""
    columns = [_Column(c.path, c.name, _stored(c.type), c.origin, c.fixed) for c in schema.columns]
    return msgspec.json.encode(columns).decode()


def decode_schema(text: str) -> TableSchema:
    """From ``encode_schema``'s text. Raises AcceleratorError if it is not one."""
    try:
        columns = _COLUMNS.decode(text)
    except msgspec.MsgspecError as error:
        raise AcceleratorError(
            f"the stored schema cannot be read ({error}); delete the accelerator's file to start over"
        ) from error
    return TableSchema(tuple(Column(c.path, c.name, _type(c.type), c.origin, c.fixed) for c in columns))


def _stored(type_: ColumnType) -> _Type:
    digits, times = type_.digits, type_.times
    return _Type(
        type_.kind,
        None
        if digits is None
        else (digits.whole, digits.fraction, digits.long, digits.double, digits.rounded),
        None if times is None else times.zone,
        () if times is None else tuple(sorted(times.layouts)),
        None if type_.element is None else _stored(type_.element),
        tuple((member.attribute, _stored(member.type)) for member in type_.members),
    )


def _type(stored: _Type) -> ColumnType:
    return ColumnType(
        stored.kind,
        None if stored.digits is None else Digits(*stored.digits),
        Times(stored.zone, frozenset(stored.layouts)) if stored.layouts else None,
        None if stored.element is None else _type(stored.element),
        tuple(Member(attribute, _type(type_)) for attribute, type_ in stored.members),
    )
