"""Numbers, times and texts are held exactly by their fast forms, or not at all."""

from __future__ import annotations

from decimal import Decimal
from functools import reduce

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.column_type import (
    LONG,
    Digits,
    Times,
    number_type,
    time_type,
)
from headrace.dynamodb.forms import Mismatch
from headrace.dynamodb.number_forms import number_form
from headrace.mapping import Declared, Mapping, NumberType
from headrace.time_layout import Layout
from support.attribute_values import AV
from support.attribute_values import numbers as any_numbers
from support.both_ways import NULL, column, of, takes

generous = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def numbers(*texts: str) -> list[dict[str, AV]]:
    return of(*({"N": text} for text in texts))


def times(*texts: str) -> list[dict[str, AV]]:
    return of(*({"S": text} for text in texts))


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        ([{"S": ""}, {"S": "é{"}], pa.string(), ["", "é{"]),
        ([{"BOOL": True}, {"BOOL": False}], pa.bool_(), [True, False]),
        ([{"B": ""}, {"B": "aGk="}], pa.binary(), [b"", b"hi"]),
        ([{"N": "1"}, {"N": "-9223372036854775808"}, {"N": "1.0"}], pa.int64(), [1, -(2**63), 1]),
        ([{"N": "1"}, {"N": "1E3"}, {"N": "-0"}], pa.int64(), [1, 1000, 0]),
        (
            [{"N": "0.1"}, {"N": "1E+22"}, {"N": "0.30000000000000004"}],
            pa.float64(),
            [0.1, 1e22, 0.30000000000000004],
        ),
        ([{"N": "18446744073709551616"}, {"N": "1"}], pa.decimal128(38, 0), [Decimal(2**64), Decimal(1)]),
        ([{"N": "0.1000000000000000001"}, {"N": "2.50"}], pa.decimal128(38, 19), None),
        ([{"N": "0.10000000000000000001"}, {"N": "1E+30"}, {"N": "007"}], pa.string(), None),
        ([{"L": []}, {"L": [NULL]}], pa.list_(pa.string()), [[], [None]]),
        ([{"L": [{"S": "x"}]}, {"L": []}], pa.list_(pa.string()), [["x"], []]),
        ([{"SS": ["b", "a"]}, {"L": [{"S": "x"}, NULL]}], pa.list_(pa.string()), [["b", "a"], ["x", None]]),
        (
            [{"NS": ["1.50"]}, {"SS": ["x"]}, {"BS": ["aGk="]}],
            pa.list_(pa.string()),
            [["1.5"], ["x"], ["aGk="]],
        ),
        ([{"NS": ["2", "1"]}, {"L": [NULL]}], pa.list_(pa.int64()), [[2, 1], [None]]),
        ([{"BS": ["aGk="]}, {"L": []}], pa.list_(pa.binary()), [[b"hi"], []]),
        ([{"M": {}}], pa.string(), ["{}"]),
        (
            [{"S": "x"}, {"N": "1.50"}, {"BOOL": True}, {"B": "aGk="}],
            pa.string(),
            ["x", "1.5", "true", "aGk="],
        ),
        (
            [
                {"S": "x"},
                {"L": [{"N": "1"}, NULL, {"L": [{"N": "1.0"}]}]},
                {"M": {"b": {"N": "2.0"}, "a": NULL}},
            ],
            pa.string(),
            ["x", '["1",null,"[1.0]"]', '{"b":2}'],
        ),
        (
            [
                {
                    "L": [
                        {"N": "1E2"},
                        {"BOOL": False},
                        {"B": "aGk="},
                        {"M": {"b": {"S": '"'}, "a": {"SS": ["x"]}}},
                    ]
                }
            ],
            pa.list_(pa.string()),
            [["100", "false", "aGk=", '{"a":["x"],"b":"\\""}']],
        ),
    ],
)
def test_each_form_holds_its_values_beside_null_and_missing_ones(values, type_, expected):
    array = column(of(*values, NULL, None))
    assert array.type == type_
    assert array[len(values) :].to_pylist() == [None, None]
    if expected is not None:
        assert array[: len(values)].to_pylist() == expected


@pytest.mark.parametrize(
    ("known", "met", "taken"),
    [
        (["1"], ["9007199254740992"], True),
        (["1"], ["9007199254740993"], False),
        (["1"], ["9007199254740994"], True),
        (["9007199254740993"], ["-9223372036854775808"], True),
        (["9007199254740993"], ["9223372036854775808"], False),
        (["1"], ["1.5"], False),
        (["1"], ["0.99999999999999999999"], False),
        (["1"], ["0x10"], False),
        (["1.5"], ["2", "-0.5", "100"], True),
        (["1.5"], ["1.25"], False),
        (["1.5"], ["1.50"], True),
        (["1.5"], ["1E-5"], False),
        (["0.30000000000000004"], ["0.1234567890123456"], True),
        (["0.30000000000000004"], ["0.12345678901234567"], False),
        (["1.5"], ["1E+22"], False),
        (["1.5", "1E+22"], ["1E+22", "12345678901234567890"], False),
        (["1.5"], ["nan"], False),
        (["1.5"], ["inf"], False),
        (["100000000000000000000"], ["5", "200000000000000000000"], True),
        (["100000000000000000000"], ["1000000000000000000000"], False),
        (["100000000000000000000"], ["18446744073709551617"], False),
        (["100000000000000000000"], ["12345678901E+10"], True),
        (["18446744073709551617"], ["18446744073709551616", "1E+19"], True),
        (["123456789012345678901.5"], ["-0.5", "1E+20", "2.0"], True),
        (["123456789012345678901.5"], ["1E-40"], False),
        (["123456789012345678901.5"], ["1E-84"], False),
        (["123456789012345678901.5"], [f"0.{'0' * 83}1"], False),
        (["0.098761555452326605"], ["-9897898407300007200000"], False),
        (["0.1000000000000000001"], ["1234567890123456789.5"], True),
        (["0.1000000000000000001"], ["12345678901234567890"], False),
        (["0.1000000000000000001"], ["0.10000000000000000001"], False),
        (["0.10000000000000000001", "1E+30"], ["0.5", "1E+30", "007"], True),
        (["0.10000000000000000001", "1E+30"], ["1E+31"], False),
        (["0.10000000000000000001", "1E+30"], ["1E-21"], False),
    ],
)
def test_numbers_are_taken_if_what_is_known_of_their_digits_stays_true(known, met, taken):
    assert takes(numbers(*known), numbers(*met)) is taken


@settings(generous, max_examples=500)
@given(
    known=st.lists(any_numbers, min_size=1, max_size=2),
    met=st.lists(any_numbers, max_size=3),
    declared=st.booleans(),
)
def test_numbers_of_any_digits_are_held_exactly_or_not_at_all(known, met, declared):
    digits = reduce(Digits.join, (Digits.of(Decimal(text)) for text in known))

    def holds(text: str) -> bool:
        joined = digits.join(Digits.of(Decimal(text)))
        return bool(joined.arrow() == digits.arrow()) if declared else joined == digits

    form = number_form(digits, holds, declared=declared)
    if all(map(holds, met)):
        held = form([*met, None]).to_pylist()
        assert [Decimal(repr(one) if isinstance(one, float) else one) for one in held[:-1]] == [
            *map(Decimal, met)
        ]
        assert held[-1] is None
    else:
        with pytest.raises((Mismatch, ValueError)):
            form([*met, None])


def test_declared_numbers_are_taken_if_they_are_stored_alike():
    declared = Mapping(declared=(Declared("a", LONG),))
    assert takes([], numbers("9007199254740993"), declared)
    assert not takes([], numbers("1.5"), declared)
    double = Mapping(declared=(Declared("a", number_type(Digits.of(Decimal("1.5")))),))
    assert takes([], numbers("1.125", "0.30000000000000004"), double)
    assert not takes([], numbers("0.30000000000000005"), double)


def test_rounded_numbers_are_the_nearest_doubles():
    rounded = Mapping(number_type=NumberType.FLOAT)
    page = numbers("0.1000000000000000055511151231257827", "1E-130", "18446744073709551617")
    assert column(page, rounded).to_pylist() == [0.1, 1e-130, 2.0**64]
    assert not takes(page, numbers("inf"), rounded)


@pytest.mark.parametrize(
    ("texts", "type_"),
    [
        (["2024-03-15T14:30:00Z", "2024-03-15T14:30:01Z"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00.120Z", "0000-01-01T00:00:00.000Z"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00.12Z", "2024-03-15T14:30:00Z"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00.123456", "9999-12-31T23:59:59.000000"], pa.timestamp("us")),
        (["2024-03-15T14:30:00+02:00"], pa.timestamp("ms", "UTC")),
        (["2024-03-15T14:30:00Z", "2024-03-15 14:30:00Z"], pa.string()),
        (["2024-03-15T14:30:00Z", "2024-02-30T14:30:00Z"], pa.string()),
        (["2024-03-15T14:30:00Z", "2024-03-15T14:30:00+02:00"], pa.string()),
        (["2024-03-15T14:30:00Z", "2024-03-15T14:30:00"], pa.string()),
    ],
)
def test_times_of_one_layout_and_zone_are_timestamps(texts, type_):
    array = column([*times(*texts), *of(NULL, None)])
    assert array.type == type_
    assert array.null_count == 2


@pytest.mark.parametrize(
    ("known", "met", "taken"),
    [
        ("2024-03-15T14:30:00Z", "2025-03-15T14:30:00Z", True),
        ("2024-03-15T14:30:00Z", "2024-03-15T14:30:00.5Z", False),
        ("2024-03-15T14:30:00.5Z", "2024-03-15T14:30:00.1Z", True),
        ("2024-03-15T14:30:00.5Z", "2024-03-15T14:30:00Z", True),
        ("2024-03-15T14:30:00.123Z", "2024-03-15T14:30:00.321Z", True),
        ("2024-03-15T14:30:00.123Z", "2024-03-15T14:30:00.320Z", False),
        ("2024-03-15T14:30:00.123Z", "2024-03-15T14:30:00.32Z", False),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00.123Z", True),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00.123+00:00", False),
        ("2024-03-15T14:30:00.120Z", "2024-03-15 14:30:00.123Z", False),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00,123Z", False),
        ("2024-03-15T14:30:00Z", "2024-03-15T14:30:60Z", False),
        ("2024-03-15T14:30:00+02:00", "2024-03-15T14:30:01+02:00", True),
        ("2024-03-15T14:30:00+02:00", "2024-03-15T14:30:01+03:00", False),
        ("2024-03-15T14:30:00", "2024-03-15T14:30:01", True),
        ("2024-03-15T14:30:00", "20240315T14:30:0001", False),
    ],
)
def test_times_are_taken_only_under_all_layouts_of_their_column(known, met, taken):
    assert takes(times(known), times(met)) is taken
    assert takes(times(known), times(known, met)) is taken


def test_a_declared_time_is_taken_under_any_layout_of_its_column():
    layouts = frozenset({"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000Z07:00"})
    declared = Mapping(declared=(Declared("a", time_type(Times("UTC", layouts))),))
    assert takes([], times("2024-03-15T14:30:00Z", "2024-03-15T14:30:01Z"), declared)
    assert takes([], times("2024-03-15T14:30:00Z", "2024-03-15T14:30:01.500Z"), declared)
    assert not takes([], times("2024-03-15T14:30:00.5Z"), declared)


def test_a_layout_that_takes_the_letter_of_a_zone_for_text_does_not_change_what_the_family_reads():
    family = (Layout.of("2006-01-02T15:04:05Z"), Layout.of("2006-01-02T15:04:05.999Z07:00"))
    mapping = Mapping(layouts=family)
    assert not takes(times("2024-03-15T14:30:00.5Z"), times("2024-03-15T14:30:00Z"), mapping)
