"""The parts of a Go time layout: what each writes of a time, and what texts it matches.

The source is the documentation of Go's package time and the behaviour of its Format and Parse
(https://pkg.go.dev/time#pkg-constants).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

Fields = Mapping[str, int]
"""A wall clock and its zone, in parts: ``year``, ``month``, ... ``nanosecond``, ``offset`` in seconds."""

ABBREVIATIONS: Final[Mapping[str, int]] = {
    name: hours * 3600
    for name, hours in (
        *(("UTC", 0), ("GMT", 0), ("UT", 0), ("EST", -5), ("EDT", -4), ("CST", -6)),
        *(("CDT", -5), ("MST", -7), ("MDT", -6), ("PST", -8), ("PDT", -7)),
    )
}
"""Seconds east of Greenwich by the names of RFC 2822, section 4.3, and UTC."""

_PIVOT: Final = 69  # Two digits of a year from here on are of the 20th century.

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_WEEKDAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_HALVES: Final = ("AM", "PM")


@dataclass(frozen=True, slots=True)
class Verbatim:
    """Text of a layout that is no part of the reference time."""

    text: str

    @property
    def pattern(self) -> str:
        """A regular expression of what it writes, here as for every piece."""
        return re.escape(self.text)

    def write(self, _fields: Fields) -> str:
        """What it writes of a time, here as for every piece."""
        return self.text


@dataclass(frozen=True, slots=True)
class Number:
    """A token that writes a number: padded with zeros, with spaces (``_2``), or not at all (``2``)."""

    text: str
    name: str
    padding: str

    @property
    def pattern(self) -> str:
        """A regular expression with one group, here as for every token."""
        return f"({_DIGITS[self.padding]})"

    def read(self, said: str) -> tuple[str, int]:
        """The field that the group's text says, and its value, here as for every token."""
        if self.name == "short year":
            return "year", int(said) + (1900 if int(said) >= _PIVOT else 2000)
        return self.name, int(said)

    def write(self, fields: Fields) -> str:
        """Digits of the field."""
        value = fields["year"] % 100 if self.name == "short year" else fields[self.name]
        return format(value, self.padding)


@dataclass(frozen=True, slots=True)
class Name:
    """A token that writes one of some names: months and weekdays, AM and PM, zones."""

    text: str
    name: str
    names: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The names."""
        return f"({'|'.join(self.names)})"

    def read(self, said: str) -> tuple[str, int]:
        """The place of the name among the names; of months, the number."""
        return self.name, self.names.index(said) + (self.name == "month")

    def write(self, fields: Fields) -> str:
        """The name."""
        return self.names[fields[self.name] - (self.name == "month")]


@dataclass(frozen=True, slots=True)
class Fraction:
    """A token that writes parts of a second: ``.000``, or ``.999``, which leaves out zeros at the end."""

    text: str

    @property
    def digits(self) -> int:
        """The most digits that it writes."""
        return len(self.text) - 1

    @property
    def trimmed(self) -> bool:
        """Whether it leaves out zeros at the end, and itself if nothing else is left."""
        return self.text[1] == "9"

    @property
    def pattern(self) -> str:
        """Only texts that keep the law: a trimmed fraction ends in no zero."""
        point = re.escape(self.text[0])
        if self.trimmed:
            return f"({point}[0-9]{{0,{self.digits - 1}}}[1-9])?"
        return f"({point}[0-9]{{{self.digits}}})"

    def read(self, said: str) -> tuple[str, int]:
        """Nanoseconds."""
        return "nanosecond", int(said[1:].ljust(9, "0"))

    def write(self, fields: Fields) -> str:
        """Digits that say less than the time has are cut off."""
        text = self.text[0] + f"{fields['nanosecond']:09d}"[: self.digits]
        return text.rstrip("0").rstrip(self.text[0]) if self.trimmed else text


@dataclass(frozen=True, slots=True)
class Offset:
    """A token that writes the hours, minutes and seconds east of Greenwich; with a Z, Z where they are zero."""

    text: str

    @property
    def pattern(self) -> str:
        """A sign and as many numbers as the token has; Go takes offsets of up to 24 hours."""
        colon = ":" if ":" in self.text else ""
        more = len(self.text.replace(":", "")[3:]) // 2
        number = "[+-](?:[01][0-9]|2[0-4])" + f"{colon}[0-5][0-9]" * more
        return f"(Z|{number})" if self.text[0] == "Z" else f"({number})"

    def read(self, said: str) -> tuple[str, int]:
        """Seconds."""
        numbers = said[1:].replace(":", "").ljust(6, "0")
        seconds = int(numbers[:2]) * 3600 + int(numbers[2:4]) * 60 + int(numbers[4:])
        return "offset", -seconds if said[0] == "-" else seconds

    def write(self, fields: Fields) -> str:
        """Numbers that the token does not have are left out."""
        offset = fields["offset"]
        if offset == 0 and self.text[0] == "Z":
            return "Z"
        text = _in_numbers(offset)
        return (text if ":" in self.text else text.replace(":", ""))[: len(self.text)]


Token = Number | Name | Fraction | Offset
Piece = Verbatim | Token

_DIGITS: Final = {
    "04d": "[0-9]{4}",
    "03d": "[0-9]{3}",
    "02d": "[0-9]{2}",
    "d": "[0-9]{1,2}",
    "2d": "[ 0-9][0-9]",
    "3d": "  [0-9]| [0-9]{2}|[0-9]{3}",
}

_KNOWN: Final[Mapping[str, Token]] = {
    token.text: token
    for token in (
        *(Number("2006", "year", "04d"), Number("06", "short year", "02d")),
        *(Number("01", "month", "02d"), Number("1", "month", "d")),
        *(Name("January", "month", _MONTHS), Name("Jan", "month", tuple(name[:3] for name in _MONTHS))),
        *(Number("02", "day", "02d"), Number("2", "day", "d"), Number("_2", "day", "2d")),
        *(Number("002", "day of year", "03d"), Number("__2", "day of year", "3d")),
        *(Name("Monday", "weekday", _WEEKDAYS), Name("Mon", "weekday", tuple(n[:3] for n in _WEEKDAYS))),
        *(Number("15", "hour", "02d"), Number("03", "hour of 12", "02d"), Number("3", "hour of 12", "d")),
        *(Number("04", "minute", "02d"), Number("4", "minute", "d")),
        *(Number("05", "second", "02d"), Number("5", "second", "d")),
        *(Name("PM", "half", _HALVES), Name("pm", "half", ("am", "pm"))),
        Name("MST", "abbreviation", tuple(ABBREVIATIONS)),
    )
}

# In Go's order. A name that goes on in small letters is none, and _2006 is an underscore and a year.
_TOKEN: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|0[1-6]|002|15|1|2006|2|_2(?!006)|__2|3|4|5|PM|pm"
    r"|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])"
)

_ZONE: Final = re.compile(r"[+-](?:[01][0-9]|2[0-4]):[0-5][0-9](?::[0-5][0-9])?")


def pieces_of(text: str) -> Iterator[Piece]:
    """The tokens of a layout and the text between them."""
    end = 0
    for found in _TOKEN.finditer(text):
        if found.start() > end:
            yield Verbatim(text[end : found.start()])
        end = found.end()
        token = found.group()
        if token[0] in ".,":
            yield Fraction(token)
        else:
            yield _KNOWN.get(token) or Offset(token)
    if text[end:]:
        yield Verbatim(text[end:])


def offset_of(zone: str) -> int | None:
    """Seconds east of Greenwich of ``UTC``, ``+02:00``, ``+02:00:30`` or an abbreviation; None if it is neither."""
    if _ZONE.fullmatch(zone):
        return Offset("-07:00:00").read(zone)[1]
    return ABBREVIATIONS.get(zone)


def zone_of(offset: int) -> str:
    """The zone of an offset: ``UTC``, ``+02:00``, or ``+02:00:30`` if there are seconds."""
    return _in_numbers(offset).removesuffix(":00") if offset else "UTC"


def zone_fields(zone: str | None) -> dict[str, int]:
    """The parts of a zone."""
    fields = {"offset": 0 if zone is None else offset_of(zone) or 0}
    return fields | {"abbreviation": tuple(ABBREVIATIONS).index(zone)} if zone in ABBREVIATIONS else fields


def _in_numbers(offset: int) -> str:
    """Hours, minutes and seconds, each of two digits."""
    minutes, seconds = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
