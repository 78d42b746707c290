"""Which fast form the values of a column have, and those of the members and elements below it.

A form takes what ``ItemReader`` would give this very type. Where its own checks do not tell, values are read one by one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

import msgspec
import pyarrow as pa

from headrace.column_name import Path
from headrace.column_type import TEXT, ColumnType, Kind, Times, holds
from headrace.dynamodb.forms import Contents, Form, Mismatch, ToArrow, null_form, of_tags, stored_as, tagged
from headrace.dynamodb.nested_forms import (
    LISTS,
    Option,
    empty_map_form,
    list_option,
    map_form,
    set_option,
    struct_form,
)
from headrace.dynamodb.number_forms import number_form, plain_digits
from headrace.dynamodb.plain import plain_maps
from headrace.dynamodb.reader import ItemReader
from headrace.dynamodb.text_forms import element_form, member_form, text_form
from headrace.dynamodb.time_forms import declared_time_form, time_form
from headrace.mapping import ListType, NumberType
from headrace.schema import Column, Origin
from headrace.time_layout import PER_SECOND, Layout

Tags = Mapping[Path, frozenset[str]]
"""The tags seen so far by path, as ``ItemReader.tags`` notes them."""

_NONE: Final[frozenset[str]] = frozenset()
_CONTENTS: Final[Mapping[str, Any]] = {"N": str, "B": bytes, "BOOL": bool}
_UNDECLARABLE: Final = re.compile(r'["\\\x00-\x1f]')


def declarable(attribute: str) -> bool:
    """Whether msgspec takes an attribute's name for a field's."""
    return not _UNDECLARABLE.search(attribute)


def form_of(column: Column, tags: Tags, reader: ItemReader) -> Form:
    """The form of a column's values."""
    return _Chooser(tags, reader, column, _is_leaf(column, reader)).form(column.type, column.path)


def read_form(column: Column, reader: ItemReader) -> Form:
    """The form of a column's values that takes them as ``dict[str, Any]``, under whatever tag."""
    return _Chooser({}, reader, column, _is_leaf(column, reader)).one_by_one(column.type)


def _is_leaf(column: Column, reader: ItemReader) -> bool:
    """Whether maps with members are values of the column, and not taken apart for those below it."""
    return reader.structs or len(column.path) > (reader.mapping.unnest_depth or 0)


@dataclass(frozen=True, slots=True)
class _Chooser:
    """Chooses for one column; ``leaf``: it takes maps with members. ``member``: for what is within maps."""

    tags: Tags
    reader: ItemReader
    column: Column
    leaf: bool
    member: bool = False

    @property
    def declared(self) -> bool:
        """Whether the column stays as it is declared; of others, what is known of their values must stay true."""
        return self.column.fixed and self.column.origin is Origin.DECLARED

    def form(self, type_: ColumnType, path: Path) -> Form:
        """The form of the values at ``path``."""
        match type_.kind:
            case Kind.TEXT | Kind.JSON:
                form = self._text(type_, path)
            case Kind.LIST:
                form = self._list(type_, path)
            case Kind.STRUCT | Kind.MAP:
                form = self.map(type_, path)
            case _:
                form = self._scalar(type_)
        return form or self.one_by_one(type_)

    def _scalar(self, type_: ColumnType) -> Form | None:
        match type_:
            case ColumnType(Kind.NULL):
                return null_form(type_.arrow())
            case ColumnType(Kind.BOOL):
                return tagged("BOOL", bool, stored_as(type_.arrow()))
            case ColumnType(Kind.BINARY):
                return tagged("B", bytes, stored_as(type_.arrow()))
            case ColumnType(times=Times() as times):
                parse = self._times(type_, times)
                return None if parse is None else tagged("S", str, parse)
            case _:
                numbers = self._numbers(type_)
                return None if numbers is None else tagged("N", str, numbers)

    def _text(self, type_: ColumnType, path: Path) -> Form | None:
        seen = self._seen(path)
        if type_.kind is Kind.JSON:
            if self.member:
                return member_form()
            maps = tagged("M", msgspec.Raw, _plain) if self.leaf else empty_map_form()
            return maps if seen <= {"M"} else None
        if self.member or self.column.key or seen <= {"S"}:
            return tagged("S", str, stored_as(type_.arrow()))
        return text_form(self.reader, maps=self.leaf)

    def _numbers(self, type_: ColumnType) -> ToArrow | None:
        digits, number_type = type_.digits, self.reader.mapping.number_type
        assert digits is not None, "a NUMBER has digits"
        exact = self.column.key or number_type is NumberType.DECIMAL
        rounded = number_type is NumberType.FLOAT and not self.column.key
        if (exact and digits.double) or (rounded and not digits.rounded):
            return None

        def judge(text: str) -> bool:
            return self._holds(type_, self.reader.type_of({"N": text}, key=self.column.key))

        return number_form(digits, judge, declared=self.declared)

    def _times(self, type_: ColumnType, times: Times) -> ToArrow | None:
        family = self.reader.mapping.layouts
        # A zoned time that takes nanoseconds is text to the reader.
        if times.zone is not None and type_.arrow().unit == "ns":
            return None
        if not times.layouts <= {layout.text for layout in family} or _ambiguous(times, family):
            return None
        if not self.declared:
            return time_form(times)
        read = self.one_by_one(type_).to_arrow

        def each(texts: Contents) -> pa.Array:
            return read([None if text is None else {"S": text} for text in texts])

        return declared_time_form(times, each)

    def _list(self, type_: ColumnType, path: Path) -> Form | None:
        assert type_.element is not None, "a LIST has elements"
        seen = self._seen(path)
        options = self._list_options(type_.element, path)
        return (
            of_tags([option for option in options if option[0] in seen] or options[:1]) if options else None
        )

    def _list_options(self, element: ColumnType, path: Path) -> list[Option]:
        """The tags under which lists of such elements come, the usual one first."""
        options: list[Option] = []
        match element.kind:
            case Kind.TEXT:
                options = [
                    list_option(element_form(self.reader)),
                    set_option("SS", stored_as(element.arrow())),
                    set_option("NS", _digits),
                    set_option("BS", _base64),
                ]
            case Kind.NUMBER:
                if (numbers := self._numbers(element)) is not None:
                    options = self._typed_options("N", numbers, element)
            case Kind.BINARY:
                options = self._typed_options("B", stored_as(element.arrow()), element)
            case Kind.BOOL:
                options = [self._typed_list("BOOL", stored_as(element.arrow()), element)]
            case Kind.STRUCT | Kind.MAP:
                elements = replace(self, member=False).map(element, path)
                options = [] if elements is None else [list_option(elements)]
            case Kind.NULL:
                options = [list_option(null_form(element.arrow()))]
            case _:
                pass
        return options

    def _typed_options(self, tag: str, to_arrow: ToArrow, element: ColumnType) -> list[Option]:
        options = [self._typed_list(tag, to_arrow, element), set_option(f"{tag}S", to_arrow)]
        return options if self.reader.mapping.list_type is ListType.TYPED else options[::-1]

    def _typed_list(self, tag: str, to_arrow: ToArrow, element: ColumnType) -> Option:
        """Lists of values under a tag; if such are lists of text, those of NULL alone."""
        if self.reader.mapping.list_type is ListType.TYPED:
            return list_option(tagged(tag, _CONTENTS[tag], to_arrow))
        return list_option(null_form(element.arrow()))

    def map(self, type_: ColumnType, path: Path) -> Form | None:
        """The form of structs and maps of which nothing is unusual."""
        if not self.reader.structs:
            return None
        if type_.kind is Kind.MAP:
            assert type_.element is not None, "a MAP has elements"
            values = replace(self, member=True, tags=_tags_of_all(self.tags, path))
            return map_form(values.form(type_.element, (*path, "")))
        if not all(declarable(member.attribute) for member in type_.members):
            return None
        if not type_.members:
            return empty_map_form()
        members = replace(self, member=True)
        return struct_form(
            [
                (member.attribute, name, members.form(member.type, (*path, member.attribute)))
                for name, member in type_.named()
            ]
        )

    def one_by_one(self, type_: ColumnType) -> Form:
        """Values that are read as the generic way reads them."""
        arrow = type_.arrow()

        def read(value: Any) -> Any:
            if not self.leaf and value.get("M"):
                raise Mismatch
            if not self._holds(type_, self.reader.type_of(value, key=self.column.key)):
                raise Mismatch
            return self.reader.form(value, type_)

        def to_arrow(cells: Contents) -> pa.Array:
            return pa.array([None if cell is None else read(cell) for cell in cells], arrow)

        return Form(dict[str, Any], None, to_arrow, content="")

    def _holds(self, type_: ColumnType, own: ColumnType) -> bool:
        """Whether a column or member as it is known holds values of the type ``own``, or is declared to."""
        if self.declared:
            return holds(type_, own, member=self.member, any_layout=True)
        return (type_.join_member(own) if self.member else type_.join(own)) == type_

    def _seen(self, path: Path) -> frozenset[str]:
        return self.tags.get(path, _NONE) & {"S", *LISTS, "M", "N", "B", "BOOL"}


def _tags_of_all(tags: Tags, path: Path) -> Tags:
    """The tags below ``path`` with one name, the empty one, for all members there."""
    joined: dict[Path, frozenset[str]] = {}
    depth = len(path)
    for known, seen in tags.items():
        if len(known) > depth and known[:depth] == path:
            below = (*path, "", *known[depth + 1 :])
            joined[below] = joined.get(below, _NONE) | seen
    return joined


@lru_cache(maxsize=256)
def _ambiguous(times: Times, family: tuple[Layout, ...]) -> bool:
    """Whether another layout of ``family`` reads what one of the column writes, but in another zone.

    The first of the family that reads a text decides in which zone it is.
    """
    for layout in family:
        if layout.text in times.layouts:
            continue
        for own in map(Layout.of, times.layouts):
            for text in _specimens(own, times.zone):
                moment = layout.parse(text)
                if moment is not None and moment.zone != times.zone:
                    return True
    return False


def _specimens(layout: Layout, zone: str | None) -> list[str]:
    """Texts of fractions of every length that the layout writes."""
    texts = []
    per_second = PER_SECOND[layout.unit]
    for digits in range(len(str(per_second))):
        try:
            texts.append(layout.format(per_second // 10**digits if digits else 0, zone))
        except ValueError:
            continue
    return texts


def _plain(raws: Contents) -> pa.Array:
    return plain_maps([None if raw is None else bytes(raw) for raw in raws])


def _digits(texts: Contents) -> pa.Array:
    return plain_digits(pa.array(texts, pa.string()))


def _base64(contents: Contents) -> pa.Array:
    return pa.array([base64.b64encode(one).decode() for one in contents], TEXT.arrow())
