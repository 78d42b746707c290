"""Maps and lists have fast forms made of those of their members and elements; and so have the rest and keys."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from headrace.column_type import (
    LONG,
    TEXT,
    list_of,
)
from headrace.dynamodb.compile import compile_schema
from headrace.mapping import Declared, ListType, Mapping
from support.both_ways import NULL, STRUCTS, both_ways, column, of, takes, taught


def test_a_map_is_a_struct_even_where_it_lacks_members():
    maps = [{"M": {"x": {"N": "1"}, "y": {"S": "a"}}}, {"M": {}}, {"M": {"y": NULL}}, NULL, None]
    array = column(of(*maps))
    assert array.to_pylist() == [
        {"x": 1, "y": "a"},
        {"x": None, "y": None},
        {"x": None, "y": None},
        None,
        None,
    ]


def test_structs_and_lists_of_them_nest():
    line = {
        "M": {
            "sku": {"S": "s"},
            "at": {"L": [{"M": {"n": {"N": "1.5"}}}, NULL]},
            "more": {"M": {"deep": {"M": {}}}},
        }
    }
    array = column(of({"L": [line, NULL, {"M": {}}]}, {"L": []}, None))
    nothing = {"at": None, "more": None, "sku": None}
    assert array.to_pylist() == [
        [{"at": [{"n": 1.5}, None], "more": {"deep": "{}"}, "sku": "s"}, None, nothing],
        [],
        None,
    ]


def test_a_page_without_items_or_elements_is_taken():
    of_all_kinds = of(
        {"M": {"x": {"L": [{"M": {"s": {"SS": ["x"]}, "n": {"N": "1.5"}}}]}}},
        {"M": {"x": {"L": [{"M": {"s": {"L": [{"S": "x"}]}, "n": {"N": "0.10000000000000000001"}}}]}}},
    )
    assert takes(of_all_kinds, of({"M": {"x": {"L": []}}}))
    assert takes(of_all_kinds, [])


def test_members_that_disagree_are_json():
    values = [
        {"S": "1"},
        {"N": "1.0"},
        {"BOOL": True},
        {"B": "aGk="},
        {"L": [{"N": "1"}]},
        {"M": {"z": {"S": "é"}}},
        NULL,
    ]
    array = column(of(*({"M": {"x": value}} for value in values)))
    assert [row["x"] for row in array.to_pylist()] == [
        '"1"',
        "1",
        "true",
        '"aGk="',
        '["1"]',
        '{"z":"é"}',
        None,
    ]


def test_a_dictionary_keeps_its_entries_by_name_and_leaves_null_ones_out():
    many = {"M": {f"k{number:03d}": {"N": str(number)} for number in range(101)}}
    array = column(
        of(
            many,
            {"M": {"b": {"N": "2"}, "n": NULL, "a": {"N": "1"}}},
            {"M": {}},
            {"M": {"n": NULL}},
            NULL,
            None,
        )
    )
    assert array.type == pa.map_(pa.string(), pa.int64())
    assert array[1:].to_pylist() == [[("a", 1), ("b", 2)], [], [], None, None]


def test_a_member_whose_name_cannot_be_declared_is_read_all_the_same():
    assert column(of({"M": {'q"': {"N": "1"}, "x": {"S": "s"}}})).to_pylist() == [{'q"': 1, "x": "s"}]


def test_typed_lists_hold_what_their_elements_are():
    typed = Mapping(list_type=ListType.TYPED)
    assert column(of({"L": [{"N": "1"}, NULL]}, {"NS": ["2"]}), typed).to_pylist() == [[1, None], [2]]
    assert column(of({"L": [{"BOOL": True}, NULL]}), typed).to_pylist() == [[True, None]]
    assert column(of({"L": [{"B": "aGk="}]}, {"BS": ["aGk="]}), typed).to_pylist() == [[b"hi"], [b"hi"]]
    assert column(of({"L": [{"N": "1"}, {"S": "x"}]}), typed).to_pylist() == [["1", "x"]]


def test_maps_are_flattened_into_columns_down_to_a_depth():
    page = [
        {"pk": {"S": "0"}, "a": {"M": {"x": {"N": "1"}, "y": {"M": {"z": {"S": "s"}, "w": {"M": {}}}}}}},
        {"pk": {"S": "1"}, "a": {"M": {"y": {"M": {"w": {"M": {"q": {"N": "1.50"}}}}}}}},
        {"pk": {"S": "2"}},
    ]
    assert both_ways(page, Mapping(unnest_depth=0)).column("a").to_pylist() == [
        '{"x":1,"y":{"z":"s","w":{}}}',
        '{"y":{"w":{"q":1.50}}}',
        None,
    ]
    assert both_ways(page, Mapping(unnest_depth=1)).to_pydict() == {
        "pk": ["0", "1", "2"],
        "a.x": [1, None, None],
        "a.y": ['{"z":"s","w":{}}', '{"w":{"q":1.50}}', None],
    }
    assert both_ways(page, Mapping(unnest_depth=2)).to_pydict() == {
        "pk": ["0", "1", "2"],
        "a.x": [1, None, None],
        "a.y.z": ["s", None, None],
        "a.y.w": ["{}", '{"q":1.50}', None],
    }


def test_an_attribute_that_is_not_always_a_map_has_a_column_beside_those_of_its_members():
    once = Mapping(unnest_depth=1)
    page = of({"M": {"x": {"N": "1"}}}, {"M": {}}, {"S": "s"}, NULL, None)
    assert both_ways(page, once).to_pydict() == {
        "pk": ["0", "1", "2", "3", "4"],
        "a.x": [1, None, None, None, None],
        "a": [None, "{}", "s", None, None],
    }
    for odd in ({"M": {}}, {"S": "s"}, NULL, {"M": {"y": {"N": "1"}}}):
        assert not takes(of({"M": {"x": {"N": "1"}}}), of(odd), once)
    assert not takes(of({"S": "s"}, {"N": "1"}), of({"M": {"x": {"N": "1"}}}), once)
    assert not takes(of({"M": {}}), of({"M": {"x": {"N": "1"}}}), once)


def test_attributes_without_a_column_are_members_of_one_json_object():
    page = [
        {"pk": {"S": "0"}, "b": {"N": "1.50"}, "a": {"S": "x"}, "c": {"M": {"z": {"SS": ["s"]}, "y": NULL}}},
        {"pk": {"S": "1"}, "a": {"S": 'say "}'}, 'q"': {"BS": ["aGk="]}},
        {"pk": {"S": "2"}, "a": {"S": "y"}},
    ]
    mapping = Mapping(json_column="rest", declared=(Declared("a", TEXT),))
    assert both_ways(page, mapping).to_pydict() == {
        "pk": ["0", "1", "2"],
        "a": ["x", 'say "}', "y"],
        "rest": ['{"b":1.50,"c":{"z":["s"],"y":null}}', '{"q\\"":["aGk="]}', None],
    }


def test_a_value_that_a_declared_column_does_not_hold_is_left_to_the_generic_way():
    mapping = Mapping(json_column="rest", declared=(Declared("a", LONG), Declared("b", list_of(TEXT))))
    assert takes(
        [], [{"pk": {"S": "0"}, "a": {"N": "1"}, "b": {"L": [{"N": "1"}]}, "c": {"N": "1"}}], mapping
    )
    assert not takes([], of({"S": "x"}), mapping)


@pytest.mark.parametrize(
    "mapping", [STRUCTS, Mapping(json_column="rest")], ids=["columns", "one JSON object"]
)
def test_a_deletion_has_nothing_but_its_key(mapping):
    schema, harvest = taught([{"pk": {"S": "a"}, "n": {"N": "1"}}], mapping)
    compiled = compile_schema(schema, harvest.tags, mapping)
    change = {"Keys": {"pk": {"S": "a"}}, "SequenceNumber": "1", "ApproximateCreationDateTime": 1}
    records = {"Records": [{"eventName": "REMOVE", "dynamodb": change}]}
    (record,) = compiled.records.decode(json.dumps(records)).rows
    (row,) = compiled.rows([compiled.from_keys(record.change.keys)]).to_pylist()
    assert row.pop("pk") == "a"
    assert set(row.values()) == {None}


def test_a_key_is_never_null():
    assert not takes(of({"S": "x"}), [{"a": {"S": "x"}}])
    assert not takes(of({"S": "x"}), [{"pk": NULL}])
