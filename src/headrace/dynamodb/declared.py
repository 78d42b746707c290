"""Columns that do not follow the items: those that the Spicepod declares, and all of them once they are frozen."""

from __future__ import annotations

from dataclasses import replace

from headrace.column_name import Path, wish
from headrace.column_type import NULL
from headrace.mapping import Declared, Mapping
from headrace.schema import UNMAPPED, Column, Origin, TableSchema, rest_column


def declared_schema(schema: TableSchema, mapping: Mapping) -> TableSchema:
    """``schema`` with the columns that ``mapping`` declares, where it has them not; itself before its key is known.

    A column that is there already was made by the same settings, or is of the key.
    """
    if not schema.columns:
        return schema
    wanted = [_declared(declared, mapping) for declared in mapping.declared]
    if mapping.json_column is not None or mapping.freeze:
        wanted.append(rest_column(mapping.json_column or UNMAPPED))
    missing = [column for column in wanted if schema.column(column.path) is None]
    return TableSchema.of([*schema.columns, *missing]) if missing else schema


def frozen_schema(schema: TableSchema) -> TableSchema:
    """``schema`` as it is, for good. A column of which nothing is known holds anything, as text."""
    return TableSchema.of(_frozen(column) for column in schema.columns)


def _declared(declared: Declared, mapping: Mapping) -> Column:
    fixed = declared.type is not None
    return Column(
        _path(declared, mapping), declared.name, declared.type or NULL, Origin.DECLARED, fixed=fixed
    )


def _frozen(column: Column) -> Column:
    return column if column.key else replace(column, fixed=True)


def _path(declared: Declared, mapping: Mapping) -> Path:
    """Where the values of a declared column are: below maps if these are flattened so far."""
    parts = tuple(declared.name.split("."))
    unnested = mapping.unnest_depth is not None and len(parts) <= mapping.unnest_depth + 1 and all(parts)
    path = parts if unnested else (declared.name,)
    assert wish(path) == declared.name
    return path
