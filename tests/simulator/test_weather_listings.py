"""What DescribeStream tells in bad weather."""

from __future__ import annotations

import itertools

import pytest

from headrace.simulator.weather import Weather


@pytest.fixture
def over(caller):
    """Weather over a stream that began with three shards a while ago."""

    def over(seed=0, **rates):
        call = caller(initial_shards=3, rotation_seconds=None)
        call.arn = call.table(view="KEYS_ONLY")
        call.now += 1000
        call.weather = Weather(
            seed, {name.replace("_", " "): rate for name, rate in rates.items()}, lambda: call.now
        )
        call.simulator.faults = call.weather
        return call

    return over


def truth(call):
    with call.weather.paused():
        return {shard["ShardId"]: shard for shard in call.shards(call.arn)}


def told(call, **request):
    """One listing, over all its pages: ids to shards."""
    shards, start = {}, {}
    while True:
        page = call("DescribeStream", StreamArn=call.arn, **request, **start)["StreamDescription"]
        shards |= {shard["ShardId"]: shard for shard in page["Shards"]}
        if "LastEvaluatedShardId" not in page:
            return shards
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def is_closed(shard):
    return "EndingSequenceNumber" in shard["SequenceNumberRange"]


def test_listings_come_by_tiny_pages(over):
    call = over(tiny_pages=1.0)
    for _ in range(3):
        call.simulator.streams.split_shard("orders")
    sizes = set()
    for _ in range(20):
        page = call("DescribeStream", StreamArn=call.arn)["StreamDescription"]
        assert "LastEvaluatedShardId" in page
        sizes.add(len(page["Shards"]))
    assert sizes == {1, 2, 3}
    assert call.weather.counts == {"tiny pages": 20}
    assert told(call) == truth(call)


def test_children_are_listed_long_after_their_parent_closed(over):
    call = over(late_children=1.0)
    parent = call.simulator.streams.open_shards("orders")[0]
    children = set(call.simulator.streams.split_shard("orders", parent))
    asked = {"ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": parent}}
    for request in ({}, asked):
        assert not children & told(call, **request).keys()
    assert is_closed(told(call)[parent])
    with call.weather.paused():
        for child in children:
            call.iterator(call.arn, child)
    assert call.weather.counts == {"late children": 3}
    call.now += 120
    assert children <= told(call).keys()
    assert children == told(call, **asked).keys()


def test_children_are_listed_before_their_parent_is_closed(over):
    call = over(early_children=1.0)
    parent = call.simulator.streams.open_shards("orders")[0]
    children = set(call.simulator.streams.split_shard("orders", parent))
    listed = told(call)
    assert children <= listed.keys()
    assert not is_closed(listed[parent])
    assert call.weather.counts == {"early children": 1}
    call.now += 120
    assert is_closed(told(call)[parent])


def test_which_parents_are_listed_wrongly_is_their_fate(over):
    call = over(late_children=0.5)
    for _ in range(4):
        call.simulator.streams.rotate_shards("orders")
        call.now += 0.001
    first = told(call).keys()
    assert 3 < len(first) < 15
    assert told(call).keys() == first
    assert first < truth(call).keys()


def test_a_listing_lags_as_a_whole(over):
    seen = set()
    for seed in range(30):
        call = over(seed, lagging_listing=1.0, tiny_pages=1.0)
        snapshots = [truth(call)]
        for _ in range(4):
            call.simulator.streams.split_shard("orders")
            snapshots.append(truth(call))
            call.now += 20
        listed = told(call)
        assert listed in snapshots, "it is one that was true"
        seen.add(len(listed))
        assert (call.weather.counts["lagging listing"] > 0) is (listed != snapshots[-1])
    assert len(seen) > 3


def test_a_closed_shard_is_listed_without_its_children(over):
    call = over(childless_parent=1.0)
    [left, right] = call.simulator.streams.split_shard("orders")
    call.simulator.streams.rotate_shards("orders", left)
    assert truth(call).keys() - told(call).keys() == {
        shard for shard, told_of in truth(call).items() if told_of.get("ParentShardId") == left
    }
    assert call.weather.counts == {"childless parent": 1}
    call.simulator.streams.rotate_shards("orders", right)
    missing = {frozenset(truth(call).keys() - told(call).keys()) for _ in range(20)}
    assert len(missing) == 2
    for gone in missing:
        assert len({truth(call)[shard]["ParentShardId"] for shard in gone}) == 1


def test_a_shard_is_missing_for_a_while(over):
    call = over(missing_shard=0.05)
    all_of_them = truth(call).keys()
    seen = []
    for _ in range(400):
        seen.append(frozenset(all_of_them - told(call).keys()))
        call.now += 1
    assert len(set(seen)) > 3
    turns = sum(before != after for before, after in itertools.pairwise(seen))
    without = sum(bool(missing) for missing in seen)
    assert without > 3 * turns
    assert without < 390
    assert call.weather.counts == {"missing shard": without}


def test_a_later_page_leaves_a_shard_out(over):
    call = over(missing_in_paging=1.0)
    assert told(call) == truth(call)
    missing = truth(call).keys() - told(call, Limit=2).keys()
    assert missing == {sorted(truth(call))[2]}
    assert call.weather.counts == {"missing in paging": 1}
