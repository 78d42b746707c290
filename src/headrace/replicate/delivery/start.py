"""Where a mapping begins: which shards of a stream it reads first, and from where."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

from headrace.checkpoint import ShardState, Stage
from headrace.event_source_mapping import Delivering, StartingPosition
from headrace.position import Position
from headrace.replicate.lineage import Lineage
from headrace.shard import Shard


def first_lineage(
    delivering: Delivering, shards: Sequence[Shard], trimmed: Collection[str], service_now: float
) -> tuple[ShardState, ...]:
    """The lineage at a mapping's beginning, from a complete listing.

    LATEST is the time of the beginning, not the service's own, which cannot be returned to after a crash: records that are
    made while the mapping starts are not missed. Closed shards are passed over there, and read elsewhere.
    """
    if delivering.starting_position is StartingPosition.LATEST:
        now = Position.at_timestamp(float(math.floor(service_now)), service_now)
        return Lineage.first(shards, now, trimmed).states()
    position = Position.trim_horizon(service_now)
    if delivering.starting_position is StartingPosition.AT_TIMESTAMP:
        position = Position.at_timestamp(since(delivering, service_now), service_now)
    return tuple(_waiting(shard, trimmed, position) for shard in shards)


def next_lineage(
    shards: Sequence[Shard], trimmed: Collection[str], service_now: float
) -> tuple[ShardState, ...]:
    """The lineage of a stream that follows another: every record of it is wanted, so that one that is trimmed must raise."""
    horizon = Position.trim_horizon(service_now)
    return tuple(
        _waiting(shard, trimmed, horizon if shard.starting is None else Position.at(shard.starting))
        for shard in shards
    )


def _waiting(shard: Shard, trimmed: Collection[str], position: Position) -> ShardState:
    parent_id = None if shard.parent_id in trimmed else shard.parent_id
    return ShardState(shard.id, parent_id, shard.starting, Stage.WAITING, position)


def since(delivering: Delivering, service_now: float) -> float:
    """The time before which no record is wanted (epoch seconds, floored as the service floors those of records)."""
    match delivering.starting_position:
        case StartingPosition.LATEST:
            return float(math.floor(service_now))
        case StartingPosition.AT_TIMESTAMP:
            return float(math.floor(delivering.starting_timestamp or 0.0))
        case StartingPosition.TRIM_HORIZON:
            return 0.0


def generations(states: Iterable[ShardState], known: Mapping[str, int], first: int) -> dict[str, int]:
    """The generation of every shard; ``known`` are those that are durable, and never change.

    A child whose numbers begin after its parent's has that of its parent, else the next: versions of an item grow from
    shard to shard whatever the service numbers. A shard whose parent is not known has the greatest, ``first`` if there is none.
    """
    first = max(known.values(), default=first)
    by_id = {state.id: state for state in states}
    found = dict(known)

    def of(state: ShardState) -> int:
        if state.id not in found:
            # Until its parent's is known, so that a circle, which no stream has, ends.
            found[state.id] = first
            parent = by_id.get(state.parent_id or "")
            if parent is not None:
                follows = (
                    parent.starting is not None
                    and state.starting is not None
                    and parent.starting < state.starting
                )
                found[state.id] = of(parent) + (0 if follows else 1)
        return found[state.id]

    return {state.id: of(state) for state in by_id.values()}
