import json

import pytest

from headrace.event_source_mapping import Pattern
from headrace.filters import Filters


def warned(pattern, *, extended=False):
    warnings = Filters.compiled([Pattern(json.dumps(pattern), extended)]).warnings
    return [warning.split(": ", 2)[2] for warning in warnings]


def new(**fields):
    return {"dynamodb": {"NewImage": fields}}


WARNED = [
    (new(n={"N": [{"numeric": [">", 100]}]}), "dynamodb.NewImage.n.N: this never matches: numbers are texts in a record"),
    (new(n={"NS": [{"numeric": [">", 100]}]}), "numeric takes JSON numbers only; extended_pattern compares"),
    (new(s=["x"]), 'dynamodb.NewImage.s: this never matches: the type tag is missing; write {"s": {"S": [...]}}'),
    ({"dynamodb": {"Keys": {"id": [{"exists": True}]}}}, "dynamodb.Keys.id: this never matches: the type tag"),
    ({"dynamodb": {"OldImage": {"s": [{"exists": False}]}}}, "this matches whether or not s is there, as the type tag"),
    (new(m={"M": [{"exists": True}]}), "this never matches: it is an object, not a value"),
    (new(m={"M": [{"exists": False}]}), "this matches whether or not it is there: it is an object"),
    (new(m={"L": [{"exists": True}]}), "this never matches: it is an array of objects, not a value"),
    (new(m={"M": {"k": ["x"]}}), "this never matches: the type tag is missing"),
    (new(m={"M": {"k": {"Z": ["x"]}}}), "'Z' is no type tag; they are S, N, B, BOOL, NULL, M, L, SS, NS, BS"),
    (new(m={"L": {"M": {"k": {"N": [1]}}}}), 'numbers are texts in a record; write "1" with quotes'),
    ({"dynamodb": {"NewImage": [{"exists": True}]}}, "this never matches: it is an object, not a value"),
    ({"dynamodb": [{"exists": True}]}, "this never matches: it is an object"),
    (new(s={"s": ["x"]}), "this never matches: 's' is no type tag"),
    (new(s={"S": {"x": ["y"]}}), "this never matches: nothing is beneath S"),
    (new(s={"S": [5]}), "this never matches: a value of type S is no number"),
    (new(s={"S": [None]}), "this never matches: a value of type S is a string"),
    (new(s={"BOOL": ["true"]}), "a value of type BOOL is true or false, without quotes"),
    (new(s={"BOOL": [{"prefix": "t"}]}), "prefix takes strings, and a value of type BOOL is none"),
    (new(s={"NULL": [None]}), "this never matches: a value of type NULL is true"),
    (new(n={"N": ["1.50"]}), "DynamoDB writes '1.50' as '1.5'"),
    (new(n={"N": ["01"]}), "DynamoDB writes '01' as '1'"),
    (new(n={"N": ["1e3"]}), "DynamoDB writes '1e3' as '1000'"),
    (new(n={"N": ["-0"]}), "DynamoDB writes '-0' as '0'"),
    (new(n={"N": ["many"]}), "'many' is no number"),
    (new(n={"N": [{"anything-but": [101]}]}), 'this leaves out no number: numbers are texts in a record; write "101"'),
    (new(n={"N": [{"anything-but": "1.0"}]}), "this leaves out no number: DynamoDB writes '1.0' as '1'"),
    ({"eventname": ["INSERT"]}, "no record has a field 'eventname' there (did you mean 'eventName'?): this never matches"),
    ({"NewImage": {"s": {"S": ["x"]}}}, "no record has a field 'NewImage' there: this never matches"),
    ({"dynamodb": {"newImage": {"s": {"S": ["x"]}}}}, "(did you mean 'NewImage'?)"),
    ({"userIdentity": {"PrincipalId": ["x"]}}, "(did you mean 'principalId'?)"),
    ({"nothing": [{"exists": False}]}, "no record has a field 'nothing' there, so that this always matches"),
    ({"eventName": {"x": ["INSERT"]}}, "no record has anything beneath eventName, which is no object"),
    ({"dynamodb": {"SizeBytes": {"N": ["1"]}}}, "no record has anything beneath dynamodb.SizeBytes"),
    ({"eventName": ["DELETE"]}, "no event is called 'DELETE'; they are INSERT, MODIFY, REMOVE"),
    ({"eventName": ["INSERT"], "dynamodb": {"OldImage": {"s": {"S": ["x"]}}}}, "a record of INSERT has no OldImage"),
    (new(s={"S": ["x"]}) | {"eventName": ["REMOVE"]}, "a record of REMOVE has no NewImage"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "message"), WARNED, ids=lambda one: json.dumps(one)[:50])
def test_a_pattern_that_can_never_match_or_always_does_is_warned_of(pattern, message):
    (warning,) = warned(pattern)
    assert message in warning


QUIET = [
    {"eventName": ["INSERT", "MODIFY"]},
    {"eventName": [{"anything-but": ["REMOVE"]}], "dynamodb": {"NewImage": {"s": {"S": [{"prefix": "x"}]}}}},
    {"eventName": ["MODIFY"], "dynamodb": {"NewImage": {"s": {"S": ["x"]}}, "OldImage": {"s": {"S": ["y"]}}}},
    {"eventName": ["INSERT"], "dynamodb": {"OldImage": {"s": {"S": [{"exists": False}]}}}},
    {"eventName": ["INSERT", "REMOVE"], "dynamodb": {"NewImage": {"s": {"S": ["x"]}}}},
    {"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}},
    {"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 0]}], "SizeBytes": [300]}},
    {"dynamodb": {"Keys": {"id": {"S": ["x"]}, "n": {"N": ["1.5", "-20", "0", "0.001"]}}}},
    {"dynamodb": {"NewImage": {"m": {"M": {"k": {"L": {"M": {"S": {"BOOL": [True]}}}}}}}}},
    {"dynamodb": {"NewImage": {"s": {"SS": ["x", {"exists": False}]}, "t": {"NULL": [True]}}}},
]


@pytest.mark.parametrize("pattern", QUIET, ids=lambda one: json.dumps(one)[:50])
def test_a_pattern_that_can_match_is_not_warned_of(pattern):
    assert warned(pattern) == []


def test_extended_patterns_are_warned_of_by_what_they_can_do():
    assert warned(new(n={"N": [{"numeric": [">", 100]}]}), extended=True) == []
    assert warned({"new": {"s": ["x"], "m": {"k": [{"exists": True}]}}}, extended=True) == []
    (warning,) = warned(new(s=["x"]), extended=True)
    assert "or begin the path with 'new' in place of dynamodb.NewImage" in warning
    assert warned({"eventName": ["INSERT"], "old": {"s": ["x"]}}, extended=True) == [
        "old.s: this never matches: a record of INSERT has no OldImage"
    ]
    assert warned({"eventName": ["INSERT"], "old": {"s": [{"changed": True}]}}, extended=True) == []


NEEDS_NEW = '{"dynamodb": {"Keys": {"id": {"S": ["x"]}}, "NewImage": {"s": {"S": ["x"]}}}}'
NEEDS_NO_OLD = '{"dynamodb": {"OldImage": {"s": {"S": [{"exists": false}]}}}}'
NEEDS_BOTH = '{"new": {"s": [{"changed": true}]}}'


@pytest.mark.parametrize(
    ("view", "unmet"),
    [
        ("NEW_AND_OLD_IMAGES", []),
        ("NEW_IMAGE", ["this has nothing to compare: OldImage", "this always matches: OldImage"]),
        ("OLD_IMAGE", ["this never matches: NewImage", "this has nothing to compare: NewImage"]),
        (
            "KEYS_ONLY",
            [
                "this never matches: NewImage",
                "this has nothing to compare: OldImage",
                "this has nothing to compare: NewImage",
                "this always matches: OldImage",
            ],
        ),
    ],
)
def test_images_that_the_stream_does_not_have_are_told(view, unmet):
    filters = Filters.compiled(
        [Pattern(NEEDS_NEW), Pattern(NEEDS_BOTH, extended=True), Pattern(NEEDS_NO_OLD)]
    )
    told = [one.split(": ", 3)[3] for one in filters.unmet(view)]
    assert [one.replace(f"records of a stream of {view} have no ", "") for one in told] == unmet
