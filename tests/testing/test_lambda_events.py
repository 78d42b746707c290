"""Events as Lambda gives them: their shape, their order, and what comes again."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.testing.dynamodb import SimulatedDynamoDB
from headrace.testing.events import EventSource

START = 1_767_225_600.0


def records(events):
    return [record for event in events for record in event["Records"]]


def names(events):
    return [record["dynamodb"]["Keys"]["id"]["S"] for record in records(events)]


def test_an_event_has_the_shape_that_lambda_gives_it(orders):
    blob = base64.b64encode(b"\x00\xff").decode()
    orders.put("a", n={"N": "1.50"}, b={"B": blob}, s={"SS": ["x"]}, z={"NULL": True})
    [event] = orders.events("orders")
    arn = orders.call("DescribeTable", TableName="orders")["Table"]["LatestStreamArn"]
    [record] = event["Records"]
    assert event.keys() == {"Records"}
    assert record.keys() == {
        *("eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN")
    }
    assert record["eventName"] == "INSERT"
    assert record["eventVersion"] == "1.1"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["awsRegion"] == "us-east-1"
    assert record["eventSourceARN"] == arn
    change = record["dynamodb"]
    assert len(change.pop("SequenceNumber")) >= 21
    assert type(change["ApproximateCreationDateTime"]) is float
    assert change == {
        "ApproximateCreationDateTime": START,
        "Keys": {"id": {"S": "a"}},
        "NewImage": {
            "id": {"S": "a"},
            "n": {"N": "1.5"},
            "b": {"B": blob},
            "s": {"SS": ["x"]},
            "z": {"NULL": True},
        },
        "SizeBytes": 3 + (3 + 3 + 3 + 2 + 2),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    json.dumps(event)


def test_what_the_service_deletes_says_so_in_lower_case(orders):
    orders.put("kept")
    orders.put("timed", expires={"N": str(int(START) + 60)})
    orders.put("told")
    orders.streams.expire_item("orders", {"id": {"S": "told"}})
    orders.call("DeleteItem", TableName="orders", Key={"id": {"S": "kept"}})
    orders.advance(120)
    removed = [record for record in records(orders.events("orders")) if record["eventName"] == "REMOVE"]
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert {record["dynamodb"]["Keys"]["id"]["S"]: record.get("userIdentity") for record in removed} == {
        "told": service,
        "kept": None,
        "timed": service,
    }


def test_events_hold_at_most_a_batch_of_one_shard(orders):
    for number in range(25):
        orders.put(f"k{number}")
    assert [len(event["Records"]) for event in orders.events("orders", batch_size=10)] == [10, 10, 5]
    orders.streams.split_shard("orders")
    for number in range(25):
        orders.put(f"m{number}")
    source = orders.event_source("orders", batch_size=1000)
    sizes = [len(event["Records"]) for event in source]
    assert len(sizes) == 3, "the parent and its two children"
    assert sum(sizes) == 50


def test_an_event_stays_under_six_megabytes(orders):
    for number in range(20):
        orders.put(f"k{number}", x={"S": "x" * 390_000})
    sizes = [len(json.dumps(event)) for event in orders.events("orders")]
    assert len(sizes) == 2
    assert 5 * 2**20 < sizes[0] < 6 * 2**20 + 10_000
    assert len(names(orders.events("orders"))) == 20


def test_a_source_goes_on_where_it_stopped_and_events_begin_anew(orders):
    source = orders.event_source("orders")
    assert list(source) == []
    orders.put("a")
    assert names(source) == ["a"]
    assert names(source) == []
    orders.put("b")
    orders.streams.rotate_shards("orders")
    orders.put("c")
    assert names(source) == ["b", "c"]
    assert names(orders.events("orders")) == ["a", "b", "c"]


def test_what_a_function_writes_while_it_is_called_comes_too(orders):
    orders.put("a")
    seen = []
    for event in orders.events("orders"):
        for name in names([event]):
            seen.append(name)
            if len(seen) < 5:
                orders.put(f"{name}+")
    assert seen == ["a", "a+", "a++", "a+++", "a++++"]


def test_what_was_trimmed_before_it_was_given_is_not_given(orders):
    source = orders.event_source("orders")
    orders.put("a")
    assert names(source) == ["a"]
    orders.put("lost")
    assert orders.streams.trim_records("orders") == 2
    orders.put("b")
    assert names(source) == ["b"]
    orders.put("lost too")
    orders.advance(25 * 3600)
    orders.put("c")
    assert names(source) == ["c"]


def test_iterators_expire_on_command(orders):
    arn = orders.call("DescribeTable", TableName="orders")["Table"]["LatestStreamArn"]
    [shard] = orders.streams.open_shards("orders")
    asked = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    old = orders.call("GetShardIterator", **asked)["ShardIterator"]
    orders.streams.expire_iterators("orders")
    with pytest.raises(Exception, match="GetRecords: ExpiredIteratorException: The provided iterator"):
        orders.call("GetRecords", ShardIterator=old)
    new = orders.call("GetShardIterator", **asked)["ShardIterator"]
    assert orders.call("GetRecords", ShardIterator=new)["Records"] == []


def test_repeats_give_records_again_from_one_of_them_on(orders):
    for number in range(200):
        orders.put(f"k{number:03}")
    once = records(orders.events("orders", batch_size=20))
    events = list(orders.events("orders", batch_size=20, repeats=0.6))
    assert len(events) > 14
    assert {len(event["Records"]) for event in events} > {20}
    again = []
    for event in events:
        here = event["Records"]
        if again and here[0] in again[-1]["Records"]:
            assert here == again[-1]["Records"][-len(here) :]
        again.append(event)
    first_times = []
    for record in records(events):
        if record not in first_times:
            first_times.append(record)
    assert first_times == once


def test_an_event_shares_nothing_with_another(orders):
    orders.put("a")
    source = orders.event_source("orders", repeats=0.99)
    events = iter(source)
    next(events)["Records"][0]["dynamodb"].clear()
    assert next(events)["Records"][0]["dynamodb"]["Keys"] == {"id": {"S": "a"}}


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"batch_size": 10_001}, {"repeats": 1.0}, {"repeats": -1}]
)
def test_what_lambda_would_not_do_is_refused(orders, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is .*, and must be "):
        orders.event_source("orders", **options)


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "put", "delete"]), st.integers(0, 2)),
        st.tuples(st.sampled_from(["split", "rotate", "split", "rotate", "read"]), st.just(0)),
    ),
    min_size=15,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.integers(0, 3), st.integers(1, 7))
def test_each_items_changes_come_in_order_whatever_becomes_of_the_shards(steps, seed, batch_size):
    """A function that puts or deletes what each record says arrives at the table."""
    dynamodb = SimulatedDynamoDB(seed=seed, initial_shards=2, weather={"late children": 0.5, "throttle": 0.5})
    dynamodb.create_table("orders", "id")
    source: EventSource = dynamodb.event_source("orders", batch_size=batch_size)
    replica = {}

    def read():
        for record in records(source):
            change = record["dynamodb"]
            key = change["Keys"]["id"]["S"]
            assert replica.get(key) == change.get("OldImage")
            if "NewImage" in change:
                replica[key] = change["NewImage"]
            else:
                del replica[key]

    for number, (step, which) in enumerate(steps):
        key = {"id": {"S": f"k{which}"}}
        if step == "put":
            dynamodb.call("PutItem", TableName="orders", Item={**key, "n": {"N": str(number)}})
        elif step == "delete":
            dynamodb.call("DeleteItem", TableName="orders", Key=key)
        elif step == "split":
            dynamodb.streams.split_shard("orders")
        elif step == "rotate":
            dynamodb.streams.rotate_shards("orders")
        else:
            read()
    read()
    items = dynamodb.call("Scan", TableName="orders")["Items"]
    assert replica == {item["id"]["S"]: item for item in items}
