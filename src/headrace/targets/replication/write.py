"""What is written to a replica, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headrace.attribute import Image
from headrace.errors import HeadraceError
from headrace.targets.change import Change


class Verdict(StrEnum):
    """How a write went: it is done, or was left because the item, or its deletion, is newer."""

    WRITTEN = "written"
    NEWER = "newer"


Outcome = Verdict | HeadraceError


@dataclass(frozen=True, slots=True)
class Write:
    """What an item is to become by ``change``, None where it is to be deleted. ``version`` is as in Batch."""

    change: Change
    item: Image | None
    version: str

    @property
    def key(self) -> str:
        """The text of the item's key."""
        return self.change.record.key

    def __str__(self) -> str:
        doing = "deleted from" if self.item is None else "put into"
        return f"item {self.key} (record {self.change.record.sequence.text}) cannot be {doing} the replica"


class Writer(Protocol):
    """Carries out writes of different items, several at once."""

    def write(self, writes: list[Write]) -> dict[str, Outcome]:
        """How each went, by the text of its key. What failed is done, or not, or may be."""
        ...
