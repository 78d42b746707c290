"""What each operation accepts: names, types and bounds of its parameters, after the API reference."""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import invalid, unreadable
from headrace.simulator.shapes import Attributes, Flag, Kind, Many, Named, Structure, Text, Time, Whole

_TABLE = Text(1, 1024)
_NEW_TABLE = Text(3, 255, r"[a-zA-Z0-9_.-]+")
_STREAM_ARN = Text(37, 1024)
_SHARD_ID = Text(28, 65)
_CAPACITY = Text(choices=("INDEXES", "TOTAL", "NONE"))
_PROVISIONED = Structure(
    {"ReadCapacityUnits": Whole(1), "WriteCapacityUnits": Whole(1)},
    ("ReadCapacityUnits", "WriteCapacityUnits"),
)
_STREAM = Structure(
    {
        "StreamEnabled": Flag(),
        "StreamViewType": Text(choices=("NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY")),
    },
    ("StreamEnabled",),
)
_DEFINITIONS = Many(
    Structure(
        {"AttributeName": Text(1, 255), "AttributeType": Text(choices=("B", "N", "S"))},
        ("AttributeName", "AttributeType"),
    )
)
_KEY_SCHEMA = Many(
    Structure(
        {"AttributeName": Text(1, 255), "KeyType": Text(choices=("HASH", "RANGE"))},
        ("AttributeName", "KeyType"),
    ),
    1,
    2,
)
_INDEX_NAME = Text(3, 255, r"[a-zA-Z0-9_.-]+")
_PROJECTED = Structure(
    {
        "ProjectionType": Text(choices=("ALL", "KEYS_ONLY", "INCLUDE")),
        "NonKeyAttributes": Many(Text(1, 255), 1, 20),
    }
)
_INDEX: dict[str, Kind] = {"IndexName": _INDEX_NAME, "KeySchema": _KEY_SCHEMA, "Projection": _PROJECTED}
_TABLE_OPTIONS: dict[str, Kind] = {
    "BillingMode": Text(choices=("PROVISIONED", "PAY_PER_REQUEST")),
    "ProvisionedThroughput": _PROVISIONED,
    "StreamSpecification": _STREAM,
    "DeletionProtectionEnabled": Flag(),
}
_WRITE_OPTIONS: dict[str, Kind] = {
    "TableName": _TABLE,
    "ReturnConsumedCapacity": _CAPACITY,
    "ReturnItemCollectionMetrics": Text(choices=("SIZE", "NONE")),
}
_CHECK: dict[str, Kind] = {
    "ConditionExpression": Text(),
    "ExpressionAttributeNames": Named(Text(0, 65_535)),
    "ExpressionAttributeValues": Attributes(),
    "ReturnValuesOnConditionCheckFailure": Text(choices=("ALL_OLD", "NONE")),
}
_CONDITION: dict[str, Kind] = {
    **_CHECK,
    "ReturnValues": Text(choices=("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")),
}
_PROJECTION: dict[str, Kind] = {
    "ProjectionExpression": Text(),
    "ExpressionAttributeNames": Named(Text(0, 65_535)),
}
_READ_OPTIONS: dict[str, Kind] = {
    "TableName": _TABLE,
    "ConsistentRead": Flag(),
    "ReturnConsumedCapacity": _CAPACITY,
    **_PROJECTION,
}
_PAGE_OPTIONS: dict[str, Kind] = {
    "IndexName": _INDEX_NAME,
    "Limit": Whole(1),
    "Select": Text(
        choices=("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"),
    ),
    "ExclusiveStartKey": Attributes(),
    "FilterExpression": Text(),
    "ExpressionAttributeValues": Attributes(),
}
_ACTION: dict[str, Kind] = {"TableName": _TABLE, **_CHECK}
_TRANSACT_WRITE = Structure(
    {
        "ConditionCheck": Structure(
            {**_ACTION, "Key": Attributes()}, ("TableName", "Key", "ConditionExpression")
        ),
        "Put": Structure({**_ACTION, "Item": Attributes()}, ("TableName", "Item")),
        "Delete": Structure({**_ACTION, "Key": Attributes()}, ("TableName", "Key")),
        "Update": Structure(
            {**_ACTION, "Key": Attributes(), "UpdateExpression": Text()},
            ("TableName", "Key", "UpdateExpression"),
        ),
    }
)
_TRANSACT_GET = Structure(
    {"Get": Structure({"TableName": _TABLE, "Key": Attributes(), **_PROJECTION}, ("TableName", "Key"))},
    ("Get",),
)

OPERATIONS: dict[str, Structure] = {
    "CreateTable": Structure(
        {
            "TableName": _NEW_TABLE,
            "AttributeDefinitions": _DEFINITIONS,
            "KeySchema": _KEY_SCHEMA,
            "LocalSecondaryIndexes": Many(Structure(_INDEX, tuple(_INDEX)), 1),
            "GlobalSecondaryIndexes": Many(
                Structure({**_INDEX, "ProvisionedThroughput": _PROVISIONED}, tuple(_INDEX)), 1
            ),
            **_TABLE_OPTIONS,
        },
        ("TableName", "AttributeDefinitions", "KeySchema"),
    ),
    "UpdateTable": Structure(
        {"TableName": _TABLE, "AttributeDefinitions": _DEFINITIONS, **_TABLE_OPTIONS}, ("TableName",)
    ),
    "DescribeTable": Structure({"TableName": _TABLE}, ("TableName",)),
    "DeleteTable": Structure({"TableName": _TABLE}, ("TableName",)),
    "ListTables": Structure({"ExclusiveStartTableName": _NEW_TABLE, "Limit": Whole(1, 100)}),
    "PutItem": Structure({**_WRITE_OPTIONS, **_CONDITION, "Item": Attributes()}, ("TableName", "Item")),
    "DeleteItem": Structure({**_WRITE_OPTIONS, **_CONDITION, "Key": Attributes()}, ("TableName", "Key")),
    "UpdateItem": Structure(
        {**_WRITE_OPTIONS, **_CONDITION, "Key": Attributes(), "UpdateExpression": Text()},
        ("TableName", "Key"),
    ),
    "BatchWriteItem": Structure(
        {
            "RequestItems": Named(
                Many(
                    Structure(
                        {
                            "PutRequest": Structure({"Item": Attributes()}, ("Item",)),
                            "DeleteRequest": Structure({"Key": Attributes()}, ("Key",)),
                        }
                    ),
                    1,
                ),
                1,
                25,
            ),
            "ReturnConsumedCapacity": _CAPACITY,
            "ReturnItemCollectionMetrics": Text(choices=("SIZE", "NONE")),
        },
        ("RequestItems",),
    ),
    "BatchGetItem": Structure(
        {
            "RequestItems": Named(
                Structure(
                    {"Keys": Many(Attributes(), 1, 100), "ConsistentRead": Flag(), **_PROJECTION}, ("Keys",)
                ),
                1,
                100,
            ),
            "ReturnConsumedCapacity": _CAPACITY,
        },
        ("RequestItems",),
    ),
    "TransactWriteItems": Structure(
        {
            "TransactItems": Many(_TRANSACT_WRITE, 1, 100),
            "ReturnConsumedCapacity": _CAPACITY,
            "ReturnItemCollectionMetrics": Text(choices=("SIZE", "NONE")),
            "ClientRequestToken": Text(1, 36),
        },
        ("TransactItems",),
    ),
    "TransactGetItems": Structure(
        {"TransactItems": Many(_TRANSACT_GET, 1, 100), "ReturnConsumedCapacity": _CAPACITY},
        ("TransactItems",),
    ),
    "UpdateTimeToLive": Structure(
        {
            "TableName": _TABLE,
            "TimeToLiveSpecification": Structure(
                {"Enabled": Flag(), "AttributeName": Text(1, 255)}, ("Enabled", "AttributeName")
            ),
        },
        ("TableName", "TimeToLiveSpecification"),
    ),
    "DescribeTimeToLive": Structure({"TableName": _TABLE}, ("TableName",)),
    "GetItem": Structure({**_READ_OPTIONS, "Key": Attributes()}, ("TableName", "Key")),
    "Query": Structure(
        {**_READ_OPTIONS, **_PAGE_OPTIONS, "KeyConditionExpression": Text(), "ScanIndexForward": Flag()},
        ("TableName",),
    ),
    "Scan": Structure(
        {
            **_READ_OPTIONS,
            **_PAGE_OPTIONS,
            "Segment": Whole(0, 999_999),
            "TotalSegments": Whole(1, 1_000_000),
        },
        ("TableName",),
    ),
    "ListStreams": Structure(
        {"TableName": _NEW_TABLE, "Limit": Whole(1, 100), "ExclusiveStartStreamArn": _STREAM_ARN}
    ),
    "DescribeStream": Structure(
        {
            "StreamArn": _STREAM_ARN,
            "Limit": Whole(1, 100),
            "ExclusiveStartShardId": _SHARD_ID,
            "ShardFilter": Structure({"Type": Text(choices=("CHILD_SHARDS",)), "ShardId": _SHARD_ID}),
        },
        ("StreamArn",),
    ),
    "GetShardIterator": Structure(
        {
            "StreamArn": _STREAM_ARN,
            "ShardId": _SHARD_ID,
            "ShardIteratorType": Text(
                choices=(
                    "AFTER_SEQUENCE_NUMBER",
                    "AT_SEQUENCE_NUMBER",
                    "AT_TIMESTAMP",
                    "LATEST",
                    "TRIM_HORIZON",
                )
            ),
            "SequenceNumber": Text(21, 40, "[0-9]+"),
            "Timestamp": Time(),
        },
        ("StreamArn", "ShardId", "ShardIteratorType"),
    ),
    "GetRecords": Structure({"ShardIterator": Text(1, 2048), "Limit": Whole(1, 1000)}, ("ShardIterator",)),
}


def check(operation: str, request: object) -> dict[str, Any]:
    """The request, known to be of the operation's shape.

    Raises SerializationException for a wrong JSON type, ValidationException for a missing, unknown or
    out-of-bounds parameter (at most ten are told at once, as AWS does).
    """
    if type(request) is not dict:
        raise unreadable("Unexpected value type in payload: expected a structure")
    faults: list[str] = []
    OPERATIONS[operation].check(request, "", faults)
    if faults:
        told = faults[:10]
        count = f"{len(told)} validation error{'s' if len(told) > 1 else ''} detected"
        raise invalid(f"{count}: {'; '.join(told)}")
    return request
