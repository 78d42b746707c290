"""Records and items that are set aside whole: from a page to a dead letter, and back to a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from headrace.change import DeadLetter
from headrace.dynamodb.generic import key_text, place_of, split
from headrace.position import SequenceNumber

ITEMS = "Items"
"""Where an answer of Scan has its items."""

RECORDS = "Records"
"""Where an answer of GetRecords has its records."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the letters of one page have in common: ``shard`` None for a Scan, the key's attributes, the time."""

    shard: str | None
    keys: tuple[str, ...]
    at: float

    def letter(self, raw: msgspec.Raw, reason: str, place: int) -> DeadLetter:
        """One record, or one item, that ``place`` rows of its page came before."""
        is_record = self.shard is not None
        number = place_of(raw)[0] if is_record else None
        return DeadLetter(
            shard=self.shard,
            sequence=None if number is None else SequenceNumber(number),
            key=key_text(raw, self.keys, record=is_record),
            reason=reason,
            record=bytes(raw).decode(errors="backslashreplace"),
            at=self.at,
            place=place,
        )


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A WirePage: the body of an answer. ``taken`` are the indexes of what became rows, None: all did."""

    body: bytes
    provenance: Provenance
    taken: Sequence[int] | None = None

    def letter(self, row: int, reason: str) -> DeadLetter:
        """The record behind a row as a dead letter."""
        raws, _ = split(self.body, ITEMS if self.provenance.shard is None else RECORDS, "")
        index = row if self.taken is None else self.taken[row]
        return self.provenance.letter(raws[index], reason, row)
