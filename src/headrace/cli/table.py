"""Rows drawn as a table of plus signs, dashes and bars, no wider than its terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

CUT = "…"
"""Ends a text that was cut, and stands for columns left out."""

_NARROWEST = 8
_BESIDE = 3  # Each column has a bar and two spaces.


def draw(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> tuple[str, int]:
    """The table's text, and how many columns it had to leave out.

    ``width`` is the terminal's, None for no limit. The widest columns are cut first, down to eight
    cells; if that is not enough, columns in the middle give way to one that says so.
    """
    if not headings:
        return "", 0
    natural = [
        max(cell_len(heading), *(cell_len(row[index]) for row in rows), 1)
        if rows
        else max(cell_len(heading), 1)
        for index, heading in enumerate(headings)
    ]
    shown = _fitting(natural, width)
    hidden = len(headings) - len(shown)
    widths = _cut([natural[index] for index in shown], width, hidden > 0)
    gap = (len(shown) + 1) // 2 if hidden else None
    rule = "+".join(["", *_with_gap(["-" * (cells + 2) for cells in widths], gap, "-" * _BESIDE), ""])
    lines = [rule, _line([headings[index] for index in shown], widths, gap), rule]
    lines += [_line([row[index] for index in shown], widths, gap) for row in rows]
    if rows:
        lines.append(rule)
    return "\n".join(lines), hidden


def one_line(text: str) -> str:
    """``text`` with every control character written as an escape: a terminal obeys those."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode()
        for char in text
    )


def _fitting(natural: Sequence[int], width: int | None) -> list[int]:
    """Which columns there is room for: all, or as many as fit from both ends, and at least one."""
    everything = list(range(len(natural)))
    if width is None or _least(natural) <= width:
        return everything
    for kept in range(len(natural) - 1, 1, -1):
        shown = everything[: (kept + 1) // 2] + everything[len(natural) - kept // 2 :]
        if _least([natural[index] for index in shown]) + _BESIDE + 1 <= width:
            return shown
    return everything[:1]


def _least(natural: Sequence[int]) -> int:
    return sum(min(cells, _NARROWEST) + _BESIDE for cells in natural) + 1


def _cut(natural: list[int], width: int | None, hidden: bool) -> list[int]:  # noqa: FBT001 - one caller
    """The widths at which the columns fit: the widest lose first."""
    if width is None:
        return natural
    room = width - 1 - _BESIDE * len(natural) - (_BESIDE + 1 if hidden else 0)
    cap = min(max(natural), width)
    while cap > _NARROWEST and sum(min(cells, cap) for cells in natural) > room:
        cap -= 1
    return [min(cells, cap) for cells in natural]


def _line(texts: Sequence[str], widths: Sequence[int], gap: int | None) -> str:
    cells = [f" {_sized(text, cells)} " for text, cells in zip(texts, widths, strict=True)]
    return "|".join(["", *_with_gap(cells, gap, f" {CUT} "), ""])


def _with_gap(parts: list[str], gap: int | None, part: str) -> list[str]:
    return parts if gap is None else [*parts[:gap], part, *parts[gap:]]


def _sized(text: str, cells: int) -> str:
    if cell_len(text) > cells:
        return set_cell_size(text, cells - 1) + CUT
    return set_cell_size(text, cells)
