"""A write as its request says it: parsed, aimed at a table, checked, carried out.

Alone or in a transaction, the same rules hold; only the answer to a broken one differs.
Rules: DynamoDB API reference (PutItem, UpdateItem, DeleteItem, ConditionCheck).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from headrace.simulator.answers import Refusal, encode, invalid, invalid_values
from headrace.simulator.expressions import (
    Action,
    Condition,
    DeleteAction,
    Placeholders,
    RemoveAction,
    holds,
    parse_condition,
    parse_update,
    updated,
)
from headrace.simulator.items import MAX_ITEM_BYTES, Item, canonical_item
from headrace.simulator.keys import Key
from headrace.simulator.rows import StoredItem
from headrace.simulator.tables import Table


@dataclass(frozen=True, slots=True)
class Intent:
    """One write or check, its expressions parsed, nothing looked up yet.

    ``kind`` is Put, Update, Delete or ConditionCheck. ``actions`` are an Update's.
    """

    kind: str
    request: dict[str, Any]
    condition: Condition | None
    actions: tuple[Action, ...] = ()

    def aim(self, table: Table) -> Aim:
        """What it means for this table. Raises a ValidationException if its key or item does not fit."""
        if self.kind == "Put":
            new, keys = new_item(table, self.request["Item"])
            return Aim(self, table, new.key, keys, new)
        key, keys = table.schema.of_request(self.request["Key"])
        for action in self.actions:
            name = action.path.parts[0]
            if name in table.schema.names:
                raise invalid_values(f"Cannot update attribute {name}. This attribute is part of the key")
        return Aim(self, table, key, keys, None)


@dataclass(frozen=True, slots=True)
class Aim:
    """An intent with its key, and its item if it is a Put."""

    intent: Intent
    table: Table
    key: Key
    keys: Item
    put: StoredItem | None

    def check(self, old: StoredItem | None) -> None:
        """Raise ConditionalCheckFailedException if ``old`` does not meet the condition."""
        condition = self.intent.condition
        if condition is None or holds(condition, old.attributes if old else {}):
            return
        wants_old = self.intent.request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
        raise Refusal(
            "ConditionalCheckFailedException",
            "The conditional request failed",
            extra={"Item": msgspec.Raw(old.body)} if old and wants_old else None,
        )

    def outcome(self, old: StoredItem | None) -> StoredItem | None:
        """What the table holds afterwards. Raises a ValidationException if an update cannot be done."""
        match self.intent.kind:
            case "Put":
                return self.put
            case "Delete":
                return None
            case "ConditionCheck":
                return old
        actions = self.intent.actions
        if (
            old is None
            and actions
            and all(isinstance(action, RemoveAction | DeleteAction) for action in actions)
        ):
            # Nothing to take from nothing, not even at a path that leads nowhere: AWS makes no item for it.
            return None
        after = updated(actions, old.attributes if old else self.keys)
        _, size = canonical_item(after)
        self.table.check(after)
        if size > MAX_ITEM_BYTES:
            raise invalid("Item size to update has exceeded the maximum allowed size")
        return StoredItem(self.key, encode(after), size)


def parse_intent(kind: str, request: dict[str, Any]) -> Intent:
    """Parse a write's expressions. Raises a ValidationException for whatever they may not say."""
    names = ("UpdateExpression", "ConditionExpression") if kind == "Update" else ("ConditionExpression",)
    placeholders = Placeholders(request, names)
    update, condition = request.get("UpdateExpression"), request.get("ConditionExpression")
    actions = () if update is None else parse_update(update, placeholders)
    parsed = None if condition is None else parse_condition("ConditionExpression", condition, placeholders)
    placeholders.finish()
    return Intent(kind, request, parsed, actions)


def new_item(table: Table, given: object) -> tuple[StoredItem, Item]:
    """A valid item for this table, and its key attributes."""
    attributes, size = canonical_item(given)
    key = table.schema.of_item(attributes)
    table.check(attributes)
    if size > MAX_ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    return StoredItem(key, encode(attributes), size), table.schema.attributes_of(attributes)
