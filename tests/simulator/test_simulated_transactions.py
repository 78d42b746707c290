"""TransactWriteItems and TransactGetItems: all or nothing, and why not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def key(identity):
    return {"id": {"S": identity}}


def put(identity, /, *, when=None, table="orders", keep=False, **attributes):
    action = {"TableName": table, "Item": {**key(identity), **attributes}}
    if when:
        action["ConditionExpression"] = when
    if keep:
        action["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return {"Put": action}


def delete(identity):
    return {"Delete": {"TableName": "orders", "Key": key(identity)}}


def update(identity, expression, **values):
    action = {"TableName": "orders", "Key": key(identity), "UpdateExpression": expression}
    if values:
        action["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
    return {"Update": action}


def check(identity, condition):
    return {"ConditionCheck": {"TableName": "orders", "Key": key(identity), "ConditionExpression": condition}}


def get(identity, /, **more):
    return {"Get": {"TableName": "orders", "Key": key(identity), **more}}


def cancelled(call, *actions):
    """Code and reasons of a transaction that must be cancelled."""
    response = call.simulator("TransactWriteItems", json.dumps({"TransactItems": actions}).encode())
    body = json.loads(response.body)
    assert response.status == 400
    assert body["__type"] == "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    codes = [reason["Code"] for reason in body["CancellationReasons"]]
    assert body["message"].endswith(f"[{', '.join(codes)}]")
    return body["CancellationReasons"]


@pytest.fixture
def orders(call):
    """A table with one item, and its stream."""
    call.arn = call.table(view="NEW_AND_OLD_IMAGES")
    call.put("a", n={"N": "1"})
    return call


def test_a_transaction_does_every_kind_of_action_and_its_writes_are_in_the_stream(orders):
    orders.put("gone")
    before = len(orders.changes(orders.arn))
    orders(
        "TransactWriteItems",
        TransactItems=[
            put("b", n={"N": "2"}),
            update("a", "ADD n :one", one={"N": "1"}),
            delete("gone"),
            check("never", "attribute_not_exists(id)"),
            delete("nobody"),
        ],
    )
    assert orders.get("a")["n"] == {"N": "2"}
    assert orders.get("b")["n"] == {"N": "2"}
    assert orders.get("gone") is None
    changes = orders.changes(orders.arn)[before:]
    assert [(change["eventName"], change["dynamodb"]["Keys"]["id"]["S"]) for change in changes] == [
        ("INSERT", "b"),
        ("MODIFY", "a"),
        ("REMOVE", "gone"),
    ]


def test_one_failing_condition_cancels_all_and_every_action_has_its_reason(orders):
    reasons = cancelled(
        orders,
        put("b"),
        put("a", when="attribute_not_exists(id)", keep=True),
        check("nobody", "n = n2"),
        put("a2", when="attribute_exists(id)", keep=True),
    )
    assert reasons == [
        {"Code": "None"},
        {
            "Code": "ConditionalCheckFailed",
            "Message": "The conditional request failed",
            "Item": {"id": {"S": "a"}, "n": {"N": "1"}},
        },
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
        {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"},
    ]
    assert orders.get("b") is None


def test_an_update_that_cannot_be_done_is_a_validation_error_among_the_reasons(orders):
    orders.put("text", n={"S": "x"})
    reasons = cancelled(
        orders,
        update("a", "ADD n :one", one={"N": "1"}),
        update("text", "ADD n :one", one={"N": "1"}),
        update("b", "SET n = nowhere"),
    )
    assert [reason["Code"] for reason in reasons] == ["None", "ValidationError", "ValidationError"]
    assert reasons[1]["Message"] == "An operand in the update expression has an incorrect data type"
    assert orders.get("a")["n"] == {"N": "1"}


def test_a_key_that_does_not_fit_cancels(orders):
    reasons = cancelled(orders, put("b"), {"Put": {"TableName": "orders", "Item": {"id": {"N": "1"}}}})
    assert [reason["Code"] for reason in reasons] == ["None", "ValidationError"]
    reasons = cancelled(orders, {"Delete": {"TableName": "orders", "Key": {"key": {"S": "a"}}}})
    assert reasons[0]["Message"] == "The provided key element does not match the schema"


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        ([], "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint"),
        ([put(str(number)) for number in range(101)], "Member must have length less than or equal to 100"),
        (
            [put("a"), delete("a")],
            "Transaction request cannot include multiple operations on one item",
        ),
        ([check("a", "attribute_exists(id)"), update("a", "REMOVE n")], "multiple operations on one item"),
        ([{}], "TransactWriteRequest should contain Delete or Put or Update or ConditionCheck"),
        ([{**put("a"), **delete("b")}], "item 1 holds Put and Delete"),
        ([check("a", "")], "Invalid ConditionExpression: The expression can not be empty;"),
        ([update("a", "SET id = :v", v={"S": "b"})], "Cannot update attribute id. This attribute is part of"),
        ([update("a", "SET n = :v")], "attribute value used in expression is not defined"),
        ([{"Delete": {"Key": key("a")}}], "'transactItems.1.member.delete.tableName' failed"),
        ([put("a", n={"NS": []})], "An number set  may not be empty"),
        ([put("", n={"N": "1"})], "cannot contain an empty string value. Key: id"),
        ([put("a", n={"S": "x" * 409_600})], "Item size has exceeded the maximum allowed size"),
        ([put("a", when="id = :v")], "is not defined; attribute value: :v"),
    ],
)
def test_a_transaction_that_cannot_be_is_refused_whole(orders, actions, message):
    told = orders.refused("TransactWriteItems", TransactItems=actions)
    assert told.startswith("ValidationException: ")
    assert message in told
    assert orders.get("a")["n"] == {"N": "1"}


def test_a_table_that_is_not_there_refuses_the_transaction(orders):
    assert (
        orders.refused("TransactWriteItems", TransactItems=[put("b"), put("c", table="none")])
        == "ResourceNotFoundException: Requested resource not found"
    )


def test_a_transaction_may_weigh_4_mb_and_no_byte_more(orders):
    # Eleven items: ten of 400 KB less a few bytes, and a last one that fills what is left to 4 MB.
    big = [put(f"{number:02}", n={"S": "x" * (400 * 1024 - 5)}) for number in range(10)]
    rest = 4 * 1024 * 1024 - 10 * 400 * 1024
    too_much = put("10", n={"S": "x" * (rest - 4)})
    fits = put("10", n={"S": "x" * (rest - 5)})
    assert "The aggregate size of the items in the transaction is 4194305 bytes" in orders.refused(
        "TransactWriteItems", TransactItems=[*big, too_much]
    )
    orders("TransactWriteItems", TransactItems=[*big, fits])
    items = [get(f"{number:02}") for number in range(11)]
    assert len(orders("TransactGetItems", TransactItems=items)["Responses"]) == 11
    assert "4194310 bytes" in orders.refused("TransactGetItems", TransactItems=[*items, get("a")])


def test_a_token_makes_a_transaction_happen_once_within_ten_minutes(orders):
    request = {"TransactItems": [update("a", "ADD n :one", one={"N": "1"})], "ClientRequestToken": "t"}
    capacity = {**request, "ReturnConsumedCapacity": "TOTAL"}
    orders("TransactWriteItems", **request)
    assert orders("TransactWriteItems", **request) == {}
    assert orders.get("a")["n"] == {"N": "2"}
    assert orders.refused("TransactWriteItems", **capacity) == (
        "IdempotentParameterMismatchException: "
        "Request token already in use for another request with a different payload"
    )
    orders.now += 601
    orders("TransactWriteItems", **request)
    assert orders.get("a")["n"] == {"N": "3"}


def test_a_cancelled_transaction_leaves_its_token_free(orders):
    request = {"TransactItems": [put("b", when="attribute_exists(id)")], "ClientRequestToken": "t"}
    assert "TransactionCanceledException" in orders.refused("TransactWriteItems", **request)
    orders.put("b")
    orders("TransactWriteItems", **request)


def test_capacity_is_that_of_two_phases_and_of_a_read_for_a_repetition(orders):
    request = {
        "TransactItems": [put("b", n={"S": "x" * 1500}), check("a", "attribute_exists(id)")],
        "ClientRequestToken": "t",
        "ReturnConsumedCapacity": "TOTAL",
    }
    written = orders("TransactWriteItems", **request)["ConsumedCapacity"]
    assert written == [{"TableName": "orders", "CapacityUnits": 6.0, "WriteCapacityUnits": 6.0}]
    repeated = orders("TransactWriteItems", **request)["ConsumedCapacity"]
    assert repeated == [{"TableName": "orders", "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}]
    got = orders("TransactGetItems", TransactItems=[get("b")], ReturnConsumedCapacity="INDEXES")
    spent = {"CapacityUnits": 2.0, "ReadCapacityUnits": 2.0}
    assert got["ConsumedCapacity"] == [{"TableName": "orders", **spent, "Table": spent}]


def test_gets_are_answered_in_order_with_nothing_for_nobody(orders):
    answers = orders(
        "TransactGetItems",
        TransactItems=[
            get("b"),
            get("a", ProjectionExpression="#n", ExpressionAttributeNames={"#n": "n"}),
        ],
    )["Responses"]
    assert answers == [{}, {"Item": {"n": {"N": "1"}}}]


def test_gets_that_cannot_be_are_refused(orders):
    refused = orders.refused
    assert "multiple operations on one item" in refused(
        "TransactGetItems", TransactItems=[get("a"), get("a")]
    )
    assert refused("TransactGetItems", TransactItems=[get("a"), get("b", Key={})]).startswith(
        "TransactionCanceledException: Transaction cancelled, please refer cancellation reasons for specific "
        "reasons [None, ValidationError]"
    )
    assert "at 'transactItems.1.member.get'" in refused("TransactGetItems", TransactItems=[{}])


_ACTIONS = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "add", "check"]), st.sampled_from("abc"), st.integers(0, 2)),
    min_size=1,
    max_size=3,
    unique_by=lambda action: action[1],
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_ACTIONS, max_size=12))
def test_a_transaction_does_all_or_nothing(caller, transactions):
    call = caller()
    arn = call.table(view="NEW_IMAGE")
    model: dict[str, int] = {}
    for actions in transactions:
        requests, after, fails = [], dict(model), False
        for kind, name, number in actions:
            if kind == "put":
                requests.append(put(name, n={"N": str(number)}))
                after[name] = number
            elif kind == "delete":
                requests.append(delete(name))
                after.pop(name, None)
            elif kind == "add":
                requests.append(update(name, "SET n = n + :d", d={"N": str(number)}))
                fails |= name not in model
                after[name] = after.get(name, 0) + number
            else:
                requests.append(check(name, "attribute_exists(n)"))
                fails |= name not in model
        if fails:
            cancelled(call, *requests)
        else:
            call("TransactWriteItems", TransactItems=requests)
            model = after
    assert {name: int(call.get(name)["n"]["N"]) for name in "abc" if call.get(name)} == model
    replayed = {}
    for change in call.changes(arn):
        name = change["dynamodb"]["Keys"]["id"]["S"]
        replayed[name] = change["dynamodb"].get("NewImage")
    assert {name: int(image["n"]["N"]) for name, image in replayed.items() if image} == model
