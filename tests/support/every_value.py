"""One value of each type that a column can have, among them those that are easily changed on their way."""

from __future__ import annotations

from decimal import Decimal

from headrace.column_type import BINARY, BOOL, INT, JSON, LONG, NULL, TEXT, list_of, map_of, struct_of
from support.typed_values import number, times

NAIVE, ZONED = "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00"

VALUES = {
    "null": (NULL, None),
    "bool": (BOOL, False),
    "int": (INT, -(2**53)),
    "long": (LONG, 2**63 - 1),
    "double": (number("0.5"), -1.5e-300),
    "large_decimal": (number("1" * 38), Decimal("-" + "9" * 38)),
    "fine_decimal": (number(f"{'9' * 19}.{1:019}"), Decimal(f"-{'9' * 19}.{1:019}")),
    "digits": (number("0." + "1" * 38), "0." + "1" * 38),
    "binary": (BINARY, b"\x00\xfe"),
    "ms": (times(None, NAIVE), -62_167_219_200_000),
    "us": (times(None, NAIVE + ".999999"), 253_402_300_799_999_999),
    "ns": (times(None, NAIVE + ".999999999"), 2**63 - 2),
    "ms_utc": (times("UTC", ZONED), -62_135_596_800_000),
    "us_utc": (times("UTC", "2006-01-02T15:04:05.999999Z07:00"), 253_402_300_799_999_999),
    "ns_utc": (times("UTC", "2006-01-02T15:04:05.999999999Z07:00"), -(2**63) + 2),
    "ms_offset": (times("-07:30", ZONED), 1_000),
    "text": (TEXT, 'it\'s "quoted" \\ ünï \x00 end'),
    "json": (JSON, '{"a":1.10}'),
    "no_members": (struct_of({}), "{}"),
    "struct": (
        struct_of({"a": INT, 'b.".': TEXT, "B": struct_of({"c": number("0.5")})}),
        {"B": {"c": 0.25}, "a": 1, 'b.".': None},
    ),
    "map": (map_of(INT), {"x": 1, "": 2, 'q"': 3}),
    "empty_map": (map_of(struct_of({"a": INT})), {}),
    "maps": (map_of(struct_of({"a": INT})), {"x": {"a": 1}, "y": {"a": None}}),
    "nulls": (list_of(NULL), [None]),
    "bools": (list_of(BOOL), [True, None, False]),
    "ints": (list_of(INT), []),
    "longs": (list_of(LONG), [-(2**63)]),
    "doubles": (list_of(number("0.5")), [0.1, 1e300]),
    "binaries": (list_of(BINARY), [b"", b"\xff"]),
    "texts": (list_of(TEXT), ["", "a,b", None]),
    "structs": (list_of(struct_of({"a": INT, "b": list_of(TEXT)})), [{"a": 1, "b": ["x"]}, None]),
    "nanoseconds": (
        map_of(list_of(struct_of({"at": times("UTC", "2006-01-02T15:04:05.999999999Z07:00")}))),
        {"x": [{"at": 123_456_789_123_456_789}]},
    ),
}
"""Pairs of type and value, by what is special of them."""
