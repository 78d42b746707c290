"""Lists, sets, structs and maps of a whole page: their cells end to end, decoded like a column, and offsets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.dynamodb.forms import Contents, Form, Place, ToArrow, tagged

LISTS: Final = ("L", "SS", "NS", "BS")
"""The tags of values that are lists."""

Option = tuple[str, Any, ToArrow]
"""A tag, what msgspec decodes its content to, and the way from there to Arrow."""


def list_option(element: Form) -> Option:
    """Lists of values."""
    place = Place(element)

    def to_arrow(lists: Contents) -> pa.Array:
        present, missing = _present(lists)
        return _list_array(present, missing, place.array(list(chain.from_iterable(present))))

    return "L", list[element.cell], to_arrow  # type: ignore[name-defined]  # A cell is a type made at run time.


def set_option(tag: str, elements: ToArrow) -> Option:
    """Sets of the contents that ``elements`` makes an array of."""

    def to_arrow(lists: Contents) -> pa.Array:
        present, missing = _present(lists)
        return _list_array(present, missing, elements(list(chain.from_iterable(present))))

    return tag, list[bytes] if tag == "BS" else list[str], to_arrow


def map_form(value: Form) -> Form:
    """Maps as dictionaries, in the order of their names, without the NULL ones."""
    place = Place(value)

    def to_arrow(maps: Contents) -> pa.Array:
        present, missing = _present(maps)
        names = list(map(sorted, present))
        cells = [cells[name] for cells, own in zip(present, names, strict=True) for name in own]
        keys = pa.array(list(chain.from_iterable(names)), pa.string())
        values = place.array(cells)
        offsets = _offsets(names)
        if values.null_count:
            kept = values.is_valid()
            ends = pc.cumulative_sum(pc.cast(kept, pa.int32()))
            offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends]).take(offsets)
            keys, values = keys.filter(kept), values.filter(kept)
        return pa.MapArray.from_arrays(offsets, keys, values, mask=missing)

    return tagged("M", dict[str, value.cell], to_arrow)  # type: ignore[name-defined]


def struct_form(members: Sequence[tuple[str, str, Form]]) -> Form:
    """Maps as structs of ``members``: their attributes, their names in the struct, and forms."""
    content = struct_of_cells("Map", [(attribute, form) for attribute, _, form in members])
    empty = content()
    places = [Place(form, f"f{number}") for number, (_, _, form) in enumerate(members)]

    def to_arrow(maps: Contents) -> pa.Array:
        missing = _missing(maps)
        present = maps if missing is None else [empty if one is None else one for one in maps]
        arrays = [place.array(present) for place in places]
        fields = [pa.field(name, array.type) for (_, name, _), array in zip(members, arrays, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=fields, mask=missing)

    return tagged("M", content, to_arrow)


def empty_map_form() -> Form:
    """Maps without members, as JSON."""
    content = struct_of_cells("Map", [])

    def to_arrow(maps: Contents) -> pa.Array:
        return pa.array([None if one is None else "{}" for one in maps], pa.string())

    return tagged("M", content, to_arrow)


def struct_of_cells(name: str, attributes: Sequence[tuple[str, Form]], *, open_: bool = False) -> Any:
    """A generated type of objects with one cell f0, f1, ... for each attribute; an ``open_`` one skips others."""
    return msgspec.defstruct(
        name,
        [(f"f{number}", form.cell, form.absent) for number, (_, form) in enumerate(attributes)],
        rename={f"f{number}": attribute for number, (attribute, _) in enumerate(attributes)},
        gc=False,
        forbid_unknown_fields=not open_,
    )


def _present(contents: Contents) -> tuple[Contents, pa.BooleanArray | None]:
    """The contents, empty where there is none, and where that is."""
    missing = _missing(contents)
    return (contents if missing is None else [content or () for content in contents]), missing


def _missing(contents: Contents) -> pa.BooleanArray | None:
    missing = [content is None for content in contents]
    return pa.array(missing, pa.bool_()) if True in missing else None


def _list_array(lists: Contents, missing: pa.BooleanArray | None, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(_offsets(lists), values, mask=missing)


def _offsets(lists: Iterable[Any]) -> pa.Array:
    return pa.array(list(accumulate(map(len, lists), initial=0)), pa.int32())
