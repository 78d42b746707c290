"""BatchGetItem and BatchWriteItem."""

from __future__ import annotations

import pytest

from headrace.simulator import Unprocessed


def keys(*identities):
    return [{"id": {"S": identity}} for identity in identities]


def puts(*items):
    return [{"PutRequest": {"Item": item}} for item in items]


@pytest.fixture
def two(call):
    """Two tables of three items each."""
    for name in ("orders", "visits"):
        call.table(name)
        items = [{**key, "from": {"S": name}} for key in keys("a", "b", "c")]
        call("BatchWriteItem", RequestItems={name: puts(*items)})
    return call


def test_a_batch_gets_items_of_several_tables(two):
    answer = two(
        "BatchGetItem",
        RequestItems={
            "orders": {"Keys": keys("a", "nobody", "c"), "ConsistentRead": True},
            "visits": {
                "Keys": keys("b"),
                "ProjectionExpression": "#f",
                "ExpressionAttributeNames": {"#f": "from"},
            },
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer == {
        "Responses": {
            "orders": [{**key, "from": {"S": "orders"}} for key in keys("a", "c")],
            "visits": [{"from": {"S": "visits"}}],
        },
        "UnprocessedKeys": {},
        "ConsumedCapacity": [
            {"TableName": "orders", "CapacityUnits": 3.0},
            {"TableName": "visits", "CapacityUnits": 0.5},
        ],
    }


def test_what_would_exceed_16_mb_is_left_for_the_next_call(call):
    call.table()
    # The example of BatchGetItem's API reference: of 100 items of 300 KB, 52 are returned.
    names = [f"{number:03}" for number in range(100)]
    for name in names:
        call.put(name, x={"S": "x" * (300 * 1024 - 6)})
    wanted = {"orders": {"Keys": keys(*names), "ConsistentRead": True}}
    first = call("BatchGetItem", RequestItems=wanted)
    assert len(first["Responses"]["orders"]) == 52
    assert first["UnprocessedKeys"] == {"orders": {"Keys": keys(*names[52:]), "ConsistentRead": True}}
    second = call("BatchGetItem", RequestItems=first["UnprocessedKeys"])
    assert [item["id"]["S"] for item in second["Responses"]["orders"]] == names[52:]
    assert second["UnprocessedKeys"] == {}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ({}, "Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater"),
        ({"orders": {"Keys": []}}, "at 'requestItems.orders.member.keys' failed"),
        ({"orders": {"Keys": keys("a", "b", "a")}}, "Provided list of item keys contains duplicates"),
        ({"orders": {"Keys": [{"key": {"S": "a"}}]}}, "The provided key element does not match the schema"),
        (
            {
                "orders": {"Keys": keys(*map(str, range(60)))},
                "visits": {"Keys": keys(*map(str, range(41)))},
            },
            "Too many items requested for the BatchGetItem call",
        ),
        (
            {"orders": {"Keys": keys("a"), "ProjectionExpression": "from"}},
            "Attribute name is a reserved keyword; reserved keyword: from",
        ),
        (
            {"orders": {"Keys": keys("a"), "ExpressionAttributeNames": {"#n": "n"}}},
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            {"orders": {"Keys": keys("a"), "AttributesToGet": ["n"]}},
            "legacy parameter RequestItems.orders.member.AttributesToGet; use ProjectionExpression",
        ),
    ],
)
def test_a_batch_that_cannot_be_got_is_refused(two, items, message):
    told = two.refused("BatchGetItem", RequestItems=items)
    assert told.startswith("ValidationException: ")
    assert message in told


def test_a_table_that_is_not_there_refuses_the_batch(two):
    missing = {"orders": {"Keys": keys("a")}, "none": {"Keys": keys("a")}}
    assert two.refused("BatchGetItem", RequestItems=missing).startswith("ResourceNotFoundException: ")
    writes = {"orders": puts({"id": {"S": "z"}}), "none": puts({"id": {"S": "z"}})}
    assert two.refused("BatchWriteItem", RequestItems=writes).startswith("ResourceNotFoundException: ")
    assert two.get("z") is None


def test_a_name_and_an_arn_are_one_table(two):
    arn = two("DescribeTable", TableName="orders")["Table"]["TableArn"]
    items = {"orders": {"Keys": keys("a")}, arn: {"Keys": keys("a")}}
    assert "contains duplicates" in two.refused("BatchGetItem", RequestItems=items)


def test_an_item_beyond_400_kb_refuses_the_whole_batch(two):
    big = {"id": {"S": "big"}, "x": {"S": "x" * 409_600}}
    writes = {"orders": puts({"id": {"S": "z"}}, big)}
    assert "Item size has exceeded" in two.refused("BatchWriteItem", RequestItems=writes)
    assert two.get("z") is None


def test_no_request_is_larger_than_16_mb(two):
    body = b'{"RequestItems":{"orders":[]}}' + b" " * (16 * 1024 * 1024)
    response = two.simulator("BatchWriteItem", body)
    assert response.status == 400
    assert b"16777246 bytes, more than the 16777216" in response.body


def test_a_batch_may_be_made_to_do_only_a_part(two):
    told = []
    two.simulator.faults = lambda operation, _: Unprocessed(most=2, told=lambda: told.append(operation))
    writes = {"orders": puts(*keys("x", "y")), "visits": puts(*keys("x", "y"))}
    left = two("BatchWriteItem", RequestItems=writes)["UnprocessedItems"]
    assert left == {"visits": puts(*keys("x", "y"))}
    wanted = {"orders": {"Keys": keys("x", "y", "a")}, "visits": {"Keys": keys("x")}}
    got = two("BatchGetItem", RequestItems=wanted)
    assert got["Responses"] == {"orders": keys("x", "y"), "visits": []}
    assert got["UnprocessedKeys"] == {"orders": {"Keys": keys("a")}, "visits": {"Keys": keys("x")}}
    assert two("BatchWriteItem", RequestItems=left) == {"UnprocessedItems": {}}
    assert told == ["BatchWriteItem", "BatchGetItem"]
