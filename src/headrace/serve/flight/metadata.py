"""The answers to the commands that ask of the catalogue, not for rows: their columns and their contents.

The columns of each, in order, are of https://arrow.apache.org/docs/format/FlightSql.html and the comments of
``FlightSql.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import pyarrow as pa

from headrace.serve.flight.listing import TABLE_TYPES, is_named, like, matching, schemas, tables
from headrace.serve.flight.messages import (
    CommandGetCatalogs,
    CommandGetCrossReference,
    CommandGetDbSchemas,
    CommandGetExportedKeys,
    CommandGetImportedKeys,
    CommandGetPrimaryKeys,
    CommandGetSqlInfo,
    CommandGetTables,
    CommandGetTableTypes,
    CommandGetXdbcTypeInfo,
    Value,
)
from headrace.serve.flight.sql_info import SQL_INFO, sql_info
from headrace.serve.flight.type_info import TYPE_INFO, type_info
from headrace.serve.running import Running

_CATALOGS: Final = pa.schema([pa.field("catalog_name", pa.string(), nullable=False)])
_SCHEMAS: Final = pa.schema(
    [pa.field("catalog_name", pa.string()), pa.field("db_schema_name", pa.string(), nullable=False)]
)
_TABLES: Final = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("table_type", pa.string(), nullable=False),
    ]
)
_TABLES_WITH_SCHEMA: Final = _TABLES.append(pa.field("table_schema", pa.binary(), nullable=False))
_TABLE_TYPES: Final = pa.schema([pa.field("table_type", pa.string(), nullable=False)])
_PRIMARY_KEYS: Final = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("column_name", pa.string(), nullable=False),
        pa.field("key_name", pa.string()),
        pa.field("key_sequence", pa.int32(), nullable=False),
    ]
)
_FOREIGN_KEYS: Final = pa.schema(
    [
        pa.field("pk_catalog_name", pa.string()),
        pa.field("pk_db_schema_name", pa.string()),
        pa.field("pk_table_name", pa.string(), nullable=False),
        pa.field("pk_column_name", pa.string(), nullable=False),
        pa.field("fk_catalog_name", pa.string()),
        pa.field("fk_db_schema_name", pa.string()),
        pa.field("fk_table_name", pa.string(), nullable=False),
        pa.field("fk_column_name", pa.string(), nullable=False),
        pa.field("key_sequence", pa.int32(), nullable=False),
        pa.field("fk_key_name", pa.string()),
        pa.field("pk_key_name", pa.string()),
        pa.field("update_rule", pa.uint8(), nullable=False),
        pa.field("delete_rule", pa.uint8(), nullable=False),
    ]
)


def columns(command: Value) -> pa.Schema | None:
    """The columns of the answer; None if the command does not ask of the catalogue."""
    if isinstance(command, CommandGetTables) and command.include_schema:
        return _TABLES_WITH_SCHEMA
    return _COLUMNS.get(type(command))


def answer(command: Value, running: Running) -> pa.Table | None:
    """The whole answer; None if the command does not ask of the catalogue. Raises QueryError."""
    answered = _ANSWERS.get(type(command))
    return None if answered is None else answered(command, running)


def _catalogs(_: CommandGetCatalogs, running: Running) -> pa.Table:
    return _table(sorted({(catalog,) for catalog, _ in schemas(running)}), _CATALOGS)


def _schemas(command: CommandGetDbSchemas, running: Running) -> pa.Table:
    wanted = like(command.db_schema_filter_pattern)
    found = [
        (catalog, schema)
        for catalog, schema in schemas(running)
        if is_named(command.catalog, catalog) and wanted.fullmatch(schema)
    ]
    return _table(found, _SCHEMAS)


def _tables(command: CommandGetTables, running: Running) -> pa.Table:
    found = matching(
        tables(running),
        catalog=command.catalog,
        schema_pattern=command.db_schema_filter_pattern,
        table_pattern=command.table_name_filter_pattern,
        types=command.table_types,
    )
    listed = [(table.catalog, table.schema, table.name, table.type) for table in found]
    if not command.include_schema:
        return _table(listed, _TABLES)
    schemas = (table.columns(running).serialize().to_pybytes() for table in found)
    whole = [(*row, schema) for row, schema in zip(listed, schemas, strict=True)]
    return _table(whole, _TABLES_WITH_SCHEMA)


def _primary_keys(command: CommandGetPrimaryKeys, running: Running) -> pa.Table:
    found = [
        table
        for table in matching(tables(running), catalog=command.catalog)
        if is_named(command.table, table.name) and is_named(command.db_schema, table.schema)
    ]
    rows = [
        (table.catalog, table.schema, table.name, column, None, number)
        for table in found
        for number, column in enumerate(table.keys(running), 1)
    ]
    return _table(rows, _PRIMARY_KEYS)


def _table(rows: Iterable[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    listed = list(rows)
    columns = zip(*listed, strict=True) if listed else ([] for _ in schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _no_foreign_keys(_: Value, __: Running) -> pa.Table:
    """DynamoDB has none."""
    return _FOREIGN_KEYS.empty_table()


_COLUMNS: Final[dict[type[Value], pa.Schema]] = {
    CommandGetCatalogs: _CATALOGS,
    CommandGetDbSchemas: _SCHEMAS,
    CommandGetTables: _TABLES,
    CommandGetTableTypes: _TABLE_TYPES,
    CommandGetPrimaryKeys: _PRIMARY_KEYS,
    CommandGetExportedKeys: _FOREIGN_KEYS,
    CommandGetImportedKeys: _FOREIGN_KEYS,
    CommandGetCrossReference: _FOREIGN_KEYS,
    CommandGetSqlInfo: SQL_INFO,
    CommandGetXdbcTypeInfo: TYPE_INFO,
}
_ANSWERS: Final[dict[type[Value], Callable[[Any, Running], pa.Table]]] = {
    CommandGetCatalogs: _catalogs,
    CommandGetDbSchemas: _schemas,
    CommandGetTables: _tables,
    CommandGetTableTypes: lambda _, __: _table(((type_,) for type_ in TABLE_TYPES), _TABLE_TYPES),
    CommandGetPrimaryKeys: _primary_keys,
    CommandGetExportedKeys: _no_foreign_keys,
    CommandGetImportedKeys: _no_foreign_keys,
    CommandGetCrossReference: _no_foreign_keys,
    CommandGetSqlInfo: lambda command, _: sql_info(command.info),
    CommandGetXdbcTypeInfo: lambda command, _: type_info(command.data_type),
}
