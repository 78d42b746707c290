"""What DuckDB makes of Arrow's arrays: what they say, however they lie in memory."""

from __future__ import annotations

import itertools
from functools import reduce

import duckdb
import pyarrow as pa
import pytest

from headrace.accelerators.duckdb.rows import BATCH, registered

WRAPPED = {
    "struct": lambda value: {"a": value},
    "list": lambda value: [value, None],
    "map": lambda value: [("k", value)],
}


@pytest.mark.parametrize(
    "nesting",
    [nesting for depth in (1, 2, 3) for nesting in itertools.product(WRAPPED, repeat=depth)],
    ids="-".join,
)
def test_a_slice_of_nested_values_holds_what_was_sliced(nesting):
    values = [
        None if n % 5 == 4 else reduce(lambda value, one: WRAPPED[one](value), nesting, n)
        for n in range(5000)
    ]
    types = {
        "struct": lambda type_: pa.struct([("a", type_)]),
        "list": pa.list_,
        "map": lambda type_: pa.map_(pa.string(), type_),
    }
    type_ = reduce(lambda type_, one: types[one](type_), nesting, pa.int64())
    rows = pa.table({"v": pa.array(values, type_)})
    with duckdb.connect(":memory:") as connection:
        for part in (rows, rows.slice(3, 4000), pa.concat_tables([rows.slice(7, 5), rows.slice(2, 9)])):
            with registered(connection, part):
                found = connection.execute(f"SELECT v FROM {BATCH}").to_arrow_table()
            assert found.column("v").to_pylist() == part.column("v").to_pylist()
