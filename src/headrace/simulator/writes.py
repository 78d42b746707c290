"""Operations that write one item: PutItem, UpdateItem, DeleteItem.

Rules: DynamoDB API reference, and the developer guide's "Constraints in DynamoDB".
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import encode, invalid
from headrace.simulator.capacity import capacity_members, write_units
from headrace.simulator.expressions import Path, Projection
from headrace.simulator.intents import parse_intent
from headrace.simulator.items import Item
from headrace.simulator.rows import StoredItem
from headrace.simulator.tables import Tables


class Writes:
    """The operations that change one item."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put_item(self, request: dict[str, Any], now: float) -> bytes:
        """PutItem."""
        return self._replace("Put", request, now)

    def delete_item(self, request: dict[str, Any], now: float) -> bytes:
        """DeleteItem. It succeeds where there is no such item."""
        return self._replace("Delete", request, now)

    def update_item(self, request: dict[str, Any], now: float) -> bytes:
        """UpdateItem. Where there is no item it makes one, even without an expression, but not only to remove."""
        intent = parse_intent("Update", request)
        aim = intent.aim(self._tables.get(request["TableName"]))
        table = aim.table
        old = table.rows.get(aim.key)
        aim.check(old)
        new = aim.outcome(old)
        self._tables.write(table, old, new, aim.keys, now)
        members = _returned(request, [action.path for action in intent.actions], old, new)
        members += capacity_members(request, table.name, write_units(_size(old), _size(new)))
        return b"{" + b",".join(members) + b"}"

    def _replace(self, kind: str, request: dict[str, Any], now: float) -> bytes:
        if request.get("ReturnValues", "NONE") not in {"NONE", "ALL_OLD"}:
            raise invalid("ReturnValues can only be ALL_OLD or NONE")
        intent = parse_intent(kind, request)
        aim = intent.aim(self._tables.get(request["TableName"]))
        table = aim.table
        old = table.rows.get(aim.key)
        aim.check(old)
        new = aim.outcome(old)
        self._tables.write(table, old, new, aim.keys, now)
        members = capacity_members(request, table.name, write_units(_size(old), _size(new)))
        if old is not None and request.get("ReturnValues") == "ALL_OLD":
            members.insert(0, b'"Attributes":' + old.body)
        return b"{" + b",".join(members) + b"}"


def _size(item: StoredItem | None) -> int:
    return 0 if item is None else item.size


def _returned(
    request: dict[str, Any], paths: list[Path], old: StoredItem | None, new: StoredItem | None
) -> list[bytes]:
    """What UpdateItem's ReturnValues asks for: the Attributes member, or none."""
    asked = request.get("ReturnValues", "NONE")
    if asked == "NONE":
        return []
    shown = new if asked.endswith("_NEW") else old
    attributes: Item = {} if shown is None else shown.attributes
    if asked.startswith("UPDATED"):
        attributes = Projection(paths).of(attributes)
    return [b'"Attributes":' + encode(attributes)] if attributes else []
