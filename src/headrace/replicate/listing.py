"""Complete listings of a stream's shards, page by page."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from headrace.errors import HeadraceError, PositionTrimmed, ShardGone, Unavailable
from headrace.position import Position
from headrace.replicate.commands import ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.lineage import CONFIRMATIONS
from headrace.shard import Shard, ShardListing

YOUNG = 10.0
"""Seconds in which a shard that was just opened may not be known everywhere: for so long what is missing from
listings, and not found when it is asked for, does not count as trimmed."""

MOST_PAGES = 5000
"""Pages of 100 shards: more than a stream of the largest tables keeps in its 24 hours."""

PATIENCE = 150.0
"""Seconds at bootstrap for which a listing with holes is taken again."""

_PROBES = 8
"""Parents that are asked for at once."""


def is_torn(shards: Collection[Shard]) -> bool:
    """Whether a listing of an enabled stream has a hole: a closed shard always has a child there.

    Copying from such a listing could take a shard's descendants for finished and the children, once they are
    listed, for new: old records would be the last word on their keys.
    """
    parents = {shard.parent_id for shard in shards}
    return any(shard.closed and shard.id not in parents for shard in shards)


class Listing:
    """The pages that came so far. ``next_start`` is where the next begins, None at the beginning and the end."""

    def __init__(self) -> None:
        self.next_start: str | None = None
        self._shards: list[Shard] = []
        self._starts: set[str] = set()

    def add(self, page: ShardListing) -> tuple[Shard, ...] | None:
        """Take the next page; the whole listing once this was the last, else None.

        Raises Unavailable where the pages would never end: a service that repeats a page's start goes round
        in a circle, and each round would look like more shards.
        """
        self._shards.extend(page.shards)
        self.next_start = page.next_start
        if page.next_start is None:
            return tuple(self._shards)
        if page.next_start in self._starts or len(self._starts) >= MOST_PAGES:
            raise Unavailable(
                f"the pages of DescribeStream do not end: after {len(self._starts) + 1} pages the next starts "
                f"at {page.next_start}; the listing begins anew"
            )
        self._starts.add(page.next_start)
        return None


class FirstListing:
    """The listing that a copy begins with, asked for until it can be trusted.

    Closed shards count as copied by the Scan. That is wrong for one that descends from a shard which is shown
    open though it has ended: its records, replayed, would come after the Scan. So the way up from each
    shard must be whole: a parent that is not listed is asked for by its id, and must be trimmed. One that is not
    known may have been opened just now, and is asked for again until ``YOUNG`` has passed. After ``PATIENCE`` a listing
    with holes is taken; shards then wait for the parents that it lacks. ``trimmed`` are those that are proven so.
    """

    def __init__(self, desk: Desk, errands: Errands, stream_arn: str, now: float) -> None:
        self._outbox = desk.outbox
        self._clock = desk.clock
        self._errands = errands
        self._stream_arn = stream_arn
        self._began_at = now
        self._pages = Listing()
        self._whole: tuple[ListShards, tuple[Shard, ...]] | None = None
        self._to_ask: list[str] = []
        self._probing: dict[int, str] = {}
        self._unknown_since: dict[str, float] = {}
        self.trimmed: set[str] = set()
        self._hidden = False
        self._fault: HeadraceError | None = None
        self._unknown = 0

    @property
    def gone(self) -> bool:
        """Whether the service keeps saying that there is no such stream: the table was made anew, or is no more."""
        return self._unknown >= CONFIRMATIONS

    def ask(self, now: float) -> None:
        """Ask for the next page, or for the parents that a whole listing lacks."""
        if self._whole is None:
            more = partial(ListShards, stream_arn=self._stream_arn, start_after=self._pages.next_start)
            self._errands.ask(ListShards, more, now)
        while self._to_ask and len(self._probing) < _PROBES:
            parent_id = self._to_ask.pop(0)
            position = Position.trim_horizon(self._clock.at(now))
            make = partial(OpenIterator, stream_arn=self._stream_arn, shard_id=parent_id, position=position)
            self._probing[self._outbox.send(make)] = parent_id

    def take(self, request: ListShards, page: ShardListing, now: float) -> tuple[Shard, ...] | None:
        """Take a page; all shards once they are complete, else None: ask again."""
        self._unknown = 0
        try:
            shards = self._pages.add(page)
        except Unavailable as error:
            return self.failed(request, error, now)
        if shards is None:
            self._errands.unsettled(request, now)
            return None
        self._pages = Listing()
        waits = now < self._began_at + PATIENCE
        torn = page.status == "ENABLED" and is_torn(shards) and waits
        if page.status == "ENABLING" or not shards or torn:
            self._errands.unsettled(request, now + 1.0)
            return None
        self._to_ask = list(_above(shards, self.trimmed)) if waits else []
        if self._to_ask:
            self._whole = (request, shards)
            return None
        return self._trusted(request, shards)

    def found(self, request: OpenIterator, now: float) -> tuple[Shard, ...] | None:
        """A parent that is not listed is there all the same: None, the listing lacks it and is taken again."""
        self._unknown_since.pop(self._probing.pop(request.id), None)
        self._hidden = True
        return self._settled(now)

    def failed(
        self, request: ListShards | OpenIterator, error: HeadraceError, now: float
    ) -> tuple[Shard, ...] | None:
        """All shards once every parent that they lack is proven trimmed; None: begin anew after a while."""
        if isinstance(request, ListShards):
            self._pages = Listing()
            self._unknown = self._unknown + 1 if isinstance(error, ShardGone) else 0
            self._errands.failed(request, error, now)
            return None
        parent_id = self._probing.pop(request.id)
        young = now - self._unknown_since.setdefault(parent_id, now) < YOUNG
        if isinstance(error, PositionTrimmed) or (isinstance(error, ShardGone) and not young):
            self.trimmed.add(parent_id)
        elif isinstance(error, ShardGone):
            self._hidden = True
        else:
            self._fault = error
        return self._settled(now)

    def _settled(self, now: float) -> tuple[Shard, ...] | None:
        if self._hidden or self._fault is not None:
            self._to_ask.clear()
        # Every answer is waited for: one that came late would meet a reader of the same shard.
        if self._to_ask or self._probing or self._whole is None:
            return None
        request, shards = self._whole
        hidden, fault = self._hidden, self._fault
        self._whole, self._hidden, self._fault = None, False, None
        if fault is not None:
            return self.failed(request, fault, now)
        if hidden:
            self._errands.unsettled(request, now + 1.0)
            return None
        return self._trusted(request, shards)

    def _trusted(self, request: ListShards, shards: tuple[Shard, ...]) -> tuple[Shard, ...]:
        self._errands.answered(request)
        return shards


def _above(shards: Collection[Shard], trimmed: Collection[str]) -> Iterator[str]:
    """The parents that the listing lacks, each once, but for those that are known to be trimmed."""
    known = {shard.id for shard in shards} | set(trimmed)
    parents = dict.fromkeys(shard.parent_id for shard in shards if shard.parent_id is not None)
    return (parent_id for parent_id in parents if parent_id not in known)
