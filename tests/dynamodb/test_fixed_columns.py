"""Columns that do not follow the items: declared ones, frozen ones, and the one that takes what has none."""

import json

import pyarrow as pa
import pytest

from headrace.column_type import JSON, LONG, TEXT, Times, list_of, time_type
from headrace.dynamodb import DynamoDBSource
from headrace.dynamodb.declared import declared_schema
from headrace.dynamodb.decode import Decoder
from headrace.mapping import Declared, Mapping
from headrace.schema import TableSchema
from headrace.simulator import Simulator
from headrace.time_text import ISO_8601

KEYS = TableSchema.of_keys((("pk", "S"),))


def scanned(decoder, *items):
    page = [{"pk": {"S": str(number)}, **item} for number, item in enumerate(items)]
    answer = decoder.scan_page(json.dumps({"Items": page}, separators=(",", ":")).encode(), at=0.0)
    assert not answer.dead
    rows = answer.changes.rows.to_pylist()
    return [{name: value for name, value in row.items() if name != "pk"} for row in rows]


def both_ways(decoder, *items):
    """The rows of a page that is met for the first time, and for the second."""
    first = scanned(decoder, *items)
    assert scanned(decoder, *items) == first
    return first


def test_a_declared_column_has_its_type_before_any_item_comes():
    decoder = Decoder(KEYS, Mapping(declared=(Declared("n", LONG), Declared("t", TEXT))))
    assert decoder.schema.arrow() == pa.schema([("pk", pa.string()), ("n", pa.int64()), ("t", pa.string())])
    items = [{"n": {"N": "1"}, "t": {"N": "1.50"}}, {"t": {"S": "2024-03-15T14:30:00Z"}}]
    assert both_ways(decoder, *items) == [{"n": 1, "t": "1.5"}, {"n": None, "t": "2024-03-15T14:30:00Z"}]


def test_what_a_declared_column_does_not_hold_goes_to_the_rest_and_is_not_lost():
    decoder = Decoder(KEYS, Mapping(declared=(Declared("n", LONG),)))
    items = [{"n": {"N": "1"}}, {"n": {"N": "1.5"}}, {"n": {"S": "x"}, "new": {"BOOL": True}}]
    assert both_ways(decoder, *items) == [
        {"n": 1, "new": None, "_unmapped": None},
        {"n": None, "new": None, "_unmapped": '{"n":1.5}'},
        {"n": None, "new": True, "_unmapped": '{"n":"x"}'},
    ]


def test_a_column_declared_by_name_alone_takes_the_type_of_its_values():
    decoder = Decoder(KEYS, Mapping(declared=(Declared("n"),)))
    assert both_ways(decoder, {"n": {"N": "1"}}, {"n": {"S": "x"}}) == [{"n": "1"}, {"n": "x"}]


def test_a_declared_name_is_kept_whatever_differs_from_it_in_case_alone():
    decoder = Decoder(KEYS, Mapping(declared=(Declared("Email", TEXT),)))
    (row,) = both_ways(decoder, {"Email": {"S": "a"}, "email": {"S": "b"}})
    assert row["Email"] == "a"
    assert sorted(row.values()) == ["a", "b"]


def test_a_declared_time_column_takes_every_time_of_the_family_and_nothing_else():
    zoned = frozenset(layout.text for layout in ISO_8601 if layout.zoned and layout.unit == "ms")
    decoder = Decoder(KEYS, Mapping(declared=(Declared("at", time_type(Times("UTC", zoned))),)))
    texts = ["2024-03-15T14:30:00Z", "2024-03-15T14:30:00.120Z", "2024-03-15T14:30:00.12Z", "soon"]
    assert list(both_ways(decoder, *({"at": {"S": text}} for text in texts[:3]))[0]) == ["at"]
    rows = both_ways(decoder, *({"at": {"S": text}} for text in texts))
    seconds = [None if row["at"] is None else row["at"].isoformat() for row in rows]
    assert seconds == [
        "2024-03-15T14:30:00+00:00",
        "2024-03-15T14:30:00.120000+00:00",
        "2024-03-15T14:30:00.120000+00:00",
        None,
    ]
    assert [row["_unmapped"] for row in rows] == [None, None, None, '{"at":"soon"}']


def test_all_undeclared_attributes_share_the_json_column_exactly():
    mapping = Mapping(declared=(Declared("n", LONG), Declared("tags", list_of(TEXT))), json_column="other")
    decoder = Decoder(KEYS, mapping)
    items = [
        {"n": {"N": "1"}, "tags": {"SS": ["a"]}},
        {
            "big": {"N": "12345678901234567890.123"},
            "m": {"M": {"z": {"NULL": True}, "a": {"B": "aGk="}}},
            "l": {"L": [{"N": "1"}, {"BOOL": False}]},
        },
    ]
    assert both_ways(decoder, *items) == [
        {"n": 1, "tags": ["a"], "other": None},
        {
            "n": None,
            "tags": None,
            "other": '{"big":12345678901234567890.123,"m":{"z":null,"a":"aGk="},"l":[1,false]}',
        },
    ]
    assert [column.name for column in decoder.schema.columns] == ["pk", "n", "tags", "other"]


def test_an_attribute_that_bears_the_json_columns_name_is_inside_it():
    decoder = Decoder(KEYS, Mapping(json_column="other"))
    assert both_ways(decoder, {"other": {"S": "x"}}) == [{"other": '{"other":"x"}'}]


def test_json_declared_holds_any_value_as_json():
    decoder = Decoder(KEYS, Mapping(declared=(Declared("j", JSON),)))
    items = [{"j": {"N": "1.50"}}, {"j": {"S": "x"}}, {"j": {"M": {"b": {"N": "1"}, "a": {"NULL": True}}}}]
    assert [row["j"] for row in both_ways(decoder, *items)] == ["1.50", '"x"', '{"b":1,"a":null}']


def test_unnested_leftovers_keep_their_place_in_the_item():
    decoder = Decoder(KEYS, Mapping(unnest_depth=1, declared=(Declared("b.x", LONG),)))
    assert both_ways(decoder, {"b": {"M": {"x": {"S": "no"}}}, "b.x": {"S": "real"}}) == [
        {"b.x": None, "b.x_" + checksum(decoder, "b.x"): "real", "_unmapped": '{"b":{"x":"no"}}'}
    ]


def checksum(decoder, attribute):
    return decoder.schema.column(attribute).name.rpartition("_")[2]


class Frozen:
    """A simulated table whose columns are frozen to a sample."""

    def __init__(self, sample=10):
        self.asked = []
        self.simulator = Simulator(lambda: 1_700_000_000.0)
        self("CreateTable", **ORDERS)
        mapping = Mapping(freeze=True, sample=sample)
        self.source = DynamoDBSource(self.transport, "orders", region="us-east-1", mapping=mapping)

    def transport(self, operation, body):
        self.asked.append((operation, json.loads(body)))
        return self.simulator(operation, body)

    def __call__(self, operation, **request):
        response = self.simulator(operation, json.dumps({"TableName": "orders", **request}).encode())
        assert response.status == 200, response.body

    def put(self, identity, **item):
        self("PutItem", Item={"id": {"S": identity}, **item})

    def scan(self):
        return self.source.scan_page(0, 1, None).changes

    def samples(self):
        return [body for operation, body in self.asked if operation == "Scan" and "Limit" in body]


ORDERS = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
}


@pytest.fixture
def frozen():
    return Frozen()


def test_frozen_columns_are_those_of_a_sample_from_all_over_the_table(frozen):
    for number in range(200):
        frozen.put(f"k{number}", n={"N": "1"})
    frozen.source.describe()
    frozen.scan()
    assert {body["Segment"] for body in frozen.samples()} == set(range(10))
    assert {body["Limit"] for body in frozen.samples()} == {1}
    frozen.put("late", n={"N": "0.5"}, new={"S": "x"})
    rows = {row["id"]: row for row in frozen.scan().rows.to_pylist()}
    assert rows["late"] == {"id": "late", "n": None, "_unmapped": rows["late"]["_unmapped"]}
    assert json.loads(rows["late"]["_unmapped"]) == {"n": 0.5, "new": "x"}
    assert rows["k0"] == {"id": "k0", "n": 1, "_unmapped": None}
    assert len(frozen.samples()) == 10, "the sample is taken once"


def test_what_the_sample_did_not_have_is_in_the_rest_of_stream_records_too(frozen):
    frozen.put("a", n={"N": "1"})
    table = frozen.source.describe()
    frozen.scan()
    frozen.put("b", other={"N": "2"})
    (shard,) = frozen.source.list_shards(table.stream_arn, None).shards
    from headrace.position import Position

    iterator = frozen.source.open_iterator(table.stream_arn, shard.id, Position.trim_horizon(0.0))
    changes = frozen.source.get_records(shard.id, iterator).changes
    assert changes.rows.to_pylist() == [
        {"id": "a", "n": 1, "_unmapped": None},
        {"id": "b", "n": None, "_unmapped": '{"other":2}'},
    ]


def test_an_empty_table_has_no_sample_until_items_come(frozen):
    frozen.source.describe()
    assert frozen.scan() is None
    frozen.put("a", n={"N": "1"})
    assert frozen.scan().rows.to_pylist() == [{"id": "a", "n": 1, "_unmapped": None}]
    frozen.put("b", later={"N": "1"})
    assert "later" not in frozen.scan().schema.arrow().names


def test_a_stored_copy_keeps_its_frozen_columns_after_a_restart(frozen):
    frozen.put("a", n={"N": "1"})
    frozen.source.describe()
    stored = frozen.scan().schema
    again = Frozen()
    again.put("a", n={"N": "1"}, other={"S": "x"})
    again.source.learn(stored, Mapping(freeze=True).fingerprint)
    again.source.describe()
    assert again.scan().schema == stored
    assert not again.samples()


def test_a_copy_that_has_declared_columns_and_no_items_is_still_to_be_sampled():
    empty = declared_schema(KEYS, Mapping(declared=(Declared("total", LONG),)))
    decoder = Decoder(TableSchema(()), Mapping(declared=(Declared("total", LONG),), freeze=True))
    decoder.learn(empty)
    assert decoder.wants_sample


def test_a_copy_that_was_made_by_other_settings_teaches_nothing(frozen):
    frozen.put("a", n={"N": "1"})
    frozen.source.learn(KEYS.including({("old",): TEXT}), Mapping().fingerprint)
    frozen.source.describe()
    assert "old" not in frozen.scan().schema.arrow().names
