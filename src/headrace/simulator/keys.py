"""Primary keys: what is a valid one, how one sorts, and where its partition lies on the hash ring.

Rules: developer guide, "Constraints in DynamoDB" (partition key 1 to 2,048 bytes, sort key 1 to 1,024).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Any, NamedTuple

from headrace.simulator.answers import KeyRefusal, invalid, invalid_values
from headrace.simulator.items import Item, Value, canonical_value

RING = 1 << 64
MAX_HASH_BYTES = 2048
MAX_SORT_BYTES = 1024
_INVALID = "One or more parameter values were invalid"


class Key(NamedTuple):
    """A primary key in the order of Scan: by place on the ring, then partition, then sort value.

    ``sort`` is comparable within a table: text for S (code points sort as UTF-8 does), bytes for B, Decimal
    for N, the empty text where there is no sort key.
    """

    token: int
    hash: str
    sort: Any


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of the primary key and its type: S, N or B."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class KeySchema:
    """A table's partition key and, perhaps, sort key."""

    hash: KeyAttribute
    sort: KeyAttribute | None

    @property
    def attributes(self) -> tuple[KeyAttribute, ...]:
        """Partition key first."""
        return (self.hash,) if self.sort is None else (self.hash, self.sort)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the key's attributes, partition key first."""
        return tuple(attribute.name for attribute in self.attributes)

    def of_item(self, item: Item) -> Key:
        """The key of a canonical item that is about to be stored."""
        for attribute in self.attributes:
            value = item.get(attribute.name)
            if value is None:
                raise KeyRefusal(f"{_INVALID}: Missing the key {attribute.name} in the item")
            if attribute.kind not in value:
                raise KeyRefusal(
                    f"{_INVALID}: Type mismatch for key {attribute.name} "
                    f"expected: {attribute.kind} actual: {next(iter(value))}"
                )
        return self._key(item)

    def of_request(self, given: object) -> tuple[Key, Item]:
        """The key that a request names, and its canonical attributes."""
        if type(given) is not dict or len(given) != len(self.attributes):
            raise _mismatch()
        attributes: Item = {}
        for attribute in self.attributes:
            if attribute.name not in given:
                raise _mismatch()
            value, _ = canonical_value(given[attribute.name])
            if attribute.kind not in value:
                raise _mismatch()
            attributes[attribute.name] = value
        return self._key(attributes), attributes

    def attributes_of(self, item: Item) -> Item:
        """The key's part of an item."""
        return {name: item[name] for name in self.names}

    def _key(self, item: Item) -> Key:
        partition: str = item[self.hash.name][self.hash.kind]
        _check_size(self.hash, partition, MAX_HASH_BYTES)
        if self.sort is None:
            return Key(token_of(partition), partition, "")
        value = item[self.sort.name]
        _check_size(self.sort, value[self.sort.kind], MAX_SORT_BYTES)
        return Key(token_of(partition), partition, sortable(value))


def token_of(partition: str) -> int:
    """Where a partition key lies on the ring; any hash would do that is the same on every machine."""
    return int.from_bytes(blake2b(partition.encode(), digest_size=8).digest(), "big")


def sortable(value: Value) -> Any:
    """A scalar as a value that Python compares the way DynamoDB does."""
    kind, content = next(iter(value.items()))
    if kind == "N":
        return Decimal(content)
    return binascii.a2b_base64(content) if kind == "B" else content


def _check_size(attribute: KeyAttribute, content: str, limit: int) -> None:
    if attribute.kind == "N":
        return
    if not content:
        kind = "string" if attribute.kind == "S" else "binary"
        raise invalid(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain "
            f"an empty {kind} value. Key: {attribute.name}"
        )
    size = len(content.encode()) if attribute.kind == "S" else len(binascii.a2b_base64(content))
    if size > limit:
        raise invalid_values(
            "Size of hashkey has exceeded the maximum size limit of2048 bytes"
            if limit == MAX_HASH_BYTES
            else "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
        )


def _mismatch() -> KeyRefusal:
    return KeyRefusal("The provided key element does not match the schema")
