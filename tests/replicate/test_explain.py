"""What the machine says of itself: true, complete, and without effect on what it does."""

import json
import re
from collections import Counter

import pytest

from headrace.checkpoint import Stage
from headrace.dataset import GapBehavior
from headrace.dynamodb.key import Key
from headrace.explanation import Fate, Kind
from headrace.observe import GapFound
from headrace.position import SequenceNumber
from headrace.replicate.commands import Tick
from headrace.shard import Shard
from support.seeded import Hazards
from support.world import TABLE, World

EVERY = 7


def rough(seed, crash=0.0):
    hazards = Hazards(fault=0.03, unknown_commit=0.05, expired_iterator=0.02, crash=crash)
    return World(seed, items=40, hazards=hazards, empty_pages=0.1)


def last_changes(world):
    """Of each key the last record in the stream, read anew: (event name, shard, sequence number)."""
    arn = world.call("DescribeTable", TableName=TABLE)["Table"]["LatestStreamArn"]
    shards, start = [], {}
    while True:
        stream = world.call("DescribeStream", StreamArn=arn, **start)["StreamDescription"]
        shards += stream["Shards"]
        if "LastEvaluatedShardId" not in stream:
            break
        start = {"ExclusiveStartShardId": stream["LastEvaluatedShardId"]}
    found = {}
    for shard in shards:
        asked = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator = world.call("GetShardIterator", **asked)["ShardIterator"]
        empty = 0
        while iterator and empty < 2:
            page = world.call("GetRecords", ShardIterator=iterator)
            iterator = page.get("NextShardIterator")
            empty = 0 if page["Records"] else empty + 1
            for record in page["Records"]:
                change = record["dynamodb"]
                one = (int(change["SequenceNumber"]), record["eventName"], shard["ShardId"])
                key = change["Keys"]["id"]["S"]
                found[key] = max(found.get(key, one), one)
    return found


def all_at_tip(stream):
    return {shard.reason for shard in stream.shards if shard.stage is not Stage.FINISHED} == {
        "being read: at its tip"
    }


@pytest.mark.parametrize("seed", range(6))
def test_asking_changes_nothing(seed):
    """Two runs of one seed, of which one is asked again and again: the same trace."""

    def trace(asks):
        world = rough(seed, crash=0.004)
        for step in range(1500):
            if step % EVERY == 0:
                if asks:
                    world.runner.explain()
                else:
                    world.runner._take(Tick())
            if world.random.random() < 0.1:
                world.write()
            world.runner.step()
        return world.runner.trace

    assert trace(asks=True) == trace(asks=False)


@pytest.mark.parametrize("seed", range(6))
def test_the_last_change_of_every_key_is_the_streams_own(seed):
    world = rough(seed)
    world.live(writes=120)
    world.settle()
    # Equal to the table is not read to the end: a key may have come and gone.
    world.runner.run_until(lambda: all_at_tip(world.runner.explain().stream), 20_000)
    explained = world.runner.explain()
    assert explained.trail.whole
    assert explained.stream.keys == (("id", "S"),)
    known = last_changes(world)
    assert len(known) > 30
    for text, (number, name, shard) in known.items():
        key = Key.written(TABLE, explained.stream.keys, (text,))
        told = [event for event in explained.trail.events(key, 10**6) if event.fate is Fate.APPLIED]
        assert len(told) == len({event.sequence for event in told})
        if not told:
            continue  # Older than the overlap in which the stream was entered: the Scan brought it.
        newest = told[0]
        assert (int(newest.sequence.text), newest.shard_id) == (number, shard)
        assert newest.kind is (Kind.DELETE if name == "REMOVE" else Kind.UPSERT)
        assert newest.applied_at >= newest.created_at
    remembered = sum(
        bool(explained.trail.events(Key.written(TABLE, explained.stream.keys, (text,)), 1)) for text in known
    )
    assert remembered > 20


REASONS = {
    "a parent that is not read to its end": "its parent is not read to its end",
    "a parent's end that is not durable": "its parent is read to its end, which is not durable yet",
    "an end that is not durable": "read to its end, which is not durable yet",
    "a failure": "backing off after 1 failure",
    "a try after a failure": "asked again after 1 failure",
    "pages read ahead": "4 pages are read ahead: they must be applied first",
    "a tip": "being read: at its tip",
    "reading": "being read",
    "an end": "read to its end",
    "a leaf": "read to its end; its children are in no listing yet",
    "before this process": "finished before this process began",
    "nothing read yet": "nothing is read: opening",
}


def test_every_shard_has_a_true_reason_and_every_reason_occurs():
    """Whatever is asked at whatever moment; a reason that never occurs would prove nothing."""
    seen = Counter()
    for seed in range(12):
        world = rough(seed, crash=0.004)
        for step in range(1500):
            if world.random.random() < 0.15:
                world.write()
            world.runner.step()
            if step % EVERY == 0:
                seen.update(check(world.runner.explain().stream))
    missing = {what for what, reason in REASONS.items() if not seen[reason]}
    assert not missing, seen


def check(stream):
    """The reasons of one snapshot, which must not contradict itself."""
    shards = {shard.id: shard for shard in stream.shards}
    for shard in stream.shards:
        parent = shards.get(shard.parent_id)
        assert shard.reason
        assert (shard.waits_for is not None) is (shard.stage is Stage.WAITING and stream.phase == "running")
        assert (shard.position is None) is (shard.stage is Stage.FINISHED)
        assert shard.stage is not Stage.READING or parent is None or parent.stage is Stage.FINISHED
        assert bool(shard.failures) is (shard.error is not None)
        assert shard.retry_at is None or shard.failures
        assert shard.progressed_at is None or shard.progressed_at <= stream.now
        if re.fullmatch("backing off.*", shard.reason):
            assert shard.retry_at is not None
    return [shard.reason for shard in stream.shards]


def test_a_parent_that_no_listing_shows_is_told_with_the_listings_that_lacked_it():
    world = World(3, items=5)
    world.settle()
    lineage = world.runner.machine._run.stream.lineage
    open_shard = next(state for state in lineage.states() if state.stage is Stage.READING)
    lineage.meet([Shard("child", "unheard-of", SequenceNumber("1"))], 0.0)
    lineage.reconcile([Shard(open_shard.id), Shard("child", "unheard-of", SequenceNumber("1"))], 0.0)
    (child,) = (shard for shard in world.runner.explain().stream.shards if shard.id == "child")
    assert child.waits_for == "unheard-of"
    assert (
        child.reason == "its parent is in no listing: 1 complete ones in a row without it, looked for after 3"
    )


def test_a_halted_dataset_shows_where_it_stood_and_why_it_stopped():
    world = World(1, items=30, gap_behavior=GapBehavior.ERROR)
    world.settle()
    for _ in range(14):
        for _ in range(5):
            world.write()
        world.simulator.streams.rotate_shards(TABLE)
        world.clock.now += 2 * 3600
    world.runner.boot()
    world.runner.run_until(lambda: any(isinstance(fact, GapFound) for fact in world.runner.facts), 20_000)
    stream = world.runner.explain().stream
    assert stream.phase == "halted"
    assert "ready_before_load or ready_after_load" in stream.reason
    unread = [shard for shard in stream.shards if shard.stage is not Stage.FINISHED]
    assert unread
    assert all(shard.reason == f"nothing is read: {stream.reason}" for shard in unread)
    assert all(shard.position is not None for shard in unread)


def test_a_change_under_way_is_told_before_it_is_applied():
    world = World(2, items=5)
    world.settle()
    world.put("k0")
    key = Key.written(TABLE, (("id", "S"),), ("k0",))
    fates = set()
    for _ in range(3000):
        world.runner.step()
        fates |= {event.fate for event in world.runner.explain().trail.events(key, 1)}
    assert {Fate.APPLYING, Fate.APPLIED} <= fates
    row = world.runner.explain().trail.events(key, 1)[0]
    assert row.fate is Fate.APPLIED
    assert json.loads(key.text) == {"id": {"S": "k0"}}
