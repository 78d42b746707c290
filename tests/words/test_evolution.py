"""What has happened to columns, in words that an operator can act on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from headrace.evolution import ColumnChange, Happened, evolution
from headrace.schema import TableSchema
from headrace.type_name import type_name

KEYS = TableSchema.of_keys((("id", "S"),))
DOUBLE = number_type(Digits(fraction=1, long=False))
DECIMAL = number_type(Digits(fraction=2, long=False, double=False))


def time(zone, *layouts):
    return time_type(Times(zone, frozenset(layouts)))


NAIVE = time(None, "2006-01-02T15:04:05")
IN_UTC = time("UTC", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999Z07:00")


def told(before, after):
    """What is told of an attribute ``x`` whose type becomes another."""
    return [
        change.text for change in evolution(KEYS.including({("x",): before}), KEYS.including({("x",): after}))
    ]


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        (NULL, "Null"),
        (TEXT, "Utf8"),
        (JSON, "Utf8"),
        (INT, "Int64"),
        (DOUBLE, "Float64"),
        (DECIMAL, "Decimal128(38, 2)"),
        (BINARY, "Binary"),
        (NAIVE, "Timestamp(Millisecond)"),
        (IN_UTC, "Timestamp(Millisecond, UTC)"),
        (time("+02:00", "2006-01-02T15:04:05.000000-07:00"), "Timestamp(Microsecond, +02:00)"),
        (list_of(TEXT), "List(Utf8)"),
        (list_of(IN_UTC), "List(Timestamp(Millisecond, UTC))"),
        (struct_of({}), "Struct"),
        (list_of(struct_of({"a": INT})), "List(Struct)"),
        (map_of(INT), "Map(Utf8, Int64)"),
        (map_of(list_of(NULL)), "Map(Utf8, List(Null))"),
    ],
)
def test_a_type_is_named_as_arrow_names_it_with_its_own_zone(type_, name):
    assert type_name(type_) == name


def test_a_column_is_added():
    (change,) = evolution(KEYS, KEYS.including({("price",): LONG}))
    assert change == ColumnChange(Happened.ADDED, "price", after="Int64")
    assert change.text == "added price (Int64)"


def test_a_column_gets_another_type():
    assert told(INT, DOUBLE) == ["x: Int64 -> Float64"]
    assert told(NULL, INT) == ["x: Null -> Int64"]
    assert told(IN_UTC, TEXT) == ["x: Timestamp(Millisecond, UTC) -> Utf8"]
    assert told(struct_of({"a": INT}), map_of(INT)) == ["x: Struct -> Map(Utf8, Int64)"]
    assert told(list_of(INT), list_of(TEXT)) == ["x: List(Int64) -> List(Utf8)"]


def test_a_column_is_renamed_by_one_that_has_an_older_right_to_its_name():
    changes = evolution(KEYS.including({("Id2",): INT}), KEYS.including({("Id2",): INT, ("id2",): TEXT}))
    renamed, added = changes
    assert renamed == ColumnChange(Happened.RENAMED, renamed.after, "Id2", renamed.after)
    assert renamed.text == f"Id2 is now called {renamed.name}"
    assert renamed.name.startswith("Id2_")
    assert added.text == "added id2 (Utf8)"


def test_a_copy_made_anew_may_lack_columns_and_have_narrower_ones():
    before = KEYS.including({("a",): TEXT, ("b",): DOUBLE})
    after = KEYS.including({("b",): INT})
    assert [change.text for change in evolution(before, after)] == ["b: Float64 -> Int64", "removed a (Utf8)"]


def test_the_members_of_a_struct_are_told_by_the_way_to_them():
    before = struct_of({"city": TEXT, "pos": struct_of({"lat": INT}), "old": BOOL})
    after = struct_of({"city": TEXT, "pos": struct_of({"lat": DOUBLE}), "zip": TEXT})
    assert told(before, after) == [
        "x.pos.lat: Int64 -> Float64",
        "added x.zip (Utf8)",
        "removed x.old (Boolean)",
    ]


def test_what_lists_and_maps_hold_is_told_within_brackets():
    before, after = struct_of({"qty": INT}), struct_of({"qty": DOUBLE, "sku": TEXT})
    expected = ["x[].qty: Int64 -> Float64", "added x[].sku (Utf8)"]
    assert told(list_of(before), list_of(after)) == expected
    assert told(map_of(before), map_of(after)) == expected


def test_what_cannot_be_seen_is_not_told():
    assert told(INT, LONG) == []
    assert told(JSON, TEXT) == []
    assert told(IN_UTC, time("UTC", "2006-01-02T15:04:05Z07:00")) == []
    assert evolution(KEYS, KEYS) == ()


TYPES = st.recursive(
    st.sampled_from([NULL, TEXT, JSON, INT, DOUBLE, DECIMAL, BOOL, NAIVE, IN_UTC]),
    lambda inner: (
        inner.map(list_of)
        | inner.map(map_of)
        | st.dictionaries(st.sampled_from("abA"), inner, max_size=3).map(struct_of)
    ),
    max_leaves=5,
)
SCHEMAS = st.dictionaries(st.sampled_from(["x", "X", "y"]), TYPES).map(
    lambda types: KEYS.including({(name,): type_ for name, type_ in types.items()})
)


@given(SCHEMAS, SCHEMAS)
def test_any_two_schemas_can_be_told_apart_by_their_columns(before, after):
    changes = evolution(before, after)
    seen = [
        [(column.path, column.name, type_name(column.type)) for column in one.columns]
        for one in (before, after)
    ]
    if not changes:
        assert sorted(seen[0]) == sorted(seen[1])
    assert all(change.text for change in changes)
    assert evolution(after, after) == ()


@given(SCHEMAS, SCHEMAS)
def test_a_schema_that_grows_loses_no_column(before, other):
    happened = {change.happened for change in evolution(before, before.join(other)) if "." not in change.name}
    assert Happened.REMOVED not in happened
