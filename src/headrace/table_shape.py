"""What DescribeTable says of a table: its key, its indexes, its size.

Shape: Amazon DynamoDB API Reference, TableDescription, GlobalSecondaryIndexDescription, LocalSecondaryIndexDescription.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headrace.errors import Unavailable


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One attribute of a key, and its type: S, N or B."""

    name: str
    tag: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a Query reads by a key: the table itself, or an index, which has a ``name``.

    ``projected`` are the attributes that its items have; None: all. ``items`` and ``size_bytes`` are the service's
    estimates.
    """

    partition: KeyPart
    sort: KeyPart | None
    items: int
    size_bytes: int
    name: str | None = None
    local: bool = False
    projected: frozenset[str] | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The key's attributes, partition key first."""
        return (self.partition.name,) if self.sort is None else (self.partition.name, self.sort.name)


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table and those of its indexes that can be read."""

    id: str
    table: Shelf
    indexes: tuple[Shelf, ...] = ()

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Pairs of attribute and type, partition key first."""
        return _pairs(self.table.partition, self.table.sort)


def shape_of(described: Mapping[str, Any]) -> TableShape:
    """The shape that a TableDescription tells. Raises Unavailable where it is none."""
    with _documented():
        tags = _tags(described)
        size = int(described.get("TableSizeBytes") or 0)
        table = Shelf(*_key(described, tags), int(described.get("ItemCount") or 0), size)
        return TableShape(identity_of(described), table, tuple(_indexes(described, tags, table)))


def keys_of(described: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Pairs of attribute and type, partition key first. Raises Unavailable where ``described`` is no TableDescription."""
    with _documented():
        return _pairs(*_key(described, _tags(described)))


def identity_of(described: Mapping[str, Any]) -> str:
    """What another table of the same name does not have."""
    return str(described.get("TableId") or f"{described.get('TableArn')}@{described.get('CreationDateTime')}")


@contextmanager
def _documented() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, IndexError) as error:
        raise Unavailable(f"the answer of DescribeTable is not as documented ({error!r})") from error


def _tags(described: Mapping[str, Any]) -> dict[str, str]:
    return {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}


def _pairs(*parts: KeyPart | None) -> tuple[tuple[str, str], ...]:
    return tuple((part.name, part.tag) for part in parts if part is not None)


def _indexes(described: Mapping[str, Any], tags: Mapping[str, str], table: Shelf) -> Iterator[Shelf]:
    for member in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        for index in described.get(member) or ():
            # One that is being made does not have all items yet.
            if index.get("IndexStatus", "ACTIVE") not in ("ACTIVE", "UPDATING") or index.get("Backfilling"):
                continue
            partition, sort = _key(index, tags)
            projection = index["Projection"]
            own = [partition.name, *([sort.name] if sort is not None else []), *table.key]
            projected = frozenset((*own, *(projection.get("NonKeyAttributes") or ())))
            yield Shelf(
                partition,
                sort,
                int(index.get("ItemCount") or 0),
                int(index.get("IndexSizeBytes") or 0),
                name=index["IndexName"],
                local=member == "LocalSecondaryIndexes",
                projected=None if projection["ProjectionType"] == "ALL" else projected,
            )


def _key(described: Mapping[str, Any], tags: Mapping[str, str]) -> tuple[KeyPart, KeyPart | None]:
    elements = sorted(described["KeySchema"], key=lambda element: element["KeyType"] != "HASH")
    parts = [KeyPart(element["AttributeName"], tags[element["AttributeName"]]) for element in elements]
    return parts[0], parts[1] if len(parts) > 1 else None
