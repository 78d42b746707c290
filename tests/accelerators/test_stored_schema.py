"""The schema that is stored beside the rows."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance
from headrace.accelerators.duckdb.tables import OLDEST_FORMAT
from headrace.accelerators.stored_schema import decode_schema, encode_schema
from headrace.column_type import INT
from headrace.errors import AcceleratorError
from headrace.schema import Column, Origin, TableSchema, rest_column
from support.copies import batch, create, schema_of, work
from support.typed_values import ATTRIBUTES, TIMES, VALUES, type_of

PATHS = st.lists(ATTRIBUTES, min_size=1, max_size=3).map(tuple)
COLUMNS = st.builds(
    Column,
    PATHS,
    st.just(""),
    (VALUES | TIMES).map(type_of),
    st.sampled_from(Origin),
    st.booleans(),
)


@given(st.lists(COLUMNS, max_size=5, unique_by=lambda column: column.path))
def test_a_schema_comes_back_from_its_text_with_all_that_is_known(columns):
    schema = TableSchema.of([*columns, rest_column("the rest")])
    text = encode_schema(schema)
    assert decode_schema(text) == schema
    assert encode_schema(decode_schema(text)) == text


def test_what_is_no_schema_is_refused_with_the_cure():
    with pytest.raises(AcceleratorError, match="delete the accelerator's file"):
        decode_schema('[{"path": ["a"], "name": "a"}]')


def test_a_file_with_values_of_earlier_forms_is_refused_with_the_cure(tmp_path):
    path = tmp_path / "orders.duckdb"
    instance = DuckDBInstance({"orders": path})
    sink = DuckDBAccelerator(instance, "orders")
    sink.open()
    sink.apply(create())
    sink.apply(work(1, batch(schema_of(n=INT), {"id": "a", "n": 1})))
    instance.close()
    with duckdb.connect(str(path)) as theirs:
        theirs.execute(f"UPDATE headrace_checkpoint SET format = {OLDEST_FORMAT - 1}")
    instance = DuckDBInstance({"orders": path})
    with pytest.raises(AcceleratorError, match="delete the file to copy the table anew"):
        DuckDBAccelerator(instance, "orders").open()
    instance.close()
