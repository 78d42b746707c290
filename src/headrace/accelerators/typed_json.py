"""Nested values as JSON texts and back, whole arrays at once: for engines that know JSON, but no lists and structs.

The form is one that a reader would expect in JSON, and by which the type gives every value back:

- Numbers are JSON numbers in plain digits, but where the column keeps digits as text: there they are strings.
- Booleans are booleans, strings are strings (JSON kept as text among them), binary is base64.
- Times are ISO 8601 in the zone that the column has, as many digits behind the point as are not zero.
- Lists are arrays, maps objects, nulls are kept in both. Structs are objects by attribute, without the members
  that are null; a null struct is ``null``, one of nothing but nulls ``{}``.

Types that are stored alike (``widen.alike``) have the same texts. It does not matter in which order an object's members
stand, what space is between them, or how a number's trailing zeros are written (PostgreSQL's jsonb changes all three):
``decode`` gives the keys of a map in the order of their code points, in which all maps are made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, chain
from operator import attrgetter, itemgetter
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.accelerators.nested import Lists
from headrace.accelerators.value_text import digits, enclosed, objects, quoted, texts
from headrace.column_type import ColumnType, Kind, Times
from headrace.decoding import json_decoder
from headrace.time_layout import Layout
from headrace.time_text import format_all, parse_all
from headrace.time_token import offset_of, zone_of

_UNDECLARABLE: Final = re.compile(r'["\\\x00-\x1f]')
"""What msgspec knows no field with."""

_FRACTIONS: Final = {"ms": ".999", "us": ".999999", "ns": ".999999999"}


def is_nested(type_: ColumnType) -> bool:
    """Whether Arrow holds the type's values as lists, maps or structs."""
    return bool(pa.types.is_nested(type_.arrow()))


def encode(values: pa.Array, type_: ColumnType) -> pa.StringArray:  # noqa: PLR0911  # One return per kind.
    """The JSON text of each value, which are stored as ``type_.arrow()``; null where it is null."""
    match type_:
        case ColumnType(Kind.BOOL):
            return values.cast(pa.string())
        case ColumnType(Kind.NUMBER) if not pa.types.is_string(values.type):
            return digits(values)
        case ColumnType(Kind.TIME, times=Times() as times):
            layout, zone = _written_as(times)
            return enclosed('"', format_all(layout, values, zone), '"')
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            lists = Lists.of(values)
            written = pc.fill_null(encode(lists.items, element), "null")
            return enclosed("[", pc.binary_join(lists.of_items(written), ","), "]")
        case ColumnType(Kind.MAP, element=ColumnType() as element):
            return _maps(Lists.of(values), element)
        case ColumnType(Kind.STRUCT) if type_.members:
            return objects(values, type_, encode)
        case _:
            return quoted(texts(values, type_))


def reads_alike(source: ColumnType, target: ColumnType) -> bool:  # noqa: PLR0911  # One return per kind.
    """Whether the texts of all values of ``source``, decoded as ``target``, are what ``widen`` makes of the values.

    So a struct may get more members, a number or a time another storage. ``target`` is a join of ``source``.
    """
    if source.kind is Kind.NULL or source == target:
        return True
    match source, target:
        case ColumnType(Kind.NUMBER), ColumnType(Kind.NUMBER):
            return bool(pa.types.is_string(source.arrow()) == pa.types.is_string(target.arrow()))
        case ColumnType(Kind.LIST, element=ColumnType() as one), ColumnType(
            Kind.LIST, element=ColumnType() as two
        ):
            return reads_alike(one, two)
        case ColumnType(Kind.MAP, element=ColumnType() as one), ColumnType(
            Kind.MAP, element=ColumnType() as two
        ):
            return reads_alike(one, two)
        case ColumnType(Kind.STRUCT), ColumnType(Kind.MAP, element=ColumnType() as element):
            return bool(source.members) and all(reads_alike(each.type, element) for each in source.members)
        case ColumnType(Kind.STRUCT), ColumnType(Kind.STRUCT):
            wide = {member.attribute: member.type for member in target.members}
            return bool(source.members) and all(
                reads_alike(m.type, wide[m.attribute]) for m in source.members
            )
        case _:
            return source.kind is target.kind


def decode(given: pa.StringArray | pa.ChunkedArray, type_: ColumnType) -> pa.Array:
    """The values that ``encode`` wrote, stored as ``type_.arrow()``.

    Raises:
        ValueError: A text is none that ``encode`` writes for this type.
    """
    try:
        return _array(_read(given.to_pylist(), _python(type_)), type_)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise ValueError(f"a JSON text is not of its column's type: {error}") from error


def _maps(lists: Lists, element: ColumnType) -> pa.StringArray:
    keys, items = lists.items.flatten()
    written = pc.fill_null(encode(items, element), "null")
    members = pc.binary_join_element_wise(quoted(keys), written, ":")
    return enclosed("{", pc.binary_join(lists.of_items(members), ","), "}")


@lru_cache(maxsize=256)
def _written_as(times: Times) -> tuple[Layout, str | None]:
    """The layout and the zone: in its own zone every time of a column has a year of four digits."""
    clock = f"2006-01-02T15:04:05{_FRACTIONS[times.arrow().unit]}"
    if times.zone is None:
        return Layout.of(clock), None
    offset = offset_of(times.zone) or 0
    return Layout.of(f"{clock}Z07:00{':00' if offset % 60 else ''}"), zone_of(offset)


def _read(given: Sequence[str | None], python: Any) -> list[Any]:
    """The objects that JSON texts are."""
    whole = ",".join(["null" if text is None else text for text in given])
    read: list[Any] = _decoder(python).decode(f"[{whole}]")
    return read


@lru_cache(maxsize=256)
def _decoder(python: Any) -> msgspec.json.Decoder[Any]:
    return json_decoder(list[python])


@lru_cache(maxsize=256)
def _python(type_: ColumnType) -> Any:  # noqa: PLR0911  # One return per kind.
    """The Python type as which msgspec reads the JSON of a value."""
    match type_:
        case ColumnType(Kind.BOOL):
            return bool | None
        case ColumnType(Kind.NUMBER) if not pa.types.is_string(type_.arrow()):
            stored = type_.arrow()
            integer = int | None if pa.types.is_integer(stored) else Decimal | None
            return float | None if pa.types.is_floating(stored) else integer
        case ColumnType(Kind.BINARY):
            return bytes | None
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            return list[_python(element)] | None  # type: ignore[misc]  # Made at run time.
        case ColumnType(Kind.MAP, element=ColumnType() as element):
            return dict[str, _python(element)] | None  # type: ignore[misc]  # Made at run time.
        case ColumnType(Kind.STRUCT) if type_.members:
            return _python_struct(type_) | None
        case _:
            return str | None


def _python_struct(type_: ColumnType) -> Any:
    """A struct with a field for each member; where msgspec knows no field of such a name, a dictionary."""
    names = [member.attribute for member in type_.members]
    if any(_UNDECLARABLE.search(name) for name in names):
        return dict[str, msgspec.Raw]
    fields = [(f"f{number}", _python(member.type), None) for number, member in enumerate(type_.members)]
    rename = {f"f{number}": name for number, name in enumerate(names)}
    return msgspec.defstruct("Members", fields, rename=rename, gc=False)


def _array(values: Sequence[Any], type_: ColumnType) -> pa.Array:
    match type_:
        case ColumnType(Kind.TIME, times=Times() as times):
            texts_ = pa.array(values, pa.string())
            parsed = parse_all(_written_as(times)[0], texts_)
            if parsed is None:
                raise ValueError("a text is none of the times that the column holds")
            return parsed.times.cast(times.arrow())
        case ColumnType(Kind.LIST, element=ColumnType() as element):
            items = _array(list(chain.from_iterable(filter(None, values))), element)
            return _lists(values, items).of_items(items)
        case ColumnType(Kind.MAP, element=ColumnType() as element):
            maps = [None if one is None else sorted(one.items(), key=itemgetter(0)) for one in values]
            entries = list(chain.from_iterable(filter(None, maps)))
            keys = pa.array([key for key, _ in entries], pa.string())
            items = _array([value for _, value in entries], element)
            return _lists(maps, items).of_entries(keys, items, type_.arrow())
        case ColumnType(Kind.STRUCT) if type_.members:
            members = [_member(values, number, type_) for number in range(len(type_.members))]
            missing = pa.array([value is None for value in values], pa.bool_())
            return pa.StructArray.from_arrays(members, fields=list(type_.arrow()), mask=missing)
        case _:
            return pa.array(values, type_.arrow())


def _lists(values: Sequence[Any], items: pa.Array) -> Lists:
    lengths = [0 if value is None else len(value) for value in values]
    offsets = pa.array(accumulate(lengths, initial=0), pa.int32())
    return Lists(offsets, items, pa.array([value is None for value in values], pa.bool_()))


def _member(structs: Sequence[Any], number: int, type_: ColumnType) -> pa.Array:
    """What structs hold as their member of this number, null for those that are null."""
    member = type_.members[number]
    first = next((struct for struct in structs if struct is not None), None)
    if isinstance(first, dict):
        raws = [struct and struct.get(member.attribute) for struct in structs]
        given = [bytes(raw).decode() if raw else None for raw in raws]
        return _array(_read(given, _python(member.type)), member.type)
    of = attrgetter(f"f{number}")
    return _array([None if struct is None else of(struct) for struct in structs], member.type)
