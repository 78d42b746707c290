"""The copied table's columns, told to the peers beforehand: they need not find out, as Headrace must."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("customer", pa.string()),
        ("status", pa.string()),
        ("created_at", pa.string()),
        ("note", pa.string()),
        ("quantity", pa.int64()),
        ("amount", pa.decimal128(18, 2)),
        ("weight", pa.decimal128(18, 3)),
        ("version", pa.int64()),
        ("paid", pa.bool_()),
    ]
)

FLOATS = pa.schema(
    [pa.field(f.name, pa.float64() if pa.types.is_decimal(f.type) else f.type) for f in SCHEMA],
)
"""The same where a client gives numbers as floats."""


def warm_up() -> None:
    """Let pyarrow import what it imports at its first conversion, pandas among it, before the clock runs."""
    pa.Table.from_pylist([{"id": "x"}], schema=SCHEMA)
