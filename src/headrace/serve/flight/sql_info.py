"""What the server is and can, as Flight SQL's GetSqlInfo tells it.

The numbers and the types of the values are those of the enumeration ``SqlInfo`` of ``FlightSql.proto``.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

import headrace
from headrace.serve.flight.handles import IDLE_SECONDS
from headrace.serve.flight.listing import ESCAPE

_KINDS: Final = (
    pa.field("string_value", pa.string()),
    pa.field("bool_value", pa.bool_()),
    pa.field("bigint_value", pa.int64()),
    pa.field("int32_bitmask", pa.int32()),
    pa.field("string_list", pa.list_(pa.field("string_data", pa.string()))),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.field("$data$", pa.int32())))),
)
_TEXT, _BOOL, _BIGINT, _INT32, _TEXTS, _MAP = range(len(_KINDS))

SQL_INFO: Final = pa.schema(
    [
        pa.field("info_name", pa.uint32(), nullable=False),
        pa.field("value", pa.dense_union(_KINDS), nullable=False),
    ]
)
"""The columns of the answer."""


def _bits(*numbers: int) -> int:
    return sum(1 << number for number in numbers)


_INFO: Final[dict[int, tuple[int, Any]]] = {
    # Of the server.
    0: (_TEXT, "Headrace"),
    1: (_TEXT, headrace.__version__),
    2: (_TEXT, pa.__version__),
    3: (_BOOL, True),  # read only
    4: (_BOOL, True),  # SQL
    5: (_BOOL, False),  # Substrait
    8: (_INT32, 0),  # no transactions
    9: (_BOOL, True),  # cancels statements
    10: (_BOOL, False),  # takes no rows in bulk
    100: (_INT32, int(IDLE_SECONDS * 1000)),  # milliseconds that an idle handle lives
    101: (_INT32, 0),
    # Of its SQL.
    500: (_BOOL, False),  # no CREATE or DROP of catalogs,
    501: (_BOOL, False),  # schemas,
    502: (_BOOL, False),  # tables
    503: (_INT32, 1),  # names are case-insensitive
    504: (_TEXT, '"'),
    505: (_INT32, 1),  # quoted ones too
    506: (_BOOL, True),  # every table is selectable
    507: (_INT32, 3),  # nulls come last
    508: (_TEXTS, []),
    509: (_TEXTS, []),
    510: (_TEXTS, []),
    511: (_TEXTS, []),
    512: (_TEXTS, []),
    513: (_TEXT, ESCAPE),
    514: (_TEXT, ""),
    515: (_BOOL, True),  # AS
    516: (_BOOL, True),  # NULL || 'a' IS NULL
    517: (_MAP, []),
    518: (_BOOL, True),  # aliases of tables,
    519: (_BOOL, False),  # which may be any
    520: (_BOOL, True),  # expressions in ORDER BY
    521: (_BOOL, True),
    522: (_INT32, _bits(0, 1)),  # GROUP BY of what is not selected, and beyond
    523: (_BOOL, True),  # LIKE ... ESCAPE
    524: (_BOOL, False),  # no NOT NULL columns
    525: (_INT32, _bits(0, 1)),  # minimum and core grammar of ODBC
    526: (_INT32, _bits(0)),  # entry level of SQL-92
    527: (_BOOL, False),
    528: (_INT32, 2),  # full outer joins
    529: (_TEXT, "schema"),
    530: (_TEXT, "procedure"),
    531: (_TEXT, "catalog"),
    532: (_BOOL, True),  # the catalog comes first
    533: (_INT32, 0),
    534: (_INT32, 0),
    535: (_INT32, 0),
    536: (_BOOL, False),
    537: (_BOOL, False),
    538: (_INT32, _bits(0, 1, 2, 3)),  # subqueries in comparisons, EXISTS, IN, quantified
    539: (_BOOL, True),  # correlated too
    540: (_INT32, _bits(0, 1)),  # UNION and UNION ALL
    **dict.fromkeys((*range(541, 556), *range(557, 562)), (_BIGINT, 0)),  # no limits
    556: (_BOOL, False),
    562: (_INT32, 0),  # no transactions
    563: (_BOOL, False),
    564: (_INT32, _bits(0)),
    565: (_BOOL, False),
    566: (_BOOL, False),
    567: (_INT32, _bits(1)),  # results are read forward only
    568: (_INT32, 0),
    569: (_INT32, _bits(1)),  # and not changed
    570: (_INT32, 0),
    571: (_INT32, 0),
    572: (_BOOL, False),
    573: (_BOOL, False),
    574: (_BOOL, False),
    575: (_BOOL, False),
    576: (_BOOL, False),
}


def sql_info(numbers: tuple[int, ...]) -> pa.Table:
    """These facts, or all where none are named. One that is not known has no row."""
    asked = [number for number in numbers or _INFO if number in _INFO]
    values: list[list[Any]] = [[] for _ in _KINDS]
    kinds: list[int] = []
    places: list[int] = []
    for number in asked:
        kind, value = _INFO[number]
        kinds.append(kind)
        places.append(len(values[kind]))
        values[kind].append(value)
    union = pa.UnionArray.from_dense(
        pa.array(kinds, pa.int8()),
        pa.array(places, pa.int32()),
        [pa.array(of_kind, field.type) for of_kind, field in zip(values, _KINDS, strict=True)],
        [field.name for field in _KINDS],
    )
    return pa.Table.from_arrays([pa.array(asked, pa.uint32()), union], schema=SQL_INFO)
