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

from headrace.attribute import AttributeValue, check_value
from headrace.column_type import TEXT, list_of
from headrace.dynamodb.any_value import MISSING, Value, column_texts, element_texts, json_texts
from headrace.dynamodb.forms import Contents, Form, Mismatch
from headrace.dynamodb.number_forms import plain_digits
from headrace.dynamodb.plain import plain_maps
from headrace.dynamodb.raw import ABSENT
from headrace.dynamodb.reader import ItemReader

Write = Callable[[Sequence[Any]], Sequence[str | None] | pa.StringArray]
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

    def write_all(cells: Sequence[RawValue]) -> pa.StringArray:
        maps = [bytes(cell.members) if cell.members is not ABSENT else None for cell in cells]
        texts = plain_maps(maps)
        if not texts.null_count:
            return texts
        others = [
            write(_value_of(cell)) if map_ is None else None for cell, map_ in zip(cells, maps, strict=True)
        ]
        return pc.coalesce(texts, pa.array(others, pa.string()))

    return _form(RawValue, RawValue(null=True), write_all)


def _form(cell: Any, absent: Any, write: Write, *, quoted: bool = False) -> Form:
    """Values, strings ``quoted`` or as they are, and those that are no scalars as ``write`` says."""

    def to_arrow(cells: Contents) -> pa.Array:
        given = [cell.text for cell in cells]
        strings = pa.array(given, pa.string())
        texts = pa.array(_quoted(given), pa.string()) if quoted else strings
        if not strings.null_count:
            return texts
        numbers = pa.array([cell.number for cell in cells], pa.string())
        truths = pa.array([cell.truth for cell in cells], pa.bool_())
        merged = pc.coalesce(texts, plain_digits(numbers), pc.cast(truths, pa.string()))
        scalars = sum(len(cells) - one.null_count for one in (strings, numbers, truths))
        nulls = pa.array([cell.null for cell in cells], pa.bool_())
        known = pc.or_(nulls, merged.is_valid())
        if scalars + nulls.true_count != known.true_count:
            raise Mismatch
        if known.true_count == len(cells):
            return merged
        written = write([cell for cell in cells if _is_no_scalar(cell)])
        return pc.replace_with_mask(merged, pc.invert(known), pa.array(written, pa.string()))

    return Form(cell, absent, to_arrow, content="")


def _is_no_scalar(cell: Any) -> bool:
    return cell.text is None and cell.number is None and cell.truth is None and not cell.null


def _quoted(texts: Sequence[str | None]) -> list[str | None]:
    lines = msgspec.json.Encoder().encode_lines(texts).decode().split("\n")
    return [None if text is None else line for text, line in zip(texts, lines, strict=False)]


def _value_of(cell: RawValue) -> AttributeValue:
    """A value that is no scalar, decoded. Raises Mismatch, BrokenValue or msgspec.DecodeError."""
    found = {tag: raw for name, tag in _RAWS.items() if (raw := getattr(cell, name)) is not ABSENT}
    if len(found) != 1:
        raise Mismatch
    value = {tag: msgspec.json.decode(raw) for tag, raw in found.items()}
    check_value(value)
    return value
