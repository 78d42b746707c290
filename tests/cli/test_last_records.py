"""The last records of a stream, whatever its shards are like, against all that the stream holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.cli.last_records import LastRecords
from headrace.dynamodb import TableEvents
from headrace.errors import RequestRejected, Throttled
from headrace.testing.dynamodb import SimulatedDynamoDB


class Orders:
    """A table, and what was written to it, in order."""

    def __init__(self):
        self.dynamodb = SimulatedDynamoDB()
        self.dynamodb.create_table("orders", "id")
        self.written = []

    def put(self, name, seconds=1):
        self.dynamodb.advance(seconds)
        self.written.append(f"{name}-{len(self.written)}")
        item = {"id": {"S": name}, "v": {"S": self.written[-1]}}
        self.dynamodb.call("PutItem", TableName="orders", Item=item)

    def source(self, passes=None):
        return TableEvents(self.dynamodb.simulator, "orders", region="us-east-1", passes=passes)

    def last(self, count, source=None):
        read = LastRecords(source or self.source(), lambda: self.dynamodb.clock.now, lambda _: None)
        return read.batches("m", count)


def values(batches):
    return [
        json.loads(record.text)["dynamodb"]["NewImage"]["v"]["S"]
        for batch in batches
        for record in batch.records
    ]


def test_of_one_shard_they_are_its_end():
    orders = Orders()
    for number in range(30):
        orders.put(f"{number}")
    assert values(orders.last(4)) == orders.written[-4:]
    assert values(orders.last(100)) == orders.written
    [batch] = orders.last(1)
    assert (batch.mapping, batch.shard.startswith("shardId-")) == ("m", True)


def test_an_empty_stream_has_none():
    assert Orders().last(3) == ()


def test_what_the_filters_leave_out_does_not_count():
    orders = Orders()
    for number in range(40):
        orders.put("abcd"[number % 4])
    source = orders.source(passes=lambda text: json.loads(text)["dynamodb"]["Keys"]["id"]["S"] == "a")
    assert values(orders.last(3, source)) == ["a-28", "a-32", "a-36"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from("abcdef"), st.sampled_from([1, 400, 4000])),
            st.sampled_from(["split", "rotate"]),
        ),
        max_size=30,
    ),
    st.integers(1, 20),
)
def test_they_are_the_latest_of_all_shards_parents_first(steps, count):
    orders = Orders()
    for step in steps:
        if step == "split":
            orders.dynamodb.streams.split_shard("orders")
        elif step == "rotate":
            orders.dynamodb.streams.rotate_shards("orders")
        else:
            orders.put(*step)
    found = orders.last(count)
    assert sorted(values(found), key=orders.written.index) == orders.written[-count:]
    for batch in found:
        assert values([batch]) == sorted(values([batch]), key=orders.written.index)
    shards = [batch.shard for batch in found]
    assert len(set(shards)) == len(shards)
    for name in "abcdef":
        of_item = [value for value in values(found) if value[0] == name]
        assert of_item == sorted(of_item, key=orders.written.index)


def test_what_passes_by_itself_is_waited_for_and_what_a_stand_in_lacks_is_done_without():
    orders = Orders()
    for number in range(5):
        orders.put(f"{number}")

    class Grumpy:
        def __init__(self, source):
            self.source, self.calls = source, 0

        def __getattr__(self, name):
            def call(*arguments):
                self.calls += 1
                if self.calls % 2:
                    raise Throttled("later")
                if name == "open_iterator" and arguments[2].timestamp is not None:
                    raise RequestRejected("no AT_TIMESTAMP here")
                return getattr(self.source, name)(*arguments)

            return call

    assert values(orders.last(2, Grumpy(orders.source()))) == orders.written[-2:]


def test_what_does_not_pass_is_told():
    class Never:
        def describe(self):
            raise Throttled("never")

    with pytest.raises(Throttled, match="never"):
        Orders().last(1, Never())
