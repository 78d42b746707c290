"""Instants as DuckDB holds them."""

from __future__ import annotations

import pyarrow as pa


def without_nanosecond_zones(type_: pa.DataType) -> pa.DataType:
    """``type_`` with instants in nanoseconds in no zone, wherever they are in it: in UTC.

    With a zone DuckDB knows microseconds only, and would cut the rest.
    """
    if pa.types.is_timestamp(type_) and type_.unit == "ns":
        return pa.timestamp("ns")
    if pa.types.is_list(type_):
        return pa.list_(without_nanosecond_zones(type_.value_type))
    if pa.types.is_map(type_):
        return pa.map_(type_.key_type, without_nanosecond_zones(type_.item_type))
    if pa.types.is_struct(type_):
        return pa.struct([field.with_type(without_nanosecond_zones(field.type)) for field in type_])
    return type_
