"""Schedules in the five fields of crontab(5), in UTC.

Minute, hour, day of the month, month, day of the week. Each field is ``*``, a number, a range ``2-5``, either with a
step ``/3``, or a list of these with commas; months and days of the week have names too (``JAN``, ``MON``), and Sunday
is 0 and 7. Where both fields of days are restricted, a day is meant if either of them matches; a field that begins
with ``*`` is not restricted, though it has a step (crontab(5) of Vixie cron and cronie, "Note" on the day of a
command's execution: https://man7.org/linux/man-pages/man5/crontab.5.html).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_YEARS = 41
"""Years in which a schedule that is met at all is met: 29 February on one day of the week, past 2100, takes 40."""

_PART = re.compile(r"(\*|(?P<first>\w+)(-(?P<last>\w+))?)(/(?P<step>\d+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Field:
    """What one field may say."""

    name: str
    least: int
    most: int
    names: Mapping[str, int]

    def number(self, text: str) -> int:
        """A number or a name. Raises ValueError."""
        known = self.names.get(text.lower())
        if known is not None:
            return known
        if not text.isdecimal() or not self.least <= int(text) <= self.most:
            named = f", or {next(iter(self.names)).upper()} and so on" if self.names else ""
            raise ValueError(
                f"'{text}' is no {self.name}; write a number from {self.least} to {self.most}{named}"
            )
        return int(text)

    def values(self, text: str) -> frozenset[int]:
        """The numbers that a field's text means. Raises ValueError."""
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, text: str) -> range:
        match = _PART.fullmatch(text)
        if match is None:
            raise ValueError(
                f"'{text}' says no {self.name}; write *, 5, 1-5, */2, 1-9/2, or a list with commas"
            )
        first, last, step = match["first"], match["last"], int(match["step"] or 1)
        if step == 0:
            raise ValueError(f"'{text}' has the step 0; the least is 1")
        if first is None:
            return range(self.least, self.most + 1, step)
        start = self.number(first)
        if last is None:
            # Some crons read 5/2 as 5, others as 5-59/2.
            if match["step"]:
                raise ValueError(f"'{text}' has a step and no range; write {first}-{self.most}/{step}")
            return range(start, start + 1)
        end = self.number(last)
        if self.names.get("sun") == 0 and end == 0 and start > 0:
            end = 7
        if end < start:
            raise ValueError(f"'{text}' ends before it begins; write two ranges with a comma")
        return range(start, end + 1, step)


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field("day of the week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """One schedule. ``either`` says that a day of the month or of the week is enough; else both must match."""

    text: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises ValueError, which says what is wrong, also for a schedule that is never met."""
        parts = text.split()
        if len(parts) != len(_FIELDS):
            raise ValueError(
                f"'{text}' has {len(parts)} fields, not 5: minute, hour, day of the month, month, day of the week"
            )
        minutes, hours, days, months, weekdays = (
            field.values(part) for field, part in zip(_FIELDS, parts, strict=True)
        )
        either = not parts[2].startswith("*") and not parts[4].startswith("*")
        made = cls(text, minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)
        # From a moment that no clock is asked for: the calendar of 400 years is in it.
        if made._after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise ValueError(f"'{text}' names a day that there never is")
        return made

    def after(self, at: float) -> float:
        """The first moment later than ``at`` that it means, both epoch seconds."""
        found = self._after(datetime.fromtimestamp(at, UTC))
        assert found is not None, "parse refuses what is never met"
        return found.timestamp()

    def _after(self, at: datetime) -> datetime | None:
        start = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day, last = start.replace(hour=0, minute=0), start.year + _YEARS
        while day.year <= last:
            if day.month not in self.months:
                day = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
                continue
            if self._means(day):
                found = self._within(day, start)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _means(self, day: datetime) -> bool:
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (of_month or of_week) if self.either else (of_month and of_week)

    def _within(self, day: datetime, start: datetime) -> datetime | None:
        """The first moment of ``day`` that is not before ``start``."""
        times = (
            day.replace(hour=hour, minute=minute)
            for hour in sorted(self.hours)
            for minute in sorted(self.minutes)
        )
        return next((time for time in times if time >= start), None)
