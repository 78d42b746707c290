"""Columns of texts that are times under a Go layout, and back: whole Arrow arrays at once.

What is a time is ``Layout.parse``'s to say; here the same is asked of all texts of an array. Layouts that are
plain numbers of fixed width (ISO 8601 and its like) are read and written without Python code per row: there
a text that has the layout's shape, and that Arrow reads as a time, formats back to itself. In layouts with
names, a clock of twelve hours, unpadded numbers, days of the year or two-digit years, each distinct text is
parsed by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from headrace.time_layout import PER_SECOND, Layout
from headrace.time_token import Fraction, Number, Offset, Verbatim, offset_of, zone_fields

ISO_8601: Final[tuple[Layout, ...]] = tuple(
    Layout.of(f"2006-01-02T15:04:05{fraction}{zone}")
    for zone in ("", "Z07:00", "-07:00")
    for fraction in ("", ".000", ".999", ".000000", ".999999")
)
"""The layouts under which a column of texts is one of times if nobody says otherwise."""

# The parts of a timestamp as Arrow writes it, and what stands before each.
_ARROW_PARTS: Final = {"year": "", "month": "-", "day": "-", "hour": " ", "minute": ":", "second": ":"}
_ARROW_CUTS: Final = {"year": (0, 4)} | {
    name: (place, place + 2) for place, name in zip(range(5, 19, 3), [*_ARROW_PARTS][1:], strict=True)
}
_PLAIN: Final = frozenset({"2006", "01", "02", "15", "04", "05"})
_ARROW_READS: Final = re.compile(r"<2006>-<01>-<02>[T ]<15>:<04>:<05>(?:<\.0+>|<\.9+>)?")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The times of an array of texts.

    ``times`` are timestamps of the layout's unit: of UTC if the layout has a zone, else without a zone;
    null where the text is null. ``zone`` is the one in which all were written (see ``Moment``), None if the
    layout has none or there is no text.
    """

    times: pa.Array
    zone: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Under which layouts of a family, by their texts, something is a time, and in which zone it was written."""

    zone: str | None
    layouts: frozenset[str]


def parse_all(layout: Layout, texts: pa.StringArray) -> Parsed | None:
    """The times that the texts are under ``layout``, None unless all of them are times of one zone."""
    if texts.null_count == len(texts):
        return Parsed(pa.nulls(len(texts), _type_of(layout)), None)
    first = layout.parse(_first_of(texts))
    if first is None:
        return None
    shape = _shape_of(layout, first.zone)
    times = _parse_each(layout, texts, first.zone) if shape is None else shape.parse(texts)
    return None if times is None else Parsed(times, first.zone)


def format_all(layout: Layout, times: pa.Array, zone: str | None) -> pa.StringArray:
    """The texts of ``times``: those that ``parse_all`` reads as these times of this zone.

    ``times`` are timestamps, or integers that count the layout's unit since 1970; nulls stay null.

    Raises:
        ValueError: One of them has no text in this layout and zone; see ``Layout.format``.
    """
    if times.null_count == len(times):
        return pa.nulls(len(times), pa.string())
    times = times.cast(pa.timestamp(layout.unit)).cast(_type_of(layout))
    # The first one tells whether the zone is of the layout's kind.
    layout.format(times.drop_null()[0].value, zone)
    shape = _shape_of(layout, zone)
    if shape is None:
        return _format_each(layout, times, zone)
    texts = shape.format(times)
    if parse_all(layout, texts) != Parsed(times, zone):
        raise ValueError(f"some of the times have no text of the layout {layout.text!r} in zone {zone}")
    return texts


def layouts_of(text: str, family: Sequence[Layout] = ISO_8601) -> Reading | None:
    """The layouts of ``family`` under which ``text`` is a time, None if there is none.

    The family's layouts should read the same zone in a text; where they do not, the first that reads the
    text decides, and those that read another zone are left out.
    """
    zones = {layout.text: moment.zone for layout in family if (moment := layout.parse(text)) is not None}
    if not zones:
        return None
    zone = next(iter(zones.values()))
    return Reading(zone, frozenset(one for one, other in zones.items() if other == zone))


def layouts_of_all(texts: pa.StringArray, family: Sequence[Layout] = ISO_8601) -> Reading | None:
    """The layouts of ``family`` under which every text is a time, None if there is none, or several zones.

    Raises:
        ValueError: There is no text, only nulls, if anything: they say nothing about layouts.
    """
    if texts.null_count == len(texts):
        raise ValueError("an array without texts says nothing about layouts")
    first = layouts_of(_first_of(texts), family)
    if first is None:
        return None
    layouts = [layout for layout in family if layout.text in first.layouts]
    # Layouts that write this zone alike have one shape: Z07:00 and -07:00, unless it is UTC.
    shapes = [_shape_of(layout, first.zone) for layout in layouts]
    are_times = {shape: shape.parse(texts) is not None for shape in set(shapes) if shape is not None}
    held = frozenset(
        layout.text
        for layout, shape in zip(layouts, shapes, strict=True)
        if (_parse_each(layout, texts, first.zone) is not None if shape is None else are_times[shape])
    )
    return Reading(first.zone, held) if held else None


def _first_of(texts: pa.StringArray) -> str:
    text: str = texts.drop_null()[0].as_py()
    return text


def _type_of(layout: Layout) -> pa.DataType:
    return pa.timestamp(layout.unit, "UTC" if layout.zoned else None)


@dataclass(frozen=True)
class _Shape:
    """A layout of plain numbers, with its one zone, ``shift`` seconds east of Greenwich, written out."""

    type: pa.DataType
    shift: int
    pieces: tuple[str | Number | Fraction, ...]

    def parse(self, texts: pa.StringArray) -> pa.Array | None:
        """The times of all texts, None if one is no time.

        That the texts have the layout's shape, and Arrow reads their numbers as a time, is the law: such
        numbers are written in one way only.
        """
        if not pc.all(pc.match_substring_regex(texts, self.regex)).as_py():
            return None
        arrow_texts = _cut(texts, self.as_arrow_reads) if self.as_arrow_reads else self._rearrange(texts)
        try:
            walls = arrow_texts.cast(pa.timestamp(self.type.unit))
            return pc.subtract_checked(walls, self._east).cast(self.type)
        except pa.ArrowInvalid:
            return None

    def format(self, times: pa.Array) -> pa.StringArray:
        """Texts of times, right for those that have one."""
        walls = pc.add_checked(times.cast(pa.timestamp(self.type.unit)), self._east).cast(pa.string())
        return _joined([self._written(piece, walls) for piece in self.pieces])

    @cached_property
    def regex(self) -> str:
        """What all its texts match."""
        patterns = (re.escape(one) if isinstance(one, str) else one.pattern for one in self.pieces)
        return f"^{''.join(patterns)}$"

    @cached_property
    def as_arrow_reads(self) -> tuple[int, int | None] | None:
        """From where to where a text can be cast to a timestamp as it is, None if it has another order."""
        *head, tail = self.pieces if isinstance(self.pieces[-1], str) else (*self.pieces, "")
        spelled = "".join(piece if isinstance(piece, str) else f"<{piece.text}>" for piece in head)
        return (0, -len(str(tail)) or None) if _ARROW_READS.fullmatch(spelled) else None

    @cached_property
    def _cuts(self) -> dict[str, tuple[int, int | None]]:
        """Where in a text its parts are: behind a trimmed fraction, counted from the end."""
        cuts: dict[str, tuple[int, int | None]] = {}
        start = 0
        for place, piece in enumerate(self.pieces):
            behind = sum(_width(one) for one in self.pieces[place + 1 :])
            trimmed = isinstance(piece, Fraction) and piece.trimmed
            stop = -behind or None if trimmed or start < 0 else start + _width(piece)
            if not isinstance(piece, str):
                cuts[_part_of(piece)] = (start, stop)
            start = stop or 0
        return cuts

    @property
    def _east(self) -> pa.Scalar:
        return pa.scalar(self.shift * PER_SECOND[self.type.unit], pa.duration(self.type.unit))

    def _rearrange(self, texts: pa.StringArray) -> pa.StringArray:
        """The texts as Arrow would write their times."""
        parts: list[pa.StringArray | str] = []
        for name, before in _ARROW_PARTS.items():
            parts += [before, _cut(texts, self._cuts[name]) if name in self._cuts else "00"]
        if "fraction" in self._cuts:
            parts.append(pc.replace_substring(_cut(texts, self._cuts["fraction"]), ",", "."))
        return _joined(parts)

    def _written(self, piece: str | Number | Fraction, walls: pa.StringArray) -> pa.StringArray | str:
        """What a piece writes of wall clocks as Arrow writes them."""
        if isinstance(piece, str):
            return piece
        if isinstance(piece, Number):
            return _cut(walls, _ARROW_CUTS[piece.name])
        point = piece.text[0]
        text = pc.replace_substring(_cut(walls, (19, 20 + piece.digits)), ".", point)
        return pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), point) if piece.trimmed else text


@lru_cache(maxsize=1024)
def _shape_of(layout: Layout, zone: str | None) -> _Shape | None:
    """The shape of a layout's texts in one zone, None if it is not of plain numbers, each written once."""
    pieces: list[str | Number | Fraction] = []
    for piece in layout.pieces:
        if isinstance(piece, Verbatim | Offset) or piece.text == "MST":
            text = piece.write(zone_fields(zone))
            before = pieces.pop() if pieces and isinstance(pieces[-1], str) else ""
            pieces.append(f"{before}{text}")
        elif isinstance(piece, Fraction) or (isinstance(piece, Number) and piece.text in _PLAIN):
            pieces.append(piece)
        else:
            return None
    names = [_part_of(piece) for piece in pieces if not isinstance(piece, str)]
    if len(set(names)) < len(names):
        return None
    return _Shape(_type_of(layout), 0 if zone is None else offset_of(zone) or 0, tuple(pieces))


def _part_of(piece: Number | Fraction) -> str:
    return piece.name if isinstance(piece, Number) else "fraction"


def _width(piece: str | Number | Fraction) -> int:
    """How many characters a piece writes, at most."""
    return len(piece if isinstance(piece, str) else piece.text)


def _cut(texts: pa.StringArray, cut: tuple[int, int | None]) -> pa.StringArray:
    return pc.utf8_slice_codeunits(texts, *cut)


def _joined(parts: Sequence[pa.StringArray | str]) -> pa.StringArray:
    return pc.binary_join_element_wise(*parts, "")


def _parse_each(layout: Layout, texts: pa.StringArray, zone: str | None) -> pa.Array | None:
    """The times of all texts, each distinct one parsed by itself, None if one is no time of the zone."""
    encoded = texts.dictionary_encode()
    counts: list[int] = []
    for text in encoded.dictionary.to_pylist():
        moment = layout.parse(text)
        if moment is None or moment.zone != zone:
            return None
        counts.append(moment.count)
    return pa.array(counts, pa.int64()).cast(_type_of(layout)).take(encoded.indices)


def _format_each(layout: Layout, times: pa.Array, zone: str | None) -> pa.StringArray:
    """The texts of times, each distinct one formatted by itself."""
    encoded = times.cast(pa.int64()).dictionary_encode()
    texts = [layout.format(count, zone) for count in encoded.dictionary.to_pylist()]
    return pa.array(texts, pa.string()).take(encoded.indices)
