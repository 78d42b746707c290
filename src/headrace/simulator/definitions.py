"""What CreateTable and UpdateTable say a table is: its keys, its throughput, its stream.

Rules: DynamoDB API reference (CreateTable, UpdateTable, StreamSpecification).
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import invalid_values
from headrace.simulator.keys import KeyAttribute, KeySchema

_UNLIMITED = {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0}


def key_schema(elements: list[dict[str, str]], definitions: list[dict[str, str]]) -> KeySchema:
    """The key of ``KeySchema``, its types taken from ``AttributeDefinitions``. Raises for what is no key."""
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
    check_definitions(definitions, schema)
    return schema


def check_definitions(definitions: list[dict[str, str]], schema: KeySchema) -> None:
    """Raise unless the definitions are of the key attributes, and of no others."""
    given = [(definition["AttributeName"], definition["AttributeType"]) for definition in definitions]
    if len(dict(given)) < len(given):
        raise invalid_values("Cannot redefine an attribute: AttributeDefinitions name one twice")
    if sorted(given) != sorted((attribute.name, attribute.kind) for attribute in schema.attributes):
        raise invalid_values(
            "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions"
        )


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
