"""How the items of one table are read: the paths of their values, the narrowest type of each, its form in a column.

This is what the compiled decoders must agree with, value by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa

from headrace.attribute import (
    AttributeValue,
    base64_of,
    binary_of,
    check_value,
    digits_of,
    json_array,
    number_of,
    plain_json,
    quoted,
    tag_of,
)
from headrace.column_name import Path
from headrace.column_type import (
    BINARY,
    BOOL,
    JSON,
    NULL,
    TEXT,
    ColumnType,
    Digits,
    Kind,
    Times,
    list_of,
    number_type,
    struct_of,
    time_type,
)
from headrace.mapping import ListType, NumberType
from headrace.mapping import Mapping as ColumnMapping
from headrace.time_layout import PER_SECOND, Layout
from headrace.time_text import layouts_of

Item = Mapping[str, AttributeValue]

_SETS = ("SS", "NS", "BS")


@dataclass(frozen=True, slots=True)
class ItemReader:
    """Reads items as ``mapping`` says."""

    mapping: ColumnMapping

    @property
    def structs(self) -> bool:
        """Whether maps are structs; else they are flattened, and JSON where they are deeper than that."""
        return self.mapping.unnest_depth is None

    def leaves(self, item: Item) -> Iterator[tuple[Path, AttributeValue]]:
        """Each value of ``item`` that has a column, by its path. A map without members is a value itself."""
        depth = (self.mapping.unnest_depth or 0) + 1
        for name, value in item.items():
            yield from _leaves((name,), value, depth)

    def type_of(self, value: AttributeValue, *, key: bool = False) -> ColumnType:
        """The narrowest type that holds ``value``. Raises BrokenValue where it, or a part of it, is none."""
        check_value(value)
        return self._key_type(value) if key else self._type_of(value)

    def form(self, value: AttributeValue, type_: ColumnType) -> Any:
        """``value`` as a column of ``type_``, which holds it, takes it: for ``pa.array`` of the type's Arrow type.

        Times are counts of their unit. Raises ValueError where ``type_`` is too narrow.
        """
        tag = tag_of(value)
        content = value[tag]
        match type_.kind:
            case _ if tag == "NULL":
                return None
            case Kind.TEXT:
                return self.text(value)
            case Kind.JSON:
                return plain_json(value)
            case _:
                return self._native(tag, content, type_)

    def text(self, value: AttributeValue) -> str:
        """``value`` in a column of TEXT, or as an element of a list of texts."""
        tag = tag_of(value)
        content = value[tag]
        match tag:
            case "S":
                return str(content)
            case "N":
                return digits_of(content)
            case "B":
                return base64_of(content)
            case "BOOL":
                return "true" if content else "false"
            case "M":
                return self._object(content) if self.structs else plain_json(value)
            case _:
                return json_array(
                    "null" if text is None else quoted(text) for text in self._texts(tag, content)
                )

    def tags(self, path: Path, value: AttributeValue, seen: dict[Path, frozenset[str]]) -> None:
        """Note the tags of ``value`` and of the members below it by their paths; elements have their list's."""
        tag = tag_of(value)
        if tag == "NULL":
            return
        known = seen.get(path, frozenset())
        if tag not in known:
            seen[path] = known | {tag}
        if not self.structs:
            return
        if tag == "M":
            for name, inner in value[tag].items():
                self.tags((*path, name), inner, seen)
        elif tag == "L":
            for element in value[tag]:
                if "M" in element:
                    for name, inner in element["M"].items():
                        self.tags((*path, name), inner, seen)

    def _type_of(self, value: AttributeValue) -> ColumnType:
        tag = tag_of(value)
        content = value[tag]
        match tag:
            case "S":
                return self._string_type(content)
            case "N":
                return self._number_type(content)
            case "M" if self.structs:
                return struct_of({name: self._type_of(inner) for name, inner in content.items()})
            case "L":
                return list_of(*map(self._element_type, content))
            case "NS":
                return list_of(*map(self._number_type, content))
            case _:
                return _TYPES[tag]

    def _key_type(self, value: AttributeValue) -> ColumnType:
        """A key is found by equality, so it is no time and no double."""
        tag = tag_of(value)
        if tag == "N":
            return number_type(Digits.of(number_of(value[tag]), key=True))
        return TEXT if tag == "S" else self._type_of(value)

    def _string_type(self, text: str) -> ColumnType:
        reading = layouts_of(text, self.mapping.layouts)
        if reading is None:
            return TEXT
        type_ = time_type(Times(reading.zone, reading.layouts))
        # Engines keep instants in microseconds at best.
        return TEXT if reading.zone is not None and type_.arrow().unit == "ns" else type_

    def _number_type(self, text: str) -> ColumnType:
        digits = Digits.of(number_of(text))
        match self.mapping.number_type:
            case NumberType.DECIMAL:
                digits = replace(digits, double=False)
            case NumberType.FLOAT:
                digits = replace(digits, rounded=True)
            case NumberType.AUTO:
                pass
        return number_type(digits)

    def _element_type(self, element: AttributeValue) -> ColumnType:
        tag = tag_of(element)
        if tag == "NULL" or (tag == "M" and self.structs):
            return self._type_of(element)
        if self.mapping.list_type is ListType.TYPED and tag in ("N", "B", "BOOL"):
            return self._type_of(element)
        return TEXT

    def _native(self, tag: str, content: Any, type_: ColumnType) -> Any:  # noqa: PLR0911 - a case for each kind
        match tag, type_.kind:
            case "BOOL", Kind.BOOL:
                return content
            case "B", Kind.BINARY:
                return binary_of(content)
            case "N", Kind.NUMBER:
                return _number(content, type_)
            case "S", Kind.TIME:
                return _time(content, type_)
            case "M", Kind.STRUCT if type_.members:
                return self._struct(content, type_)
            case "M", Kind.STRUCT if not content:
                return "{}"
            case "M", Kind.MAP:
                return [
                    (name, self._member(content[name], _element(type_)))
                    for name in sorted(content)
                    if "NULL" not in content[name]
                ]
            case (("L" | "SS" | "NS" | "BS"), Kind.LIST):
                return self._list(tag, content, _element(type_))
            case _:
                raise ValueError(f"a column of {type_.kind} does not hold a {tag}")

    def _struct(self, content: Item, type_: ColumnType) -> dict[str, Any]:
        if not content.keys() <= {member.attribute for member in type_.members}:
            raise ValueError("a struct does not hold a map with other members")
        return {
            name: self._member(content[member.attribute], member.type)
            for name, member in type_.named()
            if member.attribute in content
        }

    def _member(self, value: AttributeValue, type_: ColumnType) -> Any:
        """A member of a map: where it is JSON, in the form that a struct would give it."""
        if type_.kind is Kind.JSON:
            return None if "NULL" in value else self._json(value)
        return self.form(value, type_)

    def _list(self, tag: str, content: Any, element: ColumnType) -> list[Any]:
        if element.kind in (Kind.TEXT, Kind.NULL):
            return self._texts(tag, content)
        elements = content if tag == "L" else [{tag[0]: one} for one in content]
        return [self.form(one, element) for one in elements]

    def _texts(self, tag: str, content: Any) -> list[str | None]:
        if tag == "L":
            return [self._element_text(element) for element in content]
        return [self.text({tag[0]: one}) for one in content]

    def _element_text(self, element: AttributeValue) -> str | None:
        tag = tag_of(element)
        if tag == "NULL":
            return None
        return plain_json(element) if tag == "L" or tag in _SETS else self.text(element)

    def _json(self, value: AttributeValue) -> str:
        """A member of a map in JSON."""
        tag = tag_of(value)
        match tag:
            case "S" | "B":
                return quoted(self.text(value))
            case _:
                return self.text(value)

    def _object(self, content: Item) -> str:
        members = ((name, content[name]) for name in sorted(content))
        texts = (f"{quoted(name)}:{self._json(value)}" for name, value in members if "NULL" not in value)
        return f"{{{','.join(texts)}}}"


def _leaves(path: Path, value: AttributeValue, depth: int) -> Iterator[tuple[Path, AttributeValue]]:
    content = value.get("M") if len(path) < depth and isinstance(value, dict) else None
    if isinstance(content, dict) and content:
        for name, inner in content.items():
            yield from _leaves((*path, name), inner, depth)
    else:
        yield path, value


def _element(type_: ColumnType) -> ColumnType:
    assert type_.element is not None, f"{type_.kind} has elements"
    return type_.element


def _number(text: str, type_: ColumnType) -> int | float | Decimal | str:
    number = number_of(text)
    arrow = type_.arrow()
    if pa.types.is_int64(arrow):
        return int(number)
    if pa.types.is_decimal(arrow):
        return number
    return float(text) if pa.types.is_float64(arrow) else digits_of(text)


def _time(text: str, type_: ColumnType) -> int:
    assert type_.times is not None, "a TIME has times"
    per_second = PER_SECOND[type_.arrow().unit]
    for layout in map(Layout.of, sorted(type_.times.layouts)):
        moment = layout.parse(text)
        if moment is not None and moment.zone == type_.times.zone and PER_SECOND[layout.unit] <= per_second:
            return moment.count * (per_second // PER_SECOND[layout.unit])
        if moment is not None and moment.zone == type_.times.zone:
            count, finer = divmod(moment.count, PER_SECOND[layout.unit] // per_second)
            if not finer:
                return count
    raise ValueError(f"{text!r} is no time of the column's")


_TYPES = {
    "B": BINARY,
    "BOOL": BOOL,
    "NULL": NULL,
    "M": JSON,
    "SS": list_of(TEXT),
    "BS": list_of(BINARY),
}
