"""The slow way: any items to rows, whatever their attributes and types; the schema widens to hold them.

Each record is decoded on its own, so that a broken one becomes a dead letter and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import pyarrow as pa

from headrace.attribute import AttributeValue, BrokenValue, plain_json
from headrace.column_name import Path
from headrace.column_type import NULL, ColumnType
from headrace.decoding import json_decoder
from headrace.dynamodb.raw import ABSENT
from headrace.dynamodb.reader import Item, ItemReader
from headrace.schema import REST, Column, TableSchema, rest_column

_T = TypeVar("_T")

_ITEM = json_decoder(dict[str, dict[str, Any]])


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


_CHANGE = json_decoder(Change)
_PLACED = json_decoder(Placed, strict=False)


@dataclass(slots=True)
class Harvest:
    """Items of one page, checked, and what they ask of the schema.

    ``types`` are joined over the page; ``tags`` are those seen at each path, NULL left out, and below it in
    maps (``ItemReader.tags``).
    """

    keys: tuple[str, ...]
    reader: ItemReader
    items: list[dict[Path, AttributeValue]] = field(default_factory=list)
    deleted: list[bool] = field(default_factory=list)
    types: dict[Path, ColumnType] = field(default_factory=dict)
    tags: dict[Path, frozenset[str]] = field(default_factory=dict)

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

    def widened(self, schema: TableSchema, *, closed: bool) -> TableSchema:
        """``schema`` with columns for everything that was taken; ``closed``: new attributes go to the rest."""
        known = {column.path: column for column in schema.columns}
        asked: dict[Path, ColumnType] = {}
        rest = False
        for path, type_ in self.types.items():
            column = known.get(path)
            if column is None and closed:
                rest = True
            else:
                asked[path] = type_
                rest = rest or (column is not None and not column.holds(type_) and self._leaves_over(column))
        wider = schema.including(asked)
        if rest and wider.rest is None:
            return TableSchema.of((*wider.columns, rest_column()))
        return wider

    def _leaves_over(self, column: Column) -> bool:
        """Whether one of the values has no place in the column: each may have, where no one type holds them all."""
        values = (item[column.path] for item in self.items if column.path in item)
        return any(not _has_place(value, column, self.reader) for value in values)

    def rows(self, schema: TableSchema) -> pa.RecordBatch:
        """Everything that was taken, as rows of ``schema``, which holds it."""
        arrow = schema.arrow()
        cells: dict[Path, list[Any]] = {}
        for index, item in enumerate(self.items):
            for path, form in row_of(item, schema, self.reader).items():
                values = cells.setdefault(path, [])
                values.extend([None] * (index - len(values)))
                values.append(form)
        arrays = []
        for column, declared in zip(schema.columns, arrow, strict=True):
            values = cells.get(column.path, [])
            values.extend([None] * (len(self.items) - len(values)))
            arrays.append(pa.array(values, declared.type))
        return pa.RecordBatch.from_arrays(arrays, schema=arrow)

    def _add(self, item: Item, *, deleted: bool) -> None:
        leaves = dict(self.reader.leaves(item))
        found = {path: self.reader.type_of(value, key=path[0] in self.keys) for path, value in leaves.items()}
        for key in self.keys:
            if found.get((key,), NULL) == NULL:
                raise BrokenValue(f"the key attribute {key!r} is missing")
        for path, type_ in found.items():
            self.types[path] = self.types.get(path, NULL).join(type_)
            self.reader.tags(path, leaves[path], self.tags)
        self.items.append(leaves)
        self.deleted.append(deleted)


def row_of(leaves: Mapping[Path, AttributeValue], schema: TableSchema, reader: ItemReader) -> dict[Path, Any]:
    """An item's values in the forms of the columns of ``schema``; what has no place there as the REST's JSON."""
    row: dict[Path, Any] = {}
    rest: dict[str, Any] = {}
    for path, value in leaves.items():
        column = schema.column(path)
        if column is None or not _has_place(value, column, reader):
            _put(rest, path, value)
        else:
            row[path] = reader.form(value, column.type)
    if rest:
        row[REST] = plain_json({"M": rest})
    return row


def _has_place(value: AttributeValue, column: Column, reader: ItemReader) -> bool:
    return not column.fixed or column.holds(reader.type_of(value, key=column.key))


def _put(members: dict[str, Any], path: Path, value: AttributeValue) -> None:
    """Put ``value`` into nested maps at ``path``."""
    for name in path[:-1]:
        members = members.setdefault(name, {"M": {}})["M"]
    members[path[-1]] = value


def place_of(raw: msgspec.Raw) -> tuple[str | None, float | None]:
    """A record's sequence number and creation time (epoch seconds), None where it has none."""
    try:
        place = _PLACED.decode(raw).place
    except (msgspec.DecodeError, RecursionError):
        return None, None
    if place is None:
        return None, None
    return place.number if is_number(place.number) else None, place.created


def is_number(text: str | None) -> bool:
    """Whether ``text`` is a sequence number."""
    return text is not None and text.isascii() and text.isdecimal()


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
