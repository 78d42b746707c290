"""Where ministack does not do as AWS does, each with the page that decides it.

The differential suite keeps to what both do alike, and asserts each of these differences, so that the list stays
true: one that is gone must be taken off, and its subject be given to the random calls. ``docs/simulator.md`` has
the same list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from support.calls import create

_GUIDE = "developer guide"
_API = "API reference"
# Tests that are run against AWS too, by a project that must answer as AWS does.
_OBSERVED = "observed on AWS by ScyllaDB's test/alternator"

Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """``ours`` and ``theirs`` are an error's code, or the answer without what is each one's own."""

    name: str
    decided_by: str
    asked: Request
    ours: str | dict[str, Any]
    theirs: str | dict[str, Any]
    before: tuple[Request, ...] = ()


def _key(identity: str = "k") -> dict[str, Any]:
    return {"id": {"S": identity}, "at": {"N": "1"}}


def _put(**attributes: Any) -> Request:
    return "PutItem", {"TableName": "orders", "Item": {**_key(), **attributes}}


def _update(expression: str, **more: Any) -> Request:
    values = more.pop("values", None)
    request = {"TableName": "orders", "Key": _key(), "UpdateExpression": expression, **more}
    return "UpdateItem", request | ({"ExpressionAttributeValues": values} if values else {})


def _get(**more: Any) -> Request:
    return "GetItem", {"TableName": "orders", "Key": _key(), **more}


def _scan(**more: Any) -> Request:
    return "Scan", {"TableName": "orders", **more}


def _query(condition: str, **more: Any) -> Request:
    values = {":i": {"S": "k"}, ":a": {"N": "1"}}
    request = {
        "TableName": "orders",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": values,
    }
    return "Query", {**request, "ExpressionAttributeNames": {"#at": "at"}, **more}


_OWN = ("TableArn", "TableId", "CreationDateTime", "LatestStreamArn", "LatestStreamLabel")
_VISITS = {
    "TableDescription": {
        "TableName": "visits",
        "TableStatus": "ACTIVE",
        "KeySchema": create("visits")["KeySchema"],
        "AttributeDefinitions": create("visits")["AttributeDefinitions"][::-1],
        "ItemCount": 0,
        "DeletionProtectionEnabled": False,
        **{name: f"<{name}>" for name in _OWN},
    }
}
_REFUSED = "ValidationException"
_EMPTY = {"Items": [], "Count": 0, "ScannedCount": 0}
_ONE = {":v": {"N": "1"}}

DIFFERENCES = (
    Difference(
        "a number in a key is kept as it was spelt",
        f"{_GUIDE}, Supported data types (Number): leading and trailing zeroes are trimmed",
        _scan(),
        {"Items": [{**_key(), "a": {"S": "k"}}], "Count": 1, "ScannedCount": 1},
        {"Items": [{**_key(), "at": {"N": "1.0"}, "a": {"S": "k"}}], "Count": 1, "ScannedCount": 1},
        (
            (
                "TransactWriteItems",
                {
                    "TransactItems": [
                        {
                            "Update": {
                                "TableName": "orders",
                                "Key": {**_key(), "at": {"N": "1.0"}},
                                "UpdateExpression": "SET a = id",
                            }
                        }
                    ]
                },
            ),
        ),
    ),
    Difference(
        "an update that only removes makes an item",
        f"{_OBSERVED}, test_update_item_non_existent",
        _get(),
        {},
        {"Item": _key()},
        (_update("REMOVE a"),),
    ),
    Difference(
        "removing below a path that is not there is accepted",
        f"{_OBSERVED}, test_nested_attribute_update_bad_path_dot",
        _update("REMOVE a.b"),
        _REFUSED,
        {},
        (_put(),),
    ),
    Difference(
        "an element is set in what is no list",
        f"{_OBSERVED}, test_nested_attribute_update_bad_path_array",
        _update("SET a[0] = :v", values=_ONE),
        _REFUSED,
        {},
        (_put(a={"S": "x"}),),
    ),
    Difference(
        "UPDATED_OLD without an old value answers empty Attributes",
        f"{_OBSERVED}, test_update_item_returnvalues_updated_old",
        _update("SET a = :v", values=_ONE, ReturnValues="UPDATED_OLD"),
        {},
        {"Attributes": {}},
        (_put(),),
    ),
    Difference(
        "UPDATED_NEW of a list's element answers the whole list",
        f"{_OBSERVED}, test_update_item_returnvalues_nested",
        _update("SET a[1] = :v", values=_ONE, ReturnValues="UPDATED_NEW"),
        {"Attributes": {"a": {"L": [{"N": "1"}]}}},
        {"Attributes": {"a": {"L": [{"N": "7"}, {"N": "1"}]}}},
        (_put(a={"L": [{"N": "7"}, {"N": "8"}]}),),
    ),
    Difference(
        "a sum of more than 38 digits is rounded",
        f"{_GUIDE}, Supported data types (Number): more than 38 digits result in an exception; "
        f"{_OBSERVED}, test_update_expression_plus_imprecise",
        _update("SET a = a + :v", values=_ONE),
        _REFUSED,
        {},
        (_put(a={"N": "1E50"}),),
    ),
    Difference(
        "list_append takes what is no list",
        f"{_GUIDE}, Update expressions (list_append): the two operands are lists",
        _update("SET a = list_append(if_not_exists(b, :v), :v)", values={":v": {"L": []}}),
        _REFUSED,
        {},
        (_put(b={"S": "x"}),),
    ),
    Difference(
        "a keyword is used twice in an update",
        f"{_GUIDE}, Update expressions: each action keyword can appear only once",
        _update("SET a = :v SET b = :v", values=_ONE),
        _REFUSED,
        {},
    ),
    Difference(
        "an action without its operand is accepted",
        f"{_GUIDE}, Update expressions (ADD path value)",
        _update("ADD a"),
        _REFUSED,
        {},
    ),
    Difference(
        "two paths of an update overlap",
        f"{_GUIDE}, Update expressions; the message is AWS's: Two document paths overlap with each other",
        _update("REMOVE a, a"),
        _REFUSED,
        {},
        (_put(a={"S": "x"}),),
    ),
    Difference(
        "an update's syntax is judged after its condition",
        f"{_API}, ConditionalCheckFailedException is of a condition that was evaluated",
        _update("DELETE a b", ConditionExpression="attribute_exists(a)"),
        _REFUSED,
        "ConditionalCheckFailedException",
    ),
    Difference(
        "two attributes that are not there are equal",
        f"{_GUIDE}, Comparison operator and function reference: a = b is true if a is equal to b",
        ("DeleteItem", {"TableName": "orders", "Key": _key(), "ConditionExpression": "a = b"}),
        "ConditionalCheckFailedException",
        {},
        (_put(),),
    ),
    Difference(
        "size of what has none is 0",
        f"{_GUIDE}, Comparison operator and function reference (size): a number for S, B, sets, L and M",
        _scan(FilterExpression="size(a) < :v", ExpressionAttributeValues=_ONE, Select="COUNT"),
        {"Count": 0, "ScannedCount": 1},
        {"Count": 1, "ScannedCount": 1},
        (_put(a={"NULL": True}),),
    ),
    Difference(
        "begins_with refuses an item whose attribute is of another type",
        f"{_GUIDE}, Comparison operator and function reference (begins_with): true or false",
        _scan(
            FilterExpression="begins_with(a, :p)",
            ExpressionAttributeValues={":p": {"S": "x"}},
            Select="COUNT",
        ),
        {"Count": 0, "ScannedCount": 1},
        _REFUSED,
        (_put(a={"N": "1"}),),
    ),
    Difference(
        "contains finds nothing in a binary value",
        f"{_API}, Condition (CONTAINS): of type Binary, it looks for a subsequence of the target",
        _scan(
            FilterExpression="contains(a, :b)",
            ExpressionAttributeValues={":b": {"B": "Yg=="}},
            Select="COUNT",
        ),
        {"Count": 1, "ScannedCount": 1},
        {"Count": 0, "ScannedCount": 1},
        (_put(a={"B": "YWJj"}),),
    ),
    Difference(
        "attribute_type takes a type that does not exist",
        f"{_GUIDE}, Comparison operator and function reference (attribute_type): one of ten types",
        _scan(FilterExpression="attribute_type(a, :t)", ExpressionAttributeValues={":t": {"S": "X"}}),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "BETWEEN takes a set",
        f"{_GUIDE}, Comparison operator and function reference (BETWEEN): operands that have an order",
        _scan(FilterExpression="a BETWEEN :s AND b", ExpressionAttributeValues={":s": {"SS": ["x"]}}),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "IN takes more than 100 values",
        f"{_GUIDE}, Comparison operator and function reference (IN): up to 100 values",
        _scan(FilterExpression=f"a IN ({', '.join(['b'] * 101)})"),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "a function that does not exist is found out only when it is evaluated",
        f"{_GUIDE}, Condition and filter expressions, operators, and functions (syntax)",
        _scan(FilterExpression="attribute_exists(a) AND nothing(a)"),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "an empty FilterExpression is none",
        f"{_GUIDE}, Condition and filter expressions (syntax): a condition is not empty",
        _scan(FilterExpression=""),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "a value that cannot be is taken in a filter",
        f"{_GUIDE}, Supported data types (Sets): empty sets are not supported",
        _scan(FilterExpression="a IN (:v)", ExpressionAttributeValues={":v": {"SS": []}}),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "the reserved word size is taken for an attribute",
        f"{_GUIDE}, Reserved words in DynamoDB",
        _scan(FilterExpression="attribute_exists(size)"),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "a projection's reserved word is found only when there is something to project",
        f"{_GUIDE}, Reserved words in DynamoDB",
        _scan(ProjectionExpression="name"),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "a projection ends in a comma",
        f"{_GUIDE}, Using projection expressions: attributes, separated by commas",
        _get(ProjectionExpression="a,"),
        _REFUSED,
        {},
    ),
    Difference(
        "a projection has two paths and no comma",
        f"{_GUIDE}, Using projection expressions: attributes, separated by commas",
        _get(ProjectionExpression="a b"),
        _REFUSED,
        {},
    ),
    Difference(
        "an index that is no number fails inside",
        f"{_GUIDE}, Referring to item attributes when using expressions: [n], where n is the element number",
        _get(ProjectionExpression="a[x]"),
        _REFUSED,
        "InternalError",
        (_put(),),
    ),
    Difference(
        "a batch's projection with an undefined name is accepted",
        f"{_GUIDE}, Expression attribute names: a name that is used is defined",
        (
            "BatchGetItem",
            {"RequestItems": {"orders": {"Keys": [_key()], "ProjectionExpression": "#undefined"}}},
        ),
        _REFUSED,
        {"Responses": {"orders": []}, "UnprocessedKeys": {}},
    ),
    Difference(
        "a key condition says OR",
        f"{_GUIDE}, Key condition expressions for the Query operation",
        _query("id = :i OR #at = :a"),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "a key condition says <>",
        f"{_GUIDE}, Key condition expressions for the Query operation",
        _query("id = :i AND #at <> :a"),
        _REFUSED,
        _EMPTY,
    ),
    Difference(
        "a transaction puts an item without its sort key",
        f"{_API}, TransactionCanceledException (Validation Error: One or more parameter values were invalid)",
        (
            "TransactWriteItems",
            {"TransactItems": [{"Put": {"TableName": "orders", "Item": {"id": {"S": "k"}}}}]},
        ),
        "TransactionCanceledException",
        {},
    ),
    Difference(
        "a transaction gets by a key of another type",
        f"{_API}, TransactionCanceledException (Validation Error)",
        (
            "TransactGetItems",
            {
                "TransactItems": [
                    {"Get": {"TableName": "orders", "Key": {"id": {"N": "1"}, "at": {"N": "1"}}}}
                ]
            },
        ),
        "TransactionCanceledException",
        {"Responses": [{}]},
    ),
    Difference(
        "a transaction's syntax errors cancel it",
        f"{_API}, TransactionCanceledException: the listed validation errors are of what an update does",
        (
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Update": {"TableName": "orders", "Key": _key(), "UpdateExpression": "SET a = size(b)"}}
                ]
            },
        ),
        _REFUSED,
        "TransactionCanceledException",
    ),
    Difference(
        "a page of no tables is given",
        f"{_API}, ListTables (Limit): valid range, minimum value of 1",
        ("ListTables", {"Limit": 0}),
        _REFUSED,
        {"TableNames": []},
    ),
    Difference(
        "a page of more than a hundred tables is given",
        f"{_API}, ListTables (Limit): valid range, maximum value of 100",
        ("ListTables", {"Limit": 101}),
        _REFUSED,
        {"TableNames": ["orders"]},
    ),
    Difference(
        "a stream that is not there is switched off",
        f"{_API}, UpdateTable (StreamSpecification): a ValidationException if the table has no stream",
        ("UpdateTable", {"TableName": "visits", "StreamSpecification": {"StreamEnabled": False}}),
        _REFUSED,
        _VISITS,
        (("CreateTable", create("visits")),),
    ),
    Difference(
        "a stream is switched on without a view type",
        "CloudFormation reference, AWS::DynamoDB::Table StreamSpecification: StreamViewType is required",
        ("UpdateTable", {"TableName": "visits", "StreamSpecification": {"StreamEnabled": True}}),
        _REFUSED,
        _VISITS,
        (("CreateTable", create("visits")),),
    ),
    Difference(
        "time to live is enabled twice",
        f"{_API}, UpdateTimeToLive; the message is AWS's: TimeToLive is already enabled",
        (
            "UpdateTimeToLive",
            {"TableName": "orders", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}},
        ),
        _REFUSED,
        {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"}},
        (
            (
                "UpdateTimeToLive",
                {
                    "TableName": "orders",
                    "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "ends"},
                },
            ),
        ),
    ),
)
