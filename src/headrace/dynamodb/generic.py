"""The slow way: any items to rows, whatever their attributes and types; the schema widens to hold them.

Each record is decoded on its own, so that a broken one becomes a dead letter and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import pyarrow as pa

from headrace.dynamodb.attribute import AttributeValue, BrokenValue, as_type, infer, tag_of
from headrace.dynamodb.forms import ABSENT
from headrace.schema import NULL, ColumnType, TableSchema

_T = TypeVar("_T")

Item = Mapping[str, AttributeValue]

_ITEM = msgspec.json.Decoder(dict[str, dict[str, Any]])


class Image(msgspec.Struct, rename={"keys": "Keys", "image": "NewImage"}):
    """The part of a stream record that holds items."""

    keys: msgspec.Raw = ABSENT
    image: msgspec.Raw = ABSENT


class Change(msgspec.Struct, rename={"event": "eventName", "change": "dynamodb"}):
    """A stream record as far as it is needed to decode its item."""

    event: str | None = None
    change: Image | None = None


class Place(msgspec.Struct, rename={"number": "SequenceNumber", "created": "ApproximateCreationDateTime"}):
    """The part of a stream record that says when."""

    number: str | None = None
    created: float | None = None


class Placed(msgspec.Struct, rename={"place": "dynamodb"}):
    """A stream record as far as it is needed to go on after it."""

    place: Place | None = None


_CHANGE = msgspec.json.Decoder(Change)
_PLACED = msgspec.json.Decoder(Placed, strict=False)


@dataclass(slots=True)
class Harvest:
    """Items of one page, checked, and what they ask of the schema.

    ``types`` and ``tags`` are joined over the page; ``tags`` leaves NULL out.
    """

    keys: tuple[str, ...]
    items: list[Item] = field(default_factory=list)
    deleted: list[bool] = field(default_factory=list)
    types: dict[str, ColumnType] = field(default_factory=dict)
    tags: dict[str, frozenset[str]] = field(default_factory=dict)

    def add_item(self, raw: msgspec.Raw) -> None:
        """Take an item as JSON. Raises BrokenValue; nothing is taken then."""
        self._add(_decode_item(raw), deleted=False)

    def add_record(self, raw: msgspec.Raw) -> None:
        """Take the item of a stream record. Raises BrokenValue; nothing is taken then."""
        record = _decoded(_CHANGE, raw, "the record")
        change = record.change
        if change is None or change.keys is ABSENT:
            raise BrokenValue("the record has no Keys")
        if record.event == "REMOVE":
            keys = _decode_item(change.keys)
            self._add({name: value for name, value in keys.items() if name in self.keys}, deleted=True)
        elif record.event in ("INSERT", "MODIFY"):
            if change.image is ABSENT:
                raise BrokenValue(
                    f"the record ({record.event}) has no NewImage; the stream's view type must be NEW_IMAGE "
                    "or NEW_AND_OLD_IMAGES"
                )
            self._add(_decode_item(change.image), deleted=False)
        else:
            raise BrokenValue(f"eventName is {record.event!r}, not INSERT, MODIFY or REMOVE")

    def widened(self, schema: TableSchema) -> TableSchema:
        """``schema`` with columns for everything that was taken."""
        known = {column.attribute: column for column in schema.columns}
        for attribute, type_ in self.types.items():
            column = known.get(attribute)
            if column is None or column.widened(type_) is not column:
                schema = schema.including(attribute, type_)
        return schema

    def rows(self, schema: TableSchema) -> pa.RecordBatch:
        """Everything that was taken, as rows of ``schema``, which holds it."""
        arrow = schema.arrow()
        cells: dict[str, list[Any]] = {}
        columns = {column.attribute: column for column in schema.columns}
        for index, item in enumerate(self.items):
            for name, value in item.items():
                values = cells.setdefault(name, [])
                values.extend([None] * (index - len(values)))
                values.append(as_type(value, columns[name].type, key=columns[name].key))
        arrays = []
        for column, declared in zip(schema.columns, arrow, strict=True):
            values = cells.get(column.attribute, [])
            values.extend([None] * (len(self.items) - len(values)))
            arrays.append(pa.array(values, declared.type))
        return pa.RecordBatch.from_arrays(arrays, schema=arrow)

    def _add(self, item: Item, *, deleted: bool) -> None:
        found = {name: (infer(value, key=name in self.keys), tag_of(value)) for name, value in item.items()}
        for key in self.keys:
            if found.get(key, (NULL, "NULL"))[0] == NULL:
                raise BrokenValue(f"the key attribute {key!r} is missing")
        for name, (type_, tag) in found.items():
            self.types[name] = self.types.get(name, NULL).join(type_)
            if tag != "NULL":
                self.tags[name] = self.tags.get(name, frozenset()) | {tag}
        self.items.append(item)
        self.deleted.append(deleted)


def place_of(raw: msgspec.Raw) -> tuple[str | None, float | None]:
    """A record's sequence number and creation time (epoch seconds), None where it has none."""
    try:
        place = _PLACED.decode(raw).place
    except (msgspec.DecodeError, RecursionError):
        return None, None
    return (None, None) if place is None else (place.number, place.created)


def key_text(raw: msgspec.Raw, keys: Sequence[str], *, record: bool) -> str | None:
    """The key of a broken record or item as DynamoDB JSON text, None where it cannot be found."""
    try:
        if record:
            change = _CHANGE.decode(raw).change
            return None if change is None or change.keys is ABSENT else bytes(change.keys).decode()
        item = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        found = {name: item[name] for name in keys if name in item}
        return msgspec.json.encode(found).decode() if found else None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def split(body: bytes, rows: str, following: str) -> tuple[list[msgspec.Raw], msgspec.Raw]:
    """The rows of an answer and what follows it, undecoded; ABSENT where nothing does. Raises msgspec.DecodeError."""
    answer = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    if rows not in answer:
        raise msgspec.DecodeError(f"the answer has no {rows}")
    return msgspec.json.decode(answer[rows], type=list[msgspec.Raw]), answer.get(following, ABSENT)


def _decode_item(raw: msgspec.Raw) -> Item:
    return _decoded(_ITEM, raw, "the item")


def _decoded(decoder: msgspec.json.Decoder[_T], raw: msgspec.Raw, what: str) -> _T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BrokenValue(f"{what} cannot be decoded: {error}") from error
