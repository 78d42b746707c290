"""The types of values, as JDBC and ODBC know them: the answer to Flight SQL's GetXdbcTypeInfo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

TYPE_INFO: Final = pa.schema(
    [
        pa.field("type_name", pa.string(), nullable=False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.string()),
        pa.field("literal_suffix", pa.string()),
        pa.field("create_params", pa.list_(pa.field("item", pa.string(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.string()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)
"""The columns of the answer, of ``CommandGetXdbcTypeInfo`` in ``FlightSql.proto``."""

_NULLABLE: Final = 1
_SEARCHABLE_BY_ALL: Final = 3
_SEARCHABLE_NOT_BY_LIKE: Final = 2
_DATETIME: Final = 9
"""What ``sql_data_type`` says of dates and times; ``datetime_subcode`` says which."""


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of DuckDB, with the number of its kind in ODBC (``XdbcDataType``)."""

    name: str
    number: int
    size: int | None = None
    quote: str | None = None
    prefix: str | None = None
    radix: int | None = None
    scales: tuple[int, int] | None = None
    subcode: int | None = None
    parameters: tuple[str, ...] | None = None


_TYPES: Final = (
    _Type("BOOLEAN", -7, 1),
    _Type("TINYINT", -6, 3, radix=10, scales=(0, 0)),
    _Type("BIGINT", -5, 19, radix=10, scales=(0, 0)),
    _Type("BLOB", -3, quote="'", prefix="'"),
    _Type("DECIMAL", 3, 38, radix=10, scales=(0, 38), parameters=("precision", "scale")),
    _Type("INTEGER", 4, 10, radix=10, scales=(0, 0)),
    _Type("SMALLINT", 5, 5, radix=10, scales=(0, 0)),
    _Type("FLOAT", 7, 24, radix=2),
    _Type("DOUBLE", 8, 53, radix=2),
    _Type("VARCHAR", 12, quote="'", prefix="'"),
    _Type("DATE", 91, 10, quote="'", prefix="DATE '", subcode=1),
    _Type("TIME", 92, 15, quote="'", prefix="TIME '", subcode=2),
    _Type("TIMESTAMP", 93, 26, quote="'", prefix="TIMESTAMP '", subcode=3),
    _Type("TIMESTAMP WITH TIME ZONE", 93, 32, quote="'", prefix="TIMESTAMPTZ '", subcode=5),
)
"""Ordered by number, then by name, as the answer must be."""


def type_info(number: int | None) -> pa.Table:
    """The types, or those of one number of ODBC."""
    rows = [_row(type_) for type_ in _TYPES if number is None or type_.number == number]
    return pa.Table.from_pylist(rows, schema=TYPE_INFO)


def _row(type_: _Type) -> dict[str, object]:
    numeric = type_.radix is not None
    text = type_.name == "VARCHAR"
    least, most = type_.scales or (None, None)
    return {
        "type_name": type_.name,
        "data_type": type_.number,
        "column_size": type_.size,
        "literal_prefix": type_.prefix,
        "literal_suffix": type_.quote,
        "create_params": type_.parameters,
        "nullable": _NULLABLE,
        "case_sensitive": text,
        "searchable": _SEARCHABLE_BY_ALL if text else _SEARCHABLE_NOT_BY_LIKE,
        "unsigned_attribute": False if numeric else None,
        "fixed_prec_scale": False,
        "auto_increment": False if numeric else None,
        "local_type_name": None,
        "minimum_scale": least,
        "maximum_scale": most,
        "sql_data_type": type_.number if type_.subcode is None else _DATETIME,
        "datetime_subcode": type_.subcode,
        "num_prec_radix": type_.radix,
        "interval_precision": None,
    }
