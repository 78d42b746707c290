"""Pages decoded both ways, the compiled and the generic one, by the schema that some page taught."""

from __future__ import annotations

import json

import msgspec
import pyarrow as pa

from headrace.dynamodb.compile import Compiled, compile_schema
from headrace.dynamodb.declared import declared_schema, frozen_schema
from headrace.dynamodb.forms import Mismatch
from headrace.dynamodb.generic import Harvest
from headrace.dynamodb.reader import ItemReader
from headrace.mapping import Mapping
from headrace.schema import TableSchema
from support.attribute_values import AV

KEYS = TableSchema.of_keys((("pk", "S"),))
STRUCTS = Mapping()
NULL = {"NULL": True}


def harvest_of(page: list[dict[str, AV]], mapping: Mapping) -> Harvest:
    harvest = Harvest(("pk",), ItemReader(mapping))
    for item in page:
        harvest.add_item(msgspec.Raw(json.dumps(item).encode()))
    return harvest


def taught(page: list[dict[str, AV]], mapping: Mapping) -> tuple[TableSchema, Harvest]:
    harvest = harvest_of(page, mapping)
    schema = harvest.widened(declared_schema(KEYS, mapping), closed=mapping.json_column is not None)
    return (frozen_schema(schema) if mapping.freeze else schema), harvest


def fast_rows(compiled: Compiled | None, page: list[dict[str, AV]]) -> pa.RecordBatch:
    assert compiled is not None
    body = json.dumps({"Items": page}, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
    return compiled.rows(compiled.scan.decode(body).rows)


def of(*values: AV | None) -> list[dict[str, AV]]:
    """Items whose attribute ``a`` has these values; None is none."""
    return [
        {"pk": {"S": str(number)}, **({} if value is None else {"a": value})}
        for number, value in enumerate(values)
    ]


def both_ways(page: list[dict[str, AV]], mapping: Mapping = STRUCTS) -> pa.RecordBatch:
    """The rows of a page by the schema that it taught, which are the same both ways."""
    schema, harvest = taught(page, mapping)
    closed = mapping.freeze or mapping.json_column is not None
    rows = fast_rows(compile_schema(schema, harvest.tags, mapping, closed=closed), page)
    rows.validate(full=True)
    assert rows.equals(harvest.rows(schema))
    return rows


def column(page: list[dict[str, AV]], mapping: Mapping = STRUCTS) -> pa.Array:
    return both_ways(page, mapping).column("a")


def takes(first: list[dict[str, AV]], second: list[dict[str, AV]], mapping: Mapping = STRUCTS) -> bool:
    """Whether the schema that the first page taught decodes the second one the fast way."""
    schema, harvest = taught(first, mapping)
    try:
        fast_rows(compile_schema(schema, harvest.tags, mapping), second)
    except (Mismatch, msgspec.DecodeError, ValueError):
        return False
    return True
