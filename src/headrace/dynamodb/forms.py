"""Fast forms: how the values of one column, all under one tag, are decoded in C and become Arrow.

A form is a msgspec type for the tag's content and a function from the contents of a page (None where an
item lacks the attribute) to an Arrow array. What a form does not hold exactly raises Mismatch, or
msgspec.ValidationError while decoding; the page is then decoded by ``generic``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.dynamodb.attribute import element_text, number_kind
from headrace.dynamodb.plain import plain_maps
from headrace.schema import EXACT_IN_DOUBLE, Column, ColumnType, Kind

Contents = Sequence[Any]

_EXACT_DIGITS = 15
_SMALLEST_NORMAL = 1e-290


class Mismatch(Exception):
    """A page holds what its compiled decoder does not."""


@dataclass(frozen=True, slots=True)
class Form:
    """One tag's content: the type that msgspec decodes it to, and the way from there to Arrow."""

    tag: str
    content: Any
    to_arrow: Callable[[Contents], pa.Array]


ABSENT = msgspec.Raw()
"""Stands where no raw value came: msgspec does not decode ``Raw | None``."""


_ELEMENT_TAGS = {
    "text": "S",
    "number": "N",
    "truth": "BOOL",
    "null": "NULL",
    "map": "M",
    "binary": "B",
    "list": "L",
    "texts": "SS",
    "numbers": "NS",
    "binaries": "BS",
}


class Element(msgspec.Struct, gc=False, frozen=True, forbid_unknown_fields=True, rename=_ELEMENT_TAGS):
    """An element of an L: scalars decoded, what needs more work left as it came."""

    text: str | None = None
    number: str | None = None
    truth: bool | None = None
    null: bool = False
    map: msgspec.Raw = ABSENT
    binary: msgspec.Raw = ABSENT
    list: msgspec.Raw = ABSENT
    texts: msgspec.Raw = ABSENT
    numbers: msgspec.Raw = ABSENT
    binaries: msgspec.Raw = ABSENT


def form_of(column: Column, tag: str | None) -> Form | None:
    """The fast form of a column whose values all carry ``tag`` (None: not known, guess); None if none."""
    return _FORMS.get((column.type, tag or _USUAL.get(column.type, "")))


def _simple(type_: pa.DataType) -> Callable[[Contents], pa.Array]:
    def to_arrow(contents: Contents) -> pa.Array:
        return pa.array(contents, type_)

    return to_arrow


def _integers(kind: Kind) -> Callable[[Contents], pa.Array]:
    """The numbers of an INT or LONG column.

    Texts are cast by Arrow, not by msgspec, whose lax integers go through doubles where the text has a
    fraction: it reads 0.99999999999999999999 as 1.
    """
    held = (Kind.INT,) if kind is Kind.INT else (Kind.INT, Kind.LONG)

    def to_arrow(texts: Contents) -> pa.Array:
        try:
            numbers = pc.cast(pa.array(texts, pa.string()), pa.int64())
        except pa.ArrowInvalid:
            # Too large, or an integer written with a fraction or an exponent.
            if any(text is not None and number_kind(text) not in held for text in texts):
                raise Mismatch from None
            return pa.array([None if text is None else int(Decimal(text)) for text in texts], pa.int64())
        if kind is Kind.INT:
            ends = pc.min_max(numbers)
            if numbers.null_count < len(numbers) and not (
                -EXACT_IN_DOUBLE <= ends["min"].as_py() <= ends["max"].as_py() <= EXACT_IN_DOUBLE
            ):
                raise Mismatch
        return numbers

    return to_arrow


def _floats(texts: Contents) -> pa.Array:
    """The numbers of a FLOAT column: doubles that write the same numbers as ``texts``.

    A decimal of up to 15 digits in the normal range is the shortest writing of its double, so nothing
    is lost; only what is longer or larger is compared one by one.
    """
    strings = pa.array(texts, pa.string())
    try:
        numbers = pc.cast(strings, pa.float64())
    except pa.ArrowInvalid:
        raise Mismatch from None
    length = pc.binary_length(strings)
    size = pc.abs(numbers)
    not_tiny = pc.or_(pc.greater(size, _SMALLEST_NORMAL), pc.equal(length, 1))
    short = pc.and_(pc.less_equal(length, _EXACT_DIGITS), pc.less(size, EXACT_IN_DOUBLE))
    doubtful = pc.invert(pc.and_(short, not_tiny))
    for text in strings.filter(doubtful).to_pylist():
        if number_kind(text) not in (Kind.INT, Kind.FLOAT):
            raise Mismatch
    return numbers


def _sets(numbers: Callable[[Contents], pa.Array]) -> Callable[[Contents], pa.Array]:
    """Lists of what ``numbers`` makes of their elements."""

    def to_arrow(lists: Contents) -> pa.Array:
        flat = numbers([text for texts in lists if texts is not None for text in texts])
        offsets: list[int | None] = []
        end = 0
        for texts in lists:
            offsets.append(None if texts is None else end)
            end += 0 if texts is None else len(texts)
        return pa.ListArray.from_arrays(pa.array([*offsets, end], pa.int32()), flat)

    return to_arrow


def _maps(raws: Contents) -> pa.Array:
    return plain_maps([None if raw is None else bytes(raw) for raw in raws])


def _lists(lists: Contents) -> pa.Array:
    """Elements as text; the maps among them, which are many where there are any, all at once."""
    rows: list[list[str | None] | None] = []
    maps: list[bytes] = []
    places: list[tuple[list[str | None], int]] = []
    for elements in lists:
        if elements is None:
            rows.append(None)
            continue
        row = [element.text for element in elements]
        if None in row:
            for index, element in enumerate(elements):
                if element.map is not ABSENT:
                    maps.append(bytes(element.map))
                    places.append((row, index))
                elif element.text is None:
                    row[index] = _element_text(element)
        rows.append(row)
    if maps:
        for (row, index), text in zip(places, plain_maps(maps).to_pylist(), strict=True):
            row[index] = text
    return pa.array(rows, _TEXTS)


def _element_text(element: Element) -> str | None:
    if element.number is not None:
        return element.number
    if element.truth is not None:
        return "true" if element.truth else "false"
    if element.null:
        return None
    for name in ("binary", "list", "texts", "numbers", "binaries"):
        raw = getattr(element, name)
        if raw is not ABSENT:
            return element_text({_ELEMENT_TAGS[name]: msgspec.json.decode(raw)})
    raise Mismatch


_TEXTS = pa.list_(pa.string())
_USUAL = {
    ColumnType(Kind.TEXT): "S",
    ColumnType(Kind.INT): "N",
    ColumnType(Kind.LONG): "N",
    ColumnType(Kind.FLOAT): "N",
    ColumnType(Kind.BOOL): "BOOL",
    ColumnType(Kind.BINARY): "B",
    ColumnType(Kind.JSON): "M",
    ColumnType(Kind.TEXT, many=True): "L",
    ColumnType(Kind.INT, many=True): "NS",
    ColumnType(Kind.LONG, many=True): "NS",
    ColumnType(Kind.FLOAT, many=True): "NS",
    ColumnType(Kind.BINARY, many=True): "BS",
}


def _known() -> dict[tuple[ColumnType, str], Form]:
    simple: list[tuple[ColumnType, str, Any]] = [
        (ColumnType(Kind.TEXT), "S", str),
        (ColumnType(Kind.BOOL), "BOOL", bool),
        (ColumnType(Kind.BINARY), "B", bytes),
        (ColumnType(Kind.TEXT, many=True), "SS", list[str]),
        (ColumnType(Kind.BINARY, many=True), "BS", list[bytes]),
    ]
    forms = {(type_, tag): Form(tag, content, _simple(type_.arrow())) for type_, tag, content in simple}
    for kind, numbers in (
        (Kind.INT, _integers(Kind.INT)),
        (Kind.LONG, _integers(Kind.LONG)),
        (Kind.FLOAT, _floats),
    ):
        forms[ColumnType(kind), "N"] = Form("N", str, numbers)
        forms[ColumnType(kind, many=True), "NS"] = Form("NS", list[str], _sets(numbers))
    forms[ColumnType(Kind.JSON), "M"] = Form("M", msgspec.Raw, _maps)
    forms[ColumnType(Kind.TEXT, many=True), "L"] = Form("L", list[Element], _lists)
    return forms


_FORMS = _known()
