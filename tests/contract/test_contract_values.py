"""Invariant 5 from the wire to the rows: any items, in any order, by Scan and stream, into every engine."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.dynamodb.decode import Decoder
from headrace.mapping import ListType, Mapping, NumberType
from headrace.schema import REST
from support.attribute_values import items, scalars, values
from support.copies import KEYS, create, work
from support.engines import ENGINES, harness_of
from support.held import JsonOf, holds, plain
from support.laws import hold

MAPPINGS = {
    "structs": Mapping(),
    "typed lists": Mapping(list_type=ListType.TYPED),
    "decimals": Mapping(number_type=NumberType.DECIMAL),
    "flat": Mapping(unnest_depth=0),
    "unnested": Mapping(unnest_depth=2),
}

NOW = 1_700_000_000.0
generous = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def named(item, number):
    """The item under the contract's key, which is no attribute of any other item."""
    return {name: value for name, value in item.items() if name not in ("pk", "id")} | {
        "id": {"S": f"k{number}"}
    }


pages = st.lists(
    st.tuples(st.sampled_from(["scan", "stream"]), st.lists(items(values), min_size=1, max_size=3)),
    min_size=1,
    max_size=5,
)
"""Answers of the service: items of a Scan, or of the stream's records."""


def decoded(decoder, way, page, number):
    if way == "scan":
        body = {"Items": page}
        return decoder.scan_page(json.dumps(body, separators=(",", ":")).encode(), at=NOW).changes
    records = [
        {
            "eventName": "MODIFY",
            "dynamodb": {
                "Keys": {"id": item["id"]},
                "NewImage": item,
                "SequenceNumber": str(10**20 + 100 * number + place),
                "ApproximateCreationDateTime": NOW,
            },
        }
        for place, item in enumerate(page)
    ]
    answer = decoder.records_page(json.dumps({"Records": records}).encode(), shard="s", at=NOW)
    assert not answer.dead
    return answer.changes


def copied(harness, mapping, answers):
    """The live rows and the schema after these answers have been applied, one after the other."""
    decoder = Decoder(KEYS, mapping)
    harness.sink.apply(create())
    for number, (way, page) in enumerate(answers):
        changes = decoded(decoder, way, page, number)
        arriving = {"scan": (changes,)} if way == "scan" else {}
        applied = harness.sink.apply(
            work(number + 1, *(() if way == "scan" else (changes,)), scanning=True, **arriving)
        )
    return harness.live(), applied.schema


def leaves(item, depth):
    """What the columns of an item hold, by path, if maps are flattened so deep."""
    found = {}
    todo = [((name,), value) for name, value in item.items()]
    while todo:
        path, value = todo.pop()
        if depth is not None and len(path) <= depth and value.get("M"):
            todo += [((*path, name), inner) for name, inner in value["M"].items()]
        else:
            found[path] = value
    return found


def assert_every_value_is_there(rows, schema, answers, mapping):
    structs = mapping.unnest_depth is None
    given_items = [item for _, page in answers for item in page]
    assert len(rows) == len(given_items)
    for item in given_items:
        row = rows[(item["id"]["S"],)]
        there = leaves(item, mapping.unnest_depth)
        for path, value in there.items():
            column = schema.column(path)
            assert column is not None or "NULL" in value, path
            assert column is None or holds(row[column.name], value, column.type, structs=structs), (
                column,
                value,
                row[column.name],
            )
        for column in schema.columns:
            assert column.path in there or row[column.name] is None


@pytest.fixture(params=ENGINES, scope="module")
def harness(request, tmp_path_factory):
    one = harness_of(request.param, tmp_path_factory.mktemp("values"))
    one.sink.open()
    yield one
    one.close()


def tell(harness, mapping, answers, data):
    answers = [
        (way, [named(harness.holding(item), 10 * number + place) for place, item in enumerate(page)])
        for number, (way, page) in enumerate(answers)
    ]
    rows, schema = copied(harness, mapping, answers)
    assert_every_value_is_there(rows, schema, answers, mapping)
    again = data.draw(st.permutations(answers))
    rows_again, schema_again = copied(harness, mapping, again)
    assert {column.path: column for column in schema_again.columns} == {
        column.path: column for column in schema.columns
    }
    assert rows_again == rows


@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_every_value_of_any_item_is_in_its_row_whatever_the_order_of_items(harness, mapping):
    hold(partial(tell, harness, mapping), harness, examples=8, answers=pages, data=st.data())


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_every_value_of_thousands_of_items_is_in_its_row(harness, mapping):
    hold(partial(tell, harness, mapping), harness, examples=100, answers=pages, data=st.data())


@settings(max_examples=12, **generous)
@given(answers=pages, sample=st.lists(items(scalars), min_size=1, max_size=2))
def test_what_frozen_columns_do_not_hold_is_in_the_rest(harness, answers, sample):
    mapping = Mapping(freeze=True)
    answers = [
        (way, [named(harness.holding(item), 10 * number + place) for place, item in enumerate(page)])
        for number, (way, page) in enumerate(answers)
    ]
    decoder = Decoder(KEYS, mapping)
    decoder.freeze([json.dumps({"Items": [named(harness.holding(item), 0) for item in sample]}).encode()])
    frozen = decoder.schema
    harness.sink.apply(create())
    for number, (way, page) in enumerate(answers):
        changes = decoded(decoder, way, page, number)
        stream, scan = ((), (changes,)) if way == "scan" else ((changes,), ())
        harness.sink.apply(work(number + 1, *stream, scanning=True, scan=scan))
    assert [column.name for column in decoder.schema.columns] == [column.name for column in frozen.columns]
    known = decoder.schema
    rest = known.column(REST).name
    rows = harness.live()
    for item in (item for _, page in answers for item in page):
        row = rows[(item["id"]["S"],)]
        left = {} if row[rest] is None else json.loads(row[rest])
        for name, value in item.items():
            column = known.column(name)
            if name in left:
                assert JsonOf(plain(value)) == json_of(row[rest], name)
            else:
                assert holds(row[column.name], value, column.type)


def json_of(text, name):
    """A member's own text."""
    import msgspec

    return bytes(msgspec.json.decode(text, type=dict[str, msgspec.Raw])[name]).decode()
