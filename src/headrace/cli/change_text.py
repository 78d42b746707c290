"""A change of an item for people: one line, or one for each attribute where that is too long."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from headrace.cli.item_change import AttributeChange, ItemChange
from headrace.cli.table import CUT, one_line

LONGEST_VALUE: Final = 200
"""Characters of a value that are shown."""

_STYLES: Final = {"INSERT": "bold green", "MODIFY": "bold yellow", "REMOVE": "bold red"}
_OLD: Final = "red"
_NEW: Final = "green"
_QUIET: Final = "dim"


def change_text(change: ItemChange, width: int | None, zone: tzinfo | None = None) -> Text:
    """Its lines; the time is in ``zone``, None the machine's. ``width`` is the terminal's, None for no limit."""
    parts = [_attribute(change, each) for each in change.changes]
    head = _head(change, zone)
    line = Text("  ").join([head, Text(", ").join(parts)]) if parts else head
    if width is None or cell_len(line.plain) <= width or not parts:
        return line
    return Text("\n    ").join([head, *parts])


def _head(change: ItemChange, zone: tzinfo | None) -> Text:
    at = datetime.fromtimestamp(change.created, zone).astimezone(zone)
    key = ", ".join(f"{one_line(name)}={_shown(value)}" for name, value in change.key)
    text = Text.assemble(
        (f"{at:%H:%M:%S} ", _QUIET), (f"{change.event:<6} ", _STYLES.get(change.event, "bold")), (key, "bold")
    )
    if change.expired:
        text.append("  by time to live", "magenta")
    return text


def _attribute(change: ItemChange, one: AttributeChange) -> Text:
    name = one_line(one.name)
    old, new = (None if value is None else _shown(value) for value in (one.old, one.new))
    if old is not None and new is not None:
        return Text.assemble(f"{name}: ", (old, _OLD), (" → ", _QUIET), (new, _NEW))
    if not change.compared:
        # With one image alone nobody knows what was there before, or is after.
        return Text.assemble(f"{name}: ", (new or old or "", _NEW if new is not None else _OLD))
    sign, value, style = ("+", new, _NEW) if new is not None else ("-", old, _OLD)
    return Text.assemble((f"{sign}{name}: ", style), (value or "", style))


def _shown(value: str) -> str:
    """A value without anything that a terminal obeys, and not too long."""
    text = one_line(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}{CUT}"
