"""Operations on many items that are not one transaction: BatchWriteItem and BatchGetItem.

Rules: DynamoDB API reference. All is checked before anything is done; nothing is left unprocessed for want of
capacity, because the simulator has enough of it, unless a test plants that.
"""

from __future__ import annotations

from typing import Any

from headrace.simulator.answers import encode, invalid
from headrace.simulator.capacity import consumed, read_units, write_units
from headrace.simulator.intents import new_item
from headrace.simulator.items import Item
from headrace.simulator.keys import Key
from headrace.simulator.reads import view_of
from headrace.simulator.rows import StoredItem
from headrace.simulator.tables import Table, Tables

WRITE_REQUESTS = 25
GET_KEYS = 100
# BatchGetItem, API reference: of 100 items of 300 KB it returns 52, so its 16 MB are 16 million bytes.
GET_BYTES = 16_000_000


class Batches:
    """The operations that write or read items of several tables at once."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def batch_write_item(self, request: dict[str, Any], now: float, *, most: int = WRITE_REQUESTS) -> bytes:
        """BatchWriteItem: all is checked before anything is written. What is more than ``most`` is left unprocessed."""
        by_table = request["RequestItems"]
        if sum(map(len, by_table.values())) > WRITE_REQUESTS:
            raise invalid("Too many items requested for the BatchWriteItem call")
        planned: list[tuple[Table, StoredItem | None, Key, Item]] = []
        for name, writes in by_table.items():
            table = self._tables.get(name)
            planned += [(table, *_planned(table, write)) for write in writes]
        _check_distinct([(table.name, key) for table, _, key, _ in planned])
        units: dict[str, float] = {}
        for table, new, key, keys in planned[:most]:
            old = table.rows.get(key)
            self._tables.write(table, old, new, keys, now)
            spent = write_units(old.size if old else 0, new.size if new else 0)
            units[table.name] = units.get(table.name, 0.0) + spent
        unprocessed: dict[str, list[dict[str, Any]]] = {}
        written = [(name, write) for name, writes in by_table.items() for write in writes]
        for name, write in written[most:]:
            unprocessed.setdefault(name, []).append(write)
        return encode({"UnprocessedItems": unprocessed, **_capacity(request, units)})

    def batch_get_item(self, request: dict[str, Any], _: float, *, most: int = GET_KEYS) -> bytes:
        """BatchGetItem, in the order of the request; what would exceed 16 MB, or ``most`` keys, is left unprocessed."""
        by_table = request["RequestItems"]
        if sum(len(part["Keys"]) for part in by_table.values()) > GET_KEYS:
            raise invalid("Too many items requested for the BatchGetItem call")
        views = {name: view_of(part) for name, part in by_table.items()}
        wanted: list[tuple[str, Table, Key, Item]] = []
        for name, part in by_table.items():
            table = self._tables.get(name)
            wanted += [(name, table, *table.schema.of_request(key)) for key in part["Keys"]]
        _check_distinct([(table.name, key) for _, table, key, _ in wanted])
        found: dict[str, list[bytes]] = {name: [] for name in by_table}
        units: dict[str, float] = {}
        left: dict[str, list[Item]] = {}
        total = 0
        for place, (name, table, key, keys) in enumerate(wanted):
            item = table.rows.get(key)
            size = item.size if item else 0
            if left or place >= most or total + size > GET_BYTES:
                left.setdefault(name, []).append(keys)
                continue
            total += size
            spent = read_units(size, consistent=by_table[name].get("ConsistentRead", False))
            units[table.name] = units.get(table.name, 0.0) + spent
            body = None if item is None else views[name].of(item)
            if body is not None:
                found[name].append(body)
        responses = [encode(name) + b":[" + b",".join(bodies) + b"]" for name, bodies in found.items()]
        rest = {name: {**by_table[name], "Keys": keys} for name, keys in left.items()}
        tail = encode({"UnprocessedKeys": rest, **_capacity(request, units)})
        return b'{"Responses":{' + b",".join(responses) + b"}," + tail[1:]


def _check_distinct(keys: list[tuple[str, Key]]) -> None:
    if len(set(keys)) < len(keys):
        raise invalid("Provided list of item keys contains duplicates")


def _capacity(request: dict[str, Any], units: dict[str, float]) -> dict[str, Any]:
    if request.get("ReturnConsumedCapacity", "NONE") == "NONE":
        return {}
    return {"ConsumedCapacity": [consumed(request, name, spent) for name, spent in units.items()]}


def _planned(table: Table, write: dict[str, Any]) -> tuple[StoredItem | None, Key, Item]:
    if len(write) != 1:
        raise invalid(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
            if write
            else "1 validation error detected: a WriteRequest needs a PutRequest or a DeleteRequest"
        )
    if "PutRequest" in write:
        new, keys = new_item(table, write["PutRequest"]["Item"])
        return new, new.key, keys
    key, keys = table.schema.of_request(write["DeleteRequest"]["Key"])
    return None, key, keys
