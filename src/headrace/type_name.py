"""Types of columns by the names that users read, which say more than the engines' own: a time column's zone."""

from __future__ import annotations

import pyarrow as pa

from headrace.arrow_name import arrow_name
from headrace.column_type import ColumnType, Kind, Times


def type_name(type_: ColumnType) -> str:
    """The name of the Arrow type in which the values are stored, a time's zone being the one it was written in.

    Two kinds are named as what they are, though stored as strings: ``Null`` has held nothing but nulls, and
    ``Struct`` may have held nothing but empty maps.
    """
    match type_:
        case ColumnType(Kind.NULL):
            return "Null"
        case ColumnType(Kind.STRUCT):
            return "Struct"
        case ColumnType(Kind.TIME, times=Times() as times):
            return arrow_name(pa.timestamp(times.arrow().unit, times.zone))
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            return f"List({type_name(element)})"
        case ColumnType(Kind.MAP, element=ColumnType() as element):
            return f"Map(Utf8, {type_name(element)})"
        case _:
            return arrow_name(type_.arrow())
