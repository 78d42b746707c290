"""The same calls to our server and to ministack, an implementation that is not ours, and the same answers.

What is not the same is in ``support.differences``, with the AWS page that decides it.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.calls import SPELLINGS, Calls, create
from support.differences import DIFFERENCES
from support.endpoint import Endpoint, Pair
from support.ministack import ROOT, Ministack

ITEM = {"id": {"S": "k"}, "at": {"N": "1"}}


@pytest.fixture(scope="module")
def endpoints():
    with Ministack() as stand_in, SimulatorServer(Simulator(time.time)) as server:
        both = Endpoint(server.url), Endpoint(stand_in.url)
        yield both
        for endpoint in both:
            endpoint.close()


@pytest.fixture
def pair(endpoints):
    """Both, with an empty table ``orders`` whose stream is on; what a test makes is gone after it."""
    asked = Pair(*endpoints)
    asked("CreateTable", create("orders", "NEW_AND_OLD_IMAGES"), stream_of)
    yield asked
    for endpoint in endpoints:
        for name in endpoint("ListTables", {}).body["TableNames"]:
            endpoint("DeleteTable", {"TableName": name})


def stream_of(answer):
    return {"arn": answer["TableDescription"]["LatestStreamArn"]}


def assert_same(pair):
    """Every answer was the same; the first few that were not are shown."""
    told = [
        f"call {number} of {len(pair.asked)}: {asked.operation} {asked.request}\n"
        f"ours:   {asked.ours}\ntheirs: {asked.theirs}"
        for number, asked in enumerate(pair.asked, 1)
        if not asked.is_same
    ]
    assert not told, "\n".join(told[:5])


def drive(pair, seed, count):
    calls = Calls(seed)
    for _ in range(count):
        pair(*calls.next())
    assert_same(pair)
    outcomes = Counter(asked.ours.code for asked in pair.asked)
    assert {"", "ValidationException", "ConditionalCheckFailedException"} <= outcomes.keys()
    assert outcomes[""] > count / 2, outcomes


@pytest.mark.parametrize("seed", range(6))
def test_any_calls_get_the_same_answers(pair, seed):
    drive(pair, seed, 400)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6, 46))
def test_very_many_calls_get_the_same_answers(pair, seed):
    drive(pair, seed, 1000)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_a_difference_that_is_listed_is_still_there(pair, difference):
    for asked in difference.before:
        pair(*asked)
    asked = pair(*difference.asked)
    assert [answer.code or answer.body for answer in (asked.ours, asked.theirs)] == [
        difference.ours,
        difference.theirs,
    ]


def test_numbers_are_spelt_alike(pair):
    for text in (*SPELLINGS, "9" * 38, "1E125", "-1E-130", "0." + "0" * 20 + "1", "9.99E125", "00", "-0.0"):
        pair("PutItem", {"TableName": "orders", "Item": {**ITEM, "n": {"N": text}, "s": {"NS": [text]}}})
        pair("GetItem", {"TableName": "orders", "Key": ITEM})
    assert_same(pair)


def test_tables_are_made_listed_changed_and_deleted_alike(pair):
    definition = create("visits")
    for name, value in (
        ("KeySchema", [{"AttributeName": "id", "KeyType": "RANGE"}]),
        ("KeySchema", [{"AttributeName": "other", "KeyType": "HASH"}]),
        ("AttributeDefinitions", definition["AttributeDefinitions"][:1]),
        ("TableName", "or"),
        ("TableName", "or ders"),
        ("TableName", "orders"),
        ("BillingMode", "FREE"),
        ("BillingMode", "PROVISIONED"),
        ("ProvisionedThroughput", {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}),
    ):
        asked = pair("CreateTable", {**definition, name: value})
        assert asked.ours.code, (name, value)
    pair("CreateTable", definition)
    for request in ({}, {"Limit": 1}, {"ExclusiveStartTableName": "orders"}):
        pair("ListTables", request)
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    for operation, request in (
        ("DescribeTable", {"TableName": "visits"}),
        ("DescribeTable", {"TableName": "none"}),
        ("UpdateTable", {"TableName": "none", "StreamSpecification": stream}),
        ("UpdateTable", {"TableName": "visits", "DeletionProtectionEnabled": True}),
        ("DeleteTable", {"TableName": "visits"}),
        ("UpdateTable", {"TableName": "visits", "DeletionProtectionEnabled": False}),
        ("DeleteTable", {"TableName": "visits"}),
        ("DeleteTable", {"TableName": "visits"}),
        ("DescribeTimeToLive", {"TableName": "orders"}),
        ("DescribeTimeToLive", {"TableName": "none"}),
        (
            "UpdateTimeToLive",
            {"TableName": "orders", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}},
        ),
        ("DescribeTimeToLive", {"TableName": "orders"}),
    ):
        pair(operation, request)
    assert_same(pair)


def test_limits_are_the_same(pair):
    many = [{"id": {"S": f"{number:03}"}, "at": {"N": "1"}} for number in range(101)]
    for operation, request in (
        ("PutItem", {"TableName": "orders", "Item": {**ITEM, "x": {"S": "x" * (400 * 1024)}}}),
        ("PutItem", {"TableName": "orders", "Item": {**ITEM, "x": {"S": "x" * (400 * 1024 - 8)}}}),
        ("PutItem", {"TableName": "orders", "Item": {**ITEM, "x": {"S": "x" * (400 * 1024 - 7)}}}),
        ("PutItem", {"TableName": "orders", "Item": {"id": {"S": "x" * 2048}, "at": {"N": "1"}}}),
        ("PutItem", {"TableName": "orders", "Item": {"id": {"S": "x" * 2049}, "at": {"N": "1"}}}),
        ("PutItem", {"TableName": "orders", "Item": {**ITEM, "deep": nested(31)}}),
        ("PutItem", {"TableName": "orders", "Item": {**ITEM, "deep": nested(33)}}),
        ("BatchGetItem", {"RequestItems": {"orders": {"Keys": many[:100]}}}),
        ("BatchGetItem", {"RequestItems": {"orders": {"Keys": many}}}),
        ("BatchGetItem", {"RequestItems": {"orders": {"Keys": []}}}),
        ("BatchGetItem", {"RequestItems": {}}),
        ("BatchWriteItem", {"RequestItems": {}}),
        (
            "BatchWriteItem",
            {"RequestItems": {"orders": [{"PutRequest": {"Item": item}} for item in many[:26]]}},
        ),
        ("TransactGetItems", {"TransactItems": [get(key) for key in many[:100]]}),
        ("TransactGetItems", {"TransactItems": [get(key) for key in many]}),
        ("TransactGetItems", {"TransactItems": [get(many[0]), get(many[0])]}),
        ("TransactWriteItems", {"TransactItems": []}),
        (
            "TransactWriteItems",
            {"TransactItems": [{"Delete": {"TableName": "orders", "Key": k}} for k in many]},
        ),
        ("TransactWriteItems", {"TransactItems": [{}]}),
        ("Scan", {"TableName": "orders", "FilterExpression": f"{'a' * 5000} = b"}),
    ):
        pair(operation, request)
    assert_same(pair)


def nested(levels):
    value = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


def get(key):
    return {"Get": {"TableName": "orders", "Key": key}}


def test_a_token_is_remembered_alike(pair):
    add = {
        "Update": {
            "TableName": "orders",
            "Key": ITEM,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
    request = {"TransactItems": [add], "ClientRequestToken": "one", "ReturnConsumedCapacity": "TOTAL"}
    for each in (
        request,
        request,
        {**request, "TransactItems": [add, {"Delete": {"TableName": "orders", "Key": ITEM}}]},
    ):
        pair("TransactWriteItems", each)
    pair("TransactWriteItems", {**request, "ReturnConsumedCapacity": "NONE"})
    pair("TransactWriteItems", {**request, "ClientRequestToken": "x" * 37})
    pair("GetItem", {"TableName": "orders", "Key": ITEM})
    assert_same(pair)


def pages(pair, operation, request):
    """Ask page after page; each endpoint goes on from its own cursor."""
    found = []
    while len(found) < 100:
        found.append(
            pair(
                operation,
                lambda side, request=request: (
                    request | ({"ExclusiveStartKey": side.kept["cursor"]} if side.kept.get("cursor") else {})
                ),
            )
        )
        for side, answer in ((pair.ours, found[-1].ours), (pair.theirs, found[-1].theirs)):
            side.kept["cursor"] = answer.body.get("LastEvaluatedKey")
        if not pair.ours.kept["cursor"] and not pair.theirs.kept["cursor"]:
            return found
    raise AssertionError("the pages do not end")


def test_queries_page_alike(pair):
    definition = create("visits")
    definition["AttributeDefinitions"][1]["AttributeType"] = "S"
    pair("CreateTable", definition)
    for text in ("a", "ab", "abc", "b", "ba", "Z", "é", "~", "10", "9", "a b"):
        pair(
            "PutItem",
            {"TableName": "visits", "Item": {"id": {"S": "k"}, "at": {"S": text}, "n": {"S": text}}},
        )
    for condition, values in (
        ("", {}),
        (" AND #at > :a", {":a": {"S": "a"}}),
        (" AND #at BETWEEN :a AND :b", {":a": {"S": "9"}, ":b": {"S": "b"}}),
        (" AND begins_with(#at, :a)", {":a": {"S": "a"}}),
        (" AND #at = :a", {":a": {"S": "é"}}),
    ):
        for forward in (True, False):
            for limit in (1, 3, 50):
                request = {
                    "TableName": "visits",
                    "KeyConditionExpression": "id = :i" + condition,
                    "ExpressionAttributeValues": {":i": {"S": "k"}, **values},
                    "ScanIndexForward": forward,
                    "Limit": limit,
                }
                if condition:
                    request["ExpressionAttributeNames"] = {"#at": "at"}
                pages(pair, "Query", request)
    assert_same(pair)


def test_scans_page_to_the_same_items(pair):
    for number in range(40):
        item = {"id": {"S": f"k{number % 7}"}, "at": {"N": str(number)}, "n": {"N": str(number)}}
        pair("PutItem", {"TableName": "orders", "Item": item})
    assert_same(pair)
    for segments in (1, 3):
        for endpoint in (pair.ours, pair.theirs):
            parts = [{"Segment": part, "TotalSegments": segments} for part in range(segments)]
            numbers = [int(item["n"]["N"]) for part in parts for item in scanned(endpoint, part)]
            assert sorted(numbers) == list(range(40))


def scanned(endpoint, part):
    """The items of a segment, by pages of seven."""
    request = {"TableName": "orders", "Limit": 7, **part}
    while True:
        body = endpoint("Scan", request).body
        assert body["ScannedCount"] == len(body["Items"]) <= 7
        yield from body["Items"]
        if "LastEvaluatedKey" not in body:
            return
        request["ExclusiveStartKey"] = body["LastEvaluatedKey"]


def records(pair, **start):
    """Everything from there, by pages of three records."""
    pair(
        "GetShardIterator",
        lambda side: {
            "StreamArn": side.kept["arn"],
            "ShardId": side.kept["shard"],
            **{name: side.kept.get(value, value) for name, value in start.items()},
        },
        lambda answer: {"iterator": answer["ShardIterator"]},
    )
    found = []
    for _ in range(100):
        page = pair(
            "GetRecords",
            lambda side: {"ShardIterator": side.kept["iterator"], "Limit": 3},
            lambda answer: {"iterator": answer.get("NextShardIterator", "")},
        )
        found.append(page)
        if not page.ours.body.get("Records") or "NextShardIterator" not in page.ours.body:
            return found
    raise AssertionError("the records do not end")


def describe(pair):
    """DescribeStream; the numbers that AWS lists of an empty shard, and ministack does not, are left out."""
    asked = pair(
        "DescribeStream",
        lambda side: {"StreamArn": side.kept["arn"]},
        lambda answer: {"shard": answer["StreamDescription"]["Shards"][0]["ShardId"]},
    )
    told = [
        {
            name: answer.body["StreamDescription"].get(name)
            for name in ("StreamStatus", "StreamViewType", "KeySchema")
        }
        for answer in (asked.ours, asked.theirs)
    ]
    assert told[0] == told[1]
    pair.asked.remove(asked)


@pytest.mark.parametrize("view", ["NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"])
def test_streams_tell_the_same_changes(pair, view):
    for endpoint in (pair.ours, pair.theirs):
        endpoint("DeleteTable", {"TableName": "orders"})
    pair("CreateTable", create("orders", view), stream_of)
    describe(pair)
    calls = Calls(len(view))
    for _ in range(60):
        pair(*calls.pick((calls.write, calls.batch, calls.transaction))())
    assert_same(pair)
    everything = records(pair, ShardIteratorType="TRIM_HORIZON")
    assert sum(len(page.ours.body["Records"]) for page in everything) > 20
    for side, page in ((pair.ours, pair.ours), (pair.theirs, pair.theirs)):
        iterator = page(
            "GetShardIterator",
            {
                "StreamArn": side.kept["arn"],
                "ShardId": side.kept["shard"],
                "ShardIteratorType": "TRIM_HORIZON",
            },
        ).body["ShardIterator"]
        fifth = page("GetRecords", {"ShardIterator": iterator, "Limit": 5}).body["Records"][-1]
        side.kept["fifth"] = fifth["dynamodb"]["SequenceNumber"]
    records(pair, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber="fifth")
    records(pair, ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber="fifth")
    records(pair, ShardIteratorType="LATEST")
    pair("UpdateTable", {"TableName": "orders", "StreamSpecification": {"StreamEnabled": False}})
    describe(pair)
    records(pair, ShardIteratorType="TRIM_HORIZON")
    pair.asked[:] = [
        replace(asked, ours=sizeless(asked.ours), theirs=sizeless(asked.theirs)) for asked in pair.asked
    ]
    assert_same(pair)


def sizeless(answer):
    """Records without SizeBytes, which is always 0 with ministack."""
    for record in answer.body.get("Records", ()):
        record["dynamodb"].pop("SizeBytes", None)
    return answer


def test_stream_calls_that_cannot_be_are_refused_alike(pair):
    describe(pair)
    for asked in (
        lambda side: {"StreamArn": side.kept["arn"], "ShardId": side.kept["shard"]},
        lambda side: {
            "StreamArn": side.kept["arn"],
            "ShardId": "shardId-00000000000000000001-00000001",
            "ShardIteratorType": "LATEST",
        },
        lambda side: {
            "StreamArn": side.kept["arn"],
            "ShardId": side.kept["shard"],
            "ShardIteratorType": "AT_SEQUENCE_NUMBER",
        },
    ):
        assert pair("GetShardIterator", asked).ours.code
    pair("DescribeStream", lambda side: {"StreamArn": side.kept["arn"] + "9"})
    pair("GetRecords", {"ShardIterator": "nonsense"})
    records(pair, ShardIteratorType="LATEST")
    pair("GetRecords", lambda side: {"ShardIterator": side.kept["iterator"], "Limit": 0})
    assert_same(pair)


def test_the_page_lists_every_difference():
    page = (ROOT / "docs" / "simulator.md").read_text()
    assert not [each.name for each in DIFFERENCES if f"| {each.name} | {each.decided_by} |" not in page]


def test_what_is_left_out_of_the_comparison_still_differs(pair):
    sizes, starts, codes = [], [], []
    for endpoint in (pair.ours, pair.theirs):
        arn = endpoint.kept["arn"]
        shard = endpoint("DescribeStream", {"StreamArn": arn}).body["StreamDescription"]["Shards"][0]
        starts.append("StartingSequenceNumber" in shard["SequenceNumberRange"])
        endpoint("PutItem", {"TableName": "orders", "Item": ITEM})
        place = {"StreamArn": arn, "ShardId": shard["ShardId"]}
        start = endpoint("GetShardIterator", {**place, "ShardIteratorType": "TRIM_HORIZON"}).body
        record = endpoint("GetRecords", start).body["Records"][0]
        table = endpoint("DescribeTable", {"TableName": "orders"}).body["Table"]
        sizes.append((record["dynamodb"]["SizeBytes"], table["TableSizeBytes"]))
        at = {**place, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time.time() - 60}
        codes.append(endpoint("GetShardIterator", at).code)
    assert sizes == [(14, 7), (0, 200)]
    assert starts == [True, False]
    assert codes == ["", "ValidationException"]
