"""What extended patterns have beyond AWS's grammar."""

import json

import pytest

from headrace.event_source_mapping import Pattern
from headrace.filters import Filters


def record(new=None, old=None, event="MODIFY"):
    images = {"NewImage": new, "OldImage": old}
    dynamodb = {"Keys": {"id": {"S": "1"}}} | {name: one for name, one in images.items() if one is not None}
    return {"eventName": event, "dynamodb": dynamodb}


def passes(pattern, of):
    (answer,) = {
        Filters.compiled([Pattern(json.dumps(pattern), extended=True)]).passes(json.dumps(of).encode()),
        Filters.compiled([Pattern(json.dumps(pattern), extended=True)]).reasons(json.dumps(of).encode())
        == (None,),
    }
    return answer


def new(**fields):
    return {"new": fields}


LIST = {"L": [{"M": {"sku": {"S": "a"}, "n": {"N": "1"}}}, {"M": {"sku": {"S": "b"}, "n": {"N": "9"}}}]}
LONG = "12345678901234567890123456789012345678"

CASES = [
    # Paths without tags.
    (new(s=["x"]), record({"s": {"S": "x"}}), True),
    (new(s=["x"]), record({"s": {"B": "x"}}), True),
    (new(s=["1"]), record({"s": {"N": "1"}}), False),
    (new(s=[True]), record({"s": {"BOOL": True}}), True),
    (new(s=[None]), record({"s": {"NULL": True}}), True),
    (new(s=["b"]), record({"s": {"SS": ["a", "b"]}}), True),
    (new(s=[2]), record({"s": {"NS": ["1", "2"]}}), True),
    (new(m={"S": ["x"]}), record({"m": {"M": {"S": {"S": "x"}}}}), True),
    (new(m={"S": ["x"]}), record({"m": {"S": "x"}}), False),
    (new(list={"sku": ["b"], "n": [9]}), record({"list": LIST}), True),
    (new(list={"sku": ["b"], "n": [1]}), record({"list": LIST}), False),
    ({"old": {"s": ["x"]}}, record({}, {"s": {"S": "x"}}), True),
    ({"keys": {"id": ["1"]}}, record(), True),
    ({"dynamodb": {"NewImage": {"s": {"S": ["x"]}}}, "new": {"s": ["x"]}}, record({"s": {"S": "x"}}), True),
    # There or not, of whatever type.
    (new(m=[{"exists": True}]), record({"m": {"M": {}}}), True),
    (new(m=[{"exists": True}]), record({"m": {"L": []}}), True),
    (new(m=[{"exists": False}]), record({"m": {"L": []}}), False),
    (new(m=[{"exists": False}]), record({"m": {"M": {}}}), False),
    (new(m=[{"exists": False}]), record({}), True),
    (new(list={"sku": [{"exists": True}]}), record({"list": LIST}), True),
    ({"old": [{"exists": False}]}, record({}), True),
    ({"old": [{"exists": True}]}, record({}, {}), True),
    # Numbers, to the last digit.
    (new(n=[{"numeric": [">", 100, "<", 102]}]), record({"n": {"N": "101"}}), True),
    (new(n=[{"numeric": [">", 100]}]), record({"n": {"N": "20"}}), False),
    (new(n=[{"numeric": ["=", 0.1]}]), record({"n": {"N": "0.1"}}), True),
    (new(n=[1.50]), record({"n": {"N": "1.5"}}), True),
    (new(n=[{"anything-but": [1.5]}]), record({"n": {"N": "1.5"}}), False),
    (new(n=[{"numeric": [">", int(LONG) - 1]}]), record({"n": {"N": LONG}}), True),
    (new(n=[{"numeric": [">", int(LONG)]}]), record({"n": {"N": LONG}}), False),
    ({"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 9]}]}}}}, record({"n": {"N": "10"}}), True),
    ({"dynamodb": {"NewImage": {"n": {"NS": [{"numeric": [">", 9]}]}}}}, record({"n": {"NS": ["1", "10"]}}), True),
    ({"dynamodb": {"NewImage": {"n": {"N": [{"numeric": [">", 9]}]}}}}, record({"n": {"N": "9"}}), False),
    # Changes.
    (new(s=[{"changed": True}]), record({"s": {"S": "x"}}, {"s": {"S": "y"}}), True),
    (new(s=[{"changed": True}]), record({"s": {"S": "x"}}, {"s": {"S": "x"}}), False),
    (new(s=[{"changed": True}]), record({"s": {"S": "1"}}, {"s": {"N": "1"}}), True),
    (new(s=[{"changed": True}]), record({"s": {"S": "x"}}, event="INSERT"), True),
    (new(s=[{"changed": True}]), record(None, {"s": {"S": "x"}}, event="REMOVE"), True),
    (new(s=[{"changed": True}]), record({}, {}), False),
    (new(s=[{"changed": False}]), record({"s": {"S": "x"}}, {"s": {"S": "x"}}), True),
    (new(s=[{"changed": False}]), record({"s": {"S": "x"}}, {"s": {"S": "y"}}), False),
    (new(s=[{"changed": True}]), record({"s": {"SS": ["x", "y"]}}, {"s": {"SS": ["y", "x"]}}), False),
    (new(s=[{"changed": True}]), record({"s": {"SS": ["x"]}}, {"s": {"L": [{"S": "x"}]}}), True),
    (new(m={"k": [{"changed": True}]}), record({"m": {"M": {"k": {"N": "1"}}}}, {"m": {"M": {"k": {"N": "2"}}}}), True),
    (new(m={"k": [{"changed": True}]}), record({"m": {"M": {"j": {"N": "1"}}}}, {"m": {"M": {}}}), False),
    (new(m=[{"changed": True}]), record({"m": {"M": {"j": {"N": "1"}}}}, {"m": {"M": {}}}), True),
    (new(m=[{"changed": False}]), record({"m": {"M": {"s": {"SS": ["a", "b"]}}}}, {"m": {"M": {"s": {"SS": ["b", "a"]}}}}), True),
    (new(list={"n": [{"changed": True}]}), record({"list": LIST}, {"list": {"L": LIST["L"][:1]}}), True),
    (new(s=[{"changed": "appears"}]), record({"s": {"S": "x"}}, {}), True),
    (new(s=[{"changed": "appears"}]), record({"s": {"S": "x"}}, {"s": {"S": "y"}}), False),
    ({"old": {"s": [{"changed": "disappears"}]}}, record({}, {"s": {"S": "x"}}), True),
    ({"old": {"s": [{"changed": "disappears"}]}}, record({"s": {"S": "x"}}, {"s": {"S": "y"}}), False),
    (new(s=["x", {"changed": True}]), record({"s": {"S": "x"}}, {"s": {"S": "x"}}), True),
    ({"new": {"s": ["X"]}, "old": {"s": [{"changed": True}]}}, record({"s": {"S": "X"}}, {"s": {"S": "Y"}}), True),
    ({"new": {"s": ["X"]}, "old": {"s": [{"changed": True}]}}, record({"s": {"S": "X"}}, {"s": {"S": "X"}}), False),
    # What event buses take and Lambda does not.
    (new(s=[{"wildcard": "a*c"}]), record({"s": {"S": "abbc"}}), True),
    (new(s=[{"wildcard": "a*c"}]), record({"s": {"S": "abb"}}), False),
    (new(s=[{"wildcard": "*"}]), record({"s": {"S": ""}}), True),
    (new(s=[{"wildcard": "ab*ba"}]), record({"s": {"S": "aba"}}), False),
    (new(s=[{"wildcard": "*a*a*"}]), record({"s": {"S": "xaxa"}}), True),
    (new(s=[{"wildcard": r"a\*c"}]), record({"s": {"S": "a*c"}}), True),
    (new(s=[{"wildcard": r"a\*c"}]), record({"s": {"S": "abc"}}), False),
    (new(s=[{"wildcard": r"a\\*"}]), record({"s": {"S": "a\\b"}}), True),
    (new(s=[{"cidr": "10.0.0.0/24"}]), record({"s": {"S": "10.0.0.255"}}), True),
    (new(s=[{"cidr": "10.0.0.0/24"}]), record({"s": {"S": "10.0.1.0"}}), False),
    (new(s=[{"cidr": "2001:db8::/32"}]), record({"s": {"S": "2001:db8::1"}}), True),
    (new(s=[{"cidr": "10.0.0.0/24"}]), record({"s": {"S": "no address"}}), False),
    (new(s=[{"anything-but": {"prefix": "us-"}}]), record({"s": {"S": "eu-1"}}), True),
    (new(s=[{"anything-but": {"prefix": ["us-", "eu-"]}}]), record({"s": {"S": "eu-1"}}), False),
    (new(s=[{"anything-but": {"suffix": "-1"}}]), record({"s": {"S": "eu-1"}}), False),
    (new(s=[{"anything-but": {"equals-ignore-case": "EU-1"}}]), record({"s": {"S": "eu-1"}}), False),
    (new(s=[{"anything-but": {"wildcard": "*-2"}}]), record({"s": {"S": "eu-1"}}), True),
    (new(s=[{"anything-but": {"wildcard": "*-2"}}]), record({}), False),
    ({"$or": [new(prefix=["x"]), new(suffix=["x"])]}, record({"prefix": {"S": "x"}}), True),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "of", "expected"), CASES, ids=lambda one: json.dumps(one)[:50])
def test_an_extended_pattern_lets_through_what_it_says(pattern, of, expected):
    assert passes(pattern, of) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"eventName": [{"changed": true}]}',
            "changed stands beneath new or old, whose paths have no type tags",
        ),
        ('{"keys": {"id": [{"changed": true}]}}', "changed stands beneath new or old"),
        ('{"new": {"s": [{"changed": "often"}]}}', 'changed takes true, false, "appears" or "disappears"'),
        ('{"new": {"s": [{"wildcard": "a**"}]}}', "two * in a row say no more than one"),
        ('{"new": {"s": [{"wildcard": "a\\\\b"}]}}', r"a backslash in a wildcard comes before * or \ only"),
        ('{"new": {"s": [{"cidr": "10.0.0"}]}}', "cidr takes a network like 10.0.0.0/24"),
        (
            '{"new": {"s": [{"anything-but": {"prefix": ""}}]}}',
            "every string has an empty prefix: this never matches",
        ),
        ('{"new": {"s": [{"anything-but": {"suffix": []}}]}}', "suffix takes at least one string"),
        ('{"new": {"s": [{"anything-but": {"wildcard": [5]}}]}}', "wildcard takes a string"),
    ],
)
def test_an_extended_pattern_that_breaks_a_rule_is_refused(text, message):
    from headrace.errors import ConfigError

    with pytest.raises(ConfigError) as raised:
        Filters.compiled([Pattern(text, extended=True)])
    assert message in str(raised.value)


def test_new_and_old_are_fields_like_others_in_aws_grammar():
    (warning,) = Filters.compiled([Pattern('{"new": {"s": ["x"]}}')]).warnings
    assert "no record has a field 'new' there" in warning
    assert "extended_pattern" in warning
