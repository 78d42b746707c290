"""One item's key: as people write it, as the service wants it, and as columns hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from headrace.attribute import AttributeValue, BrokenValue, check_value
from headrace.dynamodb.reader import ItemReader
from headrace.errors import QueryError, QueryFault
from headrace.mapping import Mapping as ColumnMapping
from headrace.schema import Column

_READER = ItemReader(ColumnMapping())
_TYPES = {"S": "a string", "N": "a number", "B": "binary, written as base64"}


@dataclass(frozen=True, slots=True)
class Key:
    """The value of each key attribute, partition key first."""

    values: Mapping[str, AttributeValue]

    @classmethod
    def written(cls, table: str, schema: Sequence[tuple[str, str]], parts: Sequence[str]) -> Key:
        """The key that ``parts`` write: strings as they are, numbers in digits, binary in base64.

        ``schema`` are pairs of attribute and type (S, N or B). Raises QueryError, naming the key schema,
        where the parts are too many, too few, or not of these types.
        """
        if len(parts) != len(schema):
            wanted = " and ".join(f"{name} ({_TYPES[tag]})" for name, tag in schema)
            raise QueryError(
                QueryFault.INVALID,
                f"the key of {table} is {wanted}: give {len(schema)} value{'s'[: len(schema) > 1]}, not {len(parts)}",
            )
        values = {}
        for (name, tag), text in zip(schema, parts, strict=True):
            value = {tag: text}
            try:
                check_value(value)
            except BrokenValue:
                raise QueryError(
                    QueryFault.INVALID, f"{name}, of the key of {table}, is {_TYPES[tag]}: {text!r} is not"
                ) from None
            values[name] = value
        return cls(values)

    @property
    def text(self) -> str:
        """As DynamoDB JSON."""
        return msgspec.json.encode(self.values).decode()

    def value_in(self, column: Column) -> object | None:
        """The key's value as its key column holds it; None where the column's type holds no such value."""
        value = self.values.get(column.attribute)
        if value is None or column.type.join(_READER.type_of(value, key=True)).arrow() != column.type.arrow():
            return None
        found: object = _READER.form(value, column.type)
        return found
