"""Values of any type as text: of a whole page, each as its column, its list or its map says it.

Strings, numbers and truths are written by passes in C over all values; what else there is goes where its mapping
says: ``any_value`` where maps are structs, else ``plain``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from headrace.column_type import TEXT, list_of
from headrace.dynamodb.any_value import MISSING, Value, column_texts, element_texts, json_texts
from headrace.dynamodb.attribute import AttributeValue, check_value
from headrace.dynamodb.forms import Contents, Form, Mismatch
from headrace.dynamodb.number_forms import plain_digits
from headrace.dynamodb.plain import plain_maps
from headrace.dynamodb.raw import ABSENT
from headrace.dynamodb.reader import ItemReader

Write = Callable[[Sequence[Any]], Sequence[str | None]]
"""The texts of cells that are no scalars. Raises Mismatch, BrokenValue or msgspec.DecodeError."""

_RAWS: Final = {
    "members": "M",
    "binary": "B",
    "elements": "L",
    "texts": "SS",
    "numbers": "NS",
    "binaries": "BS",
}


class RawValue(
    msgspec.Struct,
    gc=False,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"text": "S", "number": "N", "truth": "BOOL", "null": "NULL"} | _RAWS,
):
    """A value of any type: scalars decoded, the rest as it came."""

    text: str | None = None
    number: str | None = None
    truth: bool | None = None
    null: bool = False
    members: msgspec.Raw = ABSENT
    binary: msgspec.Raw = ABSENT
    elements: msgspec.Raw = ABSENT
    texts: msgspec.Raw = ABSENT
    numbers: msgspec.Raw = ABSENT
    binaries: msgspec.Raw = ABSENT


def text_form(reader: ItemReader, *, maps: bool) -> Form:
    """Any value in a column of TEXT, but for ``maps`` that have members if these are not its own."""
    if reader.structs:
        return _form(Value, MISSING, column_texts)
    form = _raw_form(reader.text)
    if maps:
        return form

    def to_arrow(cells: Contents) -> pa.Array:
        if any(cell.members is not ABSENT and msgspec.json.decode(cell.members) for cell in cells):
            raise Mismatch
        return form.to_arrow(cells)

    return replace(form, to_arrow=to_arrow)


def element_form(reader: ItemReader) -> Form:
    """Any element of a list of TEXT."""
    if reader.structs:
        return _form(Value, MISSING, element_texts)
    type_ = list_of(TEXT)
    return _raw_form(lambda element: reader.form({"L": [element]}, type_)[0])


def member_form() -> Form:
    """Any member of a map that is JSON there."""
    return _form(Value, MISSING, json_texts, quoted=True)


def _raw_form(write: Callable[[AttributeValue], Any]) -> Form:
    """Maps as ``plain_maps`` writes them, other values as ``write`` does."""

    def write_all(cells: Sequence[RawValue]) -> list[str | None]:
        maps = [bytes(cell.members) if cell.members is not ABSENT else None for cell in cells]
        texts: list[str | None] = plain_maps(maps).to_pylist()
        return [
            write(_value_of(cell)) if text is None else text for cell, text in zip(cells, texts, strict=True)
        ]

    return _form(RawValue, RawValue(null=True), write_all)


def _form(cell: Any, absent: Any, write: Write, *, quoted: bool = False) -> Form:
    """Values, strings ``quoted`` or as they are, and those that are no scalars as ``write`` says."""

    def to_arrow(cells: Contents) -> pa.Array:
        strings = pa.array([cell.text for cell in cells], pa.string())
        texts = _quoted(strings) if quoted else strings
        if not strings.null_count:
            return texts
        numbers = pa.array([cell.number for cell in cells], pa.string())
        truths = pa.array([cell.truth for cell in cells], pa.bool_())
        merged = pc.coalesce(texts, plain_digits(numbers), pc.cast(truths, pa.string()))
        scalars = sum(len(cells) - one.null_count for one in (strings, numbers, truths))
        nulls = pa.array([cell.null for cell in cells], pa.bool_())
        known = pc.or_(nulls, merged.is_valid())
        if scalars + pc.sum(nulls).as_py() != pc.sum(known).as_py():
            raise Mismatch
        if pc.all(known).as_py():
            return merged
        rest = pc.invert(known)
        written = write([cells[index] for index in pc.indices_nonzero(rest).to_pylist()])
        return pc.replace_with_mask(merged, rest, pa.array(written, pa.string()))

    return Form(cell, absent, to_arrow, content="")


def _quoted(strings: pa.StringArray) -> pa.StringArray:
    given = strings.to_pylist()
    lines = msgspec.json.Encoder().encode_lines(given).decode().split("\n")[:-1]
    return pa.array(
        [None if text is None else line for text, line in zip(given, lines, strict=True)], pa.string()
    )


def _value_of(cell: RawValue) -> AttributeValue:
    """A value that is no scalar, decoded. Raises Mismatch, BrokenValue or msgspec.DecodeError."""
    found = {tag: raw for name, tag in _RAWS.items() if (raw := getattr(cell, name)) is not ABSENT}
    if len(found) != 1:
        raise Mismatch
    value = {tag: msgspec.json.decode(raw) for tag, raw in found.items()}
    check_value(value)
    return value
