"""A checkpoint that the stream has outlived follows the configured behaviour; so does a stream that is replaced."""

import json

import pytest

from headrace.dataset import GapBehavior
from headrace.observe import BootstrapStarted, GapFound, Reinitialized
from headrace.simulator.faults import Alter, Refuse
from headrace.status import State
from support.world import TABLE, World

DAY = 24 * 3600


def facts(world, kind):
    return [fact for fact in world.runner.facts if isinstance(fact, kind)]


def settled(seed, behavior):
    world = World(seed, items=30, gap_behavior=behavior)
    world.settle()
    return world


def sleep_through_the_retention(world):
    """The process is down for more than a day, while the table is written to and shards are trimmed."""
    for _ in range(14):
        for _ in range(5):
            world.write()
        world.simulator.streams.rotate_shards(TABLE)
        world.clock.now += 2 * 3600
    world.seen.clear()


@pytest.mark.parametrize("seed", range(5))
def test_by_default_a_gap_stops_the_dataset_and_names_the_cure(seed):
    world = settled(seed, GapBehavior.ERROR)
    before = world.copy()
    sleep_through_the_retention(world)
    world.runner.boot()
    world.runner.run_until(
        lambda: world.runner.status and world.runner.status.status is State.ERROR and facts(world, GapFound),
        20_000,
    )

    assert "ready_before_load or ready_after_load" in world.runner.status.reason
    assert not world.runner.status.live
    for _ in range(2000):
        world.runner.step()
    assert not world.runner.ready
    assert world.copy() == before, "nothing is applied behind a gap"
    assert len(facts(world, GapFound)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_ready_before_load_serves_the_old_copy_until_the_new_one_takes_its_place(seed):
    world = settled(seed, GapBehavior.READY_BEFORE_LOAD)
    old, truth = world.copy(), world.truth
    sleep_through_the_retention(world)
    world.runner.boot()
    world.runner.run_until(lambda: facts(world, GapFound), 20_000)
    new = truth()
    while world.copy() != new:
        assert world.copy() == old, "a reader never sees an empty or a mixed table"
        if world.runner.status and facts(world, Reinitialized):
            assert world.runner.status.ready
        world.runner.step()
    world.settle()
    assert len(facts(world, BootstrapStarted)) == 2


@pytest.mark.parametrize("seed", range(5))
def test_ready_after_load_serves_nothing_until_the_new_copy_is_complete(seed):
    world = settled(seed, GapBehavior.READY_AFTER_LOAD)
    sleep_through_the_retention(world)
    world.runner.boot()
    world.runner.run_until(lambda: facts(world, GapFound), 20_000)
    new = world.truth()
    while not world.runner.ready:
        world.runner.step()
    assert world.copy() == new


@pytest.mark.parametrize("behavior", list(GapBehavior))
def test_a_gap_while_running_is_met_like_one_at_the_start(behavior):
    """The process was not down but cut off: the same gap, found by a reader in the middle of its work."""
    world = settled(1, behavior)
    world.hazards.fault = 1.0
    for _ in range(200):
        world.runner.step()
    sleep_through_the_retention(world)
    world.hazards.fault = 0.0
    if behavior is GapBehavior.ERROR:
        world.runner.run_until(
            lambda: world.runner.status.status is State.ERROR and facts(world, GapFound), 60_000
        )
    else:
        world.settle()
        assert facts(world, GapFound)


def test_a_crash_while_the_new_copy_is_built_goes_on_building_it():
    world = settled(2, GapBehavior.READY_BEFORE_LOAD)
    sleep_through_the_retention(world)
    world.runner.boot()
    world.runner.run_until(lambda: world.sink.open().building is not None, 20_000)
    world.runner.boot()
    world.runner.run_until(lambda: world.runner.ready, 20_000)
    world.settle()
    assert len(facts(world, Reinitialized)) == 1


def test_a_table_re_created_under_its_name_is_copied_anew_whatever_the_behavior():
    world = settled(3, GapBehavior.ERROR)
    world.call("DeleteTable", TableName=TABLE)
    world.clock.now += 60
    world.create()
    for number in range(10):
        world.put(f"new{number}")
    world.seen.clear()
    world.runner.boot()
    world.settle()
    assert [fact.reason for fact in facts(world, Reinitialized)] == ["table orders was re-created"]
    assert not facts(world, GapFound)


def test_a_stream_turned_off_and_on_is_drained_and_then_the_table_is_copied_anew():
    world = settled(4, GapBehavior.ERROR)

    def stream(**specification):
        world.call("UpdateTable", TableName=TABLE, StreamSpecification=specification)
        while (
            json.loads(world.simulator("DescribeTable", b'{"TableName": "orders"}').body)["Table"][
                "TableStatus"
            ]
            != "ACTIVE"
        ):
            world.clock.now += 1

    stream(StreamEnabled=False)
    world.put("unseen by any stream")
    stream(StreamEnabled=True, StreamViewType="NEW_IMAGE")
    world.put("seen by the new one")
    world.seen.clear()
    world.settle()
    assert "turned off and on" in facts(world, Reinitialized)[0].reason
    assert not facts(world, GapFound)


def test_an_idle_shard_is_not_taken_for_a_gap_after_a_day():
    """A position without a number grows old; that nothing was there is known, and stored now and then."""
    world = World(5, items=0, gap_behavior=GapBehavior.ERROR, rotation_seconds=None)
    world.settle()
    for _ in range(60):
        world.clock.now += 1800
        for _ in range(200):
            world.runner.step()
    world.runner.boot()
    world.settle()
    assert not facts(world, GapFound)


def test_a_shard_that_is_not_known_for_a_moment_is_no_gap():
    """What is listed and answered with ResourceNotFound is asked again, not given up."""
    world = World(6, items=20)
    world.settle()
    unknown = {"left": 12}

    def faults(operation, request):
        if operation in ("GetRecords", "GetShardIterator") and unknown["left"]:
            unknown["left"] -= 1
            return Refuse("ResourceNotFoundException", "Requested resource not found")
        return None

    world.simulator.faults = faults
    world.simulator.streams.rotate_shards(TABLE)
    world.put("after")
    world.settle()
    assert unknown["left"] == 0
    assert not facts(world, GapFound)


def hiding(world, *hidden):
    """DescribeStream keeps quiet about these shards; they can be read all the same."""

    def without(answer):
        description = answer["StreamDescription"]
        description["Shards"] = [shard for shard in description["Shards"] if shard["ShardId"] not in hidden]
        return answer

    world.simulator.faults = lambda operation, _: Alter(without) if operation == "DescribeStream" else None


def run_for(world, seconds):
    until = world.clock.now + seconds
    world.runner.run_until(lambda: world.clock.now >= until, 200_000)


def test_a_shard_that_listings_hide_for_long_is_waited_for_and_is_no_gap():
    world = World(7, items=20, rotation_seconds=None)
    world.settle()
    parents = world.simulator.streams.rotate_shards(TABLE)
    for _ in range(30):
        world.write()
    world.simulator.streams.rotate_shards(TABLE)
    for _ in range(30):
        world.write()
    hiding(world, *parents)
    run_for(world, 120.0)
    assert not facts(world, GapFound)
    assert "DescribeStream does not list" in world.runner.status.reason
    assert not world.runner.status.live

    hiding(world)
    world.settle()
    assert not facts(world, GapFound)
    assert world.runner.status.live


def test_a_finished_shard_that_listings_hide_for_long_is_not_read_again_when_it_is_back():
    world = World(8, items=20, rotation_seconds=None)
    world.settle()
    finished = world.simulator.streams.open_shards(TABLE)
    world.simulator.streams.rotate_shards(TABLE)
    for _ in range(30):
        world.write()
    world.settle()
    hiding(world, *finished)
    run_for(world, 300.0)

    hiding(world)
    world.settle()
    held = {state.id for state in world.sink.open().live.checkpoint.shards}
    assert held >= set(finished)
