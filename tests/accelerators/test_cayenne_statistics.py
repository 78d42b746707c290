"""Bounds of a file's columns: no row that a condition lets through is ever thought away."""

from __future__ import annotations

import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.accelerators.cayenne.statistics import LONGEST, Statistics
from headrace.column_type import BINARY, BOOL, INT, TEXT, Digits, Times, number_type, time_type
from headrace.leaf import Comparison, Predicate, simple
from support.copies import schema_of

TIME = time_type(Times("UTC", frozenset({"2006-01-02T15:04:05.000Z"})))
DOUBLE = number_type(Digits(fraction=3, long=False))
MONEY = number_type(Digits(whole=30, fraction=4, long=False, double=False))
SCHEMA = schema_of(n=INT, d=DOUBLE, m=MONEY, b=BINARY, flag=BOOL, text=TEXT, at=TIME)

VALUES = {
    "n": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "d": st.floats() | st.sampled_from([0.0, -0.0, math.nan]),
    "m": st.integers(-(10**10), 10**10).map(lambda n: Decimal(n).scaleb(-4)),
    "b": st.binary(max_size=3),
    "flag": st.booleans(),
    "text": st.text(max_size=3)
    | st.sampled_from(["x" * LONGEST, "x" * (LONGEST + 1), "\U0001f600", "\uffff"]),
    "at": st.integers(-(10**12), 10**12),
}
NAMES = st.sampled_from(sorted(VALUES))


def rows_of(name, values):
    type_ = SCHEMA.arrow().field(name).type
    columns = {
        one.name: pa.array(values, type_) if one.name == name else pa.nulls(len(values), one.type)
        for one in SCHEMA.arrow()
    }
    return pa.table(columns, schema=SCHEMA.arrow())


def holds(value, comparison, asked):
    """Whether a value fulfils a condition, as DuckDB has it."""
    if comparison is Comparison.IS_NULL:
        return value is None
    if value is None:
        return False
    if comparison is Comparison.IS_NOT_NULL:
        return True
    if comparison is Comparison.STARTS_WITH:
        return value.startswith(asked[0])
    one, others = ranked(value), [ranked(other) for other in asked]
    return {
        Comparison.EQUAL: one in others,
        Comparison.IN: one in others,
        Comparison.LESS: one < others[0],
        Comparison.LESS_OR_EQUAL: one <= others[0],
        Comparison.GREATER: one > others[0],
        Comparison.GREATER_OR_EQUAL: one >= others[0],
    }[comparison]


def ranked(value):
    if isinstance(value, float):
        return (math.isnan(value), 0.0 if math.isnan(value) else value)
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


@st.composite
def questions(draw):
    name = draw(NAMES)
    values = draw(st.lists(st.none() | VALUES[name], min_size=1, max_size=4))
    known = [value for value in values if value is not None]
    asked = VALUES[name] | st.sampled_from(known) if known else VALUES[name]
    comparisons = [
        one
        for one in Comparison
        if simple(Predicate(name, one)) and (name == "text" or one is not Comparison.STARTS_WITH)
    ]
    comparison = draw(st.sampled_from(comparisons))
    if comparison in (Comparison.IS_NULL, Comparison.IS_NOT_NULL):
        return name, values, comparison, ()
    count = 3 if comparison is Comparison.IN else 1
    return name, values, comparison, tuple(draw(st.lists(asked, min_size=1, max_size=count)))


@given(questions(), st.integers(0, 4))
def test_a_file_that_holds_an_answer_may_hold_it(question, cut):
    name, values, comparison, asked = question
    type_ = SCHEMA.arrow().field(name).type
    statistics = Statistics()
    for part in (values[:cut], values[cut:]):
        statistics = statistics.including(rows_of(name, part))
    stored = Statistics.decode(statistics.encode(), SCHEMA)
    predicate = Predicate(name, comparison, tuple(pa.scalar(value, type_) for value in asked))
    if any(holds(value, comparison, asked) for value in values):
        assert statistics.may_hold(predicate)
        assert stored.may_hold(predicate)


@pytest.mark.parametrize(
    ("comparison", "asked"),
    [
        (Comparison.EQUAL, (4,)),
        (Comparison.IN, (0, 21)),
        (Comparison.LESS, (5,)),
        (Comparison.LESS_OR_EQUAL, (4,)),
        (Comparison.GREATER, (20,)),
        (Comparison.GREATER_OR_EQUAL, (21,)),
        (Comparison.IS_NULL, ()),
    ],
)
def test_a_file_without_an_answer_is_left_out(comparison, asked):
    statistics = Statistics().including(rows_of("n", [5, 20, 11]))
    assert not statistics.may_hold(
        Predicate("n", comparison, tuple(pa.scalar(one, pa.int64()) for one in asked))
    )


def test_a_file_whose_texts_begin_otherwise_is_left_out():
    statistics = Statistics().including(rows_of("text", ["bb", "bd"]))
    for prefix, found in (
        ("a", False),
        ("b", True),
        ("bc", True),
        ("be", False),
        ("bbb", True),
        ("ba", False),
    ):
        predicate = Predicate("text", Comparison.STARTS_WITH, (pa.scalar(prefix),))
        assert statistics.may_hold(predicate) is found, prefix


def test_a_column_that_is_all_null_holds_no_value():
    statistics = Statistics().including(rows_of("n", [None, None]))
    assert not statistics.may_hold(Predicate("n", Comparison.IS_NOT_NULL))
    assert not statistics.may_hold(Predicate("n", Comparison.EQUAL, (pa.scalar(1),)))
    assert statistics.may_hold(Predicate("n", Comparison.IS_NULL))


def test_nothing_is_known_of_other_columns_and_of_values_of_other_types():
    statistics = Statistics().including(rows_of("n", [5]))
    assert statistics.may_hold(Predicate("unheard", Comparison.EQUAL, (pa.scalar(1),)))
    assert statistics.may_hold(Predicate("n", Comparison.EQUAL, (pa.scalar(1.0),)))
