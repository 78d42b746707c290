"""The listing that a copy begins with is taken again until the way up from each shard is whole."""

from __future__ import annotations

from headrace.dataset import Replication
from headrace.errors import PositionTrimmed, ShardGone, Throttled
from headrace.position import Anchor, SequenceNumber
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import ListShards, OpenIterator
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.listing import PATIENCE, YOUNG, FirstListing
from headrace.replicate.outbox import Outbox
from headrace.shard import Shard, ShardListing
from support.world import TABLE, World


class First:
    """A first listing and what it asks for."""

    def __init__(self):
        self.now = 0.0
        self.outbox = Outbox()
        health = Health("orders", self.outbox, "")
        desk = Desk("orders", Replication(), self.outbox, ServiceClock(), health, Journal(0))
        self.listing = FirstListing(desk, Errands(self.outbox, health), "arn", self.now)

    def asks(self, *, within=2.0):
        """The requests that are sent now, or within some time."""
        for _ in range(int(within * 10) + 1):
            self.outbox.begin(self.now)
            self.listing.ask(self.now)
            requests = [one for one in self.outbox.drain() if isinstance(one, (ListShards, OpenIterator))]
            if requests:
                return requests
            self.now += 0.1
        return []

    def lists(self, *shards, status="ENABLED", next_start=None):
        (request,) = self.asks()
        assert isinstance(request, ListShards)
        return self.listing.take(request, ShardListing(shards, next_start, status), self.now)


def shard(id_, parent=None, *, closed=False):
    return Shard(id_, parent, SequenceNumber("1"), SequenceNumber("9") if closed else None)


OLD, NEW = shard("old", "above", closed=True), shard("new", "old")


def test_a_listing_from_the_streams_first_shards_on_is_whole():
    first = First()
    assert first.lists(shard("a", closed=True), shard("b", "a")) == (shard("a", closed=True), shard("b", "a"))


def test_a_parent_that_is_not_listed_is_asked_for_and_must_be_trimmed():
    first = First()
    assert first.lists(OLD, NEW) is None
    (probe,) = first.asks()
    assert (probe.shard_id, probe.position.anchor) == ("above", Anchor.TRIM_HORIZON)
    assert first.listing.failed(probe, PositionTrimmed("forgotten"), first.now) == (OLD, NEW)
    assert first.listing.trimmed == {"above"}


def test_a_parent_that_is_not_known_may_be_young_and_is_asked_for_again():
    first = First()
    answer, times = None, []
    while answer is None:
        assert first.lists(OLD, NEW) is None
        (probe,) = first.asks()
        times.append(first.now)
        answer = first.listing.failed(probe, ShardGone("not known"), first.now)
    assert answer == (OLD, NEW)
    assert times[-1] - times[0] >= YOUNG > times[-2] - times[0]


def test_a_parent_that_is_there_but_not_listed_has_the_listing_taken_again():
    first = First()
    first.lists(OLD, NEW)
    (probe,) = first.asks()
    assert first.listing.found(probe, first.now) is None
    above = shard("above", closed=True)
    assert first.lists(above, OLD, NEW) == (above, OLD, NEW)


def test_one_hidden_parent_among_trimmed_ones_is_enough_and_every_answer_is_waited_for():
    first = First()
    first.lists(shard("a", "above a"), shard("b", "above b"))
    one, other = first.asks()
    assert first.listing.found(one, first.now) is None
    assert first.asks(within=1.5) == [], "the other answer is on its way"
    assert first.listing.failed(other, ShardGone("not known"), first.now) is None
    assert isinstance(first.asks()[0], ListShards)


def test_what_is_proven_once_is_not_asked_for_again():
    first = First()
    first.lists(shard("a", "above a"), shard("b", "above b"))
    one, other = first.asks()
    first.listing.failed(one, PositionTrimmed("forgotten"), first.now)
    first.listing.found(other, first.now)
    first.lists(shard("a", "above a"), shard("b", "above b"))
    (probe,) = first.asks()
    assert probe.shard_id == "above b"


def test_a_parent_that_cannot_be_asked_for_proves_nothing():
    first = First()
    first.lists(OLD, NEW)
    (probe,) = first.asks()
    assert first.listing.failed(probe, Throttled("too often"), first.now) is None
    assert isinstance(first.asks()[0], ListShards)


def test_many_parents_are_asked_for_a_few_at_a_time():
    first = First()
    shards = [shard(f"s{n}", f"above {n}") for n in range(20)]
    first.lists(*shards)
    asked, answer = 0, None
    while answer is None:
        probes = first.asks()
        assert 0 < len(probes) <= 8
        asked += len(probes)
        for probe in probes:
            answer = first.listing.failed(probe, PositionTrimmed("forgotten"), first.now)
    assert (asked, answer) == (20, tuple(shards))


def test_patience_ends():
    """A service that hides a shard for so long would else keep the table from being copied at all."""
    first = First()
    first.now = PATIENCE
    assert first.lists(OLD, NEW) == (OLD, NEW)


def test_a_stream_that_is_no_more_is_not_asked_for_ever():
    first = First()
    for _ in range(3):
        assert not first.listing.gone
        (request,) = first.asks(within=60.0)
        first.listing.failed(request, ShardGone("no such stream"), first.now)
    assert first.listing.gone


def test_a_stream_that_is_not_known_everywhere_yet_is_waited_for():
    first = First()
    for _ in range(3):
        for error in (ShardGone("no such stream"), ShardGone("no such stream"), Throttled("too often")):
            (request,) = first.asks(within=60.0)
            first.listing.failed(request, error, first.now)
    assert not first.listing.gone


def test_a_table_that_is_made_anew_while_its_shards_are_listed_is_looked_at_again():
    world = World(1, items=5)
    world.runner.run_until(lambda: any(isinstance(one, ListShards) for one in world.runner.outstanding), 1000)
    world.call("DeleteTable", TableName=TABLE)
    world.clock.now += 26 * 3600.0
    world.create()
    world.put("k1")
    world.settle()
    assert world.copy() == {"k1": world.versions}
