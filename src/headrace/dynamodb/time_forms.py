"""Times of a whole page, from texts to timestamps."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.column_type import Times
from headrace.dynamodb.forms import Contents, Mismatch, ToArrow
from headrace.time_layout import Layout
from headrace.time_text import parse_all
from headrace.time_token import Fraction

Parse = Callable[[pa.StringArray], pa.Array | None]
"""From texts to times; None unless all are times under one layout, in one zone."""

_UNITS: Final = ("ms", "us", "ns")
_FIXED_WIDTH: Final = re.compile(r"2006-01-02[T ]15:04:05(?:\.0{1,6})?(?:Z07:00)?")
_OWN_MARKS: Final = re.compile(r"[-:0-9]")


def time_form(times: Times) -> ToArrow:
    """From texts that are times under all layouts of a column; where they are not, it must lose layouts."""
    parses = _parsers(times)

    def to_arrow(contents: Contents) -> pa.Array:
        texts = pa.array(contents, pa.string())
        parsed = [parse(texts) for parse in parses]
        if any(one is None for one in parsed):
            raise Mismatch
        return parsed[0]

    return to_arrow


def declared_time_form(times: Times, one_by_one: ToArrow) -> ToArrow:
    """From texts that are times under any layout of a column: all under one, or else read ``one_by_one``."""
    parses = _parsers(times)
    type_ = times.arrow()

    def to_arrow(contents: Contents) -> pa.Array:
        texts = pa.array(contents, pa.string())
        for parse in parses:
            parsed = parse(texts)
            if parsed is not None and parsed.type == type_:
                return parsed
        return one_by_one(contents)

    return to_arrow


@lru_cache(maxsize=256)
def _parsers(times: Times) -> list[Parse]:
    """Parsers by ``_sufficient`` layouts, first one of the coarsest unit."""
    layouts = sorted(_sufficient(times), key=lambda layout: _UNITS.index(layout.unit))
    return [_parser(layout, times.zone) for layout in layouts]


def _sufficient(times: Times) -> list[Layout]:
    """Those layouts of ``times`` under which a text is a time only if it is one under all of them.

    A trimmed fraction takes what has none, or a shorter one. Elsewhere than in UTC, ``-07:00`` and ``Z07:00``
    take the same.
    """
    known: dict[str, Layout] = {}
    for layout in sorted(map(Layout.of, times.layouts), key=lambda layout: (len(layout.text), layout.text)):
        bare, short = _shortened(layout, times.zone, ""), _shortened(layout, times.zone, "9")
        if bare not in known:
            known.setdefault(short, layout)
    return list(known.values())


def _shortened(layout: Layout, zone: str | None, digits: str) -> str:
    """A layout's pieces with its trimmed fraction cut to ``digits``, and zones that are written alike as one."""
    trimmed = [piece for piece in layout.pieces if isinstance(piece, Fraction) and piece.trimmed]
    offset = zone is not None and zone[0] in "+-"
    texts = []
    for piece in layout.pieces:
        text = piece.text
        if [piece] == trimmed:
            text = f"{text[0]}{digits}" if digits else ""
        texts.append(text.replace("Z07", "-07") if offset else text)
    return "\0".join(filter(None, texts))


def _parser(layout: Layout, zone: str | None) -> Parse:
    def parse(texts: pa.StringArray) -> pa.Array | None:
        parsed = parse_all(layout, texts)
        if parsed is None or (parsed.zone != zone and texts.null_count < len(texts)):
            return None
        return parsed.times

    if _FIXED_WIDTH.fullmatch(layout.text) and zone in (None, "UTC"):
        return _of_fixed_width(layout, parse)
    return parse


def _of_fixed_width(layout: Layout, parse: Parse) -> Parse:
    """``parse`` for texts of other widths; in those of the layout's, Arrow reads nothing else if its marks are there.

    The marks of a page stand at one distance in its bytes, so they are seen without a look at each text.
    """
    form = layout.text.replace("Z07:00", "Z")
    marks = [(place, mark.encode()) for place, mark in enumerate(form) if not _OWN_MARKS.match(mark)]
    type_ = pa.timestamp(layout.unit, "UTC" if layout.zoned else None)

    def parse_fast(texts: pa.StringArray) -> pa.Array | None:
        data = texts.buffers()[2]
        count = len(texts) - texts.null_count
        widths = pc.min_max(pc.binary_length(texts))
        if data is None or not widths["min"].as_py() == widths["max"].as_py() == len(form):
            return parse(texts)
        together = data.to_pybytes()[: count * len(form)]
        if any(together[place :: len(form)] != mark * count for place, mark in marks):
            return None
        try:
            return pc.cast(texts, type_)
        except pa.ArrowInvalid:
            return None

    return parse_fast
