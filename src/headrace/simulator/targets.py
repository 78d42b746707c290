"""What Query and Scan read: a table, or one of its indexes.

Rules: DynamoDB API reference (Query and Scan: IndexName, Select, ConsistentRead, ExclusiveStartKey); developer guide,
"Local Secondary Indexes" (what is fetched from the table, and what that costs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from headrace.simulator.answers import invalid, invalid_values
from headrace.simulator.indexes import Entry, Index, IndexPartition
from headrace.simulator.items import Item, canonical_value
from headrace.simulator.keys import Key, KeySchema
from headrace.simulator.rows import Partition, StoredItem
from headrace.simulator.tables import Table


@dataclass(frozen=True, slots=True)
class Target:
    """``fetching``: each item of the index is looked up in the table, for what the index does not have."""

    table: Table
    index: Index | None = None
    fetching: bool = False

    @property
    def schema(self) -> KeySchema:
        """The key by which a Query reads."""
        return self.table.schema if self.index is None else self.index.schema

    def cursor(self, item: StoredItem) -> Item:
        """What goes on after an item."""
        if self.index is None:
            return self.table.schema.attributes_of(item.attributes)
        attributes = item.attributes
        return {name: attributes[name] for name in self.index.key_names}

    def place(self, given: object) -> tuple[Key | Entry, Item]:
        """Where a cursor stands, and its attributes."""
        if self.index is None:
            return self.table.schema.of_request(given)
        if type(given) is not dict or given.keys() != set(self.index.key_names):
            raise invalid("The provided starting key is invalid")
        kinds = {a.name: a.kind for a in (*self.index.schema.attributes, *self.table.schema.attributes)}
        attributes = {name: canonical_value(value)[0] for name, value in given.items()}
        for name, value in attributes.items():
            if kinds[name] not in value:
                raise invalid("The provided starting key is invalid")
        return self.index.place_of(attributes), attributes

    def between(self, low: int, high: int, after: Key | Entry | None) -> Iterator[StoredItem]:
        """Items whose partition's token is in [low, high), in order, those beyond ``after`` only."""
        if self.index is None:
            assert not isinstance(after, Entry), "a table's place is a key"
            return self.table.rows.between(low, high, after)
        assert not isinstance(after, Key), "an index's place is an entry"
        return self.index.between(low, high, after)

    def partition(self, hash_value: str) -> Partition | IndexPartition:
        """The items of one partition key."""
        if self.index is None:
            return self.table.rows.partition(hash_value) or Partition()
        return self.index.partition(hash_value)

    def whole(self, item: StoredItem) -> tuple[StoredItem, int]:
        """The item as it is answered, and the bytes of what was fetched for it."""
        if not self.fetching:
            return item, 0
        found = self.table.rows.get(item.key)
        assert found is not None, "an index has the items of its table"
        return found, found.size


def target_of(table: Table, request: dict[str, Any], named: Iterable[str]) -> Target:
    """What a request reads, which names these attributes in its filter and its projection.

    Raises a ValidationException for what its index cannot give.
    """
    name = request.get("IndexName")
    if name is None:
        return Target(table)
    index = table.index(name)
    if not index.local and request.get("ConsistentRead", False):
        raise invalid("Consistent reads are not supported on global secondary indexes")
    missing = [attribute for attribute in named if not index.projects(attribute)]
    everything = request.get("Select") == "ALL_ATTRIBUTES" and index.projection != "ALL"
    if index.local:
        return Target(table, index, fetching=everything or bool(missing))
    if everything:
        raise invalid_values(
            f"Select type ALL_ATTRIBUTES is not supported for global secondary index {name} because its projection type is "
            "not ALL"
        )
    if missing:
        raise invalid_values(f"Global secondary index {name} does not project [{', '.join(missing)}]")
    return Target(table, index)
