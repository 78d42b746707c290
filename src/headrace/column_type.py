"""What the values of one column are, and how types join where items disagree.

The types form a lattice: ``join`` is commutative, associative and idempotent, so a schema does not depend on
the order in which items are seen. What a value looks like in a column depends on nothing but the value and the
column's type, so neither do the rows. A join never loses a value:

- Two numbers join to what writes both exactly (``Digits``).
- Two times of one zone stay a time as long as one layout writes all of them; else they are TEXT.
- Lists join by their elements, structs member by member; a struct of more than MOST_MEMBERS names was a
  dictionary, and becomes a map.
- Any two other types join to TEXT: each value as its text. As members of a map they join to JSON, which tells
  ``1`` from ``"1"``: so that a map which becomes text itself says the same whichever way it went.

The text of a value: a string itself, a number's plain digits, ``true`` or ``false``, base64, a map as a JSON object,
a list as a JSON array of its elements' texts (missing ones null). The JSON of a member: numbers, booleans,
maps and lists as in their texts, all else as a JSON string. Objects are written in the order of their names,
without members that are null: a struct does not tell those from missing ones.

``arrow`` says how a type is stored. Several types may be stored alike: JSON and TEXT are both strings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from typing import Final, Self

import pyarrow as pa

from headrace.column_name import assign_names
from headrace.time_layout import Layout

EXACT_IN_DOUBLE: Final = 2**53
"""Integers up to this magnitude survive a column's widening to double."""

MOST_DIGITS: Final = 38
"""Digits of a Decimal128."""

MOST_MEMBERS: Final = 100
"""Names beyond which the maps of an attribute are taken for dictionaries: their keys are data."""

_INT64: Final = range(-(2**63), 2**63)
_LONG_DIGITS: Final = 19
_TOO_MANY: Final = MOST_DIGITS + 1


class Kind(StrEnum):
    """What one value of a column is."""

    NULL = "null"
    BOOL = "bool"
    NUMBER = "number"
    BINARY = "binary"
    TIME = "time"
    TEXT = "text"
    LIST = "list"
    STRUCT = "struct"
    MAP = "map"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Digits:
    """What it takes to write every number of a column.

    ``whole`` and ``fraction`` are digits before and after the point (39 stands for more than 38; ``whole`` is at
    least 19, as a 64-bit integer's). ``long``: each is an integer of 64 bits. ``double``: each is the shortest
    writing of a double, so that the double gives it back (0.1 is, 0.10000000000000000001 is not).
    ``rounded``: the nearest double will do.
    """

    whole: int = _LONG_DIGITS
    fraction: int = 0
    long: bool = True
    double: bool = True
    rounded: bool = False

    @classmethod
    def of(cls, number: Decimal, *, key: bool = False) -> Self:
        """Those of one number. That of a ``key`` counts as no double, for keys are found by equality."""
        _, digits, exponent = number.as_tuple()
        assert isinstance(exponent, int), "a number of DynamoDB is finite"
        text = "".join(map(str, digits)).lstrip("0")
        significant = text.rstrip("0")
        exponent += len(text) - len(significant)
        if not significant:
            exponent = 0
        whole, fraction = max(len(significant) + exponent, 0), max(-exponent, 0)
        integer = int(number) if not fraction and whole <= _LONG_DIGITS else None
        return cls(
            whole=min(max(whole, _LONG_DIGITS), _TOO_MANY),
            fraction=min(fraction, _TOO_MANY),
            long=integer is not None and integer in _INT64,
            double=not key and _is_double(number, integer),
        )

    def join(self, other: Digits) -> Digits:
        """Those of the numbers of both."""
        return Digits(
            max(self.whole, other.whole),
            max(self.fraction, other.fraction),
            self.long and other.long,
            self.double and other.double,
            self.rounded or other.rounded,
        )

    def arrow(self) -> pa.DataType:
        """Int64 if that holds all; else Decimal128(38, s) for integers; else Float64, Decimal128, or text."""
        if self.long:
            return pa.int64()
        if self.rounded or (self.fraction and self.double):
            return pa.float64()
        if self.whole + self.fraction <= MOST_DIGITS:
            return pa.decimal128(MOST_DIGITS, self.fraction)
        return pa.float64() if self.double else pa.string()


def _is_double(number: Decimal, integer: int | None) -> bool:
    if integer is not None and abs(integer) <= EXACT_IN_DOUBLE:
        return True
    return Decimal(repr(float(number))) == number


@dataclass(frozen=True, slots=True)
class Times:
    """Strings that are times: each is what any of ``layouts`` (Go's) writes for an instant in ``zone``.

    ``zone`` is None for naive ones, else ``UTC``, an offset such as ``+02:00``, or a zone's abbreviation.
    """

    zone: str | None
    layouts: frozenset[str]

    def arrow(self) -> pa.DataType:
        """In the coarsest unit that one of the layouts writes; zoned ones as instants in UTC."""
        units = {Layout.of(layout).unit for layout in self.layouts}
        unit = next(unit for unit in ("ms", "us", "ns") if unit in units)
        return pa.timestamp(unit, None if self.zone is None else "UTC")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct: the attribute of the map that it holds, and its type."""

    attribute: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A kind, with what it is made of.

    NUMBER has ``digits``, TIME ``times``, LIST and MAP (of strings to values) ``element``, STRUCT ``members`` in
    the order of their attributes. A STRUCT without members holds empty maps. JSON is JSON text, TEXT a string or
    the text of any other value.
    """

    kind: Kind
    digits: Digits | None = None
    times: Times | None = None
    element: ColumnType | None = None
    members: tuple[Member, ...] = ()

    def join(self, other: ColumnType) -> ColumnType:
        """The narrowest type of a column, or of a list's elements, that holds every value of both."""
        return self._joined(other, TEXT)

    def join_member(self, other: ColumnType) -> ColumnType:
        """The narrowest type of a map's member that holds every value of both."""
        return self._joined(other, JSON)

    def _joined(self, other: ColumnType, widest: ColumnType) -> ColumnType:
        if self == other or other.kind is Kind.NULL:
            return self
        if self.kind is Kind.NULL:
            return other
        if self.kind is other.kind:
            return self._joined_alike(other)
        kinds = {self.kind, other.kind}
        if kinds == {Kind.STRUCT, Kind.MAP}:
            return _map(self).join(_map(other))
        return TEXT if kinds == {Kind.TIME, Kind.TEXT} else widest

    def arrow(self) -> pa.DataType:
        """How the values are stored. What was never seen, and empty maps, are stored as strings."""
        match self:
            case ColumnType(Kind.NUMBER, digits=Digits() as digits):
                return digits.arrow()
            case ColumnType(Kind.TIME, times=Times() as times):
                return times.arrow()
            case ColumnType(Kind.LIST, element=ColumnType() as element):
                return pa.list_(element.arrow())
            case ColumnType(Kind.MAP, element=ColumnType() as element):
                return pa.map_(pa.string(), element.arrow())
            case ColumnType(Kind.STRUCT) if self.members:
                return pa.struct([(name, member.type.arrow()) for name, member in self.named()])
            case _:
                return _SIMPLE.get(self.kind, pa.string())

    def named(self) -> tuple[tuple[str, Member], ...]:
        """The members with the names of their fields."""
        names = assign_names([(member.attribute,) for member in self.members])
        return tuple(zip(names, self.members, strict=True))

    def _joined_alike(self, other: ColumnType) -> ColumnType:
        match self, other:
            case ColumnType(digits=Digits() as one), ColumnType(digits=Digits() as two):
                return replace(self, digits=one.join(two))
            case ColumnType(times=Times() as one), ColumnType(times=Times() as two):
                layouts = one.layouts & two.layouts
                return time_type(Times(one.zone, layouts)) if layouts and one.zone == two.zone else TEXT
            case ColumnType(Kind.LIST, element=ColumnType() as one), ColumnType(element=ColumnType() as two):
                return list_of(one, two)
            case ColumnType(Kind.MAP, element=ColumnType() as one), ColumnType(element=ColumnType() as two):
                return map_of(one.join_member(two))
            case ColumnType(Kind.STRUCT), _:
                return struct_of({m.attribute: m.type for m in self.members}, *other.members)
            case _:
                return self


def time_type(times: Times) -> ColumnType:
    """Strings that are times."""
    return ColumnType(Kind.TIME, times=times)


def number_type(digits: Digits) -> ColumnType:
    """Numbers."""
    return ColumnType(Kind.NUMBER, digits=digits)


def list_of(*elements: ColumnType) -> ColumnType:
    """Lists whose elements are of these types; none are known without one."""
    return ColumnType(Kind.LIST, element=reduce(ColumnType.join, elements, NULL))


def map_of(value: ColumnType) -> ColumnType:
    """Dictionaries of such values."""
    return ColumnType(Kind.MAP, element=value)


def struct_of(types: dict[str, ColumnType], *more: Member) -> ColumnType:
    """Maps with members of these types, ``more`` joined to them; a map where they are too many."""
    joined = dict(types)
    for member in more:
        known = joined.get(member.attribute)
        joined[member.attribute] = member.type if known is None else known.join_member(member.type)
    members = tuple(Member(attribute, joined[attribute]) for attribute in sorted(joined))
    struct = ColumnType(Kind.STRUCT, members=members)
    return struct if len(members) <= MOST_MEMBERS else _map(struct)


def holds(  # noqa: PLR0911  # One return per kind.
    fixed: ColumnType, own: ColumnType, *, member: bool = False, any_layout: bool = False
) -> bool:
    """Whether a column that must stay ``fixed`` as it is stored holds every value of the type ``own``.

    TEXT and JSON hold everything, but as members of a map: there TEXT holds strings. A time must be written by
    all the layouts of the column, or with ``any_layout`` by one: then only the instant is kept, not its text.
    """
    if own.kind is Kind.NULL or fixed.kind is Kind.JSON:
        return True
    match fixed, own:
        case ColumnType(Kind.TEXT), _:
            return not member or own.kind in (Kind.TEXT, Kind.TIME)
        case ColumnType(digits=Digits() as one), ColumnType(digits=Digits() as two):
            return bool(one.join(two).arrow() == one.arrow())
        case ColumnType(times=Times() as one), ColumnType(times=Times() as two):
            common = one.layouts & two.layouts
            enough = bool(common) if any_layout else common == one.layouts
            return enough and one.zone == two.zone and bool(Times(one.zone, common).arrow() == one.arrow())
        case ColumnType(Kind.LIST, element=ColumnType() as one), ColumnType(
            Kind.LIST, element=ColumnType() as two
        ):
            return holds(one, two, any_layout=any_layout)
        case ColumnType(Kind.MAP, element=ColumnType() as one), ColumnType(
            Kind.MAP, element=ColumnType() as two
        ):
            return holds(one, two, member=True, any_layout=any_layout)
        case ColumnType(Kind.MAP, element=ColumnType() as one), ColumnType(Kind.STRUCT):
            return all(holds(one, each.type, member=True, any_layout=any_layout) for each in own.members)
        case ColumnType(Kind.STRUCT), ColumnType(Kind.STRUCT):
            known = {each.attribute: each.type for each in fixed.members}
            return all(
                each.attribute in known
                and holds(known[each.attribute], each.type, member=True, any_layout=any_layout)
                for each in own.members
            )
        case _:
            return fixed == own


def _map(type_: ColumnType) -> ColumnType:
    """A struct as a map of any of its members; a map as it is."""
    if type_.kind is Kind.MAP:
        return type_
    return map_of(reduce(ColumnType.join_member, (member.type for member in type_.members), NULL))


_SIMPLE: Final = {Kind.BOOL: pa.bool_(), Kind.BINARY: pa.binary()}

NULL: Final = ColumnType(Kind.NULL)
BOOL: Final = ColumnType(Kind.BOOL)
INT: Final = number_type(Digits())
LONG: Final = number_type(Digits(double=False))
BINARY: Final = ColumnType(Kind.BINARY)
TEXT: Final = ColumnType(Kind.TEXT)
JSON: Final = ColumnType(Kind.JSON)
