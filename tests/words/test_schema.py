from decimal import Decimal
from functools import reduce
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import column_type
from headrace.column_type import (
    BINARY,
    INT,
    JSON,
    LONG,
    NULL,
    TEXT,
    ColumnType,
    Digits,
    Kind,
    list_of,
    map_of,
    number_type,
    struct_of,
)
from headrace.schema import REST, Column, Origin, TableSchema, rest_column
from support.typed_values import ATTRIBUTES, NUMBERS, TIMES, VALUES, number, times, type_of

KEYS = TableSchema.of_keys((("id", "S"),))
EXACT = "0.1000000000000000001"
MS, US = "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999"

SINGLE = (
    (VALUES | TIMES).map(type_of)
    | st.sampled_from([NULL, TEXT, JSON, LONG, number_type(Digits(rounded=True))])
    | st.builds(lambda value, key: number(str(value), key=key), NUMBERS, st.booleans())
)
TYPES = st.recursive(
    SINGLE,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda types: reduce(ColumnType.join, types))
        | st.lists(inner, max_size=2).map(lambda types: list_of(*types))
        | inner.map(map_of)
        | st.dictionaries(ATTRIBUTES, inner, max_size=4).map(struct_of)
    ),
    max_leaves=6,
)
JOINS = pytest.mark.parametrize("join", [ColumnType.join, ColumnType.join_member])


@pytest.fixture(autouse=True)
def _structs_of_few_members():
    """So that dictionaries come up."""
    with mock.patch.object(column_type, "MOST_MEMBERS", 3):
        yield


@JOINS
@settings(deadline=None)
@given(one=TYPES, other=TYPES)
def test_joining_is_commutative_and_idempotent(join, one, other):
    assert join(one, other) == join(other, one)
    assert join(one, one) == one
    assert join(join(one, other), other) == join(one, other)


@JOINS
@settings(max_examples=300, deadline=None)
@given(a=TYPES, b=TYPES, c=TYPES)
def test_joining_is_associative_so_the_order_of_items_does_not_matter(join, a, b, c):
    assert join(join(a, b), c) == join(a, join(b, c))


@given(TYPES)
def test_nothing_is_wider_than_text_or_in_a_map_than_json_and_nothing_narrower_than_null(one):
    assert one.join(TEXT) == TEXT
    assert one.join_member(JSON) == JSON
    assert one.join(NULL) == one.join_member(NULL) == one


@settings(deadline=None)
@given(TYPES)
def test_equal_types_are_stored_alike_and_every_type_is_stored(one):
    assert one.arrow() == one.join(one).arrow()


# Numbers


@pytest.mark.parametrize(
    ("numbers", "stored"),
    [
        (["1", "-9223372036854775808"], "int64"),
        (["0.5", "1", "1e18"], "double"),
        (["0.5", "9007199254740993"], "decimal128(38, 1)"),
        (["9223372036854775808"], "decimal128(38, 0)"),
        (["1e23", "0.1"], "double"),
        (["1e37"], "decimal128(38, 0)"),
        (["1e38"], "double"),
        (["0.5", EXACT], "decimal128(38, 19)"),
        (["1e100", EXACT], "string"),
        (["0." + "1" * 20], "string"),
        (["0." + "0" * 100 + "1"], "double"),
    ],
)
def test_numbers_are_stored_so_that_each_can_be_written_as_it_was(numbers, stored):
    assert str(reduce(ColumnType.join, map(number, numbers)).arrow()) == stored


@pytest.mark.parametrize(
    ("written", "stored"),
    [("7", "int64"), ("0.5", "decimal128(38, 1)"), ("1e23", "decimal128(38, 0)"), ("1e99", "string")],
)
def test_a_numeric_key_never_becomes_a_double(written, stored):
    schema = TableSchema.of_keys((("n", "N"),)).including({("n",): number(written, key=True)})
    assert str(schema.keys[0].type.arrow()) == stored


def test_where_rounding_is_allowed_there_are_no_decimals():
    rounded = number_type(Digits.of(Decimal(EXACT)).join(Digits(rounded=True)))
    assert str(rounded.arrow()) == "double"
    assert rounded.join(number("1e100")).digits.rounded


# Times, maps and lists


def test_times_stay_times_while_one_layout_writes_them_all_in_one_zone():
    one = times("UTC", MS + "Z07:00", US + "Z07:00")
    assert str(one.arrow()) == "timestamp[ms, tz=UTC]"
    assert str(one.join(times("UTC", US + "Z07:00")).arrow()) == "timestamp[us, tz=UTC]"
    assert one.join(times("UTC", MS + ".000Z07:00")) == TEXT
    assert one.join(times("+02:00", MS + "Z07:00")) == TEXT
    assert str(times(None, MS).arrow()) == "timestamp[ms]"
    assert times(None, MS).join_member(TEXT) == TEXT
    assert times(None, MS).join_member(INT) == JSON


def test_maps_of_too_many_names_were_dictionaries():
    few = struct_of({"a": INT, "b": TEXT})
    assert few.join(struct_of({"c": INT})).kind is Kind.STRUCT
    assert few.join(struct_of({"c": INT, "d": INT})) == map_of(JSON)
    assert few.join(map_of(NULL)) == map_of(JSON)
    assert struct_of({}).join(map_of(INT)) == map_of(INT)
    assert str(struct_of({}).arrow()) == "string"


def test_fields_of_a_struct_are_in_the_order_of_their_attributes():
    struct = struct_of({"b": INT, "a": TEXT}).join(struct_of({"B": INT}))
    assert [member.attribute for _, member in struct.named()] == ["B", "a", "b"]
    assert [name for name, _ in struct.named()][1:] == ["a", "b"], "small letters go before capital ones"


# Tables


def test_a_table_knows_its_key():
    schema = TableSchema.of_keys((("p", "B"), ("s", "N")))
    assert [(c.name, c.type, c.origin, c.fixed) for c in schema.keys] == [
        ("p", BINARY, Origin.KEY, True),
        ("s", LONG, Origin.KEY, False),
    ]
    assert TableSchema.of_keys((("s", "S"),)).keys[0].type == TEXT


@pytest.mark.parametrize("attribute", ["ID", "", "headrace_x", "Headrace_y", "rowid", "RowId", "a\0b", "\0"])
def test_a_name_that_an_engine_cannot_take_gets_a_checksum_and_stays_the_same(attribute):
    once = KEYS.including({(attribute,): TEXT}).column(attribute).name
    again = KEYS.including({(attribute,): TEXT}).column(attribute).name
    assert once == again != attribute
    assert "\0" not in once
    assert not once.lower().startswith("headrace_")
    assert once.lower() != "rowid"


def test_the_example_in_the_documents_is_what_happens():
    name = KEYS.including({("Id",): TEXT}).column("Id").name
    assert f"`{name}`" in (Path(__file__).parents[2] / "docs" / "types.md").read_text()


PATHS = st.lists(st.text(alphabet="aA_.\0h", max_size=3), min_size=1, max_size=2).map(tuple)


@given(st.lists(PATHS, max_size=8, unique=True), st.randoms())
def test_names_follow_from_the_set_of_paths_and_no_two_share_one(paths, random):
    shuffled = list(paths)
    random.shuffle(shuffled)
    schema = KEYS.including(dict.fromkeys(paths, TEXT))
    names = {column.path: column.name for column in schema.columns}
    assert len({name.lower() for name in names.values()}) == len(names) == len({*paths, ("id",)})
    step_by_step = reduce(lambda known, path: known.including({path: TEXT}), shuffled, KEYS)
    assert {column.path: column.name for column in step_by_step.columns} == names
    joined = reduce(lambda known, path: known.join(KEYS.including({path: TEXT})), shuffled, KEYS)
    assert {column.path: column.name for column in joined.columns} == names


def test_keys_and_declared_columns_keep_their_names():
    declared = Column(("Amount",), "", TEXT, Origin.DECLARED, fixed=True)
    schema = TableSchema.of([*KEYS.columns, declared, rest_column("Rest")])
    wider = schema.including({("ID",): TEXT, ("amount",): TEXT, ("rest",): TEXT})
    assert [wider.column(path).name for path in (("id",), ("Amount",), REST)] == ["id", "Amount", "Rest"]
    assert wider.rest.attribute == ""
    assert wider.including({("Amount",): list_of(INT), REST: INT}) is wider, "fixed columns do not widen"


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abA"), SINGLE), max_size=6), st.randoms())
def test_any_order_of_the_same_values_gives_the_same_schema(values, random):
    def columns_of(pairs):
        schema = KEYS
        for attribute, type_ in pairs:
            schema = schema.including({(attribute,): type_})
        return set(schema.columns)

    shuffled = list(values)
    random.shuffle(shuffled)
    assert columns_of(values) == columns_of(shuffled)
