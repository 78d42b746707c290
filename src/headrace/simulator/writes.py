"""Writing operations: PutItem, UpdateItem, DeleteItem, BatchWriteItem.

Rules: DynamoDB API reference, and the developer guide's "Constraints in DynamoDB".
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import Refusal, encode, invalid, invalid_values
from headrace.simulator.capacity import capacity_members, consumed, write_units
from headrace.simulator.expressions import (
    Action,
    Condition,
    Path,
    Placeholders,
    Projection,
    holds,
    parse_condition,
    parse_update,
    updated,
)
from headrace.simulator.items import MAX_ITEM_BYTES, Item, canonical_item, item_weight
from headrace.simulator.keys import Key
from headrace.simulator.rows import StoredItem
from headrace.simulator.tables import Table, Tables

BATCH_REQUESTS = 25


class Writes:
    """The operations that change items."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put_item(self, request: dict[str, Any], now: float) -> bytes:
        """PutItem."""
        condition = _parse(request)
        table = self._tables.get(request["TableName"])
        new, keys = _new_item(table, request["Item"])
        old = table.rows.get(new.key)
        _check_condition(condition, request, old)
        self._tables.write(table, old, new, keys, now)
        return _answer_old(request, table, old, write_units(new.size, old.size if old else 0))

    def delete_item(self, request: dict[str, Any], now: float) -> bytes:
        """DeleteItem. It succeeds where there is no such item."""
        condition = _parse(request)
        table = self._tables.get(request["TableName"])
        key, keys = table.schema.of_request(request["Key"])
        old = table.rows.get(key)
        _check_condition(condition, request, old)
        self._tables.write(table, old, None, keys, now)
        return _answer_old(request, table, old, write_units(old.size if old else 0))

    def update_item(self, request: dict[str, Any], now: float) -> bytes:
        """UpdateItem. Where there is no such item it makes one, even without an expression."""
        actions, condition = _parse_update(request)
        table = self._tables.get(request["TableName"])
        key, keys = table.schema.of_request(request["Key"])
        _check_keys_untouched(actions, table)
        old = table.rows.get(key)
        _check_condition(condition, request, old)
        before = old.attributes if old else keys
        after = updated(actions, before)
        size = item_weight(after)
        if size > MAX_ITEM_BYTES:
            raise invalid("Item size to update has exceeded the maximum allowed size")
        new = StoredItem(key, encode(after), size)
        self._tables.write(table, old, new, keys, now)
        members = _returned(
            request, [action.path for action in actions], old.attributes if old else {}, after
        )
        members += capacity_members(request, table.name, write_units(size, old.size if old else 0))
        return b"{" + b",".join(members) + b"}"

    def batch_write_item(self, request: dict[str, Any], now: float) -> bytes:
        """BatchWriteItem: all is checked before anything is written."""
        by_table = request["RequestItems"]
        if sum(map(len, by_table.values())) > BATCH_REQUESTS:
            raise invalid("Too many items requested for the BatchWriteItem call")
        planned: list[tuple[Table, StoredItem | None, Key, Item]] = []
        for name, writes in by_table.items():
            table = self._tables.get(name)
            planned += [(table, *_planned(table, write)) for write in writes]
        if len({(table.name, key) for table, _, key, _ in planned}) < len(planned):
            raise invalid("Provided list of item keys contains duplicates")
        units: dict[str, float] = {}
        for table, new, key, keys in planned:
            old = table.rows.get(key)
            self._tables.write(table, old, new, keys, now)
            spent = write_units(old.size if old else 0, new.size if new else 0)
            units[table.name] = units.get(table.name, 0.0) + spent
        answer: dict[str, Any] = {"UnprocessedItems": {}}
        if request.get("ReturnConsumedCapacity", "NONE") != "NONE":
            answer["ConsumedCapacity"] = [consumed(request, name, spent) for name, spent in units.items()]
        return encode(answer)


def _new_item(table: Table, given: object) -> tuple[StoredItem, Item]:
    """A valid item for this table, and its key attributes."""
    attributes, size = canonical_item(given)
    key = table.schema.of_item(attributes)
    if size > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    return StoredItem(key, encode(attributes), size), table.schema.attributes_of(attributes)


def _planned(table: Table, write: dict[str, Any]) -> tuple[StoredItem | None, Key, Item]:
    if len(write) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
            if write
            else "1 validation error detected: a WriteRequest needs a PutRequest or a DeleteRequest"
        )
    if "PutRequest" in write:
        new, keys = _new_item(table, write["PutRequest"]["Item"])
        return new, new.key, keys
    key, keys = table.schema.of_request(write["DeleteRequest"]["Key"])
    return None, key, keys


def _parse(request: dict[str, Any]) -> Condition | None:
    """The condition of a PutItem or DeleteItem."""
    if request.get("ReturnValues", "NONE") not in {"NONE", "ALL_OLD"}:
        raise invalid("ReturnValues can only be ALL_OLD or NONE")
    placeholders = Placeholders(request, ("ConditionExpression",))
    condition = _parse_condition(request, placeholders)
    placeholders.finish()
    return condition


def _parse_update(request: dict[str, Any]) -> tuple[tuple[Action, ...], Condition | None]:
    placeholders = Placeholders(request, ("UpdateExpression", "ConditionExpression"))
    text = request.get("UpdateExpression")
    actions = () if text is None else parse_update(text, placeholders)
    condition = _parse_condition(request, placeholders)
    placeholders.finish()
    return actions, condition


def _parse_condition(request: dict[str, Any], placeholders: Placeholders) -> Condition | None:
    text = request.get("ConditionExpression")
    return None if text is None else parse_condition("ConditionExpression", text, placeholders)


def _check_condition(condition: Condition | None, request: dict[str, Any], old: StoredItem | None) -> None:
    if condition is None or holds(condition, old.attributes if old else {}):
        return
    wants_old = request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    raise Refusal(
        "ConditionalCheckFailedException",
        "The conditional request failed",
        item=old.body if old and wants_old else None,
    )


def _check_keys_untouched(actions: tuple[Action, ...], table: Table) -> None:
    for action in actions:
        name = action.path.parts[0]
        if name in table.schema.names:
            raise invalid_values(f"Cannot update attribute {name}. This attribute is part of the key")


def _answer_old(request: dict[str, Any], table: Table, old: StoredItem | None, units: float) -> bytes:
    members = capacity_members(request, table.name, units)
    if old is not None and request.get("ReturnValues") == "ALL_OLD":
        members.insert(0, b'"Attributes":' + old.body)
    return b"{" + b",".join(members) + b"}"


def _returned(request: dict[str, Any], paths: list[Path], old: Item, new: Item) -> list[bytes]:
    """What UpdateItem's ReturnValues asks for: the Attributes member, or none."""
    asked = request.get("ReturnValues", "NONE")
    if asked == "NONE":
        return []
    attributes = new if asked.endswith("_NEW") else old
    if asked.startswith("UPDATED"):
        attributes = Projection(paths).of(attributes)
    return [b'"Attributes":' + encode(attributes)] if attributes else []
