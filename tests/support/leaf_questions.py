"""Questions that a leaf may be asked, and what DuckDB answers them over the same rows."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import strategies as st

from headrace.column_type import BINARY, BOOL, INT, TEXT, ColumnType, list_of, struct_of
from headrace.leaf import Comparison, Predicate
from support.typed_values import number, times

TYPES = st.sampled_from(
    [
        *(INT, TEXT, BOOL, BINARY, number("0.5"), number("1" * 25), number("0." + "1" * 40)),
        *(times("UTC", "2006-01-02T15:04:05.000Z07:00"), times(None, "2006-01-02T15:04:05.000000")),
        *(times("UTC", "2006-01-02T15:04:05.000000000Z07:00"), list_of(INT), struct_of({"a": INT})),
    ]
)

EDGES = [
    "",
    "a",
    "ab",
    "a\0b",
    "b",
    "é",
    "\ud7ff",
    "\ue000",
    "a\U0010ffff",
    "\U0010ffff",
    "A",
    "10",
    "%",
    "\\",
    "'",
    "_",
]
"""Texts whose order is another by characters than by bytes, or that some engines take for something else."""

FLOATS = st.sampled_from([0.0, -0.0, 1.5, -1e300, float("inf"), float("nan")])
"""What a statement may ask for; items have no infinity and no NaN."""


def values_of(type_: ColumnType) -> st.SearchStrategy[Any]:
    """Values that a column of this type may hold."""
    match str(type_.arrow()):
        case "double":
            return FLOATS.filter(lambda value: abs(value) < 1e301)
        case "bool":
            return st.booleans()
        case "binary":
            return st.binary(max_size=2)
        case "string" if type_.kind == "number":
            return st.sampled_from(["0.1", "0.11", "1", "-2"])
        case "string":
            return st.sampled_from(EDGES)
        case name if name.startswith("decimal"):
            return st.integers(-3, 3).map(Decimal)
        case name if name.startswith("list"):
            return st.lists(st.integers(0, 2), max_size=2)
        case name if name.startswith("struct"):
            return st.fixed_dictionaries({"a": st.integers(0, 2)})
        case name if name.startswith("timestamp[ns"):
            # Python, and DuckDB's parameters, know whole microseconds.
            return st.integers(-3, 3).map(lambda count: count * 1000)
        case _:
            return st.integers(-3, 3)


@st.composite
def questions(draw: Any) -> tuple[ColumnType, list[Any], Predicate]:
    """A type, what a column ``v`` holds of it, and a predicate on that."""
    type_ = draw(TYPES)
    held = draw(st.lists(st.none() | values_of(type_), min_size=1, max_size=8))
    comparison = draw(st.sampled_from(Comparison))
    most = {Comparison.IS_NULL: 0, Comparison.IS_NOT_NULL: 0, Comparison.IN: 3, Comparison.NOT_IN: 3}.get(
        comparison, 1
    )
    asked = FLOATS if str(type_.arrow()) == "double" else values_of(type_)
    values = draw(st.lists(asked, min_size=min(most, 1), max_size=most))
    return type_, held, Predicate("v", comparison, tuple(pa.scalar(one, type_.arrow()) for one in values))


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    """One for all questions: opening a database costs more than an answer. What a cursor makes ends with the cursor."""
    return duckdb.connect()


def duckdbs_answer(rows: pa.Table, predicate: Predicate) -> set[str]:
    """The ``id`` of each row that satisfies the predicate."""
    asked = pa.table({"x": pa.array(predicate.values, rows.schema.field("v").type)})
    with _database().cursor() as database:
        for name, table in (("everything", rows), ("asked", asked)):
            # Over Arrow's own table, DuckDB would leave the condition to Arrow, which compares NaN otherwise.
            database.register(f"{name}_given", table)
            database.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM {name}_given")
        found = database.execute(f"SELECT id FROM everything WHERE {_condition(predicate.comparison)}")
        return {id_ for (id_,) in found.fetchall()}


def _condition(comparison: Comparison) -> str:
    match comparison:
        case Comparison.IS_NULL | Comparison.IS_NOT_NULL:
            return f"v {comparison}"
        case Comparison.NOT_IN:
            return "v NOT IN (SELECT x FROM asked)"
        case Comparison.STARTS_WITH:
            return "starts_with(v, (SELECT x FROM asked))"
        case Comparison.NOT_STARTS_WITH:
            return "NOT starts_with(v, (SELECT x FROM asked))"
        case _:
            return f"v {comparison} (SELECT x FROM asked)"
