"""One value: its type, its form in that type, and its form in every wider one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.dynamodb.attribute import BrokenValue, as_type, infer, plain_json, text_form
from headrace.schema import NULL, TEXT, ColumnType, Kind
from support.attribute_values import holds, in_text, numbers, values


@pytest.mark.parametrize(
    ("value", "type_", "native"),
    [
        ({"BOOL": True}, ColumnType(Kind.BOOL), True),
        ({"S": "x"}, TEXT, "x"),
        ({"S": ""}, TEXT, ""),
        ({"N": "7"}, ColumnType(Kind.INT), 7),
        ({"N": "7.0"}, ColumnType(Kind.INT), 7),
        ({"N": "1E3"}, ColumnType(Kind.INT), 1000),
        ({"N": str(2**53)}, ColumnType(Kind.INT), 2**53),
        ({"N": str(2**53 + 1)}, ColumnType(Kind.LONG), 2**53 + 1),
        ({"N": str(2**63 - 1)}, ColumnType(Kind.LONG), 2**63 - 1),
        ({"N": "-0"}, ColumnType(Kind.INT), 0),
        ({"N": "0E+100"}, ColumnType(Kind.INT), 0),
        ({"N": "0.1"}, ColumnType(Kind.FLOAT), 0.1),
        ({"N": "1E-130"}, ColumnType(Kind.FLOAT), 1e-130),
        ({"N": "1E+125"}, ColumnType(Kind.FLOAT), 1e125),
        ({"N": str(2**63)}, TEXT, str(2**63)),
        ({"N": "0.1000000000000000055511151231257827"}, TEXT, "0.1000000000000000055511151231257827"),
        ({"B": "aGk="}, ColumnType(Kind.BINARY), b"hi"),
        ({"NULL": True}, NULL, None),
        ({"SS": ["b", "a"]}, ColumnType(Kind.TEXT, many=True), ["b", "a"]),
        ({"NS": ["1", "2"]}, ColumnType(Kind.INT, many=True), [1, 2]),
        ({"NS": ["1", "2.5"]}, ColumnType(Kind.FLOAT, many=True), [1.0, 2.5]),
        ({"NS": [str(2**60), "2.5"]}, ColumnType(Kind.TEXT, many=True), [str(2**60), "2.5"]),
        ({"BS": ["aGk="]}, ColumnType(Kind.BINARY, many=True), [b"hi"]),
        ({"L": []}, ColumnType(Kind.TEXT, many=True), []),
        (
            {"L": [{"S": "x"}, {"N": "1.50"}, {"BOOL": False}, {"NULL": True}, {"B": "aGk="}, {"SS": ["a"]}]},
            ColumnType(Kind.TEXT, many=True),
            ["x", "1.50", "false", None, "aGk=", '["a"]'],
        ),
        (
            {"L": [{"M": {"k": {"N": "1"}}}, {"L": [{"S": "y"}]}, {"NS": ["1"]}]},
            ColumnType(Kind.TEXT, many=True),
            ['{"k":1}', '["y"]', "[1]"],
        ),
        (
            {"M": {"z": {"N": "1.50"}, "a": {"BS": ["aGk="]}, "n": {"NULL": True}, "e": {"M": {}}}},
            ColumnType(Kind.JSON),
            '{"z":1.50,"a":["aGk="],"n":null,"e":{}}',
        ),
    ],
)
def test_each_kind_of_value_has_its_type_and_form(value, type_, native):
    assert infer(value) == type_
    found = as_type(value, type_)
    assert (found, type(found)) == (native, type(native))


@given(values, values)
def test_a_value_is_held_exactly_by_its_type_and_by_every_wider_one(value, other):
    own = infer(value)
    assert holds(as_type(value, own), value, own)
    joined = own.join(infer(other))
    assert holds(as_type(value, joined), value, joined)
    assert in_text(value) == as_type(value, TEXT)


@given(numbers, numbers)
def test_a_key_is_the_same_text_exactly_if_it_is_the_same_number(one, other):
    from decimal import Decimal

    texts = [as_type({"N": text}, TEXT, key=True) for text in (one, other)]
    assert (texts[0] == texts[1]) == (Decimal(one) == Decimal(other))
    assert Decimal(texts[0]) == Decimal(one)
    assert infer({"N": one}, key=True).kind is not Kind.FLOAT


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_key_as_text_is_what_an_integer_column_widens_to(number):
    assert as_type({"N": str(number)}, TEXT, key=True) == str(number)


def test_a_column_that_is_too_narrow_says_so():
    with pytest.raises(ValueError, match="does not hold a S"):
        as_type({"S": "x"}, ColumnType(Kind.INT))
    with pytest.raises(ValueError, match="does not hold a N"):
        as_type({"N": str(2**53 + 1)}, ColumnType(Kind.FLOAT))


def test_numbers_that_json_cannot_write_are_rewritten_in_maps():
    assert plain_json({"L": [{"N": "007"}, {"N": "+5"}, {"N": ".50"}, {"N": "-.0"}]}) == "[7,5,0.5,0]"


def test_text_forms():
    assert text_form({"BOOL": True}) == "true"
    assert text_form({"NS": ["2", "1.0"]}) == '["2","1.0"]'
    assert text_form({"S": 'a"b'}) == 'a"b'
    assert plain_json({"S": 'a"b'}) == '"a\\"b"'


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"S": "x", "N": "1"},
        {"X": 1},
        {"S": 1},
        {"N": 1},
        {"N": "NaN"},
        {"N": "Infinity"},
        {"N": "1_0"},
        {"N": " 1"},
        {"N": "\u0661"},
        {"N": "1E99999"},
        {"N": ""},
        {"B": "***"},
        {"B": "aGk"},
        {"BOOL": "true"},
        {"NULL": "true"},
        {"M": []},
        {"M": {"a": "x"}},
        {"M": {"a": {"N": "x"}}},
        {"L": {}},
        {"L": [{"S": 5}]},
        {"SS": [1]},
        {"NS": ["x"]},
        {"BS": ["?"]},
        "text",
    ],
)
def test_what_dynamodb_cannot_have_sent_is_broken(value):
    with pytest.raises(BrokenValue):
        infer(value)
