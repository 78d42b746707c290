"""From a TableSchema to decoders of whole pages: one msgspec Struct per attribute, one for the item.

Attributes that are not declared, and values under another tag, raise: nothing is skipped silently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import msgspec
import pyarrow as pa

from headrace.dynamodb.attribute import as_type
from headrace.dynamodb.forms import ABSENT, Form, Mismatch, form_of
from headrace.schema import Column, TableSchema

# msgspec refuses these in a field's name; such attributes are left to the generic way.
_UNDECLARABLE = re.compile(r'["\\\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class Field:
    """One column in the generated item: the field's name, its type, its default, and its form.

    ``form`` None: the values come under several tags and are rendered one by one.
    """

    column: Column
    name: str
    type: Any
    absent: Any
    form: Form | None

    def array(self, items: Sequence[Any]) -> pa.Array:
        """This column of ``items``. Raises Mismatch, ValueError or msgspec.DecodeError."""
        cells = list(map(attrgetter(self.name), items))
        array = self._rendered(cells) if self.form is None else self._decoded(cells, self.form)
        if self.column.key and array.null_count:
            raise Mismatch
        return array

    def _decoded(self, cells: list[Any], form: Form) -> pa.Array:
        array = form.to_arrow([cell.content for cell in cells])
        if array.null_count:
            absent = self.absent
            for cell in cells:
                if cell.content is None and cell is not absent and not cell.null:
                    raise Mismatch
        return array

    def _rendered(self, cells: list[Any]) -> pa.Array:
        type_, key = self.column.type, self.column.key
        values = [None if cell is None else as_type(cell, type_, key=key) for cell in cells]
        return pa.array(values, type_.arrow())


@dataclass(frozen=True, slots=True)
class Compiled:
    """Decoders of pages whose items ``schema`` holds.

    ``scan`` decodes to ``rows`` (the items) and ``next`` (raw JSON), ``records`` to ``rows`` (the
    records) and ``next`` (the next iterator).
    """

    schema: TableSchema
    arrow: pa.Schema
    fields: Mapping[str, Field]
    scan: msgspec.json.Decoder[Any]
    records: msgspec.json.Decoder[Any]
    item: Any
    keys: tuple[str, ...]

    def rows(self, items: Sequence[Any]) -> pa.RecordBatch:
        """Decoded items as rows. Raises Mismatch, ValueError or msgspec.DecodeError."""
        arrays = []
        for column, arrow in zip(self.schema.columns, self.arrow, strict=True):
            field = self.fields.get(column.attribute)
            arrays.append(pa.nulls(len(items), arrow.type) if field is None else field.array(items))
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow)

    def from_keys(self, keys: Any) -> Any:
        """An item that holds nothing but ``keys``."""
        return self.item(**{name: getattr(keys, name) for name in self.keys})


def compile_schema(schema: TableSchema, tags: Mapping[str, frozenset[str]]) -> Compiled | None:
    """Decoders for ``schema``; ``tags`` are those seen so far per attribute, NULL apart.

    None where the table's key cannot be declared to msgspec (a quote or control character in its name).
    """
    fields = [
        _field(f"f{index}", column, tags.get(column.attribute, frozenset()))
        for index, column in enumerate(schema.columns)
        if not _UNDECLARABLE.search(column.attribute)
    ]
    keys = [field for field in fields if field.column.key]
    if len(keys) != len(schema.keys):
        return None
    item = _item("Item", fields)
    change = _struct(
        "Change",
        {
            "keys": ("Keys", _item("Key", keys)),
            "number": ("SequenceNumber", str),
            "created": ("ApproximateCreationDateTime", float),
            "image": ("NewImage", item | None, None),
        },
    )
    record = _struct(
        "Record",
        {"event": ("eventName", Literal["INSERT", "MODIFY", "REMOVE"]), "change": ("dynamodb", change)},
    )
    return Compiled(
        schema=schema,
        arrow=schema.arrow(),
        fields={field.column.attribute: field for field in fields},
        scan=_answer("Items", item, ("LastEvaluatedKey", msgspec.Raw, ABSENT)),
        records=_answer("Records", record, ("NextShardIterator", str | None, None)),
        item=item,
        keys=tuple(field.name for field in keys),
    )


def _field(name: str, column: Column, tags: frozenset[str]) -> Field:
    form = form_of(column, next(iter(tags), None)) if len(tags) <= 1 else None
    if form is None:
        return Field(column, name, dict[str, Any], None, None)
    cell = msgspec.defstruct(
        "Cell",
        [("content", form.content, None), ("null", bool, False)],
        rename={"content": form.tag, "null": "NULL"},
        gc=False,
        frozen=True,
        forbid_unknown_fields=True,
    )
    return Field(column, name, cell, cell(), form)


def _item(name: str, fields: Sequence[Field]) -> Any:
    return msgspec.defstruct(
        name,
        [(field.name, field.type, field.absent) for field in fields],
        rename={field.name: field.column.attribute for field in fields},
        gc=False,
        forbid_unknown_fields=True,
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
    return msgspec.json.Decoder(answer)
