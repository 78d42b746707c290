"""Finding shards: complete listings on a timer, children as soon as their parent ends.

A shard that listings keep missing is looked for by its id before it counts as trimmed, because a listing may
lie and GetShardIterator answers for one shard: ResourceNotFoundException, or TrimmedDataAccessException.

DescribeStream allows ten calls a second for an account; this asks far fewer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from headrace.errors import HeadraceError, PositionTrimmed, ShardGone, Unavailable
from headrace.position import Position
from headrace.replicate.commands import ListChildren, ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.lineage import Lineage
from headrace.replicate.listing import YOUNG, Listing
from headrace.replicate.liveness import DISCOVERY, Pulse
from headrace.shard import Shard, ShardListing

LISTING_INTERVAL = 60.0
"""Seconds between complete listings of a stream that gives no cause for one."""

_CHILD_TRIES = 10
_CHILD_WAIT = 0.1
_CHILD_WAIT_MOST = 1.0
_ORPHAN_WAIT = 2.0


class Discovery:
    """Keeps the lineage current with what DescribeStream says. ``listings`` counts the complete ones."""

    def __init__(self, desk: Desk, stream_arn: str, lineage: Lineage) -> None:
        self.complete = False
        self.disabled = False
        self.dirty = False
        self.listings = 0
        self._stream_arn = stream_arn
        self._lineage = lineage
        self._outbox = desk.outbox
        self._clock = desk.clock
        self._health = desk.health
        self._listing: Listing | None = None
        self._due_at = 0.0
        self._wanted_since: float | None = None
        self.failures = 0
        self._children: dict[str, tuple[int, float]] = {}
        self._asking: set[str] = set()
        self._suspects: list[str] = []
        self._suspected: dict[str, float] = {}
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
        if self._wanted_since is None and self._due_at <= now:
            self._wanted_since = now
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
        if self._listing is None and sent < room:
            if self._due_at <= now:
                self._listing = Listing()
                self._ask_page(self._listing)
                sent += 1
            else:
                self._outbox.wake(self._due_at)
        return sent

    def answered(self, request: ListShards | ListChildren, listing: ShardListing, now: float) -> None:
        """Take in an answer."""
        if isinstance(request, ListChildren):
            self._healed()
            self._children_answered(request.parent_id, listing, now)
            return
        pages = self._listing or Listing()
        try:
            shards = pages.add(listing)
        except Unavailable as error:
            self.failed(request, error, now)
            return
        if shards is None:
            self._ask_page(pages)
            return
        self._listing = None
        self._healed()
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
            self.failures += 1
            wait = self._health.failed(DISCOVERY, error, self.failures, now)
            self._due_at = max(self._due_at, now + wait)
        return ()

    def failed(self, request: ListShards | ListChildren, error: HeadraceError, now: float) -> None:
        """Back off; a listing starts again from its beginning."""
        self.failures += 1
        wait = self._health.failed(DISCOVERY, error, self.failures, now)
        if isinstance(request, ListChildren):
            self._asking.discard(request.parent_id)
            attempt, _ = self._children.get(request.parent_id, (0, now))
            self._children[request.parent_id] = (attempt, now + wait)
            return
        self._listing = None
        self._due_at = now + wait

    def pulses(self) -> Iterator[Pulse]:
        """A complete listing that is due and has not come to its end; a parent that is not found."""
        if self._wanted_since is not None:
            yield Pulse(DISCOVERY, self._wanted_since)
        if self._orphans_since is not None:
            yield Pulse("a shard whose parent DescribeStream does not list", self._orphans_since)

    def _healed(self) -> None:
        self.failures = 0
        self._health.healed(DISCOVERY)

    def _probe(self, shard_id: str, now: float) -> None:
        position = Position.trim_horizon(self._clock.at(now))
        request_id = self._outbox.send(
            partial(OpenIterator, stream_arn=self._stream_arn, shard_id=shard_id, position=position)
        )
        self._probing[request_id] = shard_id

    def _ask_page(self, listing: Listing) -> None:
        self._outbox.send(partial(ListShards, stream_arn=self._stream_arn, start_after=listing.next_start))

    def _completed(self, shards: Sequence[Shard], status: str, now: float) -> None:
        self.disabled = status in ("DISABLED", "DISABLING")
        if status == "ENABLING":
            self._due_at = now + 1.0
            return
        self._wanted_since = None
        self.listings += 1
        before = len(self._lineage.states())
        self._lineage.reconcile(shards, self._clock.at(now))
        self.dirty |= len(self._lineage.states()) != before
        self.complete = True
        self._suspected = {id_: self._suspected.get(id_, now) for id_ in self._lineage.suspects()}
        self._suspects = [
            id_
            for id_, since in self._suspected.items()
            if now - since >= YOUNG and id_ not in self._probing.values()
        ]
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
