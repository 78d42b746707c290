"""Tables and writes: what AWS accepts, refuses and answers."""

from __future__ import annotations

import json

import pytest

from headrace.simulator import Simulator


def test_a_table_is_made_described_listed_and_deleted(call):
    call.table(sort="N")
    table = call("DescribeTable", TableName="orders")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["TableArn"] == "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
    assert table["KeySchema"] == [
        {"AttributeName": "id", "KeyType": "HASH"},
        {"AttributeName": "at", "KeyType": "RANGE"},
    ]
    assert table["CreationDateTime"] == call.now
    assert "LatestStreamArn" not in table
    assert call("DescribeTable", TableName=table["TableArn"])["Table"] == table
    assert call("ListTables") == {"TableNames": ["orders"]}
    assert call("DeleteTable", TableName="orders")["TableDescription"]["TableStatus"] == "DELETING"
    assert call("ListTables") == {"TableNames": []}
    assert call.refused("DescribeTable", TableName="orders") == (
        "ResourceNotFoundException: Requested resource not found: Table: orders not found"
    )
    assert call.refused("GetItem", TableName="orders", Key={"id": {"S": "a"}}) == (
        "ResourceNotFoundException: Requested resource not found"
    )


def test_tables_are_listed_by_pages(call):
    for name in ("ccc", "aaa", "bbb"):
        call.table(name)
    first = call("ListTables", Limit=2)
    assert first == {"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}
    assert call("ListTables", ExclusiveStartTableName="bbb") == {"TableNames": ["ccc"]}


def test_a_table_made_again_has_another_id(call):
    call.table()
    assert (
        call.refused(
            "CreateTable",
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        == "ResourceInUseException: Table already exists: orders"
    )
    before = call("DescribeTable", TableName="orders")["Table"]["TableId"]
    call("DeleteTable", TableName="orders")
    call.table()
    assert call("DescribeTable", TableName="orders")["Table"]["TableId"] != before


_HASH = [{"AttributeName": "id", "KeyType": "HASH"}]
_TEXT = [{"AttributeName": "id", "AttributeType": "S"}]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            {"TableName": "no"},
            "Value 'no' at 'tableName' failed to satisfy constraint: Member must have length",
        ),
        ({"TableName": "a b c"}, "Member must satisfy regular expression pattern"),
        ({"KeySchema": []}, "Value '[]' at 'keySchema' failed"),
        ({"KeySchema": [{"AttributeName": "id", "KeyType": "RANGE"}]}, "not a HASH key type"),
        ({"AttributeDefinitions": []}, "Some index key attributes are not defined"),
        (
            {"AttributeDefinitions": [*_TEXT, {"AttributeName": "x", "AttributeType": "S"}]},
            "does not exactly match",
        ),
        (
            {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "SS"}]},
            "'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum",
        ),
        ({"BillingMode": "PROVISIONED"}, "must both be specified when BillingMode is PROVISIONED"),
        ({"StreamSpecification": {"StreamEnabled": True}}, "StreamViewType is required"),
        (
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "ALL"}},
            "at 'streamSpecification.streamViewType' failed",
        ),
        (
            {"GlobalSecondaryIndexes": [{}]},
            "Value null at 'globalSecondaryIndexes.1.member.indexName' failed",
        ),
        ({"ReplicaSpecification": {}}, "does not support the parameter ReplicaSpecification"),
    ],
)
def test_a_table_that_cannot_be_is_refused(call, request_, message):
    whole = {
        "TableName": "orders",
        "KeySchema": _HASH,
        "AttributeDefinitions": _TEXT,
        "BillingMode": "PAY_PER_REQUEST",
    } | request_
    refusal = call.refused("CreateTable", **whole)
    assert refusal.startswith("ValidationException: ")
    assert message in refusal
    assert call("ListTables") == {"TableNames": []}


def test_protection_and_throughput_are_kept_and_changed(call):
    call(
        "CreateTable",
        TableName="orders",
        KeySchema=_HASH,
        AttributeDefinitions=_TEXT,
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        DeletionProtectionEnabled=True,
    )
    assert "protected against deletion" in call.refused("DeleteTable", TableName="orders")
    call("UpdateTable", TableName="orders", DeletionProtectionEnabled=False, BillingMode="PAY_PER_REQUEST")
    table = call("DescribeTable", TableName="orders")["Table"]
    assert table["BillingModeSummary"] == {"BillingMode": "PAY_PER_REQUEST"}
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 0
    call("DeleteTable", TableName="orders")
    call.table()
    assert "At least one of" in call.refused("UpdateTable", TableName="orders")


def test_an_item_comes_back_canonical_and_the_old_one_on_request(call):
    call.table()
    call.put("a", n={"N": "1.50"}, s={"SS": ["b", "a"]}, empty={"S": ""})
    assert call.get("a") == {"id": {"S": "a"}, "n": {"N": "1.5"}, "s": {"SS": ["a", "b"]}, "empty": {"S": ""}}
    old = call("PutItem", TableName="orders", Item={"id": {"S": "a"}}, ReturnValues="ALL_OLD")
    assert old["Attributes"]["n"] == {"N": "1.5"}
    assert call("DeleteItem", TableName="orders", Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD") == {
        "Attributes": {"id": {"S": "a"}}
    }
    assert call("DeleteItem", TableName="orders", Key={"id": {"S": "a"}}, ReturnValues="ALL_OLD") == {}
    assert call.get("a") is None
    assert call("DescribeTable", TableName="orders")["Table"]["ItemCount"] == 0


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "Missing the key id in the item"),
        ({"id": {"N": "1"}}, "Type mismatch for key id expected: S actual: N"),
        ({"id": {"S": ""}}, "cannot contain an empty string value. Key: id"),
        ({"id": {"S": "é" * 1025}}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ({"id": {"S": "a"}, "x": {"S": "x" * 400 * 1024}}, "Item size has exceeded the maximum allowed size"),
    ],
)
def test_an_item_that_cannot_be_stored_is_refused(call, item, message):
    call.table()
    assert message in call.refused("PutItem", TableName="orders", Item=item)
    assert call("Scan", TableName="orders")["Count"] == 0


def test_sort_keys_have_a_limit_of_their_own(call):
    call.table(sort="B")
    item = {"id": {"S": "i" * 2048}, "at": {"B": "AAAA" * 341}}
    call("PutItem", TableName="orders", Item=item)
    item["at"] = {"B": "AAAA" * 342}
    assert "size limit of 1024 bytes" in call.refused("PutItem", TableName="orders", Item=item)


def test_an_item_may_weigh_400_kb_and_no_byte_more(call):
    call.table()
    room = 400 * 1024 - len("id") - len("a") - len("x")
    call.put("a", x={"S": "x" * room})
    too_much = {"id": {"S": "a"}, "x": {"S": "x" * (room + 1)}}
    assert "Item size" in call.refused("PutItem", TableName="orders", Item=too_much)
    assert "Item size to update has exceeded" in call.refused(
        "UpdateItem",
        TableName="orders",
        Key={"id": {"S": "a"}},
        UpdateExpression="SET y = :y",
        ExpressionAttributeValues={":y": {"BOOL": True}},
    )


@pytest.mark.parametrize(
    "key", [{}, {"id": {"N": "1"}}, {"other": {"S": "a"}}, {"id": {"S": "a"}, "b": {"S": "b"}}]
)
def test_a_key_must_match_the_schema(call, key):
    call.table()
    for operation in ("GetItem", "DeleteItem", "UpdateItem"):
        assert call.refused(operation, TableName="orders", Key=key) == (
            "ValidationException: The provided key element does not match the schema"
        )


def test_what_is_not_built_is_refused_by_name(call):
    call.table()
    assert call.refused("ExecuteStatement", Statement="SELECT") == (
        "UnknownOperationException: The simulator does not know the operation 'ExecuteStatement'"
    )
    assert "does not support the parameter GlobalSecondaryIndexUpdates" in call.refused(
        "UpdateTable", TableName="orders", GlobalSecondaryIndexUpdates=[]
    )


@pytest.mark.parametrize(
    ("operation", "name", "value", "successor"),
    [
        ("PutItem", "Expected", {}, "ConditionExpression"),
        ("DeleteItem", "ConditionalOperator", "AND", "AND or OR in an expression"),
        ("UpdateItem", "AttributeUpdates", {}, "UpdateExpression"),
        ("GetItem", "AttributesToGet", ["n"], "ProjectionExpression"),
        ("Query", "KeyConditions", {}, "KeyConditionExpression"),
        ("Query", "QueryFilter", {}, "FilterExpression"),
        ("Scan", "ScanFilter", {}, "FilterExpression"),
    ],
)
def test_a_legacy_parameter_is_refused_with_its_successor(call, operation, name, value, successor):
    call.table()
    refusal = call.refused(operation, TableName="orders", **{name: value})
    assert refusal == (
        f"ValidationException: The simulator does not support the legacy parameter {name}; "
        f"use {successor}, which does the same"
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b'{"TableName": 5}', b'{"TableName": "\xff"}'])
def test_a_body_of_the_wrong_shape_is_a_serialization_error(body):
    response = Simulator(lambda: 0.0)("DescribeTable", body)
    assert response.status == 400
    answer = json.loads(response.body)
    assert answer["__type"] == "com.amazon.coral.service#SerializationException"
    assert answer["Message"]


def test_missing_parameters_are_named(call):
    refusal = call.refused("PutItem", Item={})
    assert "Value null at 'tableName' failed to satisfy constraint: Member must not be null" in refusal


def test_a_condition_that_fails_changes_nothing_and_may_show_the_item(call):
    call.table()
    call.put("a", n={"N": "1"})
    request = {
        "TableName": "orders",
        "Item": {"id": {"S": "a"}, "n": {"N": "2"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    assert call.refused("PutItem", **request) == (
        "ConditionalCheckFailedException: The conditional request failed"
    )
    body = call.simulator(
        "PutItem", json.dumps(request | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}).encode()
    ).body
    assert json.loads(body)["Item"] == {"id": {"S": "a"}, "n": {"N": "1"}}
    assert call.get("a")["n"] == {"N": "1"}
    call("PutItem", **request | {"ConditionExpression": "attribute_exists(id)"})
    assert call.get("a")["n"] == {"N": "2"}


def test_a_batch_writes_all_or_is_refused_whole(call):
    call.table()
    puts = [{"PutRequest": {"Item": {"id": {"S": str(number)}}}} for number in range(25)]
    assert call("BatchWriteItem", RequestItems={"orders": puts}) == {"UnprocessedItems": {}}
    assert call("Scan", TableName="orders")["Count"] == 25
    assert "Too many items requested" in call.refused(
        "BatchWriteItem", RequestItems={"orders": [*puts, {"PutRequest": {"Item": {"id": {"S": "x"}}}}]}
    )
    deletes = [{"DeleteRequest": {"Key": {"id": {"S": "1"}}}}, {"PutRequest": {"Item": {"id": {"S": "1"}}}}]
    assert "Provided list of item keys contains duplicates" in call.refused(
        "BatchWriteItem", RequestItems={"orders": deletes}
    )
    bad = [{"DeleteRequest": {"Key": {"id": {"S": "1"}}}}, {"PutRequest": {"Item": {"id": {"S": ""}}}}]
    assert "empty string value" in call.refused("BatchWriteItem", RequestItems={"orders": bad})
    assert "a WriteRequest needs" in call.refused("BatchWriteItem", RequestItems={"orders": [{}]})
    assert call("Scan", TableName="orders")["Count"] == 25
    call("BatchWriteItem", RequestItems={"orders": deletes[:1]})
    assert call.get("1") is None


def test_capacity_is_told_when_asked(call):
    call.table()
    item = {"id": {"S": "a"}, "x": {"S": "x" * 1500}}
    answer = call("PutItem", TableName="orders", Item=item, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == {"TableName": "orders", "CapacityUnits": 2.0}
    answer = call("GetItem", TableName="orders", Key={"id": {"S": "a"}}, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"]["Table"] == {"CapacityUnits": 0.5}
    answer = call("Scan", TableName="orders", ConsistentRead=True, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 1.0
    batch = {"orders": [{"DeleteRequest": {"Key": {"id": {"S": "a"}}}}]}
    answer = call("BatchWriteItem", RequestItems=batch, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == [{"TableName": "orders", "CapacityUnits": 2.0}]


class TestUpdateItem:
    """UpdateItem, which has the richest grammar."""

    @pytest.fixture
    def update(self, call):
        call.table()
        call.put(
            "a",
            n={"N": "10"},
            tags={"SS": ["x", "y"]},
            l={"L": [{"S": "0"}, {"S": "1"}, {"S": "2"}]},
            m={"M": {"k": {"N": "1"}, "deep": {"L": [{"M": {"z": {"S": "end"}}}]}}},
        )

        def run(expression, values=None, names=None, refused=False, **options):
            request = {"TableName": "orders", "Key": {"id": {"S": "a"}}, "UpdateExpression": expression}
            if values:
                request["ExpressionAttributeValues"] = values
            if names:
                request["ExpressionAttributeNames"] = names
            if refused:
                return call.refused("UpdateItem", **request, **options)
            return call("UpdateItem", **request, ReturnValues="ALL_NEW", **options)["Attributes"]

        return run

    @pytest.mark.parametrize(
        ("expression", "values", "path", "expected"),
        [
            ("SET b = :v", {":v": {"S": "new"}}, "b", {"S": "new"}),
            ("SET n = n + :v", {":v": {"N": "2.50"}}, "n", {"N": "12.5"}),
            ("SET n = (n - :v)", {":v": {"N": "11"}}, "n", {"N": "-1"}),
            ("SET b = if_not_exists(b, :v)", {":v": {"N": "1"}}, "b", {"N": "1"}),
            ("SET n = if_not_exists(n, :v) + :v", {":v": {"N": "1"}}, "n", {"N": "11"}),
            ("SET b = n", None, "b", {"N": "10"}),
            ("SET l = list_append(:v, l)", {":v": {"L": [{"S": "9"}]}}, "l", "9012"),
            ("SET l[1] = :v", {":v": {"S": "9"}}, "l", "092"),
            ("SET l[9] = :b, l[7] = :a", {":a": {"S": "7"}, ":b": {"S": "9"}}, "l", "01279"),
            ("REMOVE l[0], l[1]", None, "l", "2"),
            ("SET l[2] = :v REMOVE l[0]", {":v": {"S": "9"}}, "l", "19"),
            ("ADD n :v", {":v": {"N": "-3"}}, "n", {"N": "7"}),
            ("ADD fresh :v", {":v": {"N": "3"}}, "fresh", {"N": "3"}),
            ("ADD tags :v", {":v": {"SS": ["y", "a"]}}, "tags", {"SS": ["a", "x", "y"]}),
            ("DELETE tags :v", {":v": {"SS": ["y", "b"]}}, "tags", {"SS": ["x"]}),
            ("DELETE tags :v", {":v": {"SS": ["x", "y"]}}, "tags", None),
            ("DELETE absent :v", {":v": {"SS": ["x"]}}, "absent", None),
            ("REMOVE n", None, "n", None),
            ("REMOVE absent, l[77]", None, "l", "012"),
        ],
    )
    def test_actions(self, update, expression, values, path, expected):
        found = update(expression, values).get(path)
        if isinstance(expected, str):
            found = "".join(member["S"] for member in found["L"])
        assert found == expected

    def test_nested_paths_and_names(self, update):
        after = update(
            "SET m.#k = m.#k + :one, m.deep[0].z = :z, m.fresh = :one REMOVE tags",
            {":one": {"N": "1"}, ":z": {"S": "new"}},
            {"#k": "k"},
        )
        assert after["m"]["M"] == {
            "k": {"N": "2"},
            "fresh": {"N": "1"},
            "deep": {"L": [{"M": {"z": {"S": "new"}}}]},
        }
        assert "tags" not in after

    def test_operands_are_read_before_anything_is_written(self, update):
        after = update("SET n = :v, b = n", {":v": {"N": "1"}})
        assert after["b"] == {"N": "10"}

    @pytest.mark.parametrize(
        ("expression", "values", "message"),
        [
            ("", None, "Invalid UpdateExpression: The expression can not be empty;"),
            ("SET", None, 'Syntax error; token: "<EOF>", near: "SET"'),
            ("SET b == :v", {":v": {"N": "1"}}, 'Syntax error; token: "=", near: "== :v"'),
            ("PUT b = :v", {":v": {"N": "1"}}, 'token: "PUT"'),
            ("SET b = :v,", {":v": {"N": "1"}}, "Syntax error"),
            ("SET b = :v SET c = :v", {":v": {"N": "1"}}, 'The "SET" section can only be used once'),
            ("SET size = :v", {":v": {"N": "1"}}, "reserved keyword; reserved keyword: size"),
            (
                "SET b = :x",
                {":v": {"N": "1"}},
                "value used in expression is not defined; attribute value: :x",
            ),
            ("SET #b = :v", {":v": {"N": "1"}}, "is not defined; attribute name: #b"),
            ("SET b = n", {":v": {"N": "1"}}, "unused in expressions: keys: {:v}"),
            ("SET b = size(n)", None, "not allowed in an update expression; function: size"),
            ("SET b = shout(n)", None, "Invalid function name; function: shout"),
            ("SET b = if_not_exists(n)", None, "number of operands: 1"),
            ("SET b = if_not_exists(:v, n)", {":v": {"N": "1"}}, "requires a document path"),
            ("SET b = list_append(l, :v)", {":v": {"N": "1"}}, "list_append, operand type: N"),
            ("SET b = n + :v", {":v": {"S": "1"}}, "operator or function: +, operand type: S"),
            ("SET m = :v, m.k = :v", {":v": {"N": "1"}}, "overlap with each other"),
            ("SET m.k = :v, m[0] = :v", {":v": {"N": "1"}}, "conflict with each other"),
            ("ADD n :v", {":v": {"S": "1"}}, "operator: ADD, operand type: STRING"),
            ("DELETE n :v", {":v": {"N": "1"}}, "operator: DELETE, operand type: NUMBER"),
            ("ADD n n", None, "Syntax error"),
            (
                "SET id = :v",
                {":v": {"S": "1"}},
                "Cannot update attribute id. This attribute is part of the key",
            ),
            ("SET b = absent", None, "refers to an attribute that does not exist in the item"),
            ("SET b = tags + :v", {":v": {"N": "1"}}, "An operand in the update expression has an incorrect"),
            ("SET b = list_append(n, l)", None, "An operand in the update expression has an incorrect"),
            ("ADD tags :v", {":v": {"N": "1"}}, "An operand in the update expression has an incorrect"),
            ("DELETE tags :v", {":v": {"NS": ["1"]}}, "An operand in the update expression has an incorrect"),
            ("SET absent.k = :v", {":v": {"N": "1"}}, "The document path provided in the update expression"),
            ("SET n.k = :v", {":v": {"N": "1"}}, "The document path provided in the update expression"),
            ("SET l.k = :v", {":v": {"N": "1"}}, "The document path provided in the update expression"),
            ("SET n = n + :v", {":v": {"N": "1E125"}}, "Number overflow"),
        ],
    )
    def test_what_an_update_may_not_say(self, update, call, expression, values, message):
        before = call.get("a")
        assert message in update(expression, values, refused=True)
        assert call.get("a") == before

    def test_it_makes_the_item_where_there_is_none(self, call):
        call.table()
        request = {"TableName": "orders", "Key": {"id": {"S": "new"}}}
        assert call("UpdateItem", **request, ReturnValues="ALL_OLD") == {}
        assert call.get("new") == {"id": {"S": "new"}}
        assert call("UpdateItem", **request, ReturnValues="ALL_NEW")["Attributes"] == {"id": {"S": "new"}}

    def test_it_returns_what_is_asked(self, call, update):
        request = {
            "TableName": "orders",
            "Key": {"id": {"S": "a"}},
            "UpdateExpression": "SET m.k = :v REMOVE n",
            "ExpressionAttributeValues": {":v": {"N": "5"}},
        }
        assert call("UpdateItem", **request, ReturnValues="UPDATED_OLD")["Attributes"] == {
            "m": {"M": {"k": {"N": "1"}}},
            "n": {"N": "10"},
        }
        assert call("UpdateItem", **request, ReturnValues="UPDATED_NEW")["Attributes"] == {
            "m": {"M": {"k": {"N": "5"}}}
        }
        assert call("UpdateItem", **request) == {}
        put = {"TableName": "orders", "Item": {"id": {"S": "a"}}, "ReturnValues": "ALL_NEW"}
        assert "ReturnValues can only be ALL_OLD or NONE" in call.refused("PutItem", **put)

    @pytest.mark.parametrize(
        ("expression", "values"),
        [
            ("REMOVE n", None),
            ("REMOVE m.k, l[0]", None),
            ("DELETE tags :t", {":t": {"SS": ["a"]}}),
            ("REMOVE n DELETE tags :t", {":t": {"SS": ["a"]}}),
        ],
    )
    def test_one_that_only_takes_away_makes_no_item(self, call, expression, values):
        arn = call.table("visits", view="KEYS_ONLY")
        request = {"TableName": "visits", "Key": {"id": {"S": "a"}}, "UpdateExpression": expression}
        more = {} if values is None else {"ExpressionAttributeValues": values}
        assert call("UpdateItem", **request, **more, ReturnValues="ALL_NEW") == {}
        assert call("TransactWriteItems", TransactItems=[{"Update": request | more}]) == {}
        assert call("Scan", TableName="visits")["Count"] == 0
        assert call.changes(arn) == []

    def test_its_condition_guards_it(self, update, call):
        values = {":v": {"N": "1"}, ":old": {"N": "11"}}
        refusal = update("SET n = :v", values, refused=True, ConditionExpression="n = :old")
        assert refusal.startswith("ConditionalCheckFailedException")
        values[":old"] = {"N": "10.0"}
        assert update("SET n = :v", values, ConditionExpression="n = :old")["n"] == {"N": "1"}
