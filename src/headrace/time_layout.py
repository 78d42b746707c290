"""Layouts of times as Go's package time writes them: the reference time ``Mon Jan 2 15:04:05 MST 2006``.

The source is the documentation of Go's package time and the behaviour of its Format and Parse
(https://pkg.go.dev/time#pkg-constants). Where Parse is lenient, one law is stricter here: a text is a time
under a layout only if the time, formatted, gives exactly the text back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from itertools import product
from typing import Final, Literal

from headrace.time_token import (
    ABBREVIATIONS,
    Fields,
    Fraction,
    Name,
    Number,
    Offset,
    Piece,
    Token,
    Verbatim,
    offset_of,
    pieces_of,
    zone_fields,
    zone_of,
)

Unit = Literal["ms", "us", "ns"]
PER_SECOND: Final[Mapping[Unit, int]] = {"ms": 10**3, "us": 10**6, "ns": 10**9}

_ANY_COUNT: Final = range(-(2**63), 2**63)
# Arrow does not read a wall clock in the first, broken second that 64 bits of nanoseconds reach.
_ANY_WALL: Final = range(-(2**63) // 10**9 * 10**9 + 10**9, 2**63)
_EPOCH: Final = date(1970, 1, 1).toordinal()
_MINUTE: Final = 60
_DAY: Final = 24 * 3600
_NOON: Final = 12
_LEAP_YEAR: Final = 366
_CYCLE: Final = 146_097  # Days in 400 years, after which the calendar and its weekdays repeat.


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, and the zone in which it was written.

    ``count`` is in the layout's unit since 1970-01-01: the instant, in UTC, if the layout has a zone, else
    what the wall clock shows. ``zone`` is None where the layout has none, else ``UTC``, an offset such as
    ``+02:00`` or ``+02:00:30``, or for ``MST`` the abbreviation.
    """

    count: int
    zone: str | None


@dataclass(frozen=True)
class Layout:
    """A Go layout that says a whole time. Made by ``of``.

    Years are 0000 to 9999, two digits 1969 to 2068; clock parts that the layout lacks are zero. Nanoseconds
    reach from 1677-09-21T00:12:44 to 2262-04-11T23:47:16.854775807, on the wall clock as in UTC.

    An abbreviation (``MST``) must be of RFC 2822, section 4.3 (UT, which Go does not read, among them), or
    UTC: to others Go gives an offset of zero, which would be a wrong instant, so here they are not times. An
    offset beside the abbreviation must be the abbreviation's own.
    """

    text: str
    pieces: tuple[Piece, ...] = field(repr=False, compare=False)

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, text: str) -> Layout:
        """The layout that ``text`` writes.

        Raises:
            ValueError: It lacks a year or a day, or some of its texts could be read in two ways.
        """
        layout = cls(text, tuple(pieces_of(text)))
        for complaint in _complaints(layout.pieces):
            raise ValueError(
                f"{text!r} is not a layout of times: {complaint}. A layout shows how your times would write"
                " Mon Jan 2 15:04:05 MST 2006, for example 2006-01-02 15:04:05"
            )
        return layout

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """The pieces that are parts of the reference time."""
        return tuple(piece for piece in self.pieces if not isinstance(piece, Verbatim))

    @cached_property
    def zoned(self) -> bool:
        """Whether its texts say a zone, and so an instant."""
        return self._named or any(isinstance(token, Offset) for token in self.tokens)

    @cached_property
    def unit(self) -> Unit:
        """The coarsest unit that holds what its texts say."""
        digits = max((token.digits for token in self.tokens if isinstance(token, Fraction)), default=0)
        units: tuple[Unit, ...] = ("ms", "ms", "us", "ns")
        return units[(digits + 2) // 3]

    @cached_property
    def family(self) -> tuple[Layout, ...]:
        """This layout, and where it leaves out zeros at a fraction's end the one that writes them.

        Go's Parse reads the texts of both by either (package time, "Parse"), and what writes ``.120`` always writes three digits.
        """
        whole = "".join(
            piece.text.replace("9", "0") if isinstance(piece, Fraction) else piece.text
            for piece in self.pieces
        )
        return (self,) if whole == self.text else (self, Layout.of(whole))

    def parse(self, text: str) -> Moment | None:
        """The time that ``text`` is, None unless that time, formatted, is exactly ``text``."""
        moment = self._read(text)
        return moment if moment is not None and self._write(moment) == text else None

    def format(self, count: int, zone: str | None) -> str:
        """The text of a time: the one that ``parse`` reads as this count and zone.

        Raises:
            ValueError: There is no such text: the year has more than four digits, the layout says less
                than the count does, or has another kind of zone.
        """
        moment = Moment(count, zone)
        text = self._write(moment)
        if text is None or self._read(text) != moment:
            raise ValueError(f"no text of the layout {self.text!r} says {count} {self.unit} in zone {zone}")
        return text

    @cached_property
    def _named(self) -> bool:
        return any(token.text == "MST" for token in self.tokens)

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile("".join(piece.pattern for piece in self.pieces))

    def _read(self, text: str) -> Moment | None:
        """What Go's Parse reads, or None. Numbers may be out of range: they do not format back."""
        match = self._regex.fullmatch(text)
        if match is None:
            return None
        # Of a part that is written twice, the later counts; a fraction may not be written at all.
        said = dict(token.read(part) for token, part in zip(self.tokens, match.groups(), strict=True) if part)
        seconds = _seconds(said)
        zone, offset = _zone(said)
        # Go cannot format an offset of less than a minute to the west.
        if seconds is None or -_MINUTE < offset < 0:
            return None
        per_second = PER_SECOND[self.unit]
        wall = seconds * per_second + said.get("nanosecond", 0) * per_second // 10**9
        count = wall - offset * per_second
        if self.unit == "ns" and not (wall in _ANY_WALL and count in _ANY_COUNT):
            return None
        return Moment(count, zone)

    def _write(self, moment: Moment) -> str | None:
        """What Go's Format writes, None if the year or the zone cannot be written."""
        zone = moment.zone
        offset = 0 if zone is None else offset_of(zone)
        if offset is None or (zone is not None) != self.zoned or (self._named and zone not in ABBREVIATIONS):
            return None
        per_second = PER_SECOND[self.unit]
        seconds, rest = divmod(moment.count, per_second)
        days, clock = divmod(seconds + offset, _DAY)
        fields = _day_fields(days)
        if fields is None:
            return None
        fields |= _clock_fields(clock) | zone_fields(zone) | {"nanosecond": rest * (10**9 // per_second)}
        return "".join(piece.write(fields) for piece in self.pieces)


def _complaints(pieces: tuple[Piece, ...]) -> Iterator[str]:
    """Why a layout is none of times, the first reason first."""
    names = {piece.name for piece in pieces if isinstance(piece, Number | Name)}
    if not names & {"year", "short year"}:
        yield "it has no year (2006 or 06)"
    if "day of year" not in names and not {"month", "day"} <= names:
        yield "it lacks the month (01, 1, Jan or January) or the day (02, 2 or _2), or a day of the year (002)"
    if "hour of 12" in names and "half" not in names:
        yield "an hour of twelve (03 or 3) is ambiguous without PM; the hour of 24 is 15"
    for place, piece in enumerate(pieces):
        if isinstance(piece, Fraction) and piece.digits > len("123456789"):
            yield f"{piece.text} has more than nine digits"
        more = _reads_on(piece, pieces[:place], pieces[place + 1 :])
        if more and any(re.match(more, text) for text in _specimens(pieces[place + 1 :])):
            yield f"where {piece.text} ends is ambiguous, for what follows it could be read as its part"


def _reads_on(piece: Piece, before: tuple[Piece, ...], after: tuple[Piece, ...]) -> str:
    """A regular expression of what Go's Parse would read as part of ``piece`` if it stood right behind it."""
    more = []
    if isinstance(piece, Number) and not piece.padding.startswith("0"):
        more.append("[0-9]")
    if isinstance(piece, Number) and piece.name == "second":
        # Parse takes a fraction behind the seconds even if the layout has none.
        token = next((one for one in after if not isinstance(one, Verbatim)), None)
        more += [] if isinstance(token, Fraction) else ["[.,][0-9]"]
    if isinstance(piece, Fraction) and piece.trimmed:
        more += ["[0-9]", "[.,][0-9]"]
        # Parse takes a run of spaces for one, so those on both sides of no fraction at once.
        more += [" "] if before and before[-1].text.endswith(" ") else []
    if isinstance(piece, Name) and piece.name == "abbreviation":
        # Abbreviations of other lengths, and GMT+3.
        more.append("[A-Z+-]")
    return "|".join(more)


def _specimens(pieces: tuple[Piece, ...]) -> Iterator[str]:
    """Texts that between them begin in every way in which the pieces can begin."""
    for day, nanosecond, zone in product((4, 349), (0, 123456789), ("UTC", "+02:00", "-02:00")):
        fields = (_day_fields(day) or {}) | _clock_fields(0) | {"abbreviation": 0} | zone_fields(zone)
        yield "".join(piece.write(fields | {"nanosecond": nanosecond}) for piece in pieces)


def _seconds(said: Fields) -> int | None:
    """The seconds since 1970 of a wall clock in parts, None if there is no such day."""
    if "day of year" in said:
        day = _day_number(said["year"], 1, 1)
        day = None if day is None else day + said["day of year"] - 1
    else:
        day = _day_number(said["year"], said["month"], said["day"])
    if day is None:
        return None
    hour = said.get("hour", said.get("hour of 12", 0))
    if said.get("half") == 1 and hour < _NOON:
        hour += _NOON
    elif said.get("half") == 0 and hour == _NOON:
        hour = 0
    return day * _DAY + hour * 3600 + said.get("minute", 0) * 60 + said.get("second", 0)


def _zone(said: Fields) -> tuple[str | None, int]:
    """The zone that a text says, and its offset; an abbreviation goes before an offset."""
    if "abbreviation" in said:
        return tuple(ABBREVIATIONS.items())[said["abbreviation"]]
    return (zone_of(said["offset"]), said["offset"]) if "offset" in said else (None, 0)


@lru_cache(maxsize=4096)
def _day_number(year: int, month: int, day: int) -> int | None:
    """Days since 1970-01-01, None if the month has no such day."""
    # Python's calendar begins with year 1; year 0 is like year 400.
    before = _EPOCH + (0 if year else _CYCLE)
    try:
        return date(year or 400, month, day).toordinal() - before
    except ValueError:
        return None


def _day_fields(days: int) -> dict[str, int] | None:
    """The parts of a day, None unless its year is 0 to 9999."""
    ordinal = days + _EPOCH
    year_zero = date.min.toordinal() - _LEAP_YEAR <= ordinal < date.min.toordinal()
    if not year_zero and not date.min.toordinal() <= ordinal <= date.max.toordinal():
        return None
    day = date.fromordinal(ordinal + _CYCLE if year_zero else ordinal)
    return {
        "year": 0 if year_zero else day.year,
        "month": day.month,
        "day": day.day,
        "day of year": day.timetuple().tm_yday,
        "weekday": day.isoweekday() % 7,
    }


def _clock_fields(seconds: int) -> dict[str, int]:
    """The parts of a clock that shows so many seconds since midnight."""
    hour, minute = divmod(seconds // _MINUTE, 60)
    half, hour_of_12 = divmod(hour, _NOON)
    return {
        "hour": hour,
        "hour of 12": hour_of_12 or _NOON,
        "half": half,
        "minute": minute,
        "second": seconds % _MINUTE,
    }
