"""Tables that take their time to be made, changed and deleted."""

from __future__ import annotations

import pytest

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


@pytest.fixture
def slow(caller):
    return caller(table_seconds=30)


def status(call):
    return call("DescribeTable", TableName="orders")["Table"]["TableStatus"]


def stream_status(call, arn):
    return call("DescribeStream", StreamArn=arn)["StreamDescription"]["StreamStatus"]


def test_a_table_is_created_before_it_can_be_used(slow):
    arn = slow.table(view="NEW_IMAGE")
    assert status(slow) == "CREATING"
    assert stream_status(slow, arn) == "ENABLING"
    assert slow.shards(arn) == []
    put = {"TableName": "orders", "Item": {"id": {"S": "a"}}}
    assert slow.refused("PutItem", **put) == "ResourceNotFoundException: Requested resource not found"
    assert slow.refused("DeleteTable", TableName="orders") == (
        "ResourceInUseException: "
        "Attempt to change a resource which is still in use: Table is being created: orders"
    )
    assert slow.refused("CreateTable", **_definition()).startswith("ResourceInUseException: Table already")
    slow.now += 30
    assert status(slow) == "ACTIVE"
    assert stream_status(slow, arn) == "ENABLED"
    slow("PutItem", **put)
    assert len(slow.changes(arn)) == 1


def test_a_stream_records_once_it_is_enabled(slow):
    slow.table()
    slow.now += 30
    arn = slow("UpdateTable", TableName="orders", StreamSpecification=STREAM)["TableDescription"][
        "LatestStreamArn"
    ]
    assert status(slow) == "UPDATING"
    slow.put("early")
    off = {"StreamEnabled": False}
    assert "Table is being updated" in slow.refused(
        "UpdateTable", TableName="orders", StreamSpecification=off
    )
    slow.now += 30
    slow.put("later")
    slow("UpdateTable", TableName="orders", StreamSpecification=off)
    assert stream_status(slow, arn) == "DISABLING"
    slow.now += 30
    assert stream_status(slow, arn) == "DISABLED"
    assert [change["dynamodb"]["Keys"]["id"]["S"] for change in slow.changes(arn)] == ["later"]


def test_a_table_is_deleted_before_its_name_is_free(slow):
    arn = slow.table(view="NEW_IMAGE")
    slow.now += 30
    slow.put("a")
    made = slow("DescribeTable", TableName="orders")["Table"]["TableId"]
    assert slow("DeleteTable", TableName="orders")["TableDescription"]["TableStatus"] == "DELETING"
    assert slow("DeleteTable", TableName="orders")["TableDescription"]["TableStatus"] == "DELETING"
    assert slow("ListTables")["TableNames"] == ["orders"]
    assert slow.refused("GetItem", TableName="orders", Key={"id": {"S": "a"}}).startswith("ResourceNotFound")
    assert slow.refused("CreateTable", **_definition()).startswith("ResourceInUseException")
    assert "Table is being deleted" in slow.refused(
        "UpdateTable", TableName="orders", DeletionProtectionEnabled=True
    )
    slow.now += 30
    assert slow.refused("DescribeTable", TableName="orders").startswith("ResourceNotFoundException")
    other = slow.table(view="NEW_IMAGE")
    slow.now += 30
    assert slow("DescribeTable", TableName="orders")["Table"]["TableId"] != made
    assert other != arn
    assert len(slow.changes(arn)) == 1, "the old stream is readable for a day"
    assert slow.changes(other) == []


def test_at_once_is_the_default(call):
    call.table()
    assert status(call) == "ACTIVE"
    assert call("DeleteTable", TableName="orders")["TableDescription"]["TableStatus"] == "DELETING"
    assert call("ListTables")["TableNames"] == []


def _definition():
    return {
        "TableName": "orders",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
