from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from headrace.arrow_name import arrow_name
from headrace.cli.arrow_text import column_texts
from headrace.cli.table import draw, one_line


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (pa.int64(), "Int64"),
        (pa.string(), "Utf8"),
        (pa.large_string(), "LargeUtf8"),
        (pa.bool_(), "Boolean"),
        (pa.float64(), "Float64"),
        (pa.binary(), "Binary"),
        (pa.null(), "Null"),
        (pa.date32(), "Date32"),
        (pa.list_(pa.string()), "List(Utf8)"),
        (pa.list_(pa.struct([("a", pa.int64())])), "List(Struct)"),
        (pa.large_list(pa.int8()), "LargeList(Int8)"),
        (pa.list_(pa.int8(), 3), "FixedSizeList(Int8, 3)"),
        (pa.struct([("a", pa.int64())]), "Struct"),
        (pa.map_(pa.string(), pa.int64()), "Map(Utf8, Int64)"),
        (pa.timestamp("ms"), "Timestamp(Millisecond)"),
        (pa.timestamp("us", "UTC"), "Timestamp(Microsecond, UTC)"),
        (pa.time64("us"), "Time64(Microsecond)"),
        (pa.duration("ns"), "Duration(Nanosecond)"),
        (pa.decimal128(38, 9), "Decimal128(38, 9)"),
        (pa.decimal256(40, 0), "Decimal256(40, 0)"),
        (pa.binary(16), "FixedSizeBinary(16)"),
        (pa.dictionary(pa.int32(), pa.string()), "Dictionary(Int32, Utf8)"),
        (pa.month_day_nano_interval(), "Interval(MonthDayNano)"),
        (pa.uuid(), "FixedSizeBinary(16)"),
    ],
)
def test_types_have_the_names_of_the_documents(type_, name):
    assert arrow_name(type_) == name


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (pa.array([True]), "true"),
        (pa.array([1.5]), "1.5"),
        (pa.array([float("nan")]), "nan"),
        (pa.array([b"\x01\xff"]), "0x01ff"),
        (pa.array([["a", None]]), '["a",null]'),
        (pa.array([{"a": 1, "b": b"\x01", "c": Decimal("1.10")}]), '{"a":1,"b":"0x01","c":"1.1"}'),
        (pa.array([Decimal("12345678901234567890.10")]), "12345678901234567890.1"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), '{"a":1}'),
        (pa.array([[1]], pa.list_(pa.timestamp("ns"))), '["1970-01-01T00:00:00.000000001"]'),
        (pa.array([datetime(2024, 3, 15, 14, 30, tzinfo=UTC)], pa.timestamp("s")), "2024-03-15T14:30:00"),
        (
            pa.array([datetime(2024, 3, 15, 14, 30, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
            "2024-03-15T14:30:00Z",
        ),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
        (pa.array([timedelta(seconds=2)], pa.duration("ms")), "2000 ms"),
        (pa.array(["tab\tand\x1b[2J\nnew"]), "tab\\tand\\x1b[2J\\nnew"),
        (pa.array([None], pa.timestamp("us")), "NULL"),
        (pa.array([None], pa.string()), "NULL"),
        (pa.array([""]), ""),
    ],
)
def test_values_are_one_line_of_text_each(array, text):
    assert column_texts(array) == [text]


@given(st.text())
def test_no_text_can_command_the_terminal(text):
    assert one_line(text).isprintable()


def test_no_rows_still_show_their_columns():
    assert draw(["a (Int64)"], [])[0].splitlines() == ["+-----------+", "| a (Int64) |", "+-----------+"]


def test_wide_characters_keep_the_bars_in_line():
    lines = draw(["name"], [["日本語"], ["abc"]])[0].splitlines()
    assert {cell_len(line) for line in lines} == {10}


def test_the_widest_column_is_cut_first():
    lines = draw(["id", "text"], [["123456", "x" * 100]], width=40)[0].splitlines()
    assert lines[3] == "| 123456 | " + "x" * 26 + "… |"


def test_columns_in_the_middle_give_way_when_cutting_is_not_enough():
    text, hidden = draw([f"column_{n}" for n in range(10)], [[str(n) for n in range(10)]], width=50)
    assert hidden == 6
    assert text.splitlines()[3] == "| 0        | 1        | … | 8        | 9        |"


@given(
    st.integers(1, 12).flatmap(
        lambda columns: st.tuples(
            st.lists(st.text(max_size=30), min_size=columns, max_size=columns),
            st.lists(st.lists(st.text(max_size=80), min_size=columns, max_size=columns), max_size=5),
        )
    ),
    st.one_of(st.none(), st.integers(20, 200)),
)
def test_every_line_of_a_table_is_as_long_as_the_others_and_no_wider_than_asked(table, width):
    headings, rows = (
        [one_line(text) for text in table[0]],
        [[one_line(text) for text in row] for row in table[1]],
    )
    text, hidden = draw(headings, rows, width)
    lengths = {cell_len(line) for line in text.splitlines()}
    assert len(lengths) == 1
    assert width is None or max(lengths) <= width
    assert 0 <= hidden < len(headings)
    if width is None:
        assert hidden == 0
