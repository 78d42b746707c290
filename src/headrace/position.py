"""Where a reader stands in a shard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class SequenceNumber:
    """AWS's text, kept whole because the API wants it back, compared as the integer that it writes.

    Numbers are 21 to 40 digits and differ in length, so their text does not sort; stand-ins pad theirs with
    zeros. Order means something within one shard only.
    """

    text: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SequenceNumber) and int(self.text) == int(other.text)

    def __hash__(self) -> int:
        return hash(int(self.text))

    def __lt__(self, other: SequenceNumber) -> bool:
        return int(self.text) < int(other.text)


class Anchor(StrEnum):
    """How a position is given to GetShardIterator. LATEST is not among them: it cannot be resumed."""

    TRIM_HORIZON = "TRIM_HORIZON"
    AT_TIMESTAMP = "AT_TIMESTAMP"
    AT_SEQUENCE_NUMBER = "AT_SEQUENCE_NUMBER"
    AFTER_SEQUENCE_NUMBER = "AFTER_SEQUENCE_NUMBER"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in one shard that can be stored and returned to.

    ``sequence`` belongs to the two sequence anchors. ``timestamp`` (epoch seconds) belongs to
    AT_TIMESTAMP. ``set_at`` (epoch seconds, the service's clock) belongs to the two anchors without a
    sequence number: it is the time at which nothing before the position was missing, and so tells
    whether the stream may have trimmed what followed.
    """

    anchor: Anchor
    sequence: SequenceNumber | None = None
    timestamp: float | None = None
    set_at: float | None = None

    @classmethod
    def trim_horizon(cls, set_at: float) -> Position:
        """The oldest record still kept."""
        return cls(Anchor.TRIM_HORIZON, set_at=set_at)

    @classmethod
    def at_timestamp(cls, timestamp: float, set_at: float) -> Position:
        """The first record created at ``timestamp`` or later."""
        return cls(Anchor.AT_TIMESTAMP, timestamp=timestamp, set_at=set_at)

    @classmethod
    def at(cls, sequence: SequenceNumber) -> Position:
        """The record of this number, so that its having been trimmed raises."""
        return cls(Anchor.AT_SEQUENCE_NUMBER, sequence=sequence)

    @classmethod
    def after(cls, sequence: SequenceNumber) -> Position:
        """The record that follows this number."""
        return cls(Anchor.AFTER_SEQUENCE_NUMBER, sequence=sequence)
