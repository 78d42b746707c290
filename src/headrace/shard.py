"""A shard of a stream, as the service lists it."""

from __future__ import annotations

from dataclasses import dataclass

from headrace.position import SequenceNumber


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard: a child may be read once its parent's end is durable, or its parent is trimmed away.

    ``parent_id`` may name a shard that is no longer listed. ``ending`` is None while the shard is open.
    DescribeStream may show an open parent that already has children, and closed shards without any.
    """

    id: str
    parent_id: str | None = None
    starting: SequenceNumber | None = None
    ending: SequenceNumber | None = None

    @property
    def closed(self) -> bool:
        """Whether no record will be added."""
        return self.ending is not None


@dataclass(frozen=True, slots=True)
class ShardListing:
    """One page of DescribeStream.

    ``next_start`` is the shard after which the next page starts, None on the last. ``status`` is the
    stream's: ENABLING, ENABLED, DISABLING or DISABLED. ``service_time`` is the answer's Date (epoch
    seconds), None where the service sends none.
    """

    shards: tuple[Shard, ...]
    next_start: str | None
    status: str
    service_time: float | None = None
