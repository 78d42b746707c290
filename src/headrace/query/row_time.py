"""The moments that the column of time tells, compared exactly: as integers and decimals, never by way of floats."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from headrace.dataset import TimeColumn, TimeFormat
from headrace.errors import SelectionUnusable
from headrace.time_layout import PER_SECOND, Layout
from headrace.time_text import ISO_8601

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NANOSECONDS: Final = 10**9
_UNITS: Final[dict[str, int]] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NUMBERS: Final = {TimeFormat.AUTO: 1, TimeFormat.UNIX_SECONDS: 1, TimeFormat.UNIX_MILLIS: 1000}
"""The formats under which numbers are times, and how many of them are a second."""
_LEAST_LONG, _MOST_LONG = -(2**63), 2**63 - 1
_MOST_UNSCALED: Final = 10**38 - 1
_WIDE: Final = Context(prec=40)
_LONG_FRACTION: Final = re.compile(r"(.*:\d\d\.\d{6})(\d+)(.*)", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)

_Moment: TypeAlias = int | Fraction
"""Nanoseconds since 1970."""


@dataclass(frozen=True, slots=True)
class RowTime:
    """The times of a column of whose texts ``layouts`` write those that are not ISO 8601. Bounds are epoch seconds.

    A column of times is read as it is, whatever the format; without a zone, in UTC. Numbers are seconds or milliseconds
    since 1970, also where they are the digits of a text. Texts are otherwise times in one of ``layouts``, or in ISO 8601,
    where a blank may stand for the T, and a date for its midnight. Any other value is no time.
    """

    column: TimeColumn
    layouts: tuple[Layout, ...] = ISO_8601

    def not_before(self, values: pa.Array, bound: Fraction) -> pa.BooleanArray:
        """True for times at ``bound`` or later, false for earlier ones and for what is no time. Raises SelectionUnusable."""
        least = self.least(values.type, bound)
        if least is not None:
            return pc.fill_null(pc.greater_equal(values, least), fill_value=False)
        return self._of_texts(values, bound, later=True)

    def before(self, values: pa.Array, bound: Fraction) -> pa.BooleanArray:
        """True for times before ``bound``, false for later ones and for what is no time. Raises SelectionUnusable."""
        least = self.least(values.type, bound)
        if least is not None:
            return pc.fill_null(pc.less(values, least), fill_value=False)
        return self._of_texts(values, bound, later=False)

    def latest(self, values: pa.Array) -> Fraction | None:
        """The greatest of the times (epoch seconds), None where there is none. Raises SelectionUnusable."""
        per_second = self._per_second(values.type)
        if per_second is None:
            moments = map(self._moment, pc.unique(values).to_pylist())
            latest = max((moment for moment in moments if moment is not None), default=None)
            return None if latest is None else Fraction(latest) / _NANOSECONDS
        counts = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
        greatest = pc.max(counts).as_py()
        return None if greatest is None else Fraction(greatest) / per_second

    def least(self, type_: pa.DataType, bound: Fraction) -> pa.Scalar | None:
        """The least value of a type that is not before ``bound``; None for texts, which do not lie in the order of times.

        Raises SelectionUnusable where the type holds no times of the format.
        """
        per_second = self._per_second(type_)
        return None if per_second is None else _least(type_, bound * per_second)

    def _per_second(self, type_: pa.DataType) -> int | None:
        """How many of the type's counts are a second; None for texts. Raises SelectionUnusable."""
        if pa.types.is_timestamp(type_):
            return _UNITS[type_.unit]
        if pa.types.is_string(type_):
            return None
        number = pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_)
        if number and self.column.format in _NUMBERS:
            return _NUMBERS[self.column.format]
        cure = "write time_format: unix_seconds or unix_millis" if number else "name another time_column"
        raise SelectionUnusable(
            f"time_column {self.column.name} holds {type_}, which is no time of time_format: {self.column.format}; {cure}"
        )

    def _of_texts(self, values: pa.StringArray, bound: Fraction, *, later: bool) -> pa.BooleanArray:
        bound *= _NANOSECONDS
        wanted: dict[str | None, bool] = {}
        for text in pc.unique(values).to_pylist():
            moment = self._moment(text)
            wanted[text] = moment is not None and (moment >= bound) is later
        return pa.array([wanted[text] for text in values.to_pylist()], pa.bool_())

    def _moment(self, text: str | None) -> _Moment | None:
        if text is None:
            return None
        per_second = _NUMBERS.get(self.column.format)
        if per_second is not None and _NUMBER.fullmatch(text):
            return Fraction(Decimal(text)) * _NANOSECONDS / per_second
        if self.column.format in (TimeFormat.UNIX_SECONDS, TimeFormat.UNIX_MILLIS):
            return None
        own = self._by_layouts(text) if self.layouts is not ISO_8601 else None
        return _iso(text) if own is None else own

    def _by_layouts(self, text: str) -> _Moment | None:
        for layout in self.layouts:
            found = layout.parse(text)
            if found is not None:
                return found.count * (_NANOSECONDS // PER_SECOND[layout.unit])
        return None


def _iso(text: str) -> _Moment | None:
    # Python's datetime knows microseconds; digits beyond are added to them.
    rest = _LONG_FRACTION.fullmatch(text)
    try:
        moment = datetime.fromisoformat(text if rest is None else rest[1] + rest[3])
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = (moment - _EPOCH) // _MICROSECOND * 1000
    return whole if rest is None else whole + Fraction(1000 * int(rest[2]), 10 ** len(rest[2]))


def _least(type_: pa.DataType, count: Fraction) -> pa.Scalar:
    """The least value that is not less than ``count``, the greatest of the type where there is none."""
    if pa.types.is_floating(type_):
        nearest = float(count)
        return pa.scalar(nearest if Fraction(nearest) >= count else math.nextafter(nearest, math.inf), type_)
    if pa.types.is_decimal(type_):
        unscaled = min(max(math.ceil(count * 10**type_.scale), -_MOST_UNSCALED), _MOST_UNSCALED)
        return pa.scalar(Decimal(unscaled).scaleb(-type_.scale, _WIDE), type_)
    return pa.scalar(min(max(math.ceil(count), _LEAST_LONG), _MOST_LONG), type_)
