"""Complete listings of a stream's shards, page by page."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from headrace.errors import HeadraceError, Unavailable
from headrace.replicate.commands import ListShards
from headrace.replicate.errands import Errands
from headrace.shard import Shard, ShardListing

MOST_PAGES = 5000
"""Pages of 100 shards: more than a stream of the largest tables keeps in its 24 hours."""

CHILDREN_PATIENCE = 150.0
"""Seconds at bootstrap for which closed shards without children are listed again."""


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
    """The listing that a copy begins with, asked for until it can be trusted."""

    def __init__(self, errands: Errands, stream_arn: str, now: float) -> None:
        self._errands = errands
        self._stream_arn = stream_arn
        self._began_at = now
        self._pages = Listing()

    def ask(self, now: float) -> None:
        """Ask for the next page, unless one is under way or not due."""
        more = partial(ListShards, stream_arn=self._stream_arn, start_after=self._pages.next_start)
        self._errands.ask(ListShards, more, now)

    def take(self, request: ListShards, page: ShardListing, now: float) -> tuple[Shard, ...] | None:
        """Take a page; all shards once they are complete, else None: ask again."""
        try:
            shards = self._pages.add(page)
        except Unavailable as error:
            self.failed(request, error, now)
            return None
        if shards is None:
            self._errands.unsettled(request, now)
            return None
        self._pages = Listing()
        torn = page.status == "ENABLED" and is_torn(shards) and now < self._began_at + CHILDREN_PATIENCE
        if page.status == "ENABLING" or not shards or torn:
            self._errands.unsettled(request, now + 1.0)
            return None
        self._errands.answered(request)
        return shards

    def failed(self, request: ListShards, error: HeadraceError, now: float) -> None:
        """Begin anew after a while."""
        self._pages = Listing()
        self._errands.failed(request, error, now)
