"""Values follow their type: in one step or in many, in whole arrays or one by one, they come out the same."""

from __future__ import annotations

from functools import reduce
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import column_type
from headrace.accelerators.plain import plain_rows
from headrace.accelerators.widen import alike, widen
from headrace.column_type import ColumnType
from support.typed_values import VALUES, in_column, type_of


@pytest.fixture(autouse=True, scope="module")
def _structs_of_few_members():
    """So that dictionaries come up."""
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        yield


def column(values, type_):
    return pa.array([in_column(value, type_) for value in values], type_.arrow())


def plain(values):
    return [row["v"] for row in plain_rows(pa.table({"v": values}))]


def joined(values):
    return reduce(ColumnType.join, map(type_of, values))


FEW = st.lists(VALUES, min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(first=FEW, second=FEW, third=FEW)
def test_the_way_to_a_type_leaves_no_trace_in_the_values(first, second, third):
    narrow = joined(first)
    wider = narrow.join(joined(second))
    widest = wider.join(joined(third))
    values = column(first, narrow)
    at_once = widen(values, narrow, widest)
    assert at_once.type == widest.arrow()
    at_once.validate(full=True)
    assert widen(widen(values, narrow, wider), wider, widest).equals(at_once)
    assert plain(at_once) == [in_column(value, widest) for value in first]
    assert not alike(narrow, widest) or at_once.equals(values)


@settings(max_examples=100, deadline=None)
@given(values=st.lists(VALUES, min_size=3, max_size=6), other=VALUES, start=st.integers(0, 3))
def test_a_slice_and_a_chunk_are_widened_as_the_whole(values, other, start):
    narrow = joined(values)
    wide = narrow.join(type_of(other))
    whole = column(values, narrow)
    expected = widen(whole, narrow, wide)
    assert widen(whole.slice(start, 2), narrow, wide).equals(expected.slice(start, 2))
    chunked = pa.chunked_array([whole.slice(0, start), whole.slice(start)])
    assert widen(chunked, narrow, wide).combine_chunks().equals(expected)
