"""Which shard may be read: parents first.

A pure graph of the shards of one stream. What it holds is what the checkpoint holds: every shard that
was ever listed and is not yet forgotten by the service, waiting, being read, or finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headrace.checkpoint import ShardState, Stage
from headrace.position import Position
from headrace.shard import Shard

CONFIRMATIONS = 3
"""Complete listings in a row that must miss a shard before it counts as trimmed: DescribeStream is known to omit
shards for a while."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a complete listing taught: orphans freed because their unread parent is trimmed (each a gap)."""

    orphans: tuple[str, ...]


class Lineage:
    """The shards of one stream and the order in which they may be read."""

    def __init__(self, states: Iterable[ShardState] = ()) -> None:
        self._states: dict[str, ShardState] = {state.id: state for state in states}
        self._settled: dict[str, bool] = {}
        self._misses: dict[str, int] = {}

    @classmethod
    def first(cls, shards: Sequence[Shard], position: Position) -> Lineage:
        """The lineage at bootstrap, from a complete listing taken before the Scan.

        Closed shards are finished: the Scan sees their effects. Open shards without an unfinished
        parent start at ``position``; their children wait.
        """
        listed = {shard.id: shard for shard in shards}
        lineage = cls()
        for shard in shards:
            parent = listed.get(shard.parent_id) if shard.parent_id else None
            if shard.closed:
                stage, start = Stage.FINISHED, None
            elif parent is not None and not parent.closed:
                stage, start = Stage.WAITING, _start_of(shard, position)
            else:
                stage, start = Stage.READING, position
            lineage._states[shard.id] = ShardState(shard.id, shard.parent_id, shard.starting, stage, start)
        for state in lineage.in_stage(Stage.FINISHED):
            lineage.settle(state.id)
        return lineage

    def __contains__(self, shard_id: object) -> bool:
        return shard_id in self._states

    def __getitem__(self, shard_id: str) -> ShardState:
        return self._states[shard_id]

    def states(self, changes: Mapping[str, ShardState] | None = None) -> tuple[ShardState, ...]:
        """All shards, in the order in which they were first seen, with ``changes`` in place of their own."""
        if not changes:
            return tuple(self._states.values())
        return tuple(changes.get(id_, state) for id_, state in self._states.items())

    def in_stage(self, stage: Stage) -> tuple[ShardState, ...]:
        """The shards in one stage."""
        return tuple(state for state in self._states.values() if state.stage is stage)

    def update(self, state: ShardState) -> None:
        """Take over what is durable of one shard. A finished parent's children must be met anew."""
        self._states[state.id] = state

    def meet(self, shards: Iterable[Shard], found_at: float) -> bool:
        """Add shards not seen before, all waiting; true if there were any. Listings may be partial.

        A shard seen for the first time after bootstrap starts at its first record, so that its having
        been trimmed raises; at the horizon, noting ``found_at``, where the service lists no number.
        """
        new = False
        for shard in shards:
            if shard.id in self._states:
                continue
            start = _start_of(shard, Position.trim_horizon(found_at))
            self._states[shard.id] = ShardState(
                shard.id, shard.parent_id, shard.starting, Stage.WAITING, start
            )
            new = True
        return new

    def settle(self, parent_id: str) -> bool:
        """Note that the children of a finished shard were asked for after its end; true if there are any."""
        if self.children(parent_id):
            self._settled[parent_id] = True
            return True
        return False

    def reconcile(self, shards: Sequence[Shard], found_at: float) -> Reconciled:
        """Take in a complete listing: new shards wait, finished ones find children or are forgotten.

        A waiting shard whose parent is neither known nor listed is freed after ``CONFIRMATIONS`` listings in a row,
        and reported: its parent's records were never read, so they are a gap.
        """
        self.meet(shards, found_at)
        listed = {shard.id for shard in shards}
        orphans: list[str] = []
        for state in tuple(self._states.values()):
            if state.stage is Stage.WAITING and state.parent_id and state.parent_id not in self._states:
                if self._missed(state.id, missing=state.parent_id not in listed):
                    self._states[state.id] = replace(state, parent_id=None)
                    orphans.append(state.id)
            elif state.stage is Stage.READING:
                self._missed(state.id, missing=state.id not in listed)
            elif state.stage is Stage.FINISHED:
                self.settle(state.id)
                if self._missed(state.id, missing=state.id not in listed) and not self._waited_for(state.id):
                    self._forget(state.id)
        return Reconciled(tuple(orphans))

    def promote(self) -> tuple[ShardState, ...]:
        """Let shards be read whose parent is finished, or that have none; those that changed."""
        promoted = []
        for state in self.in_stage(Stage.WAITING):
            parent = self._states.get(state.parent_id) if state.parent_id else None
            if state.parent_id is None or (parent is not None and parent.stage is Stage.FINISHED):
                reading = replace(state, stage=Stage.READING)
                self._states[state.id] = reading
                promoted.append(reading)
        return tuple(promoted)

    def children(self, parent_id: str) -> tuple[ShardState, ...]:
        """The known children of a shard."""
        return tuple(state for state in self._states.values() if state.parent_id == parent_id)

    def leaves(self) -> tuple[ShardState, ...]:
        """Finished shards whose children were not found since they finished."""
        return tuple(s for s in self.in_stage(Stage.FINISHED) if not self._settled.get(s.id))

    def unlisted(self, shard_id: str) -> bool:
        """Whether the last complete listing did not show a shard that is being read."""
        return self._misses.get(shard_id, 0) > 0

    def has_orphans(self) -> bool:
        """Whether a shard waits for a parent that is not known."""
        return any(s.parent_id not in self._states for s in self.in_stage(Stage.WAITING) if s.parent_id)

    def _missed(self, shard_id: str, *, missing: bool) -> bool:
        self._misses[shard_id] = self._misses.get(shard_id, 0) + 1 if missing else 0
        return self._misses[shard_id] >= CONFIRMATIONS

    def _waited_for(self, shard_id: str) -> bool:
        return any(child.stage is Stage.WAITING for child in self.children(shard_id))

    def _forget(self, shard_id: str) -> None:
        del self._states[shard_id]
        self._settled.pop(shard_id, None)
        self._misses.pop(shard_id, None)


def _start_of(shard: Shard, otherwise: Position) -> Position:
    return Position.at(shard.starting) if shard.starting is not None else otherwise
