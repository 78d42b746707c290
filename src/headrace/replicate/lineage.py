"""Which shard may be read: parents first.

A pure graph of the shards of one stream. What it holds is what the checkpoint holds: every shard that
was ever listed and is not yet forgotten by the service, waiting, being read, or finished.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from headrace.checkpoint import ShardState, Stage
from headrace.position import Anchor, Position
from headrace.shard import Shard

CONFIRMATIONS = 3
"""Complete listings in a row that must miss a shard before it is suspected to be trimmed: DescribeStream is known
to omit shards for a while. A suspect is trimmed only if GetShardIterator does not know it either."""


class Lineage:
    """The shards of one stream and the order in which they may be read."""

    def __init__(self, states: Iterable[ShardState] = ()) -> None:
        self._states: dict[str, ShardState] = {state.id: state for state in states}
        self._settled: dict[str, bool] = {}
        self._misses: dict[str, int] = {}

    @classmethod
    def first(
        cls, shards: Sequence[Shard], position: Position, trimmed: Collection[str] = frozenset()
    ) -> Lineage:
        """The lineage at bootstrap, from a complete listing taken before the Scan.

        A closed shard is finished, for the Scan sees its effects; but not behind one that is read: what is replayed
        of the ancestor must not be the last word on a key. An open shard starts at ``position``; behind an
        unfinished one, it waits for its first record. Where the parent is not listed, nor proven ``trimmed``, a
        shard waits for it, closed or not, at ``position``.
        """
        listed = {shard.id: shard for shard in shards}
        known = listed.keys() | {*trimmed}
        lineage = cls()
        for shard in shards:
            unlisted = shard.parent_id is not None and shard.parent_id not in known
            behind = any(
                not ancestor.closed or (ancestor.parent_id is not None and ancestor.parent_id not in known)
                for ancestor in _ancestors(shard, listed)
            )
            start: Position | None = position
            if unlisted:
                stage = Stage.WAITING
            elif behind:
                stage, start = Stage.WAITING, _start_of(shard, position)
            elif shard.closed:
                stage, start = Stage.FINISHED, None
            else:
                stage = Stage.READING
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
        been trimmed raises; at the horizon, noting ``found_at``, where the service lists no number. Where a
        child of it is read by time since bootstrap, so is it: what is older the Scan has seen, and the child skips it.
        """
        new = [shard for shard in shards if shard.id not in self._states]
        for shard in new:
            start = _start_of(shard, Position.trim_horizon(found_at))
            self._states[shard.id] = ShardState(
                shard.id, shard.parent_id, shard.starting, Stage.WAITING, start
            )
        while any(self._overtaken(shard.id) or self._began_before(shard.id) for shard in new):
            pass
        return bool(new)

    def _overtaken(self, shard_id: str) -> bool:
        """Finish a waiting shard whose child is read already: its records would now be older than what is known."""
        state = self._states[shard_id]
        if state.stage is not Stage.WAITING or all(
            child.stage is Stage.WAITING for child in self.children(shard_id)
        ):
            return False
        self._states[shard_id] = replace(state, stage=Stage.FINISHED, position=None)
        return True

    def _began_before(self, shard_id: str) -> bool:
        """Read a waiting shard by time if a waiting child of it is."""
        state = self._states[shard_id]
        if state.stage is not Stage.WAITING or _by_time(state):
            return False
        since = next((child.position for child in self.children(shard_id) if _by_time(child)), None)
        if since is not None:
            self._states[shard_id] = replace(state, position=since)
        return since is not None

    def settle(self, parent_id: str) -> bool:
        """Note that the children of a finished shard were asked for after its end; true if there are any."""
        if self.children(parent_id):
            self._settled[parent_id] = True
            return True
        return False

    def reconcile(self, shards: Iterable[Shard], found_at: float) -> None:
        """Take in a complete listing: new shards wait, finished ones find children, missing ones are counted."""
        shards = tuple(shards)
        self.meet(shards, found_at)
        listed = {shard.id for shard in shards}
        for state in self._states.values():
            if state.stage is Stage.FINISHED:
                self.settle(state.id)
        for shard_id in (*self._states, *self._unknown_parents()):
            self._misses[shard_id] = 0 if shard_id in listed else self._misses.get(shard_id, 0) + 1

    def suspects(self) -> tuple[str, ...]:
        """Shards that complete listings have kept missing, and whose being trimmed would let something go on.

        Parents that were never seen, which hold up their children, and finished shards that may be forgotten.
        """
        done = [s.id for s in self.in_stage(Stage.FINISHED) if not self._waited_for(s.id)]
        return tuple(id_ for id_ in (*self._unknown_parents(), *done) if self.unlisted(id_))

    def exists(self, shard_id: str) -> None:
        """A suspect is known to the service after all: count its misses anew."""
        self._misses[shard_id] = 0

    def trimmed(self, shard_id: str) -> tuple[str, ...]:
        """A suspect is proven trimmed: forget it, let its children be read; those of them that have a gap.

        Where the shard was never seen, its records were never read. That is a gap, except for a child that
        is read by time since bootstrap: what its parent lost is older than the Scan.
        """
        state = self._states.get(shard_id)
        if state is not None:
            if state.stage is Stage.FINISHED and not self._waited_for(shard_id):
                self._forget(shard_id)
            return ()
        self._misses.pop(shard_id, None)
        freed = [child for child in self.children(shard_id) if child.stage is Stage.WAITING]
        for child in freed:
            self._states[child.id] = replace(child, parent_id=None)
        return tuple(child.id for child in freed if not _by_time(child))

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
        """Whether enough complete listings in a row did not show a shard."""
        return self._misses.get(shard_id, 0) >= CONFIRMATIONS

    def misses(self, shard_id: str) -> int:
        """How many complete listings in a row lacked a shard, or a parent that is waited for."""
        return self._misses.get(shard_id, 0)

    def has_orphans(self) -> bool:
        """Whether a shard waits for a parent that is not known."""
        return bool(self._unknown_parents())

    def _unknown_parents(self) -> tuple[str, ...]:
        parents = (s.parent_id for s in self.in_stage(Stage.WAITING) if s.parent_id)
        return tuple(dict.fromkeys(id_ for id_ in parents if id_ not in self._states))

    def _waited_for(self, shard_id: str) -> bool:
        return any(child.stage is Stage.WAITING for child in self.children(shard_id))

    def _forget(self, shard_id: str) -> None:
        del self._states[shard_id]
        self._settled.pop(shard_id, None)
        self._misses.pop(shard_id, None)


def _ancestors(shard: Shard, listed: Mapping[str, Shard]) -> Iterator[Shard]:
    """The parent of a shard, its parent, and so on, as far as they are listed."""
    parent = listed.get(shard.parent_id or "")
    while parent is not None:
        yield parent
        parent = listed.get(parent.parent_id or "")


def _start_of(shard: Shard, otherwise: Position) -> Position:
    return Position.at(shard.starting) if shard.starting is not None else otherwise


def _by_time(state: ShardState) -> bool:
    return state.position is not None and state.position.anchor is Anchor.AT_TIMESTAMP
