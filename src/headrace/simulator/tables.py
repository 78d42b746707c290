"""Tables: made, described, changed and deleted.

Rules: DynamoDB API reference (CreateTable, DescribeTable, ListTables, UpdateTable, DeleteTable).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from headrace.simulator.answers import in_use, invalid, invalid_values, not_found, timestamp
from headrace.simulator.items import Item
from headrace.simulator.keys import KeyAttribute, KeySchema
from headrace.simulator.rows import Rows, StoredItem
from headrace.simulator.streams import Stream, Streams, key_schema_json

_LIST_LIMIT = 100
_UNLIMITED = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}


@dataclass(slots=True)
class Table:
    """One table with its items. ``stream`` is the latest, enabled or not."""

    name: str
    arn: str
    id: str
    schema: KeySchema
    created_at: float
    billing_mode: str
    throughput: dict[str, int]
    protected: bool
    rows: Rows = field(default_factory=Rows)
    stream: Stream | None = None


class Tables:
    """Every table of the account and region."""

    def __init__(self, region: str, account: str, random: Random, streams: Streams) -> None:
        self._prefix = f"arn:aws:dynamodb:{region}:{account}:table/"
        self._random = random
        self._streams = streams
        self._tables: dict[str, Table] = {}

    def get(self, name: str) -> Table:
        """The table that a data operation names, by name or ARN."""
        table = self.find(name)
        if table is None:
            raise not_found("Requested resource not found")
        return table

    def find(self, name: str) -> Table | None:
        """The table of this name or ARN."""
        return self._tables.get(name) or self._tables.get(name.removeprefix(self._prefix))

    def write(
        self, table: Table, old: StoredItem | None, new: StoredItem | None, keys: Item, now: float
    ) -> None:
        """Replace ``old``, what the table holds for this key, by ``new``, and record it unless it is equal."""
        if new is not None:
            if old is not None and _equal(old, new):
                return
            table.rows.put(new, old)
        elif old is not None:
            table.rows.remove(old)
        else:
            return
        if table.stream is not None and table.stream.is_enabled:
            self._streams.record(table.stream, keys, old, new, now)

    def create_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """CreateTable. The table is active at once."""
        name = request["TableName"]
        schema = _schema(request["KeySchema"], request["AttributeDefinitions"])
        mode, throughput = _throughput(request)
        view_type = _view_type(request.get("StreamSpecification"))
        if name in self._tables:
            raise in_use(f"Table already exists: {name}")
        table = Table(
            name,
            self._prefix + name,
            str(UUID(int=self._random.getrandbits(128), version=4)),
            schema,
            now,
            mode,
            throughput,
            request.get("DeletionProtectionEnabled", False),
        )
        if view_type is not None:
            table.stream = self._streams.enable(name, table.arn, schema, view_type, now)
        self._tables[name] = table
        return {"TableDescription": self._description(table, now)}

    def describe_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """DescribeTable."""
        return {"Table": self._description(self._named(request), now)}

    def list_tables(self, request: dict[str, Any], _: float) -> dict[str, Any]:
        """ListTables."""
        after, limit = request.get("ExclusiveStartTableName", ""), request.get("Limit", _LIST_LIMIT)
        names = [name for name in sorted(self._tables) if name > after]
        answer: dict[str, Any] = {"TableNames": names[:limit]}
        if len(names) > limit:
            answer["LastEvaluatedTableName"] = names[limit - 1]
        return answer

    def update_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """UpdateTable: the stream, the billing mode, the throughput, the protection."""
        table = self._named(request)
        if request.keys() <= {"TableName", "AttributeDefinitions"}:
            raise invalid(
                "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, "
                "GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
            )
        if "AttributeDefinitions" in request:
            _check_definitions(request["AttributeDefinitions"], table.schema)
        billing = None
        if "BillingMode" in request or "ProvisionedThroughput" in request:
            billing = _throughput({"BillingMode": table.billing_mode} | request)
        specification = request.get("StreamSpecification")
        if specification is not None:
            self._update_stream(table, specification, now)
        if billing is not None:
            table.billing_mode, table.throughput = billing
        table.protected = request.get("DeletionProtectionEnabled", table.protected)
        return {"TableDescription": self._description(table, now)}

    def delete_table(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """DeleteTable. Its stream is closed and stays readable for a day."""
        table = self._named(request)
        if table.protected:
            raise invalid(
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first."
            )
        if table.stream is not None and table.stream.is_enabled:
            self._streams.disable(table.stream, now)
        del self._tables[table.name]
        return {"TableDescription": self._description(table, now) | {"TableStatus": "DELETING"}}

    def _named(self, request: dict[str, Any]) -> Table:
        name = request["TableName"]
        table = self.find(name)
        if table is None:
            raise not_found(f"Requested resource not found: Table: {name} not found")
        return table

    def _update_stream(self, table: Table, specification: dict[str, Any], now: float) -> None:
        view_type = _view_type(specification)
        enabled = table.stream is not None and table.stream.is_enabled
        if view_type is not None:
            if enabled:
                raise invalid(f"Table already has an enabled stream: TableName: {table.name}")
            table.stream = self._streams.enable(table.name, table.arn, table.schema, view_type, now)
        elif enabled and table.stream is not None:
            self._streams.disable(table.stream, now)
        else:
            raise invalid(f"Table is already having stream disabled: TableName: {table.name}")

    def _description(self, table: Table, now: float) -> dict[str, Any]:
        answer: dict[str, Any] = {
            "TableName": table.name,
            "TableArn": table.arn,
            "TableId": table.id,
            "TableStatus": "ACTIVE",
            "CreationDateTime": timestamp(round(table.created_at, 3)),
            "AttributeDefinitions": [
                {"AttributeName": attribute.name, "AttributeType": attribute.kind}
                for attribute in sorted(table.schema.attributes, key=lambda attribute: attribute.name)
            ],
            "KeySchema": key_schema_json(table.schema),
            "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, **table.throughput},
            "ItemCount": table.rows.count,
            "TableSizeBytes": table.rows.size,
            "DeletionProtectionEnabled": table.protected,
        }
        if table.billing_mode == "PAY_PER_REQUEST":
            answer["BillingModeSummary"] = {"BillingMode": table.billing_mode}
        stream = table.stream
        if stream is not None and self._streams.knows(stream.arn, now):
            answer |= {"LatestStreamArn": stream.arn, "LatestStreamLabel": stream.label}
            if stream.is_enabled:
                answer["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": stream.view_type}
        return answer


def _equal(old: StoredItem, new: StoredItem) -> bool:
    """Whether a write changes nothing; attributes may come in another order."""
    if old.body == new.body:
        return True
    return len(old.body) == len(new.body) and old.attributes == new.attributes


def _schema(elements: list[dict[str, str]], definitions: list[dict[str, str]]) -> KeySchema:
    roles = [element["KeyType"] for element in elements]
    if roles[0] != "HASH":
        raise invalid_values("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
    if roles[1:] not in ([], ["RANGE"]):
        raise invalid_values("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
    names = [element["AttributeName"] for element in elements]
    if len(set(names)) < len(names):
        raise invalid_values(
            "Both the Hash Key and the Range Key element in the KeySchema have the same name"
        )
    kinds = {definition["AttributeName"]: definition["AttributeType"] for definition in definitions}
    for name in names:
        if name not in kinds:
            raise invalid_values(
                "Some index key attributes are not defined in AttributeDefinitions. "
                f"Keys: [{', '.join(names)}], AttributeDefinitions: [{', '.join(kinds)}]"
            )
    attributes = [KeyAttribute(name, kinds[name]) for name in names]
    schema = KeySchema(attributes[0], attributes[1] if len(attributes) > 1 else None)
    _check_definitions(definitions, schema)
    return schema


def _check_definitions(definitions: list[dict[str, str]], schema: KeySchema) -> None:
    given = [(definition["AttributeName"], definition["AttributeType"]) for definition in definitions]
    if len(dict(given)) < len(given):
        raise invalid_values("Cannot redefine an attribute: AttributeDefinitions name one twice")
    if sorted(given) != sorted((attribute.name, attribute.kind) for attribute in schema.attributes):
        raise invalid_values(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )


def _throughput(request: dict[str, Any]) -> tuple[str, dict[str, int]]:
    mode = request.get("BillingMode", "PROVISIONED")
    throughput = request.get("ProvisionedThroughput")
    if mode == "PAY_PER_REQUEST":
        if throughput is not None:
            raise invalid_values(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
                "PAY_PER_REQUEST"
            )
        return mode, _UNLIMITED
    if throughput is None:
        raise invalid_values(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED"
        )
    return mode, throughput


def _view_type(specification: dict[str, Any] | None) -> str | None:
    """The view type if the specification asks for a stream."""
    if specification is None:
        return None
    view_type: str | None = specification.get("StreamViewType")
    if specification["StreamEnabled"]:
        if view_type is None:
            raise invalid_values("StreamViewType is required when StreamEnabled is true")
        return view_type
    if view_type is not None:
        raise invalid_values("StreamViewType must not be specified when StreamEnabled is false")
    return None
