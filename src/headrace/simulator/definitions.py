"""What CreateTable and UpdateTable say a table is: its keys, its throughput, its stream.

Rules: DynamoDB API reference (CreateTable, UpdateTable, StreamSpecification).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.simulator.answers import invalid_values
from headrace.simulator.indexes import Index
from headrace.simulator.keys import KeyAttribute, KeySchema

_UNLIMITED = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
_MOST = {"LocalSecondaryIndexes": 5, "GlobalSecondaryIndexes": 20}
"""Developer guide, "Quotas in Amazon DynamoDB"."""


def key_schema(elements: list[dict[str, str]], definitions: list[dict[str, str]]) -> KeySchema:
    """The key of a ``KeySchema``, its types taken from ``AttributeDefinitions``. Raises for what is no key."""
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
    return KeySchema(attributes[0], attributes[1] if len(attributes) > 1 else None)


def check_definitions(definitions: list[dict[str, str]], schemas: Sequence[KeySchema]) -> None:
    """Raise unless the definitions are of the key attributes of a table and its indexes, and of no others."""
    given = [(definition["AttributeName"], definition["AttributeType"]) for definition in definitions]
    if len(dict(given)) < len(given):
        raise invalid_values("Cannot redefine an attribute: AttributeDefinitions name one twice")
    keys = {(attribute.name, attribute.kind) for schema in schemas for attribute in schema.attributes}
    if set(given) != keys:
        raise invalid_values(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
            if len(schemas) == 1
            else "Some AttributeDefinitions are not used. AttributeDefinitions: "
            f"[{', '.join(name for name, _ in given)}], keys used: [{', '.join(name for name, _ in sorted(keys))}]"
        )


def indexes_of(request: dict[str, Any], schema: KeySchema) -> tuple[Index, ...]:
    """The secondary indexes that CreateTable asks for. Raises for what is none."""
    indexes: list[Index] = []
    for member, most in _MOST.items():
        given = request.get(member, ())
        if len(given) > most:
            raise invalid_values(f"{member} count exceeds the per-table limit of {most}")
        indexes += [_index(one, request, schema, local=member == "LocalSecondaryIndexes") for one in given]
    names = [index.name for index in indexes]
    for name in names:
        if names.count(name) > 1:
            raise invalid_values(f"Duplicate index name: {name}")
    return tuple(indexes)


def _index(given: dict[str, Any], request: dict[str, Any], table: KeySchema, *, local: bool) -> Index:
    name = given["IndexName"]
    schema = key_schema(given["KeySchema"], request["AttributeDefinitions"])
    if local and table.sort is None:
        raise invalid_values(
            "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex"
        )
    if local and schema.sort is None:
        raise invalid_values(f"Index KeySchema does not have a range key for index: {name}")
    if local and schema.hash != table.hash:
        raise invalid_values(
            f"Index KeySchema does not have the same leading hash key as table KeySchema for index: {name}. index hash "
            f"key: {schema.hash.name}, table hash key: {table.hash.name}"
        )
    projection = given["Projection"].get("ProjectionType")
    included = given["Projection"].get("NonKeyAttributes")
    if projection is None:
        raise invalid_values("Unknown ProjectionType: null")
    if (included is not None) != (projection == "INCLUDE"):
        what = "but NonKeyAttributes is specified" if included else "but NonKeyAttributes is not specified"
        raise invalid_values(f"ProjectionType is {projection}, {what}")
    throughput = _UNLIMITED
    if not local:
        _, throughput = throughput_of({"BillingMode": request.get("BillingMode", "PROVISIONED")} | given)
    return Index(name, schema, table, local, projection, tuple(included or ()), throughput)


def throughput_of(request: dict[str, Any]) -> tuple[str, dict[str, int]]:
    """Billing mode and provisioned throughput. Raises if they do not go together."""
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


def view_type_of(specification: dict[str, Any] | None) -> str | None:
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
