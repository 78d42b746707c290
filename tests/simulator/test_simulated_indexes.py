"""Secondary indexes: what is in them, what a Query or a Scan of one gives, and what it consumes."""

from __future__ import annotations

import pytest

HASH, RANGE = "HASH", "RANGE"


def keys(*names):
    return [
        {"AttributeName": name, "KeyType": role} for name, role in zip(names, (HASH, RANGE), strict=False)
    ]


def index(name, *key, projection="ALL", included=None):
    projected = {"ProjectionType": projection} | ({"NonKeyAttributes": included} if included else {})
    return {"IndexName": name, "KeySchema": keys(*key), "Projection": projected}


def definition(**more):
    kinds = {"id": "S", "at": "N", "tag": "S", "n": "N"} | more.pop("kinds", {})
    return {
        "TableName": "orders",
        "KeySchema": keys("id", "at"),
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in kinds.items()
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [index("by-tag", "tag", "n", projection="INCLUDE", included=["note"])],
        "LocalSecondaryIndexes": [index("by-n", "id", "n", projection="KEYS_ONLY")],
    } | more


@pytest.fixture
def orders(call):
    """Twelve items; every third has no ``tag``, ``n`` repeats."""
    call("CreateTable", **definition())
    for number in range(12):
        item = {"id": {"S": "ab"[number % 2]}, "at": {"N": str(number)}, "n": {"N": str(number % 4)}}
        item |= {"tag": {"S": "x"}} if number % 3 else {}
        item |= {"note": {"S": f"note {number}"}, "big": {"S": "z" * 5000}}
        call("PutItem", TableName="orders", Item=item)
    return call


def query(call, condition, **more):
    """All items, page after page."""
    values = {f":{name}": value for name, value in more.pop("values").items()}
    found, start = [], {}
    while True:
        page = call(
            "Query",
            TableName="orders",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            **more,
            **start,
        )
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def places(items):
    return [int(item["at"]["N"]) for item in items]


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_query_gives_what_has_the_index_key_in_its_order(orders, limit):
    found = query(orders, "tag = :t", values={"t": {"S": "x"}}, IndexName="by-tag", Limit=limit)
    assert sorted(places(found)) == [n for n in range(12) if n % 3]
    assert [int(item["n"]["N"]) for item in found] == sorted(n % 4 for n in range(12) if n % 3)
    assert all(item.keys() == {"id", "at", "tag", "n", "note"} for item in found)
    back = query(
        orders, "tag = :t", values={"t": {"S": "x"}}, IndexName="by-tag", Limit=limit, ScanIndexForward=False
    )
    assert places(back) == places(found)[::-1]
    ranged = query(
        orders,
        "tag = :t AND n BETWEEN :l AND :h",
        values={"t": {"S": "x"}, "l": {"N": "1"}, "h": {"N": "2"}},
        IndexName="by-tag",
        Limit=limit,
    )
    assert sorted(places(ranged)) == [n for n in range(12) if n % 3 and n % 4 in (1, 2)]


def test_an_index_follows_the_writes(orders):
    orders("DeleteItem", TableName="orders", Key={"id": {"S": "b"}, "at": {"N": "1"}})
    update = {"UpdateExpression": "SET tag = :t", "ExpressionAttributeValues": {":t": {"S": "y"}}}
    orders("UpdateItem", TableName="orders", Key={"id": {"S": "a"}, "at": {"N": "2"}}, **update)
    found = query(orders, "tag = :t", values={"t": {"S": "x"}}, IndexName="by-tag")
    assert sorted(places(found)) == [4, 5, 7, 8, 10, 11]
    assert places(query(orders, "tag = :t", values={"t": {"S": "y"}}, IndexName="by-tag")) == [2]
    described = orders("DescribeTable", TableName="orders")["Table"]
    (by_tag,) = described["GlobalSecondaryIndexes"]
    assert by_tag["ItemCount"] == 7
    assert 0 < by_tag["IndexSizeBytes"] < described["TableSizeBytes"] / 10
    assert by_tag["IndexStatus"] == "ACTIVE"
    assert "IndexStatus" not in described["LocalSecondaryIndexes"][0]


@pytest.mark.parametrize("segments", [1, 3])
def test_segments_part_an_index(orders, segments):
    found = []
    for segment in range(segments):
        start = {}
        while True:
            page = orders(
                "Scan",
                TableName="orders",
                IndexName="by-tag",
                Segment=segment,
                TotalSegments=segments,
                Limit=3,
                **start,
            )
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            assert page["LastEvaluatedKey"].keys() == {"tag", "n", "id", "at"}
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(places(found)) == [n for n in range(12) if n % 3]


def test_an_index_costs_what_it_holds_and_a_local_one_what_is_fetched_besides(orders):
    asked = {
        "TableName": "orders",
        "ReturnConsumedCapacity": "INDEXES",
        "ExpressionAttributeValues": {":i": {"S": "a"}},
    }
    asked |= {"KeyConditionExpression": "id = :i", "IndexName": "by-n"}
    keys_alone = orders("Query", **asked)
    assert keys_alone["Count"] == 6
    assert keys_alone["ConsumedCapacity"]["CapacityUnits"] == 0.5
    assert keys_alone["Items"][0].keys() == {"id", "at", "n"}
    fetched = orders("Query", **asked, Select="ALL_ATTRIBUTES")
    assert "big" in fetched["Items"][0]
    # Six items of about 5 KB are a unit each, where reads may be stale, beside half a unit for the index.
    assert fetched["ConsumedCapacity"] == {
        "TableName": "orders",
        "CapacityUnits": 6.5,
        "Table": {"CapacityUnits": 6.0},
        "LocalSecondaryIndexes": {"by-n": {"CapacityUnits": 0.5}},
    }
    assert orders("Query", **asked, ConsistentRead=True)["ConsumedCapacity"]["CapacityUnits"] == 1.0


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"IndexName": "by-tag", "ConsistentRead": True}, "Consistent reads are not supported on global"),
        ({"IndexName": "none"}, "The table does not have the specified index: none"),
        ({"IndexName": "by-tag", "Select": "ALL_ATTRIBUTES"}, "ALL_ATTRIBUTES is not supported for global"),
        ({"IndexName": "by-tag", "ProjectionExpression": "big"}, "index by-tag does not project [big]"),
        ({"IndexName": "by-tag", "FilterExpression": "attribute_exists(big)"}, "does not project [big]"),
        ({"Select": "ALL_PROJECTED_ATTRIBUTES"}, "can be used only when Querying using an IndexName"),
        (
            {"IndexName": "by-tag", "ExclusiveStartKey": {"id": {"S": "a"}, "at": {"N": "1"}}},
            "The provided starting key is invalid",
        ),
    ],
)
def test_what_an_index_cannot_give_is_refused(orders, request_, message):
    assert message in orders.refused("Scan", TableName="orders", **request_)


def test_a_filter_names_no_key_of_the_index_that_is_asked(orders):
    values = {"ExpressionAttributeValues": {":t": {"S": "x"}, ":i": {"S": "a"}}}
    asked = {"TableName": "orders", "IndexName": "by-tag", "KeyConditionExpression": "tag = :t", **values}
    assert "non-primary key attributes" in orders.refused("Query", **asked, FilterExpression="tag = :i")
    assert orders("Query", **asked, FilterExpression="id = :i")["Count"] == 4


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"N": "1"}, "Type mismatch for Index Key tag Expected: S Actual: N IndexName: by-tag"),
        ({"NULL": True}, "Type mismatch for Index Key tag Expected: S Actual: NULL"),
        ({"S": ""}, "cannot contain an empty string value. IndexName: by-tag, IndexKey: tag"),
        ({"S": "x" * 2049}, "exceeded the maximum size limit of 2048 bytes"),
    ],
)
def test_an_item_whose_index_key_would_be_none_is_refused(orders, value, message):
    key = {"id": {"S": "c"}, "at": {"N": "1"}}
    assert message in orders.refused("PutItem", TableName="orders", Item={**key, "tag": value})
    update = {"UpdateExpression": "SET tag = :t", "ExpressionAttributeValues": {":t": value}}
    assert message in orders.refused("UpdateItem", TableName="orders", Key=key, **update)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"LocalSecondaryIndexes": [index("other", "tag", "n")]},
            "the same leading hash key as table KeySchema",
        ),
        ({"LocalSecondaryIndexes": [index("other", "id")]}, "does not have a range key for index: other"),
        ({"GlobalSecondaryIndexes": [index("by-n", "tag")]}, "Duplicate index name: by-n"),
        ({"GlobalSecondaryIndexes": [index("other", "else")]}, "not defined in AttributeDefinitions"),
        ({"GlobalSecondaryIndexes": [index("other", "n")]}, "Some AttributeDefinitions are not used"),
        (
            {"GlobalSecondaryIndexes": [index("other", "tag", projection="INCLUDE")]},
            "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        ({"GlobalSecondaryIndexes": [index(f"other{n}", "tag") for n in range(21)]}, "per-table limit of 20"),
    ],
)
def test_an_index_that_cannot_be_is_refused(call, changes, message):
    assert message in call.refused("CreateTable", **definition(**changes))
