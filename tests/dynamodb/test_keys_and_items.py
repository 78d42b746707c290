"""Keys as people write them, and items beside the rows that were made of them."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings

from headrace.column_type import BINARY, LONG, TEXT, Digits, number_type
from headrace.dynamodb.compare import differences
from headrace.dynamodb.decode import Decoder
from headrace.dynamodb.key import Key
from headrace.dynamodb.reader import ItemReader
from headrace.errors import QueryError
from headrace.explanation import Difference
from headrace.mapping import Mapping
from headrace.schema import Column, Origin, TableSchema
from support.attribute_values import items

DECIMAL = number_type(Digits.of(Decimal("0.5"), key=True))
READER = ItemReader(Mapping())
SCHEMA = TableSchema.of_keys((("pk", "S"),))


def column(type_):
    return Column(("k",), "k", type_, Origin.KEY)


def key(tag, text):
    return Key.written("orders", (("k", tag),), (text,))


@pytest.mark.parametrize(
    ("tag", "text", "type_", "value"),
    [
        ("S", "42", TEXT, "42"),
        ("S", "", TEXT, ""),
        ("S", "2024-03-15T14:30:00Z", TEXT, "2024-03-15T14:30:00Z"),
        ("N", "42", LONG, 42),
        ("N", "-4.20e1", LONG, -42),
        ("N", "42.0", TEXT, "42"),
        ("N", "1.50", TEXT, "1.5"),
        ("N", "1.5", LONG, None),
        ("N", "1.5", DECIMAL, Decimal("1.5")),
        ("N", "42", DECIMAL, Decimal(42)),
        ("N", "1.55", DECIMAL, None),
        ("N", str(2**60), LONG, 2**60),
        ("N", str(2**63), LONG, None),
        ("B", "aGk=", BINARY, b"hi"),
    ],
)
def test_a_key_takes_the_form_of_its_column(tag, text, type_, value):
    assert key(tag, text).value_in(column(type_)) == value


@pytest.mark.parametrize(
    ("schema", "parts", "message"),
    [
        ((("id", "N"),), ("abc",), "id, of the key of orders, is a number: 'abc' is not"),
        ((("id", "B"),), ("?",), "id, of the key of orders, is binary, written as base64: '?' is not"),
        (
            (("id", "S"), ("at", "N")),
            ("a",),
            "the key of orders is id (a string) and at (a number): give 2 values, not 1",
        ),
        ((("id", "S"),), ("a", "b"), "the key of orders is id (a string): give 1 value, not 2"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused_with_the_key_schema(schema, parts, message):
    with pytest.raises(QueryError) as refused:
        Key.written("orders", schema, parts)
    assert str(refused.value) == message


def row_of(item, schema=SCHEMA):
    page = Decoder(schema).scan_page(json.dumps({"Items": [item]}).encode(), at=0.0)
    assert not page.dead
    return page.changes.rows, page.changes.schema


def shuffled(value):
    """The same value, as the service may also send it: maps and sets in another order."""
    ((tag, content),) = value.items()
    if tag == "M":
        return {"M": {name: shuffled(content[name]) for name in reversed(content)}}
    if tag == "L":
        return {"L": [shuffled(one) for one in content]}
    return {tag: content[::-1]} if tag in ("SS", "NS", "BS") else value


@settings(max_examples=150, deadline=None)
@given(item=items())
def test_a_row_is_the_item_that_it_was_made_of_in_whatever_order_its_maps_and_sets_come(item):
    item = {"pk": {"S": "k"}} | item
    row, schema = row_of(item)
    assert list(differences(item, row, schema, READER)) == []
    again = {name: shuffled(value) for name, value in reversed(item.items())}
    assert list(differences(again, row, schema, READER)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"N": "1"}, {"N": "2"}),
        ({"N": "1"}, {"S": "1"}),
        ({"N": "1"}, {"N": "1.5"}),
        ({"N": "1"}, {"NULL": True}),
        ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}),
        ({"L": [{"NULL": True}]}, {"L": [{"S": "null"}]}),
        ({"M": {"a": {"L": [{"N": "1"}]}}}, {"M": {"a": {"L": [{"N": "1"}, {"N": "1"}]}}}),
        ({"M": {"a": {"N": "1"}}}, {"M": {"a": {"S": "1"}}}),
        ({"M": {"a": {"NS": ["1", "2"]}}}, {"M": {"a": {"NS": ["1", "3"]}}}),
        ({"SS": ["a", "b"]}, {"SS": ["a", "c"]}),
        ({"BS": ["YQ=="]}, {"BS": ["Yg=="]}),
        ({"BOOL": True}, {"BOOL": False}),
        ({"B": "YQ=="}, {"B": "Yg=="}),
    ],
)
def test_any_change_of_an_attribute_is_a_difference(before, after):
    row, schema = row_of({"pk": {"S": "k"}, "a": before})
    (found,) = differences({"pk": {"S": "k"}, "a": after}, row, schema, READER)
    assert found.attribute == "a"
    assert json.loads(found.item) == after


def test_attributes_that_only_one_side_has_are_differences():
    row, schema = row_of({"pk": {"S": "k"}, "old": {"N": "7"}, "both": {"S": "x"}})
    item = {"pk": {"S": "k"}, "both": {"S": "x"}, "new": {"S": "y"}, "nothing": {"NULL": True}}
    assert list(differences(item, row, schema, READER)) == [
        Difference("old", "7", None),
        Difference("new", None, '{"S":"y"}'),
    ]


def test_a_column_widened_by_other_items_holds_the_item_all_the_same():
    wide = SCHEMA.including({("a",): TEXT})
    for value in (
        {"N": "1.50"},
        {"BOOL": True},
        {"SS": ["b", "a"]},
        {"L": [{"M": {"x": {"N": "1"}}}]},
        {"M": {}},
    ):
        item = {"pk": {"S": "k"}, "a": value}
        row, schema = row_of(item, wide)
        assert list(differences(item, row, schema, READER)) == []
        assert list(differences({"pk": {"S": "k"}, "a": shuffled(value)}, row, schema, READER)) == []
