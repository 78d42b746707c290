"""Nested values become JSON and come back, whatever an engine does to the text meanwhile."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import reduce
from unittest import mock

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import column_type
from headrace.accelerators.typed_json import decode, encode
from headrace.accelerators.widen import alike
from headrace.column_type import BINARY, BOOL, INT, TEXT, ColumnType, list_of, map_of, struct_of
from support.typed_values import VALUES, in_column, number, times, type_of


@pytest.fixture(autouse=True, scope="module")
def _structs_of_few_members():
    """So that dictionaries come up."""
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        yield


def column(values, type_):
    return pa.array([in_column(value, type_) for value in values], type_.arrow())


def joined(values):
    return reduce(ColumnType.join, map(type_of, values))


def as_jsonb(texts):
    """As PostgreSQL's jsonb gives texts back: members by length, then backwards here; spaces; numbers with zeros."""
    return pa.array([None if text is None else mangled(text) for text in texts.to_pylist()], pa.string())


class Written(str):
    """A number's own digits."""

    __slots__ = ()


def mangled(text):
    return rewritten(json.loads(text, parse_float=lambda digits: Written(digits + "00"), parse_int=Written))


def rewritten(value):
    match value:
        case dict():
            names = sorted(value, key=lambda name: (len(name), name), reverse=True)
            return "{" + ", ".join(f"{json.dumps(n)} : {rewritten(value[n])}" for n in names) + "}"
        case list():
            return "[ " + " , ".join(map(rewritten, value)) + "]"
        case Written():
            return value
        case _:
            return json.dumps(value)


FEW = st.lists(VALUES, min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(values=FEW)
def test_what_was_encoded_is_decoded_as_it_was(values):
    type_ = joined(values)
    stored = column(values, type_)
    texts = encode(stored, type_)
    assert texts.type == pa.string()
    back = decode(texts, type_)
    assert back.type == type_.arrow()
    back.validate(full=True)
    assert back.equals(stored)
    assert decode(as_jsonb(texts), type_).equals(stored)


@settings(max_examples=200, deadline=None)
@given(values=FEW, other=VALUES)
def test_types_that_are_stored_alike_have_the_same_texts(values, other):
    narrow = joined(values)
    wide = narrow.join(type_of(other))
    if alike(narrow, wide):
        stored = column(values, narrow)
        assert encode(stored, narrow).equals(encode(stored, wide))


@settings(max_examples=100, deadline=None)
@given(values=st.lists(VALUES, min_size=3, max_size=6), start=st.integers(0, 3))
def test_a_slice_is_encoded_as_in_the_whole_and_chunks_decoded_as_one(values, start):
    type_ = joined(values)
    whole = column(values, type_)
    texts = encode(whole, type_)
    assert encode(whole.slice(start, 2), type_).equals(texts.slice(start, 2))
    assert decode(pa.chunked_array([texts.slice(0, start), texts.slice(start)]), type_).equals(whole)


@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (list_of(INT), [1, None, -7], "[1,null,-7]"),
        (list_of(BOOL), [True, False], "[true,false]"),
        (list_of(number("0.1")), [0.5, 1e23, 1e-7], "[0.5,100000000000000000000000,0.0000001]"),
        (list_of(number("9223372036854775808")), [Decimal(2**70)], f"[{2**70}]"),
        (list_of(number("0." + "3" * 40)), ["0." + "3" * 40], '["0.' + "3" * 40 + '"]'),
        (list_of(BINARY), [b"\xff\x00"], '["/wA="]'),
        (list_of(TEXT), ['q"\\\n', "é"], '["q\\"\\\\\\n","é"]'),
        (map_of(INT), {"b": 1, "a": None}, '{"b":1,"a":null}'),
        (struct_of({"a": INT, 'q".': TEXT}), {"a": None, 'q".': "x"}, '{"q\\".":"x"}'),
        (struct_of({"a": INT}), {"a": None}, "{}"),
        (struct_of({"a": INT}), None, None),
    ],
)
def test_the_json_is_what_a_reader_expects(type_, value, text):
    assert encode(pa.array([value], type_.arrow()), type_).to_pylist() == [text]


@pytest.mark.parametrize(
    ("type_", "count", "text"),
    [
        (times(None, "2006-01-02T15:04:05"), 0, "1970-01-01T00:00:00"),
        (times("UTC", "2006-01-02T15:04:05.000Z07:00"), 1200, "1970-01-01T00:00:01.2Z"),
        (
            times("+02:00", "2006-01-02T15:04:05Z07:00"),
            -(62167219200 + 7200) * 1000,
            "0000-01-01T00:00:00+02:00",
        ),
        (times("EST", "2006-01-02T15:04:05.999999999 MST"), 1, "1969-12-31T19:00:00.000000001-05:00"),
        (times("+02:00:30", "2006-01-02T15:04:05Z07:00:00"), 0, "1970-01-01T02:00:30+02:00:30"),
    ],
)
def test_a_time_is_written_in_the_zone_of_its_column(type_, count, text):
    values = pa.array([[count]], pa.list_(pa.int64())).cast(list_of(type_).arrow())
    assert encode(values, list_of(type_)).to_pylist() == [f'["{text}"]']
    assert decode(pa.array([f'["{text}"]']), list_of(type_)).equals(values)


@pytest.mark.parametrize("text", ["{", '"a"', "[1.5]", '["1"]', "[9223372036854775808]"])
def test_what_is_not_of_the_type_is_refused(text):
    with pytest.raises(ValueError, match="JSON"):
        decode(pa.array([text]), list_of(INT))


def test_keys_of_maps_come_back_in_one_order_whatever_the_engine_made_of_it():
    type_ = map_of(INT)
    back = decode(pa.array(['{"é": 1, "bb": 2, "a": 3, "Z": null}']), type_)
    assert msgspec.json.encode(back.to_pylist()[0]) == '[["Z",null],["a",3],["bb",2],["é",1]]'.encode()
