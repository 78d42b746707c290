"""Values as text, and as JSON within a map: the forms that ``column_type`` names, whole arrays at once."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.nested import Lists
from headrace.column_type import ColumnType, Kind, Times
from headrace.time_layout import Layout
from headrace.time_text import format_all

_QUOTED_KINDS = (Kind.TEXT, Kind.TIME, Kind.BINARY)
_TO_ESCAPE = r'["\\\x00-\x1f]'


def texts(values: pa.Array, type_: ColumnType) -> pa.StringArray:  # noqa: PLR0911  # One return per kind.
    """The text of each value of this type; null where it is null."""
    match type_:
        case ColumnType(Kind.BOOL):
            return values.cast(pa.string())
        case ColumnType(Kind.NUMBER):
            return digits(values)
        case ColumnType(Kind.BINARY):
            return pa.array(
                [None if value is None else base64.b64encode(value).decode() for value in values.to_pylist()],
                pa.string(),
            )
        case ColumnType(Kind.TIME, times=Times() as times):
            return _times(values, times)
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            return _lists(values, element)
        case ColumnType(Kind.MAP, element=ColumnType() as element):
            return _maps(values, element)
        case ColumnType(Kind.STRUCT) if type_.members:
            return objects(values, type_, jsons)
        case _:
            return values


def jsons(values: pa.Array, type_: ColumnType) -> pa.StringArray:
    """The JSON of each value of this type as a member of a map; null where it is null."""
    written = texts(values, type_)
    return quoted(written) if type_.kind in _QUOTED_KINDS else written


def digits(numbers: pa.Array) -> pa.StringArray:
    """Integers, doubles, decimals or canonical texts in plain digits."""
    if pa.types.is_string(numbers.type):
        return numbers
    written = numbers.cast(pa.string())
    if pa.types.is_integer(numbers.type):
        return written
    # Both doubles and decimals are written with an exponent where they are large or small.
    plain = _where(pc.match_substring(written, "e", ignore_case=True), written, _without_exponent)
    point = pc.match_substring(plain, ".")
    stripped = pc.if_else(point, pc.replace_substring_regex(plain, r"\.?0+$", ""), plain)
    return pc.if_else(pc.equal(stripped, "-0"), "0", stripped)


def quoted(values: pa.StringArray) -> pa.StringArray:
    """Texts as JSON strings."""
    escaped = _where(pc.match_substring_regex(values, _TO_ESCAPE), values, _escaped)
    return enclosed('"', escaped, '"')


def _times(values: pa.Array, times: Times) -> pa.StringArray:
    """By one of the layouts: all of them write the times alike."""
    unit = times.arrow().unit
    layout = next(layout for layout in map(Layout.of, sorted(times.layouts)) if layout.unit == unit)
    return format_all(layout, values, times.zone)


def _lists(values: pa.Array, element: ColumnType) -> pa.StringArray:
    lists = Lists.of(values)
    written = pc.fill_null(quoted(texts(lists.items, element)), "null")
    return enclosed("[", pc.binary_join(lists.of_items(written), ","), "]")


def _maps(values: pa.Array, element: ColumnType) -> pa.StringArray:
    lists = Lists.of(values)
    lists = lists.only(lists.items.field("value").is_valid())
    keys, items = lists.items.flatten()
    order = pc.sort_indices(
        pa.table({"map": lists.parents(), "key": keys}),
        sort_keys=[("map", "ascending"), ("key", "ascending")],
    )
    members = quoted(keys.take(order)), jsons(items.take(order), element)
    written = pc.binary_join_element_wise(*members, ":")
    return enclosed("{", pc.binary_join(lists.of_items(written), ","), "}")


def objects(
    values: pa.StructArray, type_: ColumnType, written: Callable[[pa.Array, ColumnType], pa.StringArray]
) -> pa.StringArray:
    """Structs as JSON objects by attribute, their members as ``written`` writes them, those that are null left out."""
    members = [
        pc.fill_null(enclosed(f'"{_escaped(member.attribute)}":', written(column, member.type), ","), "")
        for member, column in zip(type_.members, values.flatten(), strict=True)
    ]
    # Arrow's join drops rows of nothing but nulls where it is told to skip nulls, so there are none.
    joined = pc.ascii_rtrim(pc.binary_join_element_wise(*members, ""), ",")
    return pc.if_else(values.is_null(), None, enclosed("{", joined, "}"))


def enclosed(before: str, values: pa.StringArray, after: str) -> pa.StringArray:
    """Each text between two others; null stays null."""
    return pc.binary_join_element_wise(before, values, after, "")


def _where(chosen: pa.BooleanArray, values: pa.StringArray, form: Callable[[str], str]) -> pa.StringArray:
    """``values``, the ``chosen`` ones in another form."""
    if not pc.any(chosen).as_py():
        return values
    formed = [form(value) for value in values.filter(chosen).to_pylist()]
    mask = pc.fill_null(chosen, fill_value=False)
    return pc.replace_with_mask(values, mask, pa.array(formed, pa.string()))


def _escaped(text: str) -> str:
    return msgspec.json.encode(text).decode()[1:-1]


def _without_exponent(number: str) -> str:
    return format(Decimal(number), "f")
