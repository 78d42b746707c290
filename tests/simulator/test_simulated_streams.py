"""Streams: what is recorded, in what order, for how long, and through which shards."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.errors import Unavailable
from headrace.simulator import Alter, Cut, EmptyPage, Lose, Refuse

HOUR = 3600.0
BOTH = "NEW_AND_OLD_IMAGES"


def summary(records):
    return [(record["eventName"], record["dynamodb"]["Keys"]["id"]["S"]) for record in records]


def test_a_write_is_recorded_as_aws_records_it(call):
    arn = call.table(view=BOTH)
    call.put("a", n={"N": "1.50"})
    [record] = call.changes(arn)
    change = record.pop("dynamodb")
    assert re.fullmatch("[0-9a-f]{32}", record.pop("eventID"))
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
    }
    assert re.fullmatch("[0-9]{21,40}", change.pop("SequenceNumber"))
    assert change == {
        "ApproximateCreationDateTime": int(call.now),
        "Keys": {"id": {"S": "a"}},
        "NewImage": {"id": {"S": "a"}, "n": {"N": "1.5"}},
        "SizeBytes": 3 + 3 + 3,
        "StreamViewType": BOTH,
    }


def test_times_are_written_as_a_java_service_writes_them(call):
    arn = call.table(view=BOTH)
    call.put("a")
    iterator = call.iterator(arn, call.shards(arn)[0]["ShardId"])
    body = call.simulator("GetRecords", json.dumps({"ShardIterator": iterator}).encode()).body
    assert b'"ApproximateCreationDateTime":1.7E9,' in body
    described = call.simulator("DescribeStream", json.dumps({"StreamArn": arn}).encode()).body
    assert b'"CreationRequestDateTime":1.70000000025E9,' in described


def test_a_write_that_changes_nothing_is_not_recorded(call):
    arn = call.table(view=BOTH)
    call.put("a", n={"N": "1"}, s={"SS": ["x", "y"]})
    call("PutItem", TableName="orders", Item={"s": {"SS": ["y", "x"]}, "n": {"N": "1.0"}, "id": {"S": "a"}})
    call("UpdateItem", TableName="orders", Key={"id": {"S": "a"}})
    call("DeleteItem", TableName="orders", Key={"id": {"S": "never there"}})
    assert summary(call.changes(arn)) == [("INSERT", "a")]
    call("PutItem", TableName="orders", Item={"id": {"S": "a"}, "n": {"N": "2"}, "s": {"SS": ["x", "y"]}})
    assert summary(call.changes(arn)) == [("INSERT", "a"), ("MODIFY", "a")]


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("KEYS_ONLY", [set(), set(), set()]),
        ("NEW_IMAGE", [{"NewImage"}, {"NewImage"}, set()]),
        ("OLD_IMAGE", [set(), {"OldImage"}, {"OldImage"}]),
        (BOTH, [{"NewImage"}, {"NewImage", "OldImage"}, {"OldImage"}]),
    ],
)
def test_the_view_type_chooses_the_images(call, view, images):
    arn = call.table(view=view)
    call.put("a", n={"N": "1"})
    call.put("a", n={"N": "2"})
    call("DeleteItem", TableName="orders", Key={"id": {"S": "a"}})
    changes = [record["dynamodb"] for record in call.changes(arn)]
    assert [change.keys() & {"NewImage", "OldImage"} for change in changes] == images
    assert [change["SizeBytes"] for change in changes] == [3 + 6 * len(held) for held in images]
    for change in changes:
        for image, number in (("NewImage", "2"), ("OldImage", "1")):
            if image in change and len(change.keys() & {"NewImage", "OldImage"}) == 2:
                assert change[image]["n"] == {"N": number}


def test_batches_and_updates_are_recorded_too(call):
    arn = call.table(view=BOTH)
    call("BatchWriteItem", RequestItems={"orders": [{"PutRequest": {"Item": {"id": {"S": "a"}}}}]})
    call("UpdateItem", TableName="orders", Key={"id": {"S": "b"}})
    call("BatchWriteItem", RequestItems={"orders": [{"DeleteRequest": {"Key": {"id": {"S": "a"}}}}]})
    assert summary(call.changes(arn)) == [("INSERT", "a"), ("INSERT", "b"), ("REMOVE", "a")]


def test_sequence_numbers_rise_as_numbers_and_not_as_text(call):
    arn = call.table(view="KEYS_ONLY")
    for number in range(100):
        call.put(str(number))
    numbers = [record["dynamodb"]["SequenceNumber"] for record in call.changes(arn)]
    assert [int(number) for number in numbers] == sorted({int(number) for number in numbers})
    assert numbers != sorted(numbers)
    assert all(21 <= len(number) <= 40 for number in numbers)


def test_iterators_start_where_they_are_asked_to(call):
    arn = call.table(view="KEYS_ONLY")
    [shard] = [shard["ShardId"] for shard in call.shards(arn)]
    times = {}
    for name in "abcd":
        call.put(name)
        times[name] = int(call.now)
        call.now += 10
    numbers = [record["dynamodb"]["SequenceNumber"] for record in call.records(arn, shard)]

    def names(kind, **request):
        return "".join(name for _, name in summary(call.records(arn, shard, kind, **request)))

    assert names("TRIM_HORIZON") == "abcd"
    assert names("LATEST") == ""
    assert names("AT_SEQUENCE_NUMBER", SequenceNumber=numbers[2]) == "cd"
    assert names("AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[2]) == "d"
    assert names("AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[3]) == ""
    assert names("AT_TIMESTAMP", Timestamp=times["b"]) == "bcd"
    assert names("AT_TIMESTAMP", Timestamp=times["b"] + 0.001) == "cd"
    assert names("AT_TIMESTAMP", Timestamp=0) == "abcd"
    assert names("AT_TIMESTAMP", Timestamp=call.now) == ""
    starting = call.shards(arn)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    assert names("AT_SEQUENCE_NUMBER", SequenceNumber=starting) == "abcd"
    latest = call.iterator(arn, shard, "LATEST")
    call.put("e")
    assert summary(call("GetRecords", ShardIterator=latest)["Records"]) == [("INSERT", "e")]


def test_iterators_that_cannot_be_are_refused(call):
    arn = call.table(view="KEYS_ONLY")
    [shard] = [shard["ShardId"] for shard in call.shards(arn)]

    def refused(**request):
        whole = {"StreamArn": arn, "ShardId": shard} | request
        return call.refused("GetShardIterator", **whole)

    assert "Timestamp must not be in the future" in refused(
        ShardIteratorType="AT_TIMESTAMP", Timestamp=call.now + 1
    )
    assert "requires the parameter Timestamp" in refused(ShardIteratorType="AT_TIMESTAMP")
    assert "requires the parameter SequenceNumber" in refused(ShardIteratorType="AT_SEQUENCE_NUMBER")
    assert "does not take the parameter SequenceNumber" in refused(
        ShardIteratorType="LATEST", SequenceNumber="1" * 21
    )
    assert "is not in the range" in refused(ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber="1" * 21)
    assert "at 'sequenceNumber' failed" in refused(
        ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber="12"
    )
    assert "at 'shardIteratorType' failed" in refused(ShardIteratorType="EARLIEST")
    assert "ResourceNotFoundException" in refused(
        ShardIteratorType="LATEST", ShardId="shardId-00000000000000000000-00000000"
    )
    assert "ResourceNotFoundException" in refused(ShardIteratorType="LATEST", StreamArn=arn + "x")
    for iterator in ("rubbish", f"{arn}|1|rubbish", f"{arn}|2|YTozOjQ="):
        assert call.refused("GetRecords", ShardIterator=iterator) == (
            "ValidationException: Invalid ShardIterator"
        )
    assert "at 'limit' failed" in call.refused(
        "GetRecords", ShardIterator=call.iterator(arn, shard), Limit=1001
    )


def test_pages_hold_a_thousand_records_or_a_megabyte(call):
    arn = call.table(view="NEW_IMAGE")
    [shard] = [shard["ShardId"] for shard in call.shards(arn)]
    for number in range(1500):
        call.put(str(number))
    page = call("GetRecords", ShardIterator=call.iterator(arn, shard))
    assert len(page["Records"]) == 1000
    page = call("GetRecords", ShardIterator=page["NextShardIterator"], Limit=3)
    assert summary(page["Records"]) == [("INSERT", str(number)) for number in (1000, 1001, 1002)]
    last = call.iterator(arn, shard, "LATEST")
    for number in range(10):
        call.put(f"big-{number}", x={"S": "x" * 390_000})
    sizes = []
    while page := call("GetRecords", ShardIterator=last):
        sizes.append(len(page["Records"]))
        last = page["NextShardIterator"]
        if not page["Records"]:
            break
    assert sizes == [2, 2, 2, 2, 2, 0]


def test_a_record_larger_than_a_page_comes_alone(call):
    arn = call.table(view=BOTH)
    for letter in "abcd":
        call.put("a", x={"S": letter * 400_000}, y={"B": "AAAA" * 2000})
    pages = []
    iterator = call.iterator(arn, call.shards(arn)[0]["ShardId"])
    while page := call("GetRecords", ShardIterator=iterator):
        if not page["Records"]:
            break
        pages.append(len(page["Records"]))
        iterator = page["NextShardIterator"]
    assert pages == [1, 1, 1, 1]


def test_a_closed_shard_ends_with_its_last_records_and_no_iterator(call):
    arn = call.table(view="KEYS_ONLY")
    [parent] = call.simulator.streams.open_shards("orders")
    iterator = call.iterator(arn, parent)
    call.put("a")
    [child] = call.simulator.streams.rotate_shards("orders")
    page = call("GetRecords", ShardIterator=iterator)
    assert summary(page["Records"]) == [("INSERT", "a")]
    assert "NextShardIterator" not in page
    again = call("GetRecords", ShardIterator=call.iterator(arn, parent, "LATEST"))
    assert again == {"Records": []}
    assert "NextShardIterator" in call("GetRecords", ShardIterator=call.iterator(arn, child))


def test_rotation_and_split_keep_the_lineage(call):
    arn = call.table(view="KEYS_ONLY")
    for number in range(50):
        call.put(str(number))
    [rotated] = call.simulator.streams.rotate_shards("orders")
    for number in range(50, 100):
        call.put(str(number))
    left, right = call.simulator.streams.split_shard("orders")
    for number in range(100, 200):
        call.put(str(number))
    shards = {shard["ShardId"]: shard for shard in call.shards(arn)}
    assert {shards[left]["ParentShardId"], shards[right]["ParentShardId"]} == {rotated}
    assert call.simulator.streams.open_shards("orders") == [left, right]
    for shard in shards.values():
        numbers = shard["SequenceNumberRange"]
        assert ("EndingSequenceNumber" in numbers) == (shard["ShardId"] not in {left, right})
        parent = shards.get(shard.get("ParentShardId", ""))
        if parent is not None:
            ending = parent["SequenceNumberRange"]["EndingSequenceNumber"]
            assert int(numbers["StartingSequenceNumber"]) > int(ending)
        for record in call.records(arn, shard["ShardId"]):
            assert int(record["dynamodb"]["SequenceNumber"]) >= int(numbers["StartingSequenceNumber"])
            assert int(record["dynamodb"]["SequenceNumber"]) <= int(
                numbers.get("EndingSequenceNumber", "9" * 40)
            )
    assert min(len(call.records(arn, child)) for child in (left, right)) > 20
    assert sorted(name for _, name in summary(call.changes(arn))) == sorted(map(str, range(200)))
    for shard in shards:
        assert re.fullmatch(r"shardId-[0-9]{20}-[0-9a-f]{8}", shard)


def test_commands_name_what_is_there(call):
    call.table()
    with pytest.raises(ValueError, match="'orders' is no table with an enabled stream"):
        call.simulator.streams.split_shard("orders")
    call.table("other", view="KEYS_ONLY")
    [shard] = call.simulator.streams.open_shards("other")
    with pytest.raises(ValueError, match=f"'x' is no open shard of 'other'; open are {shard}"):
        call.simulator.streams.rotate_shards("other", "x")


def test_shards_rotate_by_the_clock(call):
    arn = call.table(view="KEYS_ONLY")
    call.put("a")
    call.now += 9 * HOUR
    call.put("b")
    shards = call.shards(arn)
    assert len(shards) == 3
    opened = sorted(int(shard["ShardId"].split("-")[1]) / 1000 for shard in shards)
    assert opened == [call.now - 9 * HOUR, call.now - 5 * HOUR, call.now - HOUR]
    assert summary(call.changes(arn)) == [("INSERT", "a"), ("INSERT", "b")]


def test_descriptions_page_and_filter_by_parent(caller):
    call = caller(initial_shards=7, rotation_seconds=None)
    arn = call.table(view="KEYS_ONLY")
    first = call("DescribeStream", StreamArn=arn, Limit=3)["StreamDescription"]
    assert first["StreamStatus"] == "ENABLED"
    assert first["StreamViewType"] == "KEYS_ONLY"
    found = [shard["ShardId"] for shard in first["Shards"]]
    while "LastEvaluatedShardId" in first:
        first = call(
            "DescribeStream", StreamArn=arn, Limit=3, ExclusiveStartShardId=first["LastEvaluatedShardId"]
        )["StreamDescription"]
        found += [shard["ShardId"] for shard in first["Shards"]]
    assert sorted(found) == sorted(call.simulator.streams.open_shards("orders"))
    assert len(found) == 7
    children = call.simulator.streams.split_shard("orders", found[2])
    shard_filter = {"Type": "CHILD_SHARDS", "ShardId": found[2]}
    filtered = call("DescribeStream", StreamArn=arn, ShardFilter=shard_filter)["StreamDescription"]["Shards"]
    assert sorted(shard["ShardId"] for shard in filtered) == sorted(children)
    assert "ShardFilter needs both" in call.refused(
        "DescribeStream", StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS"}
    )


def test_an_iterator_expires_after_15_minutes(call):
    arn = call.table(view="KEYS_ONLY")
    iterator = call.iterator(arn, call.shards(arn)[0]["ShardId"])
    call.now += 15 * 60
    fresh = call("GetRecords", ShardIterator=iterator)["NextShardIterator"]
    call.now += 1
    assert call.refused("GetRecords", ShardIterator=iterator) == (
        "ExpiredIteratorException: The provided iterator exceeds the maximum age allowed."
    )
    assert call("GetRecords", ShardIterator=fresh)["Records"] == []


def test_records_are_trimmed_after_24_hours(caller):
    call = caller(rotation_seconds=None)
    arn = call.table(view="KEYS_ONLY")
    [shard] = [shard["ShardId"] for shard in call.shards(arn)]
    starting = call.shards(arn)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    call.put("old")
    [old] = call.records(arn, shard)
    call.now += HOUR
    call.put("new")
    call.now += 23 * HOUR - 60
    held = call.iterator(arn, shard)
    assert summary(call("GetRecords", ShardIterator=held)["Records"]) == [
        ("INSERT", "old"),
        ("INSERT", "new"),
    ]
    call.now += 61
    trimmed = "TrimmedDataAccessException: The data you are trying to access has been trimmed."
    assert call.refused("GetRecords", ShardIterator=held) == trimmed
    number = old["dynamodb"]["SequenceNumber"]
    for kind, asked in (
        ("AT_SEQUENCE_NUMBER", number),
        ("AFTER_SEQUENCE_NUMBER", number),
        ("AT_SEQUENCE_NUMBER", starting),
    ):
        assert trimmed == call.refused(
            "GetShardIterator", StreamArn=arn, ShardId=shard, ShardIteratorType=kind, SequenceNumber=asked
        )
    assert summary(call.records(arn, shard)) == [("INSERT", "new")]
    assert summary(call.records(arn, shard, "AT_TIMESTAMP", Timestamp=1)) == [("INSERT", "new")]


def test_a_shard_closed_for_a_day_is_forgotten(call):
    arn = call.table(view="KEYS_ONLY")
    call.put("a")
    [parent] = call.simulator.streams.open_shards("orders")
    call.simulator.streams.rotate_shards("orders")
    call.now += 24 * HOUR
    assert parent in {shard["ShardId"] for shard in call.shards(arn)}
    call.now += 1
    assert parent not in {shard["ShardId"] for shard in call.shards(arn)}
    assert "ResourceNotFoundException" in call.refused(
        "GetShardIterator", StreamArn=arn, ShardId=parent, ShardIteratorType="TRIM_HORIZON"
    )
    orphans = [shard for shard in call.shards(arn) if shard.get("ParentShardId") == parent]
    assert len(orphans) == 1


def test_switching_a_stream_off_and_on_gives_another_stream(call):
    first = call.table(view="KEYS_ONLY")
    call.put("a")
    on = {"StreamEnabled": True, "StreamViewType": BOTH}
    assert call.refused("UpdateTable", TableName="orders", StreamSpecification=on) == (
        "ValidationException: Table already has an enabled stream: TableName: orders"
    )
    off = {"StreamEnabled": False}
    described = call("UpdateTable", TableName="orders", StreamSpecification=off)["TableDescription"]
    assert described["LatestStreamArn"] == first
    assert "StreamSpecification" not in described
    assert "already having stream disabled" in call.refused(
        "UpdateTable", TableName="orders", StreamSpecification=off
    )
    call.put("unseen")
    second = call("UpdateTable", TableName="orders", StreamSpecification=on)["TableDescription"]
    assert second["LatestStreamArn"] != first
    assert second["LatestStreamArn"].endswith(second["LatestStreamLabel"])
    call.put("b")
    assert call("DescribeStream", StreamArn=first)["StreamDescription"]["StreamStatus"] == "DISABLED"
    [shard] = call.shards(first)
    assert "EndingSequenceNumber" in shard["SequenceNumberRange"]
    assert summary(call.changes(first)) == [("INSERT", "a")]
    assert summary(call.changes(second["LatestStreamArn"])) == [("INSERT", "b")]
    listed = call("ListStreams", TableName="orders")["Streams"]
    assert [stream["StreamArn"] for stream in listed] == [first, second["LatestStreamArn"]]
    call.now += 24 * HOUR + 1
    assert "ResourceNotFoundException" in call.refused("DescribeStream", StreamArn=first)
    assert len(call("ListStreams")["Streams"]) == 1


def test_a_deleted_tables_stream_stays_readable_for_a_day(call):
    arn = call.table(view="KEYS_ONLY")
    call.put("a")
    call("DeleteTable", TableName="orders")
    assert summary(call.changes(arn)) == [("INSERT", "a")]
    call.table(view="KEYS_ONLY")
    assert [stream["TableName"] for stream in call("ListStreams")["Streams"]] == ["orders", "orders"]
    call.now += 24 * HOUR + 1
    assert len(call("ListStreams")["Streams"]) == 1


def test_streams_are_listed_by_pages(call):
    arns = sorted(call.table(name, view="KEYS_ONLY") for name in ("aaa", "bbb", "ccc"))
    page = call("ListStreams", Limit=2)
    assert [stream["StreamArn"] for stream in page["Streams"]] == arns[:2]
    rest = call("ListStreams", ExclusiveStartStreamArn=page["LastEvaluatedStreamArn"])
    assert [stream["StreamArn"] for stream in rest["Streams"]] == arns[2:]
    assert "LastEvaluatedStreamArn" not in rest


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 9), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.integers(0, 9), st.just(0)),
        st.tuples(st.sampled_from(["split", "rotate", "wait"]), st.integers(0, 3), st.just(0)),
    ),
    max_size=60,
)


def run(call, steps):
    arn = call.table(view=BOTH)
    for step, number, value in steps:
        if step == "put":
            call.put(f"key-{number}", v={"N": str(value)})
        elif step == "delete":
            call("DeleteItem", TableName="orders", Key={"id": {"S": f"key-{number}"}})
        elif step == "wait":
            call.now += number * HOUR / 2
        elif len(call.simulator.streams.open_shards("orders")) < 12:
            shards = call.simulator.streams.open_shards("orders")
            shard = shards[number % len(shards)]
            if step == "split":
                call.simulator.streams.split_shard("orders", shard)
            else:
                call.simulator.streams.rotate_shards("orders", shard)
    return arn


@settings(max_examples=60, deadline=None)
@given(_STEPS, st.integers(1, 3))
def test_replaying_the_changes_parents_first_gives_the_table(caller, steps, shards):
    """Each item's changes come in order through splits and rotations, and its images chain."""
    call = caller(initial_shards=shards)
    arn = run(call, steps)
    if sum(number for step, number, _ in steps if step == "wait") >= 2 * 24:
        return
    replica = {}
    for record in call.changes(arn):
        change = record["dynamodb"]
        key = change["Keys"]["id"]["S"]
        assert replica.get(key) == change.get("OldImage")
        assert record["eventName"] == (
            "REMOVE" if "NewImage" not in change else "MODIFY" if "OldImage" in change else "INSERT"
        )
        if "NewImage" in change:
            replica[key] = change["NewImage"]
        else:
            del replica[key]
    items = call("Scan", TableName="orders")["Items"]
    assert replica == {item["id"]["S"]: item for item in items}


@settings(max_examples=20, deadline=None)
@given(_STEPS, st.integers(0, 5))
def test_the_same_calls_with_the_same_seed_get_the_same_bytes(caller, steps, seed):
    def traced():
        call = caller(seed=seed, initial_shards=2)
        answers = []
        answer = call.simulator

        def noted(operation, body):
            response = answer(operation, body)
            answers.append((response.status, sorted(response.headers.items()), response.body))
            return response

        noted.streams = answer.streams
        call.simulator = noted
        arn = run(call, steps)
        call.changes(arn)
        return answers

    assert traced() == traced()


def test_another_seed_gives_other_shards(caller):
    assert [caller(seed=seed).table(view=BOTH) for seed in (1, 2)] == [caller().table(view=BOTH)] * 2
    ids = set()
    for seed in (1, 2):
        call = caller(seed=seed)
        call.table(view=BOTH)
        ids |= set(call.simulator.streams.open_shards("orders"))
    assert len(ids) == 2


class TestFaults:
    """What a test may plant."""

    @pytest.fixture
    def plant(self, call):
        call.arn = call.table(view="KEYS_ONLY")
        call.put("a")

        def plant(operation, *faults):
            left = list(faults)

            def fault(asked, _request):
                return left.pop(0) if asked == operation and left else None

            call.simulator.faults = fault

        return plant

    def test_a_refusal_is_answered_once_and_nothing_is_done(self, call, plant):
        plant("PutItem", Refuse("ProvisionedThroughputExceededException", "slower"), Refuse("X", status=500))
        item = {"id": {"S": "b"}}
        assert call.refused("PutItem", TableName="orders", Item=item) == (
            "ProvisionedThroughputExceededException: slower"
        )
        response = call.simulator("PutItem", json.dumps({"TableName": "orders", "Item": item}).encode())
        assert response.status == 500
        assert call.get("b") is None
        call.put("b")
        assert call.get("b") is not None

    def test_an_empty_page_stays_in_place(self, call, plant):
        plant("GetRecords", EmptyPage(), EmptyPage())
        iterator = call.iterator(call.arn, call.shards(call.arn)[0]["ShardId"])
        for expected in (0, 0, 1):
            page = call("GetRecords", ShardIterator=iterator)
            assert len(page["Records"]) == expected
            iterator = page["NextShardIterator"]

    def test_a_closed_shard_with_records_ahead_does_not_end_on_an_empty_page(self, call, plant):
        plant("GetRecords", EmptyPage())
        [shard] = call.simulator.streams.open_shards("orders")
        call.simulator.streams.rotate_shards("orders")
        page = call("GetRecords", ShardIterator=call.iterator(call.arn, shard))
        assert page["Records"] == []
        assert len(call("GetRecords", ShardIterator=page["NextShardIterator"])["Records"]) == 1

    def test_a_description_may_lie(self, call, plant):
        def hide(answer):
            answer["StreamDescription"]["Shards"] = []
            return answer

        plant("DescribeStream", Alter(hide))
        assert call.shards(call.arn) == []
        assert len(call.shards(call.arn)) == 1

    def test_an_answer_may_be_lost_before_or_after_its_effect(self, call, plant):
        plant("PutItem", Lose(), Lose(after_effect=True))
        for there in (False, True):
            with pytest.raises(Unavailable, match="PutItem: the connection was lost"):
                call.put("b")
            assert (call.get("b") is not None) is there

    def test_a_cut_answer_keeps_the_crc_of_the_whole(self, call, plant):
        plant("Scan", Cut(10))
        body = b'{"TableName":"orders"}'
        cut, whole = (call.simulator("Scan", body) for _ in range(2))
        assert cut.body == whole.body[:10]
        assert cut.headers["x-amz-crc32"] == whole.headers["x-amz-crc32"]
        assert cut.headers["content-length"] == str(len(whole.body))
