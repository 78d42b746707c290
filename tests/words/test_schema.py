from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.schema import EXACT_IN_DOUBLE, NULL, TEXT, ColumnType, Kind, TableSchema

types = st.builds(ColumnType, st.sampled_from(Kind), st.booleans())
KEYS = TableSchema.of_keys((("id", "S"),))


@given(types, types)
def test_joining_is_commutative_and_idempotent(one, other):
    assert one.join(other) == other.join(one)
    assert one.join(one) == one
    assert one.join(other).join(other) == one.join(other)


@given(types, types, types)
def test_joining_is_associative_so_the_order_of_items_does_not_matter(a, b, c):
    assert a.join(b).join(c) == a.join(b.join(c))


@given(types)
def test_nothing_is_wider_than_text_and_nothing_narrower_than_null(one):
    assert one.join(TEXT) == TEXT
    assert one.join(NULL) == one


def test_only_integers_that_a_double_holds_exactly_join_doubles():
    assert float(EXACT_IN_DOUBLE) == EXACT_IN_DOUBLE
    assert float(EXACT_IN_DOUBLE + 1) != EXACT_IN_DOUBLE + 1
    assert ColumnType(Kind.INT).join(ColumnType(Kind.FLOAT)) == ColumnType(Kind.FLOAT)
    assert ColumnType(Kind.LONG).join(ColumnType(Kind.FLOAT)) == TEXT


def test_a_numeric_key_never_becomes_a_double():
    schema = TableSchema.of_keys((("n", "N"),)).including("n", ColumnType(Kind.FLOAT), key=True)
    assert schema.keys[0].type == TEXT


@pytest.mark.parametrize("attribute", ["ID", "", "headrace_x", "Headrace_y", "a\0b", "\0"])
def test_a_name_that_an_engine_cannot_take_gets_a_checksum_and_stays_the_same(attribute):
    once = KEYS.including(attribute, TEXT).column(attribute).name
    again = KEYS.including(attribute, TEXT).column(attribute).name
    assert once == again != attribute
    assert "\0" not in once
    assert not once.lower().startswith("headrace_")


def test_the_example_in_the_documents_is_what_happens():
    name = KEYS.including("Id", TEXT).column("Id").name
    assert f"`{name}`" in (Path(__file__).parents[2] / "docs" / "types.md").read_text()


@given(st.lists(st.text(alphabet="aA_\0h", max_size=3), max_size=8))
def test_no_two_attributes_share_a_column(attributes):
    schema = KEYS
    for attribute in attributes:
        schema = schema.including(attribute, TEXT)
    names = [column.name.lower() for column in schema.columns]
    assert len(set(names)) == len(names)
    assert {column.attribute for column in schema.columns} == {"id", *attributes}


@given(st.lists(st.tuples(st.sampled_from("abc"), types), max_size=6), st.randoms())
def test_any_order_of_the_same_values_gives_the_same_types(values, random):
    def types_of(pairs):
        schema = KEYS
        for attribute, type_ in pairs:
            schema = schema.including(attribute, type_)
        return {column.attribute: column.type for column in schema.columns}

    shuffled = list(values)
    random.shuffle(shuffled)
    assert types_of(values) == types_of(shuffled)
