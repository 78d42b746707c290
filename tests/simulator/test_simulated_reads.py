"""Scan, Query and GetItem: order, pages, segments, filters."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.simulator.keys import RING
from headrace.simulator.rows import segment_bounds


def pages(call, operation, **request):
    """Every page's answer."""
    start = {}
    while True:
        page = call(operation, TableName="orders", **request, **start)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def identities(found):
    return [item["id"]["S"] for page in found for item in page["Items"]]


@pytest.fixture
def thousand(call):
    call.table()
    for number in range(1000):
        call.put(f"item-{number}", n={"N": str(number)})
    return call


def test_a_scan_gives_every_item_once_in_a_stable_order(thousand):
    whole = identities(pages(thousand, "Scan"))
    assert sorted(whole) == sorted(f"item-{number}" for number in range(1000))
    assert whole != sorted(whole)
    assert identities(pages(thousand, "Scan", Limit=7)) == whole


@pytest.mark.parametrize("total", [1, 2, 3, 7, 100, 4096, 9999])
def test_segments_part_the_table(thousand, total):
    busy = range(total) if total <= 100 else range(0, total, total // 50)
    found = [
        identities(pages(thousand, "Scan", Limit=50, Segment=segment, TotalSegments=total))
        for segment in busy
    ]
    together = [identity for segment in found for identity in segment]
    assert len(set(together)) == len(together)
    if total <= 100:
        assert together == identities(pages(thousand, "Scan"))
        assert min(map(len, found)) > 0 or total == 100


@given(st.integers(1, 1_000_000))
def test_segment_bounds_cover_the_ring_without_a_gap(total):
    bounds = [segment_bounds(segment, total) for segment in {0, total // 3, total - 1}]
    assert segment_bounds(0, total)[0] == 0
    assert segment_bounds(total - 1, total)[1] == RING
    for segment, (low, high) in zip(sorted({0, total // 3, total - 1}), sorted(bounds), strict=True):
        assert low < high
        if segment + 1 < total:
            assert segment_bounds(segment + 1, total)[0] == high


def test_a_cursor_outlives_its_item(thousand):
    first = thousand("Scan", TableName="orders", Limit=100)
    rest = identities(pages(thousand, "Scan"))[100:]
    thousand("DeleteItem", TableName="orders", Key=first["LastEvaluatedKey"])
    second = thousand("Scan", TableName="orders", ExclusiveStartKey=first["LastEvaluatedKey"])
    assert identities([second]) == rest


def test_a_full_page_has_a_cursor_even_at_the_end(call):
    call.table()
    call.put("a")
    call.put("b")
    page = call("Scan", TableName="orders", Limit=2)
    assert page["Count"] == 2
    last = call("Scan", TableName="orders", ExclusiveStartKey=page["LastEvaluatedKey"])
    assert last == {"Items": [], "Count": 0, "ScannedCount": 0}


def test_a_page_holds_at_most_1_mb(call):
    call.table()
    for number in range(10):
        call.put(str(number), x={"S": "x" * 300_000})
    found = list(pages(call, "Scan"))
    assert [page["Count"] for page in found] == [3, 3, 3, 1]
    filtered = list(
        pages(
            call,
            "Scan",
            FilterExpression="id = :id",
            ExpressionAttributeValues={":id": {"S": "4"}},
            Select="COUNT",
        )
    )
    assert [page["ScannedCount"] for page in filtered] == [3, 3, 3, 1]
    assert sum(page["Count"] for page in filtered) == 1
    assert all("Items" not in page for page in filtered)


def test_a_scan_filters_and_projects(thousand):
    page = thousand(
        "Scan",
        TableName="orders",
        FilterExpression="n < :n",
        ProjectionExpression="#i",
        ExpressionAttributeNames={"#i": "id"},
        ExpressionAttributeValues={":n": {"N": "3"}},
        ConsistentRead=True,
    )
    assert sorted(item["id"]["S"] for item in page["Items"]) == ["item-0", "item-1", "item-2"]
    assert all(list(item) == ["id"] for item in page["Items"])
    assert (page["Count"], page["ScannedCount"]) == (3, 1000)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"Segment": 0}, "The TotalSegments parameter is required"),
        ({"TotalSegments": 2}, "The Segment parameter is required"),
        ({"Segment": 2, "TotalSegments": 2}, "Segment: 2 is not less than TotalSegments: 2"),
        ({"Segment": 0, "TotalSegments": 1_000_001}, "at 'totalSegments' failed to satisfy constraint"),
        ({"Limit": 0}, "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater"),
        ({"ExclusiveStartKey": {"id": {"N": "1"}}}, "The provided key element does not match the schema"),
        ({"Select": "COUNT", "ProjectionExpression": "n"}, "choosing to get only the Count"),
        ({"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "n"}, "choosing to get ALL_ATTRIBUTES"),
        ({"Select": "SPECIFIC_ATTRIBUTES"}, "Must specify the AttributesToGet or ProjectionExpression"),
        ({"Select": "ALL_PROJECTED_ATTRIBUTES"}, "only when Querying using an IndexName"),
    ],
)
def test_a_scan_that_cannot_be_is_refused(call, request_, message):
    call.table()
    assert message in call.refused("Scan", TableName="orders", **request_)


def test_a_cursor_belongs_to_its_segment(thousand):
    page = thousand("Scan", TableName="orders", Limit=1, Segment=0, TotalSegments=2)
    assert (
        "Please use ExclusiveStartKey with correct Segment. TotalSegments: 2 Segment: 1"
        in thousand.refused(
            "Scan", TableName="orders", Segment=1, TotalSegments=2, ExclusiveStartKey=page["LastEvaluatedKey"]
        )
    )


@pytest.fixture
def history(call):
    """One partition of twenty events, and another of one."""
    call.table(sort="N")
    for number in (5, -3, 12, 0, 7, 100, 2.5, 9, 11, 1, 3, 4, 6, 8, 10, -20, 13, 14, 15, 16):
        call(
            "PutItem",
            TableName="orders",
            Item={"id": {"S": "a"}, "at": {"N": str(number)}, "even": {"BOOL": number % 2 == 0}},
        )
    call("PutItem", TableName="orders", Item={"id": {"S": "b"}, "at": {"N": "1"}})
    return call


def times(found):
    return [Decimal(item["at"]["N"]) for page in found for item in page["Items"]]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id = :a", "-20 -3 0 1 2.5 3 4 5 6 7 8 9 10 11 12 13 14 15 16 100"),
        ("id = :a AND #at = :7", "7"),
        (":a = id AND :7 > #at", "-20 -3 0 1 2.5 3 4 5 6"),
        ("id = :a AND #at <= :7", "-20 -3 0 1 2.5 3 4 5 6 7"),
        ("id = :a AND #at > :7", "8 9 10 11 12 13 14 15 16 100"),
        ("id = :a AND #at >= :7", "7 8 9 10 11 12 13 14 15 16 100"),
        ("#at BETWEEN :2 AND :7 AND id = :a", "2.5 3 4 5 6 7"),
        ("(id = :a) AND (#at = :2)", ""),
    ],
)
@pytest.mark.parametrize("forward", [True, False])
def test_a_query_gives_its_range_in_order(history, condition, expected, forward):
    values = {":a": {"S": "a"}, ":7": {"N": "7"}, ":2": {"N": "2"}}
    request = {
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": {key: value for key, value in values.items() if key in condition},
        "ScanIndexForward": forward,
    }
    if "#at" in condition:
        request["ExpressionAttributeNames"] = {"#at": "at"}
    wanted = [Decimal(text) for text in expected.split()]
    if not forward:
        wanted.reverse()
    assert times(pages(history, "Query", **request)) == wanted
    assert times(pages(history, "Query", **request, Limit=3)) == wanted


def test_a_query_filters_counts_and_projects(history):
    request = {
        "KeyConditionExpression": "id = :a",
        "FilterExpression": "even = :yes",
        "ExpressionAttributeValues": {":a": {"S": "a"}, ":yes": {"BOOL": True}},
    }
    count = history("Query", TableName="orders", Select="COUNT", **request)
    assert count == {"Count": 10, "ScannedCount": 20}
    page = history("Query", TableName="orders", ProjectionExpression="even", **request)
    assert page["Items"] == [{"even": {"BOOL": True}}] * 10
    limited = history("Query", TableName="orders", Limit=4, **request)
    assert (limited["Count"], limited["ScannedCount"]) == (2, 4)


def test_text_sorts_by_bytes_and_begins_with_finds_a_prefix(call):
    call.table(sort="S")
    for text in ("a", "ab", "abc", "b", "é", "ab\U0001f600", "ab\uffff"):
        call("PutItem", TableName="orders", Item={"id": {"S": "x"}, "at": {"S": text}})
    page = call(
        "Query",
        TableName="orders",
        KeyConditionExpression="id = :x AND begins_with(#at, :p)",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":x": {"S": "x"}, ":p": {"S": "ab"}},
    )
    assert [item["at"]["S"] for item in page["Items"]] == ["ab", "abc", "ab\uffff", "ab\U0001f600"]


def test_binary_sorts_by_its_bytes_and_not_by_its_text(call):
    call.table(sort="B")
    for text in ("/w==", "AA==", "aQ==", "aQA="):
        call("PutItem", TableName="orders", Item={"id": {"S": "x"}, "at": {"B": text}})
    page = call(
        "Query",
        TableName="orders",
        KeyConditionExpression="id = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    assert [item["at"]["B"] for item in page["Items"]] == ["AA==", "aQ==", "aQA=", "/w=="]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("even = :a", "Query condition missed key schema element: id"),
        ("id = :a AND even = :a", "Query condition missed key schema element: at"),
        ("id > :a", "Query key condition not supported"),
        ("id = :a OR id = :a", "Invalid operator used in KeyConditionExpression: OR"),
        ("NOT id = :a", "Invalid operator used in KeyConditionExpression: NOT"),
        ("id IN (:a)", "Invalid operator used in KeyConditionExpression: IN"),
        ("id <> :a", "Invalid operator used in KeyConditionExpression: <>"),
        (
            "attribute_exists(id) AND id = :a",
            "Invalid operator used in KeyConditionExpression: attribute_exists",
        ),
        ("size(id) = :a", "KeyConditionExpressions cannot contain nested operations"),
        ("id.k = :a", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("id = even AND id = :a", "Multiple attribute names used in one condition"),
        ("id = :a AND id = :a", "KeyConditionExpressions must only contain one condition per key"),
        (":a BETWEEN :a AND :a", "BETWEEN operator must have the key attribute as its first operand"),
        ("id = :a AND sort_key = :a", "Query condition missed key schema element: at"),
        ("begins_with(id, :a)", "Query key condition not supported"),
    ],
)
def test_a_key_condition_that_cannot_be_looked_up_is_refused(history, condition, message):
    refusal = history.refused(
        "Query",
        TableName="orders",
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":a": {"S": "a"}},
    )
    assert refusal.startswith("ValidationException: ")
    assert message in refusal


def test_key_conditions_must_be_of_the_keys_types(history):
    request = {"TableName": "orders", "KeyConditionExpression": "id = :a"}
    assert "Condition parameter type does not match schema type" in history.refused(
        "Query", **request, ExpressionAttributeValues={":a": {"N": "1"}}
    )
    assert "cannot contain an empty string value. Key: id" in history.refused(
        "Query", **request, ExpressionAttributeValues={":a": {"S": ""}}
    )
    assert "Either the KeyConditions or KeyConditionExpression" in history.refused(
        "Query", TableName="orders"
    )
    assert "Filter Expression can only contain non-primary key attributes: Primary key attribute: id" in (
        history.refused(
            "Query", **request, FilterExpression="id = :a", ExpressionAttributeValues={":a": {"S": "a"}}
        )
    )


def test_a_query_starts_within_its_range_only(history):
    request = {
        "TableName": "orders",
        "KeyConditionExpression": "id = :a AND #at > :n",
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": {":a": {"S": "a"}, ":n": {"N": "5"}},
    }
    start = {"id": {"S": "a"}, "at": {"N": "3"}}
    assert "does not match the range key predicate" in history.refused(
        "Query", **request, ExclusiveStartKey=start
    )
    start = {"id": {"S": "b"}, "at": {"N": "7"}}
    assert "outside query boundaries" in history.refused("Query", **request, ExclusiveStartKey=start)
    start = {"id": {"S": "a"}, "at": {"N": "14.5"}}
    assert times([history("Query", **request, ExclusiveStartKey=start)]) == [15, 16, 100]


def test_get_item_projects(call):
    call.table()
    call.put("a", m={"M": {"k": {"N": "1"}, "j": {"N": "2"}}})
    request = {"TableName": "orders", "Key": {"id": {"S": "a"}}}
    assert call("GetItem", **request, ProjectionExpression="m.k")["Item"] == {"m": {"M": {"k": {"N": "1"}}}}
    assert call("GetItem", **request, ProjectionExpression="x")["Item"] == {}
    assert "Names can only be specified" in call.refused(
        "GetItem", **request, ExpressionAttributeNames={"#a": "a"}
    )


_OPERATIONS = st.lists(
    st.tuples(st.sampled_from("pd"), st.sampled_from("abc"), st.integers(-3, 3)), max_size=40
)


@given(_OPERATIONS)
def test_whatever_was_written_scan_and_query_agree_with_a_dictionary(caller, operations):
    call = caller()
    call.table(sort="N")
    model = {}
    for operation, identity, at in operations:
        key = {"id": {"S": identity}, "at": {"N": str(at)}}
        if operation == "p":
            call("PutItem", TableName="orders", Item=key)
            model[identity, at] = key
        else:
            call("DeleteItem", TableName="orders", Key=key)
            model.pop((identity, at), None)
    scanned = [item for page in pages(call, "Scan", Limit=2) for item in page["Items"]]
    assert sorted(map(str, scanned)) == sorted(map(str, model.values()))
    assert call("DescribeTable", TableName="orders")["Table"]["ItemCount"] == len(model)
    for identity in "abc":
        found = pages(
            call,
            "Query",
            KeyConditionExpression="id = :i",
            ExpressionAttributeValues={":i": {"S": identity}},
            Limit=2,
        )
        assert times(found) == sorted(at for name, at in model if name == identity)
