"""How a copy begins: the shards are listed, and that is durable before the first request of the Scan."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.accelerator import Target
from headrace.replicate.commands import Done, Failed, ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.lane import Lane
from headrace.replicate.listing import FirstListing
from headrace.replicate.plan import plan_copy
from headrace.replicate.telling import Telling
from headrace.shard import Shard, ShardListing
from headrace.source import SourceTable


class Beginning:
    """Lists the shards of one table, then sends the transaction that makes the copy."""

    def __init__(
        self,
        desk: Desk,
        errands: Errands,
        lane: Lane,
        telling: Telling,
        table: SourceTable,
        target: Target,
        now: float,
    ) -> None:
        self._desk = desk
        self._lane = lane
        self._telling = telling
        self._table = table
        self._target = target
        self._listing = FirstListing(desk, errands, table.stream_arn, now)
        self.sent = False

    @property
    def gone(self) -> bool:
        """Whether the stream is not there any more: the table must be described anew."""
        return self._listing.gone

    def ask(self, now: float) -> None:
        """Ask for what is to be listed next."""
        self._listing.ask(now)

    def heard(self, request: ListShards | OpenIterator, event: Done | Failed, now: float) -> None:
        """Take in what came of a request; a failure may tell something too."""
        match request, event:
            case _, Failed(error=error):
                shards = self._listing.failed(request, error, now)
            case ListShards(), Done(answer=ShardListing() as page):
                shards = self._listing.take(request, page, now)
            case OpenIterator(), Done():
                shards = self._listing.found(request, now)
            case _:
                raise TypeError(f"{request} was answered with {event}")
        self._listed(shards, now)

    def _listed(self, shards: Sequence[Shard] | None, now: float) -> None:
        """Make the lineage durable, once all shards are known."""
        if shards is None:
            return
        self.sent = True
        self._desk.journal.begin(now, whole=True)
        segments, at = self._desk.settings.scan_segments, self._desk.clock.at(now)
        plan = plan_copy(self._table, self._target, segments, shards, self._listing.trimmed, at)
        self._lane.send(plan, now)
        self._telling.begins(plan, self._table)
