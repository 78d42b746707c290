"""Times as the texts that DynamoDB compares: exactly where a layout's texts sort as its times do, else by whole days.

Texts of one instant differ by their fraction and their offset from UTC, of which layouts take up to a day. So bounds of
days, and some more on each side, hold all spellings, those of other offsets among them.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from headrace.column_type import Times
from headrace.time_layout import PER_SECOND, Layout
from headrace.time_token import Fraction, Number, Verbatim

_DATE: Final = ("2006", "01", "02")
_ORDER: Final = (*_DATE, "15", "04", "05")
_DAY: Final = 24 * 3600
_SLACK: Final = 2
"""Days by which a text's date may differ from that of its instant in UTC: offsets reach to 24:59:59."""


def first_text(times: Times, time: pa.Scalar) -> str | None:
    """What no text of a time at or after ``time`` is less than; None where texts do not sort by their days."""
    return _day_text(times, time, -_SLACK)


def last_text(times: Times, time: pa.Scalar) -> str | None:
    """What every text of a time at or before ``time`` is less than; None where texts do not sort by their days."""
    return _day_text(times, time, _SLACK + 1)


def exact_text(times: Times, time: pa.Scalar, *, sorting: bool) -> str | None:
    """The one text of ``time`` in a column of one layout without a zone; None where there is another, or none.

    ``sorting``: also where the layout's texts do not sort as its times do.
    """
    layout = _only(times)
    if layout is None or (sorting and not _sorts(layout)):
        return None
    try:
        return layout.format(time.value, None) if time.type.unit == layout.unit else None
    except ValueError:
        return None


def _only(times: Times) -> Layout | None:
    if times.zone is not None or len(times.layouts) != 1:
        return None
    (text,) = times.layouts
    return Layout.of(text)


def _day_text(times: Times, time: pa.Scalar, days: int) -> str | None:
    dates = {_date_of(Layout.of(text)) for text in times.layouts}
    if len(dates) != 1 or None in dates:
        return None
    (date,) = dates
    assert date is not None, "looked at above"
    day = time.value // (PER_SECOND[time.type.unit] * _DAY) + days
    try:
        return Layout.of(date).format(day * _DAY * PER_SECOND["ms"], None)
    except ValueError:
        return None


def _date_of(layout: Layout) -> str | None:
    """The layout of the date with which all texts of ``layout`` begin."""
    texts: list[str] = []
    found = 0
    for piece in layout.pieces:
        if not isinstance(piece, Verbatim):
            if piece.text != _DATE[found]:
                return None
            found += 1
        texts.append(piece.text)
        if found == len(_DATE):
            return "".join(texts)
    return None


def _sorts(layout: Layout) -> bool:
    """Whether texts sort as their times: all parts have one width, the greatest first."""
    numbers = [piece for piece in layout.tokens if isinstance(piece, Number)]
    fractions = [piece for piece in layout.tokens if isinstance(piece, Fraction)]
    places = [_ORDER.index(piece.text) for piece in numbers if piece.text in _ORDER]
    ordered = len(places) == len(numbers) and places == list(range(len(places)))
    last = not fractions or (
        layout.tokens[-1] in fractions and len(fractions) == 1 and not fractions[0].trimmed
    )
    return ordered and last and len(layout.tokens) == len(numbers) + len(fractions)
