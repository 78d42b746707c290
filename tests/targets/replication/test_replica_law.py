"""Whatever comes again, late, in parts or after a crash: the replica ends equal, and no item of it ever goes back."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.target import Replica
from support.replication import Crash, Replication, Side

KEYS = ("a", "b", "c")
WRITES = st.tuples(st.sampled_from(KEYS), st.sampled_from(("put", "update", "delete")))
STEPS = st.tuples(
    st.integers(0, 2),
    st.floats(0, 1),
    st.integers(1, 4),
    st.none() | st.tuples(st.integers(1, 4), st.booleans()),
    st.booleans(),
)
"""Of what comes next: the lane, from how far back it comes again, how much of it, at which request a crash, before or
after its effect, and whether the process begins anew."""

QUICK, THOROUGH = (
    settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    for examples in (15, 600)
)


def drawn(law, **drawing):
    """The law over some examples, and over many as a long test."""
    return QUICK(given(**drawing)(law)), pytest.mark.long(
        pytest.mark.timeout(1200)(THOROUGH(given(**drawing)(law)))
    )


def write(side, key, action, number):
    if action == "put":
        side.put(key, v=number)
    elif action == "update":
        side.update(key, v=number)
    else:
        side.delete(key)


@dataclass
class Lane:
    """Records of some items in their order, and how many of them are durably delivered."""

    records: list[Any] = field(default_factory=list)
    done: int = 0


def step(copy, lane, asked):
    """One batch of a lane, from somewhere before what was done; the lane moves on unless there is a crash."""
    _, back, size, where, anew = asked
    if anew:
        copy.start()
    first = round(back * lane.done)
    records = lane.records[first : first + size]
    if not records:
        return
    # A batch is of one shard.
    generation = copy.source.generations[records[0]]
    records = [record for record in records if copy.source.generations[record] == generation]
    copy.replica.crash_at(*(where or (None, False)))
    try:
        assert copy.deliver(records, generation=generation) == {"batchItemFailures": []}
    except Crash:
        copy.start()
    else:
        lane.done = max(lane.done, first + len(records))
    finally:
        copy.replica.faults = None


class Watch:
    """Follows the replica's items through the states that the source's have had."""

    def __init__(self, source, replica):
        self.replica = replica
        self.states = {key: [None] for key in KEYS}
        self.seen = dict.fromkeys(KEYS, 0)
        self._source = source

    def wrote(self):
        stored = self._source.stored()
        for key, states in self.states.items():
            if stored.get(key) != states[-1]:
                states.append(stored.get(key))

    def look(self):
        stored = self.replica.stored()
        for key, states in self.states.items():
            now = stored.get(key)
            assert now in states[self.seen[key] :], f"{key} went back to {now}: {states}"
            self.seen[key] = states.index(now, self.seen[key])


def ends_equal(writes, steps, split, view):
    source, replica = Side(seed=1, view=view), Side("eu-west-1", seed=2)
    watch = Watch(source, replica)
    for number, (key, action) in enumerate(writes):
        if number == split:
            source.simulator.streams.split_shard("orders", source.simulator.streams.open_shards("orders")[0])
        write(source, key, action, number)
        watch.wrote()
    lanes = [Lane(), Lane(), Lane()]
    for record in source.records():
        lanes[KEYS.index(record.key[len('{"id":{"S":"')])].records.append(record)
    with tempfile.TemporaryDirectory() as folder:
        copy = Replication(source, replica, state=Path(folder) / "state.sqlite", writers=1)
        replica.answered = watch.look
        try:
            for asked in steps:
                step(copy, lanes[asked[0]], asked)
            for lane in lanes:
                while lane.done < len(lane.records):
                    step(copy, lane, (0, 1.0, 2, None, False))
        finally:
            copy.stop()
    assert replica.stored() == source.stored()


def ends_equal_without_versions(writes, steps):
    source, replica = Side(seed=1), Side("eu-west-1", seed=2)
    for number, (key, action) in enumerate(writes):
        write(source, key, action, number)
    lane = Lane(source.records())
    copy = Replication(source, replica, Replica("orders", conditional=False), writers=1)
    try:
        for asked in steps:
            step(copy, lane, asked)
        lane.done = 0
        while lane.done < len(lane.records):
            step(copy, lane, (0, 1.0, 3, None, False))
    finally:
        copy.stop()
    assert replica.stored() == source.stored()


class Pair:
    """Two tables, each the other's replica, and the records of each in one lane."""

    def __init__(self, folder, *attributes):
        ways = [Replica("orders", two_way=True, version_attribute=name) for name in attributes]
        self.sides = Side(seed=1), Side("eu-west-1", seed=2)
        here, there = self.sides
        self.copies = (
            Replication(here, there, ways[0], state=folder / "there.sqlite", writers=1),
            Replication(there, here, ways[1], state=folder / "here.sqlite", writers=1),
        )
        self.lanes = Lane(), Lane()
        self._wrote: dict[tuple[int, str], int] = {}

    def refresh(self):
        for side, lane in zip(self.sides, self.lanes, strict=True):
            lane.records = side.records()

    def write(self, side, key, action, number):
        """By an application."""
        write(self.sides[side], key, action, number)
        self.refresh()
        self._wrote[side, key] = len(self.lanes[side].records)

    def is_settled(self, side, key):
        """Whether all that applications wrote to an item on that side has arrived on the other."""
        return self.lanes[side].done >= self._wrote.get((side, key), 0)

    def step(self, asked):
        number = asked[0] % 2
        self.refresh()
        step(self.copies[number], self.lanes[number], asked)
        self.refresh()

    def drain(self, rounds):
        """Deliver all, in so many rounds at most."""
        for _ in range(rounds):
            self.refresh()
            if all(lane.done == len(lane.records) for lane in self.lanes):
                return
            for number in (0, 1):
                while self.lanes[number].done < len(self.lanes[number].records):
                    step(self.copies[number], self.lanes[number], (0, 1.0, 3, None, False))
        raise AssertionError("the two sides write for ever")

    def stop(self):
        for copy in self.copies:
            copy.stop()


@pytest.fixture
def pair(tmp_path):
    """Makes pairs; the last one is stopped at the end."""
    made = []

    def make(*attributes):
        if made:
            made.pop().stop()
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        made.append(Pair(folder, *(attributes or ("headrace_version",) * 2)))
        return made[-1]

    yield make
    for each in made:
        each.stop()


ACTS = st.lists(st.tuples(st.integers(0, 1), WRITES) | STEPS, max_size=24)


def act(pair, acts, *, in_turn):
    """Carry them out; gives what each item is to be in the end, where sides write it in turn."""
    expected: dict[str, Any] = {}
    for number, each in enumerate(acts):
        if len(each) != 2:
            pair.step(each)
            continue
        side, (key, action) = each
        pair.refresh()
        if in_turn and not pair.is_settled(1 - side, key):
            continue
        pair.write(side, key, action, number)
        expected = {**expected, key: pair.sides[side].stored().get(key)}
    return {key: item for key, item in expected.items() if item is not None}


def both_end_equal(pair, acts):
    both = pair()
    expected = act(both, acts, in_turn=True)
    both.drain(4)
    here, there = both.sides
    assert here.stored() == there.stored() == expected


def both_come_to_rest(pair, acts):
    both = pair()
    act(both, acts, in_turn=False)
    both.drain(4)
    writes = sum(len(each) == 2 for each in acts)
    # A write, and on the other side its mark and itself.
    assert sum(len(side.records()) for side in both.sides) <= 3 * writes


(
    test_a_replica_ends_equal_and_its_items_never_go_back,
    test_many_replicas_end_equal_and_their_items_never_go_back,
) = drawn(
    ends_equal,
    writes=st.lists(WRITES, min_size=1, max_size=12),
    steps=st.lists(STEPS, max_size=14),
    split=st.integers(0, 8),
    view=st.sampled_from(("NEW_AND_OLD_IMAGES", "NEW_IMAGE", "KEYS_ONLY", "OLD_IMAGE")),
)

(
    test_without_versions_the_replica_ends_equal_once_all_has_come_again,
    test_without_versions_many_replicas_end_equal_once_all_has_come_again,
) = drawn(
    ends_equal_without_versions,
    writes=st.lists(WRITES, min_size=1, max_size=12),
    steps=st.lists(STEPS, max_size=10),
)

(
    test_two_sides_that_write_an_item_in_turn_end_equal_with_the_last_write,
    test_many_pairs_that_write_an_item_in_turn_end_equal_with_the_last_write,
) = drawn(both_end_equal, acts=ACTS)

(
    test_two_sides_that_write_at_once_come_to_rest,
    test_many_pairs_that_write_at_once_come_to_rest,
) = drawn(both_come_to_rest, acts=ACTS)


def test_a_deletion_does_not_come_back_over_what_was_put_since(pair):
    both = pair()
    both.write(0, "a", "put", 1)
    both.drain(4)
    both.write(0, "a", "delete", 2)
    both.step((0, 1.0, 4, None, False))
    both.write(0, "a", "put", 3)
    both.drain(4)
    here, there = both.sides
    assert here.stored() == there.stored() == {"a": {"id": {"S": "a"}, "v": {"S": "3"}}}


def test_an_update_of_what_the_other_side_has_written_arrives(pair):
    both = pair()
    both.write(0, "a", "put", 1)
    both.drain(4)
    both.write(1, "a", "update", 2)
    both.drain(4)
    both.write(0, "a", "update", 3)
    both.drain(4)
    here, there = both.sides
    assert here.stored() == there.stored() == {"a": {"id": {"S": "a"}, "v": {"S": "3"}}}


def test_two_names_of_the_version_do_not_go_around_for_ever(pair):
    both = pair("one", "other")
    both.write(0, "a", "put", 1)
    both.drain(4)
    both.write(1, "a", "update", 2)
    both.write(1, "b", "put", 3)
    both.drain(4)
    both.write(0, "b", "delete", 4)
    both.drain(4)
    assert [sorted(side.stored()) for side in both.sides] == [["a"], ["a"]]
    assert [side.stored()["a"]["v"] for side in both.sides] == [{"S": "2"}] * 2
