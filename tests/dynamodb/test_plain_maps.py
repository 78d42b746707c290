"""Maps as plain JSON: the way by bytes gives what the way by values gives, or steps aside."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace.attribute import TAGS, plain_json
from headrace.dynamodb import plain
from headrace.dynamodb.plain import plain_maps
from support.attribute_values import map_names, values

contents = st.dictionaries(map_names, values, max_size=4)


def wire(content, *, spaced=False, escaped=False):
    separators = (", ", ": ") if spaced else (",", ":")
    return json.dumps(content, separators=separators, ensure_ascii=escaped).encode()


@settings(max_examples=300, deadline=None)
@example([{"SS": {"L": [{"S": "2000-01-01T00:00:00.000Z"}, {"NS": ["0"]}]}}], False, False)
@example([{"m": {"M": {"SS": {"L": []}}}}, {"other": {"NS": ["1"]}}], False, False)
@given(st.lists(contents | st.none(), max_size=4), st.booleans(), st.booleans())
def test_maps_of_any_content_read_as_value_by_value(maps, spaced, escaped):
    given_maps = [None if each is None else wire(each, spaced=spaced, escaped=escaped) for each in maps]
    expected = [None if each is None else plain_json({"M": each}) for each in maps]
    assert plain_maps(given_maps).to_pylist() == expected


LEAVES = [
    {"S": "x"}, {"N": "1"}, {"N": "007"}, {"B": "aGk="}, {"BOOL": True}, {"BOOL": False}, {"NULL": True}, {"M": {}}, {"L": []},
    {"SS": ["a"]}, {"NS": ["1"]}, {"BS": ["aGk="]}, {"S": "{"}, {"S": "}}"}, {"S": "{}}"}, {"S": "]}"}, {"S": "{]}"},
]  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_members_that_are_called_as_tags_are_taken_for_none(tag):
    inner = [*LEAVES, *({"L": [leaf]} for leaf in LEAVES)]
    inner += [{"M": {name: leaf}} for name in TAGS for leaf in LEAVES]
    maps = [{tag: value} for value in inner]
    # Of two errors one may make up for the other.
    hiding = [{"NS": ["1"]}, {"S": "{"}, {"S": "{}}"}, {"S": "{]}"}]
    maps += [{tag: value, "m": one} for value in inner for one in hiding]
    expected = [plain_json({"M": each}) for each in maps]
    given_maps = [wire(each) for each in maps]
    assert plain_maps(given_maps).to_pylist() == expected
    for one, text in list(zip(given_maps, expected, strict=True))[::10]:
        assert plain_maps([one, wire({})]).to_pylist() == [text, "{}"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "{}"),
        ({"a": {"S": ""}}, '{"a":""}'),
        ({"a": {"N": "1.50"}, "b": {"N": "-1E+125"}}, '{"a":1.50,"b":-1E+125}'),
        ({"M": {"M": {"M": {"S": "x"}}}}, '{"M":{"M":"x"}}'),
        ({"S": {"S": "S"}, "N": {"N": "1"}, "L": {"L": []}}, '{"S":"S","N":1,"L":[]}'),
        ({"l": {"L": [{"M": {}}, {"L": [{"BOOL": True}, {"NULL": True}]}]}}, '{"l":[{},[true,null]]}'),
        ({"s": {"SS": ["a", "b"]}}, '{"s":["a","b"]}'),
        ({"a": {"S": "[x], ]"}}, '{"a":"[x], ]"}'),
        ({"BOOL": {"S": "x"}, "NULL": {"NULL": True}}, '{"BOOL":"x","NULL":null}'),
        ({"NULL": {"BOOL": True}}, '{"NULL":true}'),
        ({"SS": {"L": [{"SS": ["L"]}]}, "L": {"SS": ["a"]}}, '{"SS":[["L"]],"L":["a"]}'),
        ({"z": {"S": "é"}, "a": {"BOOL": False}}, '{"z":"é","a":false}'),
    ],
)
def test_what_the_service_usually_writes_goes_the_way_by_bytes(content, expected):
    replaced = plain._together([wire(content), wire({})])
    assert replaced is not None
    assert replaced.to_pylist() == [expected, "{}"]


@pytest.mark.parametrize(
    "content",
    [
        {"a": {"S": "}}"}},
        {"a": {"S": "{"}},
        {"a": {"S": "]}"}, "l": {"L": []}},
        {"a{": {"S": "x"}},
        {"a": {"NS": ["1", "2"]}},
        {"a": {"N": "007"}},
        {"a": {"B": "aGk="}},
        {"a": {"BS": ["aGk="]}},
    ],
)
def test_what_cannot_be_proven_is_not_replaced(content):
    assert plain._together([wire({}), wire(content)]) is None
    assert plain_maps([wire(content)]).to_pylist() == [plain_json({"M": content})]


def test_whitespace_is_not_taken_for_the_services_writing():
    assert plain._together([b'{"a": {"S": "x"}}']) is None
    assert plain._together([b'{"a":{"S":"x"}}\n', b"{}"]) is None
    assert plain._together([b'{"a":{"S":"x" }}']) is None
    assert plain._together([b'{"a":{"M":{} }}']) is None


def test_escaped_quotes_do_not_leave_the_fast_way_and_other_escapes_do_so_alone(monkeypatch):
    walked = []
    monkeypatch.setattr(plain, "plain_json", lambda value: walked.append(value) or plain_json(value))
    maps = [{"a": {"S": 'say "}'}}, {"a": {"S": "\x01"}}, {'"': {"S": '\\"\\\n\t\r'}}]
    assert plain_maps([wire(each) for each in maps]).to_pylist() == [
        '{"a":"say \\"}"}',
        '{"a":"\\u0001"}',
        r'{"\"":"\\\"\\\n\t\r"}',
    ]
    assert walked == [{"M": maps[1]}]


def test_one_text_with_a_brace_leaves_the_others_on_the_fast_way(monkeypatch):
    walked = []
    monkeypatch.setattr(plain, "plain_json", lambda value: walked.append(value) or plain_json(value))
    maps = [{"a": {"S": "x"}}, {"a": {"S": "{"}}, {}]
    assert plain_maps([wire(maps[0]), None, *map(wire, maps[1:])]).to_pylist() == [
        '{"a":"x"}',
        None,
        '{"a":"{"}',
        "{}",
    ]
    assert walked == [{"M": maps[1]}]
