"""What changed in an item, as a JSON patch that makes the one of the other."""

import json
import time
from copy import deepcopy

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.attribute import BrokenValue, Image
from headrace.targets.patch import diff
from headrace.targets.plain import plain
from support.attribute_values import items, names, values
from support.json_patch import applied, exact, same


def image(item: dict | None) -> Image | None:
    return None if item is None else msgspec.json.decode(msgspec.json.encode(item), type=Image)


def patch(old: dict | None, new: dict | None) -> list[dict]:
    return json.loads(diff(image(old), image(new)))


def op(name, path, *value):
    return {"op": name, "path": path} | ({"value": value[0]} if value else {})


# What an item is as plain JSON


def test_an_item_is_plain_json_in_one_order_with_numbers_as_they_were_written():
    item = {
        "z": {"N": "12345678901234567890123456789012345678"},
        "price": {"N": "1.50"},
        "m": {"M": {"b": {"BOOL": False}, "a": {"NULL": True}}},
        "raw": {"B": "AAE="},
        "tags": {"SS": ["b", "é", "B"]},
        "sizes": {"NS": ["10", "9", "-1"]},
        "blobs": {"BS": ["/w==", "AA=="]},
        "l": {"L": [{"S": "b"}, {"S": "a"}]},
    }
    assert plain(image(item)).decode() == (
        '{"blobs":["AA==","/w=="],"l":["b","a"],"m":{"a":null,"b":false},"price":1.50,"raw":"AAE=",'
        '"sizes":[-1,9,10],"tags":["B","b","é"],"z":12345678901234567890123456789012345678}'
    )


def test_an_item_that_is_not_there_is_null():
    assert plain(None) == b"null"


# The law


def changed(item: dict) -> st.SearchStrategy[dict]:
    """An item that has much in common with ``item``."""
    if not item:
        return items()
    name = st.sampled_from(sorted(item))
    return st.one_of(
        st.tuples(name, st.data()).map(lambda pair: {**item, pair[0]: pair[1].draw(near(item[pair[0]]))}),
        name.map(lambda gone: {each: value for each, value in item.items() if each != gone}),
        st.tuples(names, values).map(lambda pair: {**item, pair[0]: pair[1]}),
    )


def near(value: dict) -> st.SearchStrategy[dict]:
    """A value that differs from ``value`` somewhere within."""
    ((tag, content),) = value.items()
    if tag == "L":
        place = st.integers(0, len(content))
        return st.tuples(place, place, st.lists(values, max_size=2)).map(
            lambda cut: {"L": [*content[: min(cut[:2])], *cut[2], *content[max(cut[:2]) :]]}
        )
    if tag == "M":
        return changed(content).map(lambda members: {"M": members})
    if tag in ("SS", "NS", "BS") and len(content) > 1:
        return st.permutations(content).flatmap(
            lambda mixed: st.integers(1, len(content)).map(lambda kept: {tag: mixed[:kept]})
        )
    return values


pairs = st.one_of(
    st.tuples(items(), items()),
    items().flatmap(lambda item: st.tuples(st.just(item), changed(item))),
    items().flatmap(lambda item: changed(item).flatmap(lambda one: st.tuples(st.just(item), changed(one)))),
    st.tuples(st.none(), items()),
    st.tuples(items(), st.none()),
)


def makes_the_new_item_of_the_old_one(pair):
    old, new = map(image, pair)
    before, after = exact(plain(old)), exact(plain(new))
    operations = exact(diff(old, new))
    assert same(applied(before, operations), after)
    assert bool(operations) is not same(before, after)
    assert diff(deepcopy(old), deepcopy(new)) == diff(old, new)


@settings(max_examples=120, deadline=None)
@given(pairs)
def test_a_patch_makes_the_new_item_of_the_old_one(pair):
    makes_the_new_item_of_the_old_one(pair)


@pytest.mark.long
@settings(max_examples=5_000, deadline=None)
@given(pairs)
def test_every_patch_makes_the_new_item_of_the_old_one(pair):
    makes_the_new_item_of_the_old_one(pair)


# How small it is

A = {"id": {"S": "a"}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"S": "x"}, {"S": "y"}, [op("replace", "/it", "y")]),
        ({"S": "x"}, {"NULL": True}, [op("replace", "/it", None)]),
        (None, {"NULL": True}, [op("add", "/it", None)]),
        ({"NULL": True}, None, [op("remove", "/it")]),
        ({"N": "1"}, {"S": "1"}, [op("replace", "/it", "1")]),
        ({"BOOL": True}, {"N": "1"}, [op("replace", "/it", 1)]),
        ({"N": "0"}, {"BOOL": False}, [op("replace", "/it", False)]),
        ({"N": "1.50"}, {"N": "1.5"}, []),
        ({"N": "1E+2"}, {"N": "100"}, []),
        ({"N": "-0"}, {"N": "0"}, []),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}, []),
        ({"SS": ["a", "c"]}, {"SS": ["c", "b", "a"]}, [op("add", "/it/1", "b")]),
        ({"SS": ["a", "b", "c"]}, {"SS": ["b"]}, [op("remove", "/it/2"), op("remove", "/it/0")]),
        ({"NS": ["9", "10"]}, {"NS": ["10", "2"]}, [op("remove", "/it/0"), op("add", "/it/0", 2)]),
        ({"NS": ["1.0"]}, {"NS": ["1"]}, []),
        ({"SS": ["a"]}, {"L": [{"S": "a"}]}, []),
        ({"B": "AAE="}, {"S": "AAE="}, []),
        ({"M": {}}, {"L": []}, [op("replace", "/it", [])]),
        ({"M": {"x": {"M": {"y": {"N": "1"}}}}}, {"M": {"x": {"M": {"y": {"N": "2"}}}}}, [op("replace", "/it/x/y", 2)]),
        ({"M": {"a/b": {"S": "1"}, "": {"S": "2"}}}, {"M": {"": {"S": "3"}}}, [op("replace", "/it/", "3"), op("remove", "/it/a~1b")]),
        ({"M": {"~1": {"S": "1"}}}, {"M": {"~1": {"S": "2"}}}, [op("replace", "/it/~01", "2")]),
        ({"L": [{"N": "1"}, {"N": "3"}]}, {"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]}, [op("add", "/it/1", 2)]),
        ({"L": [{"N": "1"}, {"N": "2"}, {"N": "3"}]}, {"L": [{"N": "3"}]}, [op("remove", "/it/1"), op("remove", "/it/0")]),
        ({"L": [{"M": {"n": {"N": "1"}}}]}, {"L": [{"M": {"n": {"N": "2"}}}]}, [op("replace", "/it/0/n", 2)]),
    ],
)  # fmt: skip
def test_a_patch_says_no_more_than_what_changed(old, new, expected):
    before = A if old is None else A | {"it": old}
    after = A if new is None else A | {"it": new}
    assert patch(before, after) == expected


def test_an_item_that_comes_or_goes_is_replaced_as_a_whole():
    assert patch(None, A) == [op("replace", "", {"id": "a"})]
    assert patch(A, None) == [op("replace", "", None)]
    assert patch(None, None) == []


def test_every_digit_of_a_number_is_in_the_patch():
    long = "-1234567890.1234567890123456789012345678"
    assert f'"value":{long}'.encode() in diff(image(A), image(A | {"n": {"N": long}}))


def test_a_broken_value_is_no_patch():
    with pytest.raises(BrokenValue):
        diff(image(A), image(A | {"n": {"X": "1"}}))


# What it costs


def test_where_everything_changed_the_whole_is_replaced():
    def numbers(first):
        return A | {"l": {"L": [{"N": str(number)} for number in range(first, first + 1000)]}}

    assert [each["path"] for each in patch(numbers(0), numbers(5000))] == ["/l"]
    many = {f"a{number}": {"N": "1"} for number in range(5000)}
    assert patch(A | many, A) == [op("replace", "", {"id": "a"})]


def test_a_few_changes_of_a_large_item_stay_few():
    padding = {"padding": {"S": "x" * 300_000}}
    old = A | padding | {f"a{number}": {"N": "1"} for number in range(500)}
    new = A | padding | {f"a{number}": {"N": "2"} for number in range(500)}
    assert len(patch(old, new)) == 500


@pytest.mark.parametrize("name", ["n", "n" * 60_000], ids=["short name", "long name"])
def test_a_patch_is_hardly_longer_than_both_items(name):
    def deep(value):
        inner = [{"L": [{"N": str(value)}, {"N": str(place)}]} for place in range(6_000)]
        return A | {name: {"M": {name: {"L": inner}}}}

    old, new = image(deep(1)), image(deep(2))
    began = time.monotonic()
    made = diff(old, new)
    assert time.monotonic() - began < 5
    assert len(made) < len(plain(old)) + len(plain(new)) + 10_000
