"""Columns that do not follow the items: those that the Spicepod declares, and all of them once they are frozen."""

from __future__ import annotations

from dataclasses import replace

from headrace.column_name import Path, wish
from headrace.column_type import NULL
from headrace.mapping import Declared, Mapping
from headrace.schema import UNMAPPED, Column, Origin, TableSchema, rest_column


def declared_schema(schema: TableSchema, mapping: Mapping) -> TableSchema:
    """``schema`` with the columns that ``mapping`` declares, and none fixed but those and the key's.

    A declared column that is known with another type keeps what it holds: it becomes wide enough for both.
    """
    if not schema.columns:
        return schema
    columns = {column.path: column for column in map(_free, schema.columns)}
    for declared in mapping.declared:
        path = _path(declared, mapping)
        known = columns.get(path)
        if known is None or not known.key:
            columns[path] = _declared(declared, path, known)
    if mapping.json_column is not None or mapping.freeze:
        rest = rest_column(mapping.json_column or UNMAPPED)
        columns[rest.path] = rest
    made = TableSchema.of(columns.values())
    return schema if made == schema else made


def frozen_schema(schema: TableSchema) -> TableSchema:
    """``schema`` as it is, for good. A column of which nothing is known holds anything, as text."""
    return TableSchema.of(_frozen(column) for column in schema.columns)


def _free(column: Column) -> Column:
    if column.key or not column.path:
        return column
    return replace(column, origin=Origin.ITEMS, fixed=False)


def _declared(declared: Declared, path: Path, known: Column | None) -> Column:
    type_ = NULL if known is None else known.type
    if declared.type is not None:
        type_ = declared.type if type_ in (NULL, declared.type) else declared.type.join(type_)
    return Column(path, declared.name, type_, Origin.DECLARED, fixed=declared.type is not None)


def _frozen(column: Column) -> Column:
    return column if column.key else replace(column, fixed=True)


def _path(declared: Declared, mapping: Mapping) -> Path:
    """Where the values of a declared column are: below maps if these are flattened so far."""
    parts = tuple(declared.name.split("."))
    unnested = mapping.unnest_depth is not None and len(parts) <= mapping.unnest_depth + 1 and all(parts)
    path = parts if unnested else (declared.name,)
    assert wish(path) == declared.name
    return path
