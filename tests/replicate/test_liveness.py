"""Ready, live and fresh are three facts: whatever stands still is named, with its seconds, until it moves again."""

import math
import re
from contextlib import contextmanager

import pytest

from headrace.errors import AcceleratorFull, IteratorExpired, Unavailable
from headrace.observe import Stalled, TransientFault
from headrace.replicate.commands import (
    Apply,
    CheckStore,
    Describe,
    GetRecords,
    ListChildren,
    ListShards,
    OpenIterator,
    OpenStore,
    ReadSegment,
)
from headrace.simulator.faults import Alter, EmptyPage, Refuse
from headrace.status import State
from support.hanging import Hanging
from support.watching import Outside
from support.world import TABLE, World


def settled(seed=1, **options):
    world = World(seed, items=20, **options)
    world.settle()
    return world


def stalls(world):
    return [fact for fact in world.runner.facts if isinstance(fact, Stalled)]


def not_live(world):
    status = world.runner.status
    return status is not None and not status.live and "no progress" in (status.reason or "")


def heals(world):
    world.runner.run_until(lambda: world.runner.status.live and world.runner.ready, 60_000)
    world.settle()
    assert world.runner.status.status is State.READY


def seconds_in(reason):
    return int(re.search(r"for (\d+) s", reason)[1])


@contextmanager
def refusing(world, errors, times=math.inf):
    """Every request of the kinds in ``errors`` fails with its error, ``times`` times."""
    carry_out = world.runner._carry_out
    left = [times]

    def refused(request):
        error = errors.get(type(request))
        if error is None or left[0] <= 0:
            return carry_out(request)
        left[0] -= 1
        return world.runner._failed(request, error)

    world.runner._carry_out = refused
    yield lambda: left[0]
    world.runner._carry_out = carry_out


def hangs(kind):
    return lambda request: isinstance(request, kind)


def test_a_shard_that_gives_no_answer_is_named_with_its_seconds_and_asked_again():
    world = settled()
    shard = world.simulator.streams.open_shards(TABLE)[0]
    hanging = Hanging(world, lambda request: isinstance(request, GetRecords) and request.shard_id == shard)
    hanging.until(lambda: not_live(world))

    status = world.runner.status
    assert f"shard {shard}" in status.reason
    assert 30 <= seconds_in(status.reason) < 35
    assert status.ready, "it may still be queried"
    assert [fact.what for fact in stalls(world)] == [f"shard {shard}"]
    outside = Outside(world.runner.facts)
    assert outside.metric("stalls_total") == 1
    assert outside.metric("live") == 0
    assert outside.logged("stalled")[0]["what"] == f"shard {shard}"

    lost = [fact for fact in world.runner.facts if isinstance(fact, TransientFault)]
    hanging.until(lambda: len(hanging.held) > 1)
    asked_again = [fact for fact in world.runner.facts if isinstance(fact, TransientFault)][len(lost) :]
    assert "no answer for 60 s" in asked_again[0].error
    world.put("meanwhile")
    hanging.end()
    heals(world)
    assert Outside(world.runner.facts).metric("live") == 1


def test_the_other_shards_go_on_while_one_hangs():
    world = settled(seed=3)
    shards = world.simulator.streams.open_shards(TABLE)
    assert len(shards) > 1
    hanging = Hanging(world, lambda r: isinstance(r, GetRecords) and r.shard_id == shards[0])
    hanging.step()
    for number in range(40):
        world.put(f"k{number}")
    before = world.copy()
    hanging.until(lambda: not_live(world))
    assert world.copy() != before
    hanging.end()
    heals(world)


def test_an_answer_that_comes_after_it_was_given_up_changes_nothing():
    world = settled()
    hanging = Hanging(world, hangs(GetRecords))
    hanging.until(lambda: len(hanging.held) > 4 * len(world.simulator.streams.open_shards(TABLE)))
    for number in range(10):
        world.put(f"late{number}")
    hanging.end()
    heals(world)


def test_a_shard_whose_iterators_are_given_and_always_expire_is_not_live():
    """Opening an iterator is no progress."""
    world = settled()
    with refusing(world, {GetRecords: IteratorExpired("too old")}):
        world.runner.run_until(lambda: not_live(world), 60_000)
        assert "shard" in world.runner.status.reason
        assert "too old" in world.runner.status.reason
    heals(world)


def test_a_single_expired_iterator_is_opened_again_at_once():
    world = settled()
    at = world.clock.now
    with refusing(world, {GetRecords: IteratorExpired("too old")}, times=1) as left:
        world.runner.run_until(lambda: not left(), 1000)
    world.put("after")
    world.settle()
    assert world.clock.now - at < 5
    fault = next(f for f in world.runner.facts if isinstance(f, TransientFault) and "too old" in f.error)
    assert fault.what.startswith("shard ")


@pytest.mark.parametrize("kind", [ListShards, ListChildren])
def test_a_discovery_without_an_answer_is_named(kind):
    world = settled(rotation_seconds=None)
    hanging = Hanging(world, hangs(kind))
    hanging.step()
    world.simulator.streams.rotate_shards(TABLE)
    world.put("behind the rotation")
    hanging.until(lambda: not_live(world))
    assert re.search("shard discovery|search for children of shard", world.runner.status.reason)
    hanging.end()
    heals(world)


def test_a_discovery_that_fails_is_named_with_its_error():
    world = settled()

    def faults(operation, request):
        return Refuse("InternalServerError", status=500) if operation == "DescribeStream" else None

    world.simulator.faults = faults
    world.runner.run_until(lambda: not_live(world), 60_000)
    assert re.search(
        r"^shard discovery has made no progress for \d+ s: DescribeStream.*", world.runner.status.reason
    )
    world.simulator.faults = lambda *_: None
    heals(world)


def test_a_listing_whose_pages_go_round_in_a_circle_ends_and_is_no_progress():
    world = settled()
    asked = [0]

    def circle(answer):
        answer["StreamDescription"]["LastEvaluatedShardId"] = "shardId-00000000000000000000-00000000"
        return answer

    def faults(operation, request):
        if operation != "DescribeStream" or "ShardFilter" in request:
            return None
        asked[0] += 1
        return Alter(circle)

    world.simulator.faults = faults
    world.runner.run_until(lambda: not_live(world), 60_000)
    assert "pages of DescribeStream do not end" in world.runner.status.reason
    assert asked[0] < 100, "a circle is not walked at full speed"
    world.simulator.faults = lambda *_: None
    heals(world)


def test_a_first_listing_that_goes_round_in_a_circle_is_named_too():
    def circle(answer):
        answer["StreamDescription"]["LastEvaluatedShardId"] = "shardId-00000000000000000000-00000000"
        return answer

    world = World(2, items=5)
    world.simulator.faults = lambda operation, _: Alter(circle) if operation == "DescribeStream" else None
    world.runner.run_until(lambda: not_live(world), 60_000)
    assert "shard discovery has made no progress" in world.runner.status.reason
    world.simulator.faults = lambda *_: None
    heals(world)


def test_a_stream_that_lists_no_shard_is_named():
    def bare(answer):
        answer["StreamDescription"]["Shards"] = []
        return answer

    world = World(2, items=5)
    world.simulator.faults = lambda operation, _: Alter(bare) if operation == "DescribeStream" else None
    world.runner.run_until(lambda: not_live(world), 60_000)
    assert "shard discovery" in world.runner.status.reason
    world.simulator.faults = lambda *_: None
    heals(world)


def test_an_ended_shard_whose_children_never_appear_is_not_live():
    """Everything that is read answers, and yet changes are missed: lineage is part of being live."""
    world = settled()
    ended = world.simulator.streams.open_shards(TABLE)

    def no_children(answer):
        description = answer["StreamDescription"]
        description["Shards"] = [s for s in description["Shards"] if s.get("ParentShardId") not in ended]
        return answer

    world.simulator.faults = lambda operation, _: (
        Alter(no_children) if operation == "DescribeStream" else None
    )
    world.simulator.streams.rotate_shards(TABLE)
    world.put("in a child")
    world.runner.run_until(lambda: not_live(world), 60_000)
    assert "the search for children of shard" in world.runner.status.reason
    world.simulator.faults = lambda *_: None
    heals(world)


def test_a_transaction_that_does_not_return_is_named():
    world = settled()
    hanging = Hanging(world, hangs(Apply))
    world.put("stuck")
    hanging.until(lambda: not_live(world))
    assert "a transaction has made no progress for 3" in world.runner.status.reason
    hanging.until(lambda: seconds_in(world.runner.status.reason or "for 0 s") > 90)
    assert len(hanging.held) == 1, "a transaction is never given up, nor sent a second time"
    hanging.end()
    heals(world)


def test_a_transaction_that_fails_again_and_again_names_its_error():
    world = settled()
    with refusing(world, {Apply: AcceleratorFull("no space left; make room on the disk")}):
        world.put("no room")
        world.runner.run_until(lambda: world.runner.status.status is State.ERROR, 60_000)
        assert "make room on the disk" in world.runner.status.reason
    heals(world)


@pytest.mark.parametrize(("kind", "word"), [(OpenStore, "the accelerator"), (Describe, "DescribeTable")])
def test_an_opening_without_an_answer_is_named(kind, word):
    world = settled()
    world.runner.boot()
    hanging = Hanging(world, hangs(kind))
    hanging.until(lambda: not_live(world))
    assert world.runner.status.reason.startswith(f"{word} has made no progress")
    hanging.end()
    heals(world)


def test_a_check_of_the_accelerator_without_an_answer_is_named():
    world = settled()
    hanging = Hanging(world, hangs(CheckStore))
    hanging.until(lambda: not_live(world))
    assert "the accelerator has made no progress" in world.runner.status.reason
    hanging.end()
    heals(world)


def test_a_segment_of_the_scan_without_an_answer_is_named():
    world = World(1, items=30)
    hanging = Hanging(world, lambda request: isinstance(request, ReadSegment) and request.segment == 0)
    hanging.until(lambda: not_live(world))
    assert "segment 0 has made no progress" in world.runner.status.reason
    assert not world.runner.ready
    hanging.end()
    heals(world)


def test_a_scan_that_stands_still_at_one_key_is_named():
    """A page that ends where it began would be read for ever."""
    world = World(1, items=60)
    keys = {}

    def faults(operation, request):
        start = request.get("ExclusiveStartKey")
        if operation != "Scan" or start is None:
            return None
        keys["at"] = start
        return Alter(lambda answer: {**answer, "LastEvaluatedKey": start})

    world.simulator.faults = faults
    world.runner.run_until(lambda: not_live(world), 60_000)
    assert "segment" in world.runner.status.reason
    assert "ends where it began" in world.runner.status.reason
    world.simulator.faults = lambda *_: None
    heals(world)


def test_a_shard_that_gives_only_empty_pages_cannot_be_told_from_an_idle_one():
    """Stated, not solved: the service says nothing by which the two differ. What is hidden arrives when it ends."""
    world = settled()
    world.simulator.faults = lambda operation, _: EmptyPage() if operation == "GetRecords" else None
    world.put("hidden")
    start = world.clock.now
    world.runner.run_until(lambda: world.clock.now - start > 60, 60_000)
    assert world.runner.status.live
    assert "hidden" not in world.copy()
    world.simulator.faults = lambda *_: None
    heals(world)
    assert "hidden" in world.copy()


def test_an_iterator_that_cannot_be_opened_is_no_progress():
    world = settled()
    errors = {GetRecords: IteratorExpired("too old"), OpenIterator: Unavailable("connection lost")}
    with refusing(world, errors):
        world.runner.run_until(lambda: not_live(world), 60_000)
        assert "connection lost" in world.runner.status.reason
    heals(world)
