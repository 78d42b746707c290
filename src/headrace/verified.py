"""Whether what a target keeps is what its table says, computed anew from all items."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

MOST_TOLD: Final = 1000
"""Differences that a report lists; all are counted."""


class Part(StrEnum):
    """What differs: what the target remembers of the table, or what stands in its output."""

    STATE = "state"
    OUTPUT = "output"


class Difference(StrEnum):
    """How a row differs: it is missing, it is there and should not, or it says otherwise."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row, by its name. ``expected`` and ``found`` are its JSON, None where there is none; ``found`` is what ``part`` has."""

    part: Part
    kind: Difference
    row: str
    expected: str | None
    found: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """What a comparison found: of ``items`` in the table and ``rows`` in the output.

    ``differing`` counts what differs, of which ``differences`` lists the first. ``moving`` counts what changed each time it was
    looked at, which proves nothing; ``broken`` the items that have no value and so are in no row.
    """

    items: int
    rows: int
    differing: int
    differences: tuple[RowDifference, ...]
    moving: int = 0
    broken: int = 0

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not self.differing


@runtime_checkable
class Verifiable(Protocol):
    """A target that can be compared with its table while it is at work."""

    def verify(self) -> Verified:
        """Read all items of the table, and compare; deliveries go on. Raises HeadraceError where it cannot be told."""
        ...
