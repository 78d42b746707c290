"""How DuckDB stores what Arrow holds, and which of its own casts widen exactly as ``widen`` does.

DuckDB knows no nanoseconds with a zone: such times are TIMESTAMP_NS, in UTC. All other zoned ones are
microseconds there, so what is read back may be of another unit than was written.
"""

from __future__ import annotations

import pyarrow as pa

from headrace.accelerators.duckdb.door import quoted
from headrace.accelerators.widen import alike
from headrace.arrow_zone import without_nanosecond_zones
from headrace.column_type import ColumnType, Kind

_SIMPLE = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.timestamp("ms"): "TIMESTAMP_MS",
    pa.timestamp("us"): "TIMESTAMP",
    pa.timestamp("ns"): "TIMESTAMP_NS",
    pa.timestamp("ms", "UTC"): "TIMESTAMPTZ",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
    pa.timestamp("ns", "UTC"): "TIMESTAMP_NS",
}


def sql_type(type_: pa.DataType) -> str:
    """The DuckDB type that stores a column of an Arrow type."""
    if pa.types.is_decimal(type_):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if pa.types.is_list(type_):
        return f"{sql_type(type_.value_type)}[]"
    if pa.types.is_map(type_):
        return f"MAP({sql_type(type_.key_type)}, {sql_type(type_.item_type)})"
    if pa.types.is_struct(type_):
        return f"STRUCT({', '.join(f'{quoted(field.name)} {sql_type(field.type)}' for field in type_)})"
    return _SIMPLE[type_]


def storable(rows: pa.Table) -> pa.Table:
    """``rows`` as DuckDB takes them for columns that ``sql_type`` says.

    It would cut nanoseconds with a zone; and of a slice DuckDB 1.5 reads structs within structs from the beginning of
    what was sliced.
    """
    fields = [field.with_type(without_nanosecond_zones(field.type)) for field in rows.schema]
    if fields != list(rows.schema):
        rows = rows.cast(pa.schema(fields))
    for place, field in enumerate(fields):
        if pa.types.is_struct(field.type) and any(pa.types.is_struct(member.type) for member in field.type):
            rows = rows.set_column(place, field, _unsliced(rows.column(place)))
    return rows


def restored(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """What DuckDB gives for columns that store those of ``schema``, as these types, under these names."""
    return rows.rename_columns(schema.names).cast(schema)


def is_native(source: ColumnType, target: ColumnType) -> bool:  # noqa: PLR0911  # One return per kind.
    """Whether DuckDB's own cast makes of each value of ``source`` what ``widen`` makes of it for ``target``.

    Not of doubles, which it turns into decimals by way of binary fractions. Structs it casts by the names of
    their fields, so each attribute must keep its name.
    """
    if source.kind is Kind.NULL or alike(source, target):
        return True
    match source, target:
        case ColumnType(Kind.NUMBER), ColumnType(Kind.NUMBER):
            return _is_native_number(source.arrow(), target.arrow())
        case ColumnType(Kind.NUMBER | Kind.BOOL), ColumnType(Kind.TEXT | Kind.JSON):
            return source.arrow() in (pa.int64(), pa.bool_())
        case ColumnType(Kind.TIME), ColumnType(Kind.TIME):
            return sql_type(target.arrow()) != "TIMESTAMP_NS"
        case ColumnType(Kind.STRUCT), ColumnType(Kind.STRUCT):
            return bool(source.members) and _is_native_struct(source, target)
        case ColumnType(element=ColumnType() as one), ColumnType(element=ColumnType() as two):
            return source.kind is target.kind and is_native(one, two)
        case _:
            return False


def _is_native_number(source: pa.DataType, target: pa.DataType) -> bool:
    return source == pa.int64() or all(map(pa.types.is_decimal, (source, target)))


def _is_native_struct(source: ColumnType, target: ColumnType) -> bool:
    wide = {member.attribute: (name, member.type) for name, member in target.named()}
    for name, member in source.named():
        new_name, type_ = wide[member.attribute]
        if new_name != name or not is_native(member.type, type_):
            return False
    return True


def _unsliced(column: pa.ChunkedArray) -> pa.ChunkedArray:
    chunks = [chunk.take(pa.array(range(len(chunk)))) if chunk.offset else chunk for chunk in column.chunks]
    return pa.chunked_array(chunks, column.type)
