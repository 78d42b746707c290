"""One value: its narrowest type, and its form in that type and in every wider one."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.attribute import BrokenValue, plain_json
from headrace.column_type import (
    BINARY,
    BOOL,
    INT,
    JSON,
    LONG,
    NULL,
    TEXT,
    Digits,
    Times,
    list_of,
    map_of,
    number_type,
    struct_of,
    time_type,
)
from headrace.column_type import (
    holds as column_holds,
)
from headrace.dynamodb.reader import ItemReader
from headrace.mapping import ListType, Mapping, NumberType
from headrace.time_layout import Layout
from support.attribute_values import numbers, values
from support.held import holds

STRUCTS = ItemReader(Mapping())
TYPED = ItemReader(Mapping(list_type=ListType.TYPED))
FLAT = ItemReader(Mapping(unnest_depth=0))
READERS = [STRUCTS, TYPED, FLAT]


def n(*texts, key=False):
    """The type of these numbers."""
    digits = [Digits.of(Decimal(text), key=key) for text in texts]
    joined = digits[0]
    for one in digits[1:]:
        joined = joined.join(one)
    return number_type(joined)


def times(zone, *layouts):
    return time_type(Times(zone, frozenset(layouts)))


ISO = "2006-01-02T15:04:05"


def cell_of(reader, value, type_):
    """As a column gives it back."""
    return pa.array([reader.form(value, type_)], type_.arrow()).to_pylist()[0]


@pytest.mark.parametrize(
    ("value", "type_", "arrow", "native"),
    [
        ({"BOOL": True}, BOOL, pa.bool_(), True),
        ({"S": "x"}, TEXT, pa.string(), "x"),
        ({"S": ""}, TEXT, pa.string(), ""),
        ({"N": "7"}, INT, pa.int64(), 7),
        ({"N": "7.0"}, INT, pa.int64(), 7),
        ({"N": "1E3"}, INT, pa.int64(), 1000),
        ({"N": str(2**53)}, INT, pa.int64(), 2**53),
        ({"N": str(2**53 + 1)}, LONG, pa.int64(), 2**53 + 1),
        ({"N": str(2**63 - 1)}, LONG, pa.int64(), 2**63 - 1),
        ({"N": "-0"}, INT, pa.int64(), 0),
        ({"N": "0E+100"}, INT, pa.int64(), 0),
        ({"N": "0.1"}, n("0.1"), pa.float64(), 0.1),
        ({"N": "1E-130"}, n("1E-130"), pa.float64(), 1e-130),
        ({"N": "1E+125"}, n("1E+125"), pa.float64(), 1e125),
        ({"N": str(2**63)}, n(str(2**63)), pa.decimal128(38, 0), Decimal(2**63)),
        ({"N": "1E+20"}, n("1E+20"), pa.decimal128(38, 0), Decimal(10**20)),
        ({"N": "9" * 38}, n("9" * 38), pa.decimal128(38, 0), Decimal("9" * 38)),
        (
            {"N": "0.10000000000000000001"},
            n("0.10000000000000000001"),
            pa.string(),
            "0.10000000000000000001",
        ),
        (
            {"N": "1234567890.1234567891"},
            n("1234567890.1234567891"),
            pa.decimal128(38, 10),
            Decimal("1234567890.1234567891"),
        ),
        ({"B": "aGk="}, BINARY, pa.binary(), b"hi"),
        ({"NULL": True}, NULL, pa.string(), None),
        ({"SS": ["b", "a"]}, list_of(TEXT), pa.list_(pa.string()), ["b", "a"]),
        ({"NS": ["1", "2"]}, list_of(INT), pa.list_(pa.int64()), [1, 2]),
        ({"NS": ["1", "2.5"]}, list_of(n("1", "2.5")), pa.list_(pa.float64()), [1.0, 2.5]),
        (
            {"NS": [str(2**60), "2.5"]},
            list_of(n(str(2**60), "2.5")),
            pa.list_(pa.decimal128(38, 1)),
            [Decimal(2**60), Decimal("2.5")],
        ),
        ({"BS": ["aGk="]}, list_of(BINARY), pa.list_(pa.binary()), [b"hi"]),
        ({"L": []}, list_of(), pa.list_(pa.string()), []),
        (
            {"L": [{"S": "x"}, {"N": "1.50"}, {"BOOL": False}, {"NULL": True}, {"B": "aGk="}, {"SS": ["a"]}]},
            list_of(TEXT),
            pa.list_(pa.string()),
            ["x", "1.5", "false", None, "aGk=", '["a"]'],
        ),
        (
            {"L": [{"M": {"k": {"N": "1"}}}, {"L": [{"S": "y"}]}, {"NS": ["1"]}]},
            list_of(TEXT),
            pa.list_(pa.string()),
            ['{"k":1}', '["y"]', "[1]"],
        ),
        (
            {"L": [{"M": {"k": {"N": "1"}}}, {"NULL": True}, {"M": {"l": {"S": "x"}}}]},
            list_of(struct_of({"k": INT, "l": TEXT})),
            pa.list_(pa.struct([("k", pa.int64()), ("l", pa.string())])),
            [{"k": 1, "l": None}, None, {"k": None, "l": "x"}],
        ),
        (
            {"M": {"z": {"N": "1"}, "a": {"BS": ["aGk="]}, "n": {"NULL": True}, "e": {"M": {}}}},
            struct_of({"a": list_of(BINARY), "e": struct_of({}), "n": NULL, "z": INT}),
            pa.struct(
                [("a", pa.list_(pa.binary())), ("e", pa.string()), ("n", pa.string()), ("z", pa.int64())]
            ),
            {"a": [b"hi"], "e": "{}", "n": None, "z": 1},
        ),
        ({"M": {}}, struct_of({}), pa.string(), "{}"),
    ],
)
def test_each_kind_of_value_has_its_type_and_form(value, type_, arrow, native):
    assert STRUCTS.type_of(value) == type_
    assert type_.arrow() == arrow
    found = cell_of(STRUCTS, value, type_)
    assert (found, type(found)) == (native, type(native))


@pytest.mark.parametrize(
    ("text", "zone", "layouts", "unit"),
    [
        ("2024-03-15T14:30:00", None, {ISO, ISO + ".999", ISO + ".999999"}, "ms"),
        ("2024-03-15T14:30:00.120", None, {ISO + ".000"}, "ms"),
        (
            "2024-03-15T14:30:00Z",
            "UTC",
            {ISO + "Z07:00", ISO + ".999Z07:00", ISO + ".999999Z07:00"},
            "ms",
        ),
        ("2024-03-15T14:30:00.123Z", "UTC", {ISO + f"{f}Z07:00" for f in (".000", ".999", ".999999")}, "ms"),
        ("2024-03-15T14:30:00.123456Z", "UTC", {ISO + f"{f}Z07:00" for f in (".000000", ".999999")}, "us"),
        (
            "2024-03-15T14:30:00+00:00",
            "UTC",
            {ISO + f"{f}-07:00" for f in ("", ".999", ".999999")},
            "ms",
        ),
    ],
)
def test_a_string_that_can_be_written_again_from_its_time_is_one(text, zone, layouts, unit):
    type_ = STRUCTS.type_of({"S": text})
    assert type_ == times(zone, *layouts)
    assert type_.arrow() == pa.timestamp(unit, None if zone is None else "UTC")
    assert holds(cell_of(STRUCTS, {"S": text}, type_), {"S": text}, type_)


@pytest.mark.parametrize(
    "text", ["2024-02-30T00:00:00", "2024-03-15", "2024-03-15 14:30:00", "2024-03-15T14:30:00z", "x" * 19]
)
def test_a_string_that_cannot_stays_text(text):
    assert STRUCTS.type_of({"S": text}) == TEXT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2024-03-15T14:30:00Z", "2024-03-15T14:30:00+02:00"),
        ("2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00Z"),
        ("2024-03-15T14:30:00Z", "2024-03-15T14:30:00"),
        ("2024-03-15T14:30:00Z", "soon"),
    ],
)
def test_strings_that_no_one_layout_writes_are_text_together(one, other):
    types = [STRUCTS.type_of({"S": text}) for text in (one, other)]
    assert types[0].join(types[1]) == types[1].join(types[0]) == TEXT


def test_a_key_that_looks_like_a_time_is_text_and_a_numeric_one_no_double():
    assert STRUCTS.type_of({"S": "2024-03-15T14:30:00Z"}, key=True) == TEXT
    assert STRUCTS.type_of({"N": "1.5"}, key=True).arrow() == pa.decimal128(38, 1)


def test_zoned_times_finer_than_an_engine_keeps_stay_text():
    nano = ItemReader(Mapping(layouts=(Layout.of(ISO + ".000000000Z07:00"), Layout.of(ISO + ".000000000"))))
    assert nano.type_of({"S": "2024-03-15T14:30:00.123456789Z"}) == TEXT
    assert nano.type_of({"S": "2024-03-15T14:30:00.123456789"}).arrow() == pa.timestamp("ns")


def test_more_names_than_a_struct_has_are_the_keys_of_a_dictionary():
    value = {"M": {f"k{i}": {"N": str(i)} for i in range(101)} | {"gone": {"NULL": True}}}
    type_ = STRUCTS.type_of(value)
    assert type_ == map_of(INT)
    assert dict(cell_of(STRUCTS, value, type_)) == {f"k{i}": i for i in range(101)}


def test_members_that_disagree_are_json_and_tell_numbers_from_strings():
    one, two = {"M": {"v": {"N": "1.50"}}}, {"M": {"v": {"S": "1.5"}}}
    type_ = STRUCTS.type_of(one).join(STRUCTS.type_of(two))
    assert type_ == struct_of({"v": JSON})
    assert [cell_of(STRUCTS, value, type_)["v"] for value in (one, two)] == ["1.5", '"1.5"']


def test_typed_lists_have_the_type_of_their_elements_while_these_agree():
    numbers_ = {"L": [{"N": "1"}, {"NULL": True}, {"N": "2.5"}]}
    assert TYPED.type_of(numbers_) == list_of(n("1", "2.5"))
    assert cell_of(TYPED, numbers_, TYPED.type_of(numbers_)) == [1.0, None, 2.5]
    assert TYPED.type_of({"L": [{"BOOL": True}, {"BOOL": False}]}) == list_of(BOOL)
    assert TYPED.type_of({"L": [{"N": "1"}, {"S": "x"}]}) == list_of(TEXT)
    assert STRUCTS.type_of(numbers_) == list_of(TEXT)


@pytest.mark.parametrize(
    ("number_type_", "text", "arrow", "native"),
    [
        (NumberType.DECIMAL, "0.5", pa.decimal128(38, 1), Decimal("0.5")),
        (NumberType.DECIMAL, "7", pa.int64(), 7),
        (NumberType.FLOAT, "0.10000000000000000001", pa.float64(), 0.1),
        (NumberType.FLOAT, "9" * 38, pa.float64(), 1e38),
        (NumberType.FLOAT, "7", pa.int64(), 7),
    ],
)
def test_a_user_decides_what_numbers_become(number_type_, text, arrow, native):
    reader = ItemReader(Mapping(number_type=number_type_))
    type_ = reader.type_of({"N": text})
    assert type_.arrow() == arrow
    assert cell_of(reader, {"N": text}, type_) == native


@pytest.mark.parametrize(
    ("depth", "row"),
    [
        (0, {("a",): 1, ("b",): '{"x":2,"y":{"z":3}}'}),
        (1, {("a",): 1, ("b", "x"): 2, ("b", "y"): '{"z":3}'}),
        (2, {("a",): 1, ("b", "x"): 2, ("b", "y", "z"): 3}),
    ],
)
def test_maps_are_flattened_as_deep_as_the_user_says(depth, row):
    reader = ItemReader(Mapping(unnest_depth=depth))
    item = {"a": {"N": "1"}, "b": {"M": {"x": {"N": "2"}, "y": {"M": {"z": {"N": "3"}}}}}}
    leaves = dict(reader.leaves(item))
    assert {path: reader.form(value, reader.type_of(value)) for path, value in leaves.items()} == row


def test_an_empty_map_does_not_vanish_where_maps_are_flattened():
    reader = ItemReader(Mapping(unnest_depth=2))
    assert dict(reader.leaves({"b": {"M": {}}, "c": {"M": {"d": {"M": {}}}}})) == {
        ("b",): {"M": {}},
        ("c", "d"): {"M": {}},
    }
    assert reader.form({"M": {}}, reader.type_of({"M": {}})) == "{}"


@pytest.mark.parametrize("reader", READERS, ids=["structs", "typed lists", "flat"])
@given(one=values, other=values)
def test_a_value_is_held_exactly_by_its_type_and_by_every_wider_one(reader, one, other):
    own = reader.type_of(one)
    for type_ in (own, own.join(reader.type_of(other)), own.join(TEXT)):
        cell = pa.array([reader.form(one, type_)], type_.arrow()).cast(counted(type_.arrow())).to_pylist()[0]
        assert holds(cell, one, type_, structs=reader.structs), (cell, type_)
        assert column_holds(type_, own)


@pytest.mark.parametrize("zero", ["0E+39", "-0E+40", "0E-120", "0.000"])
def test_a_zero_of_any_look_is_zero_beside_large_numbers(zero):
    reader = ItemReader(Mapping(list_type=ListType.TYPED))
    value = {"L": [{"N": zero}, {"N": "1" * 25}]}
    type_ = reader.type_of(value)
    assert pa.array([reader.form(value, type_)], type_.arrow()).to_pylist() == [[0, int("1" * 25)]]


def counted(type_):
    """With counts in place of times, which Python cannot hold in every year."""
    if pa.types.is_timestamp(type_):
        return pa.int64()
    if pa.types.is_list(type_):
        return pa.list_(counted(type_.value_type))
    if pa.types.is_map(type_):
        return pa.map_(type_.key_type, counted(type_.item_type))
    if pa.types.is_struct(type_):
        return pa.struct([(field.name, counted(field.type)) for field in type_])
    return type_


@pytest.mark.parametrize("reader", READERS, ids=["structs", "typed lists", "flat"])
@given(all_values=st.lists(values, min_size=1, max_size=4), data=st.data())
def test_types_do_not_depend_on_the_order_of_values(reader, all_values, data):
    types = [reader.type_of(value) for value in all_values]
    joined = types[0]
    for type_ in types[1:]:
        joined = joined.join(type_)
    again = data.draw(st.permutations(types))
    other = again[-1]
    for type_ in again[-2::-1]:
        other = type_.join(other)
    assert joined == other
    assert all(joined.join(type_) == joined for type_ in types)


@given(numbers, numbers)
def test_a_key_is_the_same_text_exactly_if_it_is_the_same_number(one, other):
    texts = [STRUCTS.form({"N": text}, TEXT) for text in (one, other)]
    assert (texts[0] == texts[1]) == (Decimal(one) == Decimal(other))
    assert Decimal(texts[0]) == Decimal(one)


def test_a_column_that_is_too_narrow_says_so():
    with pytest.raises(ValueError, match="does not hold a S"):
        STRUCTS.form({"S": "x"}, INT)
    with pytest.raises(ValueError, match="other members"):
        STRUCTS.form({"M": {"b": {"S": "x"}}}, struct_of({"a": TEXT}))
    with pytest.raises(ValueError, match="no time of the column's"):
        STRUCTS.form({"S": "x"}, times(None, ISO))


def test_numbers_that_json_cannot_write_are_rewritten_in_maps():
    assert plain_json({"L": [{"N": "007"}, {"N": "+5"}, {"N": ".50"}, {"N": "-.0"}]}) == "[7,5,0.5,0]"


def test_text_forms():
    assert STRUCTS.text({"BOOL": True}) == "true"
    assert STRUCTS.text({"NS": ["2", "1.0"]}) == '["2","1"]'
    assert STRUCTS.text({"S": 'a"b'}) == 'a"b'
    assert plain_json({"S": 'a"b'}) == '"a\\"b"'
    unordered = {"M": {"b": {"L": [{"N": "1"}]}, "a": {"S": "x"}, "n": {"NULL": True}}}
    assert STRUCTS.text(unordered) == '{"a":"x","b":["1"]}'
    assert FLAT.text(unordered) == '{"b":[1],"a":"x","n":null}'


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
        STRUCTS.type_of(value)
