"""A simulated table that rows are written to, beside the one that a target reads, and a TableRows over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from headrace.row_table import Row, RowKey
from headrace.target import OutputTable
from headrace.targets.table_rows import TableRows
from support.replication import Side

EVENT: RowKey = (("event_id", "S"),)


def image(item):
    """DynamoDB JSON as an Image."""
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in item.items()}


def plain(item):
    """An Image as DynamoDB JSON."""
    return {name: msgspec.json.decode(value) for name, value in item.items()}


def create(side: Side, name: str, key: RowKey, **more: Any) -> None:
    """A table of that key."""
    side.call(
        "CreateTable",
        TableName=name,
        KeySchema=[
            {"AttributeName": each, "KeyType": role}
            for (each, _), role in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": tag} for each, tag in key],
        BillingMode="PAY_PER_REQUEST",
        **more,
    )


@dataclass
class Output:
    """The table ``name`` of ``side``, whose ``orders`` are read; ``waits`` are counted, not waited."""

    side: Side = field(default_factory=lambda: Side(seed=1))
    key: RowKey = EVENT
    name: str = "rows"
    waits: list[float] = field(default_factory=list)

    def __post_init__(self):
        if self.name != "orders":
            create(self.side, self.name, self.key)

    def rows(self, key: RowKey | None = None, name: str | None = None) -> TableRows:
        return TableRows(
            OutputTable(name or self.name),
            key or self.key,
            self.side,
            source=self.side,
            read="orders",
            salt="test",
            writers=4,
            pause=self.waits.append,
        )

    def row(self, item: dict[str, Any]) -> Row:
        return Row(image({name: item[name] for name, _ in self.key}), image(item))

    def stored(self) -> list[dict[str, Any]]:
        """All items, in the order of their JSON."""
        items: list[dict[str, Any]] = []
        start: dict[str, Any] = {}
        while True:
            answer = self.side.call("Scan", TableName=self.name, ConsistentRead=True, **start)
            items += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return sorted(items, key=lambda item: msgspec.json.encode(item, order="deterministic"))
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
