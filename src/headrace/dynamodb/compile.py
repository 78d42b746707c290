"""From a TableSchema to decoders of whole pages: generated Structs of the items' attributes, and of what is in these.

Attributes that are not declared, and values under another tag, raise: nothing is skipped silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pyarrow as pa

from headrace.column_name import Path
from headrace.decoding import json_decoder
from headrace.dynamodb.form_choice import Tags, declarable
from headrace.dynamodb.item_columns import ItemColumns, item_columns
from headrace.dynamodb.leftovers import joined, leftovers
from headrace.dynamodb.nested_forms import struct_of_cells
from headrace.dynamodb.raw import ABSENT
from headrace.dynamodb.reader import ItemReader
from headrace.mapping import Mapping as ColumnMapping
from headrace.schema import REST, Column, TableSchema


@dataclass(frozen=True, slots=True)
class Compiled:
    """Decoders of pages whose items ``schema`` holds.

    ``scan`` decodes to ``rows`` (the items) and ``next`` (raw JSON), ``records`` to ``rows`` (the records) and
    ``next`` (the next iterator). Items are for ``rows`` to take, and for nobody else to look into.
    """

    schema: TableSchema
    scan: msgspec.json.Decoder[Any]
    records: msgspec.json.Decoder[Any]
    _arrow: pa.Schema
    _columns: Mapping[str, ItemColumns]
    _keys: tuple[tuple[str, str], ...]
    _item: Any
    _items: msgspec.json.Decoder[Any] | None
    _unread: frozenset[str]

    def rows(self, items: list[Any]) -> pa.RecordBatch:
        """Decoded items as rows. Raises Mismatch, ValueError or msgspec.DecodeError."""
        found: dict[Path, pa.Array] = {}
        if self._items is not None:
            body = joined(items)
            found[REST] = leftovers(body, frozenset(self._columns), self._unread)
            items = self._items.decode(body)
        for columns in self._columns.values():
            found.update(columns.arrays(items))
        arrays = [
            found[column.path] if column.path in found else pa.nulls(len(items), field.type)
            for column, field in zip(self.schema.columns, self._arrow, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self._arrow)

    def from_keys(self, keys: Any) -> Any:
        """An item that holds nothing but ``keys``."""
        if self._items is not None:
            return msgspec.Raw(msgspec.json.encode(keys))
        return self._item(**{own: getattr(keys, name) for name, own in self._keys})


def compile_schema(
    schema: TableSchema, tags: Tags, mapping: ColumnMapping, *, closed: bool = False
) -> Compiled | None:
    """Decoders for ``schema``; ``tags`` are those seen so far at each path (``ItemReader.tags``).

    Attributes without a column are of the rest if the schema is ``closed``, as it is with a ``json_column``; else
    they raise. None where the table's key cannot be declared to msgspec (a quote or control character in its name).
    """
    if not all(declarable(column.attribute) for column in schema.keys):
        return None
    reader = ItemReader(mapping)
    by_attribute: dict[str, list[Column]] = {}
    for column in schema.columns:
        if column.path != REST:
            by_attribute.setdefault(column.attribute, []).append(column)
    names = {attribute: f"f{number}" for number, attribute in enumerate(filter(declarable, by_attribute))}
    columns = {
        attribute: item_columns(by_attribute[attribute], name, tags, reader)
        for attribute, name in names.items()
    }
    forms = [(attribute, own.form) for attribute, own in columns.items()]
    keys = [column.attribute for column in schema.keys]
    rest = schema.rest is not None and (closed or mapping.json_column is not None)
    item = struct_of_cells("Item", forms, open_=rest)
    image = msgspec.Raw if rest else item | None
    change = _struct(
        "Change",
        {
            "keys": ("Keys", struct_of_cells("Key", [(key, columns[key].form) for key in keys])),
            "number": ("SequenceNumber", str),
            "created": ("ApproximateCreationDateTime", float),
            "image": ("NewImage", image, None),
        },
    )
    record = _struct(
        "Record",
        {"event": ("eventName", Literal["INSERT", "MODIFY", "REMOVE"]), "change": ("dynamodb", change)},
    )
    return Compiled(
        schema=schema,
        scan=_answer("Items", msgspec.Raw if rest else item, ("LastEvaluatedKey", msgspec.Raw, ABSENT)),
        records=_answer("Records", record, ("NextShardIterator", str | None, None)),
        _arrow=schema.arrow(),
        _columns=columns,
        _keys=tuple((f"f{number}", names[key]) for number, key in enumerate(keys)),
        _item=item,
        _items=json_decoder(list[item]) if rest else None,  # type: ignore[valid-type]  # Made at run time.
        _unread=frozenset(by_attribute.keys() - columns.keys()),
    )


def _struct(name: str, fields: Mapping[str, tuple[Any, ...]]) -> Any:
    return msgspec.defstruct(
        name,
        [(own, *rest) for own, (_, *rest) in fields.items()],
        rename={own: wire for own, (wire, *_) in fields.items()},
        gc=False,
    )


def _answer(rows: str, row: Any, following: tuple[Any, ...]) -> msgspec.json.Decoder[Any]:
    answer = _struct("Answer", {"rows": (rows, list[row]), "next": following})
    return json_decoder(answer)
