"""Items as a view's state has them: what arrives of one, what is stored of it, and which of the two counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from headrace.targets.state_file import marks, parts
from headrace.targets.view.contribution import Part


@dataclass(frozen=True, slots=True)
class Arrival:
    """An item as a record, or a fill (``version`` None), has it. ``part`` None: it brings nothing; ``error``: that cannot be told."""

    key: str
    version: str | None
    part: Part | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of one. ``row`` is the row to which its item belongs now. ``newer``: a newer change was there already."""

    row: str | None
    error: str | None
    newer: bool


@dataclass(slots=True)
class Stored:
    """An item as it is stored: the epoch in which it came last, what it brings, why it has no value."""

    version: str
    epoch: int
    part: Part | None
    error: str | None


def is_news(arrival: Arrival, known: Stored | None, epoch: int) -> bool:
    """Whether what arrives counts: a newer record, or a fill of what has not come since it began."""
    if arrival.version is not None:
        return known is None or arrival.version > known.version
    if known is None:
        return arrival.part is not None or arrival.error is not None
    return known.epoch < epoch


def known_outcome(arrival: Arrival, known: Stored | None) -> Arrived:
    """What becomes of an arrival that does not count."""
    if known is None:
        return Arrived(None, None, newer=False)
    is_same = arrival.version == known.version
    row = known.part.row if known.part else None
    # A fill may have found an error that is not of this record, or mended it.
    error = arrival.error if is_same and known.error is not None else None
    return Arrived(row, error, newer=not is_same)


def item_row(arrival: Arrival, version: str, epoch: int, now: float) -> tuple[object, ...]:
    """The row of the table ``items`` that an arrival makes."""
    part = arrival.part
    idle = now if part is None and arrival.error is None else None
    name, content = (None, None) if part is None else (part.row, part.content)
    return arrival.key, version, epoch, name, content, arrival.error, idle


def stored_items(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Stored]:
    """These items as they are stored, by key."""
    found: dict[str, Stored] = {}
    for asked in parts(keys):
        rows = connection.execute(
            f"SELECT key, version, epoch, name, content, error FROM items WHERE key IN ({marks(len(asked))})",  # noqa: S608 - question marks
            asked,
        )
        for key, version, epoch, name, content, error in rows:
            found[key] = Stored(version, epoch, None if name is None else Part(name, content), error)
    return found
