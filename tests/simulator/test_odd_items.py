"""Odd items: DynamoDB takes every one of them, and they are odd."""

from __future__ import annotations

from itertools import islice
from random import Random

from headrace.simulator.items import MAX_ITEM_BYTES, canonical_item
from headrace.simulator.odd_items import odd_items


def depth(value):
    ((tag, content),) = value.items()
    inner = content.values() if tag == "M" else content if tag == "L" else ()
    return 1 + max(map(depth, inner), default=0)


def test_every_odd_item_is_taken_and_comes_back(call):
    call.table(view="NEW_AND_OLD_IMAGES")
    for number, item in enumerate(islice(odd_items(Random(1), largest=0.05), 200)):
        call.put(f"k{number % 20}", **item)
        stored = call.get(f"k{number % 20}")
        assert stored.pop("id") == {"S": f"k{number % 20}"}
        assert stored == canonical_item(item)[0]


def test_they_have_every_type_and_every_limit():
    items = list(islice(odd_items(Random(2), largest=0.01), 3000))
    values = [value for item in items for value in item.values()]
    assert {tag for value in values for tag in value} == {
        *("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "M", "L")
    }
    assert max(map(depth, values)) == 32
    assert max(len(value.get("N", "").strip("-")) for value in values) >= 38
    assert {"S": ""} in values
    assert {"B": ""} in values
    largest = max(canonical_item(item)[1] for item in items)
    assert MAX_ITEM_BYTES - 5000 < largest < MAX_ITEM_BYTES - 2048 - 255
    assert len({name for item in items for name in item}) > 300
    kinds = {}
    for item in items:
        for name, value in item.items():
            kinds.setdefault(name, set()).update(value)
    assert len(kinds["status"]) == 10
