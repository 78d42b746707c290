"""Finding shards: complete listings on a timer, children as soon as their parent ends.

A shard that listings keep missing is looked for by its id before it counts as trimmed, because a listing may
lie and GetShardIterator answers for one shard: ResourceNotFoundException, or TrimmedDataAccessException.

DescribeStream allows ten calls a second for an account; this asks far fewer.
"""

from __future__ import annotations

from functools import partial

from headrace.errors import HeadraceError, PositionTrimmed, ShardGone
from headrace.position import Position
from headrace.replicate.commands import ListChildren, ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.lineage import Lineage
from headrace.shard import Shard, ShardListing

LISTING_INTERVAL = 60.0
"""Seconds between complete listings of a stream that gives no cause for one."""

_CHILD_TRIES = 10
_CHILD_WAIT = 0.1
_CHILD_WAIT_MOST = 1.0
_ORPHAN_WAIT = 2.0
WHAT = "shard discovery"


class Discovery:
    """Keeps the lineage current with what DescribeStream says."""

    def __init__(self, desk: Desk, stream_arn: str, lineage: Lineage) -> None:
        self.complete = False
        self.disabled = False
        self.dirty = False
        self._stream_arn = stream_arn
        self._lineage = lineage
        self._outbox = desk.outbox
        self._clock = desk.clock
        self._health = desk.health
        self._shards: list[Shard] = []
        self._listing = False
        self._next_start: str | None = None
        self._due_at = 0.0
        self._failures = 0
        self._answered_at: float | None = None
        self._children: dict[str, tuple[int, float]] = {}
        self._asking: set[str] = set()
        self._suspects: list[str] = []
        self._probing: dict[int, str] = {}
        self._orphans_since: float | None = None

    def ask_children(self, parent_id: str, now: float) -> None:
        """Look for the children of a shard that has just ended.

        Even where one is known: of a split's two, an earlier listing may have shown only one.
        """
        self._children[parent_id] = (0, now)

    def recheck(self, now: float) -> None:
        """Make a complete listing soon: a shard that is being read may be gone."""
        self._due_at = min(self._due_at, now)

    def advance(self, now: float, room: int) -> int:
        """Send what is due, at most ``room`` requests; how many were sent."""
        if self._answered_at is None:
            self._answered_at = now
        sent = 0
        for parent_id, (_, due_at) in tuple(self._children.items()):
            if parent_id in self._asking or sent >= room:
                continue
            if due_at <= now:
                self._asking.add(parent_id)
                self._outbox.send(partial(ListChildren, stream_arn=self._stream_arn, parent_id=parent_id))
                sent += 1
            else:
                self._outbox.wake(due_at)
        while self._suspects and sent < room:
            self._probe(self._suspects.pop(0), now)
            sent += 1
        if not self._listing and sent < room:
            if self._due_at <= now:
                self._listing = True
                self._ask_page()
                sent += 1
            else:
                self._outbox.wake(self._due_at)
        return sent

    def answered(self, request: ListShards | ListChildren, listing: ShardListing, now: float) -> None:
        """Take in an answer."""
        self._answered_at = now
        self._failures = 0
        self._health.healed(WHAT)
        if isinstance(request, ListChildren):
            self._children_answered(request.parent_id, listing, now)
            return
        self._shards.extend(listing.shards)
        self._next_start = listing.next_start
        if listing.next_start is not None:
            self._ask_page()
            return
        shards, self._shards, self._listing = self._shards, [], False
        self._completed(shards, listing.status, now)

    def probes(self, request_id: int) -> bool:
        """Whether this request looks for a shard that listings miss."""
        return request_id in self._probing

    def probed(self, request_id: int, error: HeadraceError | None, now: float) -> tuple[str, ...]:
        """Take in what became of a probe; the shards that turned out to have lost an unread parent."""
        shard_id = self._probing.pop(request_id)
        if isinstance(error, (ShardGone, PositionTrimmed)):
            before = self._lineage.states()
            orphans = self._lineage.trimmed(shard_id)
            self.dirty |= self._lineage.states() != before
            return orphans
        if error is None:
            self._lineage.exists(shard_id)
        else:
            # The next complete listing suspects it again.
            self._failures += 1
            self._due_at = max(self._due_at, now + self._health.failed(WHAT, error, self._failures, now))
        return ()

    def failed(self, request: ListShards | ListChildren, error: HeadraceError, now: float) -> None:
        """Back off; a listing starts again from its beginning."""
        self._failures += 1
        wait = self._health.failed(WHAT, error, self._failures, now)
        if isinstance(request, ListChildren):
            self._asking.discard(request.parent_id)
            attempt, _ = self._children.get(request.parent_id, (0, now))
            self._children[request.parent_id] = (attempt, now + wait)
            return
        self._shards, self._listing, self._next_start = [], False, None
        self._due_at = now + wait

    def stalled(self, now: float, limit: float) -> str | None:
        """Why discovery is not live: failing for longer than ``limit``."""
        if self._failures and self._answered_at is not None and now - self._answered_at > limit:
            return f"shard discovery has failed for {now - self._answered_at:.0f} s"
        if self._orphans_since is not None and now - self._orphans_since > limit:
            waited = now - self._orphans_since
            return f"a shard has waited {waited:.0f} s for its parent, which DescribeStream does not list"
        return None

    def _probe(self, shard_id: str, now: float) -> None:
        position = Position.trim_horizon(self._clock.at(now))
        request_id = self._outbox.send(
            partial(OpenIterator, stream_arn=self._stream_arn, shard_id=shard_id, position=position)
        )
        self._probing[request_id] = shard_id

    def _ask_page(self) -> None:
        self._outbox.send(partial(ListShards, stream_arn=self._stream_arn, start_after=self._next_start))

    def _completed(self, shards: list[Shard], status: str, now: float) -> None:
        self.disabled = status in ("DISABLED", "DISABLING")
        if status == "ENABLING":
            self._due_at = now + 1.0
            return
        before = len(self._lineage.states())
        self._lineage.reconcile(shards, self._clock.at(now))
        self.dirty |= len(self._lineage.states()) != before
        self.complete = True
        self._suspects = [id_ for id_ in self._lineage.suspects() if id_ not in self._probing.values()]
        unresolved = self._lineage.has_orphans()
        if not unresolved:
            self._orphans_since = None
        elif self._orphans_since is None:
            self._orphans_since = now
        self._due_at = now + (_ORPHAN_WAIT if unresolved else LISTING_INTERVAL)
        if not self.disabled:
            for leaf in self._lineage.leaves():
                self._children.setdefault(leaf.id, (0, now))

    def _children_answered(self, parent_id: str, listing: ShardListing, now: float) -> None:
        self._asking.discard(parent_id)
        attempt, _ = self._children.pop(parent_id, (0, now))
        # A service that ignores the filter lists other shards too: each says whose child it is.
        self.dirty |= self._lineage.meet(
            (shard for shard in listing.shards if shard.parent_id == parent_id), self._clock.at(now)
        )
        self.disabled = listing.status in ("DISABLED", "DISABLING")
        if self._lineage.settle(parent_id) or self.disabled or parent_id not in self._lineage:
            return
        if attempt + 1 < _CHILD_TRIES:
            wait = min(_CHILD_WAIT * 2**attempt, _CHILD_WAIT_MOST)
            self._children[parent_id] = (attempt + 1, now + wait)
        else:
            self._due_at = min(self._due_at, now + _ORPHAN_WAIT)
