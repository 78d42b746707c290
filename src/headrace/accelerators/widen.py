"""Values in the form of a wider type: the one place where what is stored, or arrives, follows a column's type.

Engines use a cast of their own only where it gives the same (see ``alike`` for where none is needed). As the
form of a value depends on nothing but the value and the type, it does not matter whether it came there in one
step or in many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pyarrow as pa

from headrace.accelerators.nested import Lists, entries_of
from headrace.accelerators.value_text import digits, jsons, texts
from headrace.column_type import ColumnType, Kind
from headrace.schema import TableSchema


def widen(
    values: pa.Array | pa.ChunkedArray, source: ColumnType, target: ColumnType
) -> pa.Array | pa.ChunkedArray:
    """``values`` of type ``source``, stored as ``source.arrow()``, as ``target``, which is a join of it.

    Raises ArrowInvalid or ValueError where a value is not of ``source``.
    """
    if source == target:
        return values
    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([_widened(chunk, source, target) for chunk in values.chunks], target.arrow())
    return _widened(values, source, target)


def widen_rows(rows: pa.Table | pa.RecordBatch, source: TableSchema, target: TableSchema) -> pa.Table:
    """Rows with the columns of ``source``, in its order, as rows of ``target``, a join of it.

    Columns are matched by their paths: they may have other names there.
    """
    arrow = target.arrow()
    places = {column.path: place for place, column in enumerate(source.columns)}
    columns = []
    for column, field in zip(target.columns, arrow, strict=True):
        place = places.get(column.path)
        if place is None:
            columns.append(pa.nulls(rows.num_rows, field.type))
        else:
            columns.append(widen(rows.column(place), source.columns[place].type, column.type))
    return pa.Table.from_arrays(columns, schema=arrow)


def alike(source: ColumnType, target: ColumnType) -> bool:
    """Whether all values of ``source`` are stored in ``target``, a join of it, exactly as they are."""
    if source == target:
        return True
    if source.arrow() != target.arrow():
        return False
    match source, target:
        case (
            ColumnType(Kind.LIST | Kind.MAP, element=ColumnType() as one),
            ColumnType(Kind.LIST | Kind.MAP, element=ColumnType() as two),
        ):
            return alike(one, two)
        case ColumnType(Kind.STRUCT), ColumnType(Kind.STRUCT):
            pairs = zip(source.members, target.members, strict=True)
            return all(one.attribute == two.attribute and alike(one.type, two.type) for one, two in pairs)
        case _:
            return source.kind is not Kind.TEXT


def _widened(values: pa.Array, source: ColumnType, target: ColumnType) -> pa.Array:
    if alike(source, target):
        return values
    if source.kind is Kind.NULL:
        return pa.nulls(len(values), target.arrow())
    within = _WITHIN.get((source.kind, target.kind))
    if within is not None:
        return within(values, source, target)
    if target.kind is Kind.TEXT:
        return texts(values, source)
    if target.kind is Kind.JSON:
        return jsons(values, source)
    raise ValueError(f"a {target.kind} is no join of a {source.kind}")


def _numbers(values: pa.Array, _source: ColumnType, target: ColumnType) -> pa.Array:
    stored = target.arrow()
    if pa.types.is_string(stored):
        return digits(values)
    if pa.types.is_integer(values.type) or stored == values.type or _are_decimals(values.type, stored):
        return _cast(values, target)
    # Through digits, so that nothing is rounded twice, or on the way to decimals at all.
    return digits(values).cast(stored)


def _cast(integers: pa.Array, target: ColumnType) -> pa.Array:
    """Integers, or decimals of a smaller scale, as numbers of ``target``."""
    stored = target.arrow()
    if not pa.types.is_floating(stored):
        return integers.cast(stored)
    try:
        return integers.cast(stored)
    except pa.ArrowInvalid:
        # Beyond 2**53 Arrow's check is too strict: 10**18 is written by its double as well.
        doubles = integers.cast(stored, safe=False)
        rounded = target.digits is not None and target.digits.rounded
        if not rounded and not digits(doubles).equals(digits(integers)):
            raise
        return doubles


def _are_decimals(*types: pa.DataType) -> bool:
    return all(pa.types.is_decimal(type_) for type_ in types)


def _times(values: pa.Array, _source: ColumnType, target: ColumnType) -> pa.Array:
    return values.cast(target.arrow())


def _lists(values: pa.Array, source: ColumnType, target: ColumnType) -> pa.Array:
    lists = Lists.of(values)
    return lists.of_items(_widened(lists.items, _element(source), _element(target)))


def _maps(values: pa.Array, source: ColumnType, target: ColumnType) -> pa.Array:
    lists = Lists.of(values)
    keys, items = lists.items.flatten()
    return lists.of_entries(keys, _widened(items, _element(source), _element(target)), target.arrow())


def _structs(values: pa.Array, source: ColumnType, target: ColumnType) -> pa.Array:
    columns = _columns(values, source)
    types = {member.attribute: member.type for member in source.members}
    widened = [
        _widened(columns[member.attribute], types[member.attribute], member.type)
        if member.attribute in columns
        else pa.nulls(len(values), member.type.arrow())
        for member in target.members
    ]
    return pa.StructArray.from_arrays(widened, fields=list(target.arrow()), mask=values.is_null())


def _structs_as_maps(values: pa.Array, source: ColumnType, target: ColumnType) -> pa.Array:
    element = _element(target)
    if not source.members:
        columns = {"": pa.nulls(len(values), element.arrow())}
    else:
        narrow = _columns(values, source)
        columns = {
            member.attribute: _widened(narrow[member.attribute], member.type, element)
            for member in source.members
        }
    lists = entries_of(columns, values.is_null())
    keys, items = lists.items.flatten()
    return lists.of_entries(keys, items, target.arrow())


def _columns(values: pa.Array, source: ColumnType) -> dict[str, pa.Array]:
    """What a struct's members hold, by attribute; those of a null are null."""
    arrays = values.flatten() if source.members else ()
    return dict(zip((member.attribute for member in source.members), arrays, strict=True))


def _element(type_: ColumnType) -> ColumnType:
    assert type_.element is not None, "a list or a map has an element"
    return type_.element


_WITHIN: Final[Mapping[tuple[Kind, Kind], Callable[[pa.Array, ColumnType, ColumnType], pa.Array]]] = {
    (Kind.NUMBER, Kind.NUMBER): _numbers,
    (Kind.TIME, Kind.TIME): _times,
    (Kind.LIST, Kind.LIST): _lists,
    (Kind.MAP, Kind.MAP): _maps,
    (Kind.STRUCT, Kind.STRUCT): _structs,
    (Kind.STRUCT, Kind.MAP): _structs_as_maps,
}
