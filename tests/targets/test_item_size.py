"""Items weigh what DynamoDB says that they weigh."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.attribute import BrokenValue
from headrace.simulator.answers import Refusal
from headrace.simulator.items import canonical_item
from headrace.targets.item_size import MOST_BYTES, is_too_large, item_size
from support.attribute_values import map_names, values
from support.output_table import image

items = st.dictionaries(map_names.filter(bool), values, max_size=4)


@given(items)
def test_an_item_weighs_as_much_as_the_service_says(item):
    try:
        canonical, weight = canonical_item(item)
    except Refusal:
        return
    assert item_size(image(item)) == item_size(image(canonical)) == weight


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é€"}, 5),
        ({"N": "-1234567.50"}, 6),
        ({"N": "0.000"}, 1),
        ({"N": "1E+125"}, 2),
        ({"B": "aGVsbG8="}, 5),
        ({"NULL": True}, 1),
        ({"BOOL": False}, 1),
        ({"M": {}}, 3),
        ({"L": [{"S": "a"}, {"M": {"n": {"BOOL": True}}}]}, 3 + 1 + 1 + 1 + 3 + 1 + 1 + 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "100"]}, 4),
        ({"BS": ["aGk="]}, 2),
    ],
)
def test_each_kind_of_value_has_its_size(value, size):
    assert item_size(image({"ab": value})) == 2 + size


def test_an_item_of_exactly_400_kb_is_not_too_large():
    # In JSON each é may take six bytes, and weighs two.
    text = "é" * ((MOST_BYTES - 2) // 2)
    assert not is_too_large(image({"id": {"S": text}}))
    assert is_too_large(image({"id": {"S": text + "x"}}))
    assert not is_too_large(image({"b": {"B": "AAAA" * ((MOST_BYTES - 1) // 3)}}))


def test_what_is_no_value_has_no_size():
    with pytest.raises(BrokenValue, match="not a type tag"):
        item_size(image({"id": {"X": "1"}}))
