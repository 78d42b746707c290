"""What an item may hold, what it becomes, and what it weighs."""

from __future__ import annotations

import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.simulator import number
from headrace.simulator.answers import Refusal
from headrace.simulator.items import canonical_item, canonical_value, item_weight


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("1.50", "1.5"),
        ("1E3", "1000"),
        ("-0", "0"),
        ("+7", "7"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-12.5e-1", "-1.25"),
        ("0e99999999", "0"),
        ("1e-130", "0." + "0" * 129 + "1"),
        ("9." + "9" * 37 + "E125", "9" * 38 + "0" * 88),
    ],
)
def test_a_number_is_stored_in_its_canonical_form(given, stored):
    assert number.canonical(given) == stored


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "cannot be converted to a numeric value"),
        ("1_000", "cannot be converted to a numeric value: 1_000"),
        ("NaN", "cannot be converted to a numeric value: NaN"),
        ("Infinity", "cannot be converted"),
        (" 1", "cannot be converted"),
        ("٣", "cannot be converted"),
        ("1e", "cannot be converted"),
        (".", "cannot be converted"),
        ("1E126", "Number overflow"),
        ("1E-131", "Number underflow"),
        ("1" * 39, "more than 38 significant digits"),
    ],
)
def test_a_number_that_does_not_fit_is_refused(given, message):
    with pytest.raises(Refusal, match=message):
        number.canonical(given)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**60), max_value=10**60, places=None))
def test_a_canonical_number_equals_the_number_that_was_given(value):
    try:
        stored = number.canonical(str(value))
    except Refusal:
        digits = "".join(map(str, value.as_tuple().digits)).strip("0")
        assert len(digits) > 38 or value.adjusted() < -130
        return
    assert Decimal(stored) == value
    assert number.canonical(stored) == stored
    assert "E" not in stored
    assert stored != "-0"


@pytest.mark.parametrize(("left", "right"), [("1" + "0" * 50, "1"), ("9E125", "9E125"), ("1E-130", "1")])
def test_a_sum_that_would_have_to_be_rounded_is_refused(left, right):
    for combine in (number.add, number.subtract):
        if combine is number.subtract and left == right:
            continue
        with pytest.raises(Refusal, match="Number overflow"):
            combine(left, right)


_SMALL = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9)


@given(_SMALL, _SMALL)
def test_sums_and_differences_are_exact(left, right):
    texts = number.canonical(str(left)), number.canonical(str(right))
    with localcontext(prec=100):
        assert Decimal(number.add(*texts)) == left + right
        assert Decimal(number.subtract(*texts)) == left - right


@pytest.mark.parametrize(
    ("value", "weight"),
    [
        ({"S": "héllo"}, 6),
        ({"S": ""}, 0),
        ({"N": "0"}, 1),
        ({"N": "100"}, 2),
        ({"N": "-12.5"}, 4),
        ({"N": "1" * 38}, 20),
        ({"B": "AAEC"}, 3),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["ab", "c"]}, 3),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"BOOL": True}]}, 3 + 3 + 2),
        ({"M": {"key": {"S": "ab"}}}, 3 + 3 + 2 + 1),
    ],
)
def test_values_weigh_what_the_guide_says(value, weight):
    assert canonical_value(value)[1] == weight
    assert item_weight({"name": value}) == 4 + weight


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"SS": []}, "An string set  may not be empty"),
        ({"NS": []}, "An number set  may not be empty"),
        ({"BS": []}, "Binary sets should not be empty"),
        ({"SS": ["a", "b", "a"]}, r"Input collection \[a, b, a\] contains duplicates"),
        ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        ({"BS": ["AA==", "AA=="]}, "of type BS contains duplicates"),
        ({"NULL": False}, "Null attribute value types must have the value of true"),
        ({}, "Supplied AttributeValue is empty"),
        ({"X": "1"}, "Supplied AttributeValue is empty"),
        ({"S": None}, "Supplied AttributeValue is empty"),
        ({"S": "a", "N": "1"}, "more than one datatypes set"),
        ({"S": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"N": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"BOOL": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"B": "AAE"}, "can not be converted to a Blob"),
        ({"B": "A?=="}, "can not be converted to a Blob"),
        ({"L": {}}, "Expected list or null"),
        ({"M": []}, "Expected map or null"),
        ("text", "Unexpected value type"),
        ({"M": {"": {"S": "a"}}}, "Empty attribute name"),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused(value, message):
    with pytest.raises(Refusal, match=message):
        canonical_item({"a": value})


def test_nesting_ends_at_32_levels():
    value: dict = {"S": "x"}
    for _ in range(32):
        value = {"L": [value]}
    canonical_value(value)
    with pytest.raises(Refusal, match="Nesting Levels have exceeded supported limits"):
        canonical_value({"M": {"a": value}})


def test_equal_sets_are_stored_alike_whatever_the_order():
    assert canonical_value({"NS": ["2", "10", "1.0"]}) == canonical_value({"NS": ["1", "2.0", "1E1"]})


_VALUES = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, st.text()),
        st.builds(lambda whole: {"N": str(whole)}, st.integers(-(10**30), 10**30)),
        st.builds(lambda flag: {"BOOL": flag}, st.booleans()),
        st.just({"NULL": True}),
        st.builds(lambda members: {"SS": members}, st.lists(st.text(), min_size=1, unique=True)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda members: {"L": members}, st.lists(inner, max_size=3)),
        st.builds(lambda members: {"M": members}, st.dictionaries(st.text(min_size=1), inner, max_size=3)),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1), _VALUES, max_size=5))
def test_what_is_canonical_stays_as_it_is_and_weighs_the_same(attributes):
    item, weight = canonical_item(attributes)
    assert canonical_item(json.loads(json.dumps(item))) == (item, weight)
    assert item_weight(item) == weight
