"""What each operation accepts: names, types and bounds of its parameters, after the API reference.

A parameter that AWS knows and the simulator does not is refused by name, as one that nobody knows is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headrace.simulator.answers import invalid, unreadable


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    minimum: int = 0
    maximum: int | None = None
    pattern: str | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Note each bound that ``value`` breaks; raise if it is no string at all."""
        if type(value) is not str:
            raise unreadable(f"{_lower(path)}: expected a string")
        if self.choices and value not in self.choices:
            faults.append(
                _fault(value, path, f"Member must satisfy enum value set: [{', '.join(self.choices)}]")
            )
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            faults.append(
                _fault(value, path, f"Member must satisfy regular expression pattern: {self.pattern}")
            )
        _check_length(value, self.minimum, self.maximum, path, faults)


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer."""

    minimum: int | None = None
    maximum: int | None = None

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Note each bound that ``value`` breaks; raise if it is no integer at all."""
        if type(value) is not int:
            raise unreadable(f"{_lower(path)}: expected an integer")
        if self.minimum is not None and value < self.minimum:
            faults.append(
                _fault(value, path, f"Member must have value greater than or equal to {self.minimum}")
            )
        if self.maximum is not None and value > self.maximum:
            faults.append(_fault(value, path, f"Member must have value less than or equal to {self.maximum}"))


@dataclass(frozen=True, slots=True)
class Time:
    """Epoch seconds, whole or not."""

    def check(self, value: Any, path: str, _: list[str]) -> None:
        """Raise if ``value`` is no number."""
        if type(value) is not int and type(value) is not float:
            raise unreadable(f"{_lower(path)}: expected a timestamp in epoch seconds")


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""

    def check(self, value: Any, path: str, _: list[str]) -> None:
        """Raise if ``value`` is no boolean."""
        if type(value) is not bool:
            raise unreadable(f"{_lower(path)}: expected a boolean")


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    of: Kind
    minimum: int = 0
    maximum: int | None = None

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Check the list and each of its members."""
        if type(value) is not list:
            raise unreadable(f"{_lower(path)}: expected a list")
        _check_length(value, self.minimum, self.maximum, path, faults)
        for place, member in enumerate(value, 1):
            self.of.check(member, f"{path}.{place}.member", faults)


@dataclass(frozen=True, slots=True)
class Named:
    """A map of names to values of one kind."""

    of: Kind
    minimum: int = 0
    maximum: int | None = None

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Check the map and each of its values."""
        if type(value) is not dict:
            raise unreadable(f"{_lower(path)}: expected a map")
        _check_length(value, self.minimum, self.maximum, path, faults)
        for name, member in value.items():
            self.of.check(member, f"{path}.{name}.member", faults)


@dataclass(frozen=True, slots=True)
class Attributes:
    """A map of attribute values; whoever stores or compares them checks the values."""

    def check(self, value: Any, path: str, _: list[str]) -> None:
        """Raise if ``value`` is no map."""
        if type(value) is not dict:
            raise unreadable(f"{_lower(path)}: expected a map of attribute values")


@dataclass(frozen=True, slots=True)
class Structure:
    """An object with known members."""

    members: Mapping[str, Kind]
    required: tuple[str, ...] = ()

    def check(self, value: Any, path: str, faults: list[str]) -> None:
        """Check every member; drop those that are null, as AWS does."""
        if type(value) is not dict:
            raise unreadable(f"{_lower(path)}: expected a structure")
        for name in [name for name, member in value.items() if member is None]:
            del value[name]
        for name, member in value.items():
            kind = self.members.get(name)
            inner = f"{path}.{name}" if path else name
            if kind is None:
                raise invalid(f"The simulator does not support the parameter {inner}")
            kind.check(member, inner, faults)
        for name in self.required:
            if name not in value:
                inner = f"{path}.{name}" if path else name
                faults.append(_fault(None, inner, "Member must not be null"))


Kind = Text | Whole | Time | Flag | Many | Named | Attributes | Structure


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


def _fault(value: object, path: str, rule: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{_lower(path)}' failed to satisfy constraint: {rule}"


def _lower(path: str) -> str:
    return ".".join(part[:1].lower() + part[1:] for part in path.split("."))


def _check_length(
    value: str | list[Any] | dict[str, Any], minimum: int, maximum: int | None, path: str, faults: list[str]
) -> None:
    if len(value) < minimum:
        faults.append(_fault(value, path, f"Member must have length greater than or equal to {minimum}"))
    if maximum is not None and len(value) > maximum:
        faults.append(_fault(value, path, f"Member must have length less than or equal to {maximum}"))


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
_CONDITION: dict[str, Kind] = {
    "ConditionExpression": Text(),
    "ExpressionAttributeNames": Named(Text()),
    "ExpressionAttributeValues": Attributes(),
    "ReturnValuesOnConditionCheckFailure": Text(choices=("ALL_OLD", "NONE")),
    "ReturnValues": Text(choices=("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW")),
}
_READ_OPTIONS: dict[str, Kind] = {
    "TableName": _TABLE,
    "ConsistentRead": Flag(),
    "ReturnConsumedCapacity": _CAPACITY,
    "ProjectionExpression": Text(),
    "ExpressionAttributeNames": Named(Text()),
}
_PAGE_OPTIONS: dict[str, Kind] = {
    "Limit": Whole(1),
    "Select": Text(
        choices=("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"),
    ),
    "ExclusiveStartKey": Attributes(),
    "FilterExpression": Text(),
    "ExpressionAttributeValues": Attributes(),
}

OPERATIONS: dict[str, Structure] = {
    "CreateTable": Structure(
        {
            "TableName": _NEW_TABLE,
            "AttributeDefinitions": _DEFINITIONS,
            "KeySchema": _KEY_SCHEMA,
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
            ),
            "ReturnConsumedCapacity": _CAPACITY,
            "ReturnItemCollectionMetrics": Text(choices=("SIZE", "NONE")),
        },
        ("RequestItems",),
    ),
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
