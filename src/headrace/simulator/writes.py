"""Writing operations: PutItem, DeleteItem, BatchWriteItem.

Rules: DynamoDB API reference, and the developer guide's "Constraints in DynamoDB".
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import encode, invalid
from headrace.simulator.capacity import capacity_members, consumed, write_units
from headrace.simulator.items import MAX_ITEM_BYTES, Item, canonical_item
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
        _check_return_values(request)
        table = self._tables.get(request["TableName"])
        new, keys = _new_item(table, request["Item"])
        old = table.rows.get(new.key)
        self._tables.write(table, old, new, keys, now)
        return _written(request, table, old, write_units(new.size, old.size if old else 0))

    def delete_item(self, request: dict[str, Any], now: float) -> bytes:
        """DeleteItem. It succeeds where there is no such item."""
        _check_return_values(request)
        table = self._tables.get(request["TableName"])
        key, keys = table.schema.of_request(request["Key"])
        old = table.rows.get(key)
        self._tables.write(table, old, None, keys, now)
        return _written(request, table, old, write_units(old.size if old else 0))

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


def _check_return_values(request: dict[str, Any]) -> None:
    if request.get("ReturnValues", "NONE") not in {"NONE", "ALL_OLD"}:
        raise invalid("ReturnValues can only be ALL_OLD or NONE")


def _written(request: dict[str, Any], table: Table, old: StoredItem | None, units: float) -> bytes:
    members = capacity_members(request, table.name, units)
    if old is not None and request.get("ReturnValues") == "ALL_OLD":
        members.insert(0, b'"Attributes":' + old.body)
    return b"{" + b",".join(members) + b"}"
