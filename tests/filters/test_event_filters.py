"""The cases of AWS's grammar, one row each.

"validated": asserted against AWS itself by LocalStack's tests of DynamoDB event source mappings. "guide": AWS Lambda
developer guide and EventBridge user guide. "ruler": aws/event-ruler.
"""

import json
import threading

import pytest

from headrace.event_source_mapping import Pattern
from headrace.filters import Filters

IDS = {"id": {"S": "id_value"}}


def record(new=None, old=None, event="INSERT", **more):
    images = {"NewImage": new, "OldImage": old}
    dynamodb = {
        "ApproximateCreationDateTime": 1_700_000_000.0,
        "Keys": IDS,
        "SizeBytes": 300,
        "SequenceNumber": "100000000000000000001",
    } | {name: IDS | image for name, image in images.items() if image is not None}
    return {"eventID": "1", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": dynamodb} | more


def passes(pattern, record_, *, extended=False):
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)
    return Filters.compiled([Pattern(text, extended)]).passes(json.dumps(record_).encode())


def new(**fields):
    return {"dynamodb": {"NewImage": fields}}


def listed(*pairs):
    """A list of maps with the strings a and b."""
    return {"L": [{"M": {name: {"S": text} for name, text in pair.items()}} for pair in pairs]}


EXPIRED = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
PRESENT = {"presentKey": {"S": "presentValue"}}
IN_ONE = {"list": {"L": {"M": {"a": {"S": ["x"]}, "b": {"S": ["y"]}}}}}
WITHOUT_B = {"list": {"L": {"M": {"a": {"S": ["x"]}, "b": {"S": [{"exists": False}]}}}}}
WITHOUT_A = {"list": {"L": {"M": {"a": {"S": [{"exists": False}]}, "b": {"S": ["y"]}}}}}

CASES = [
    ("validated", {"eventName": ["INSERT"]}, record({}), True),
    ("validated", {"eventName": ["INSERT"]}, record({}, {}, event="MODIFY"), False),
    ("validated", {"eventName": ["INSERT", "MODIFY"]}, record({}, {}, event="MODIFY"), True),
    ("validated", {"eventName": ["INSERT"], "eventSource": ["aws:dynamodb"]}, record({}), True),
    ("validated", new(presentKey={"S": ["presentValue"]}), record(PRESENT), True),
    ("validated", new(presentKey={"S": ["presentValue"]}), record({}), False),
    ("validated, without the tag", new(presentKey=["presentValue"]), record(PRESENT), False),
    ("validated", new(presentKey={"S": [{"exists": True}]}), record(PRESENT), True),
    ("validated", new(presentKey={"S": [{"exists": True}]}), record({}), False),
    ("validated, without the tag", new(presentKey=[{"exists": True}]), record(PRESENT), False),
    ("validated", new(presentKey=[{"exists": False}]), record({}), True),
    ("validated, an object is no value", new(presentKey=[{"exists": False}]), record(PRESENT), True),
    ("validated", new(n={"N": [{"numeric": [">", 100]}]}), record({"n": {"N": "123"}}), False),
    ("validated", new(n={"N": [{"numeric": [">=", 100, "<", 200]}]}), record({"n": {"N": "100"}}), False),
    (
        "validated",
        new(n={"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}),
        record({"n": {"N": "42"}}),
        True,
    ),
    (
        "validated",
        new(n={"N": [{"numeric": [">", 100]}, {"anything-but": "101"}]}),
        record({"n": {"N": "101"}}),
        False,
    ),
    ("validated", new(prefix={"S": [{"prefix": "us-1"}]}), record({"prefix": {"S": "us-1-x"}}), True),
    ("validated", new(prefix={"S": [{"prefix": "us-1"}]}), record({"prefix": {"S": "x"}}), False),
    ("validated", {"dynamodb": {"ApproximateCreationDateTime": [{"numeric": [">", 0]}]}}, record({}), True),
    (
        "guide, expiry",
        {"userIdentity": {"type": ["Service"]}},
        record(None, {}, event="REMOVE", **EXPIRED),
        True,
    ),
    ("guide, expiry", {"userIdentity": {"type": ["Service"]}}, record(None, {}, event="REMOVE"), False),
    ("guide", {"userIdentity": {"type": ["Service"]}}, record({}, userIdentity=None), False),
    ("guide, null", new(x={"NULL": [True]}), record({"x": {"NULL": True}}), True),
    ("guide, null", {"userIdentity": [None]}, record({}, userIdentity=None), True),
    ("guide, empty", new(x={"S": [""]}), record({"x": {"S": ""}}), True),
    ("guide, empty", new(x={"S": [""]}), record({"x": {"S": " "}}), False),
    ("guide, case", new(x={"S": ["alice"]}), record({"x": {"S": "Alice"}}), False),
    ("guide, case", new(x={"S": [{"equals-ignore-case": "alice"}]}), record({"x": {"S": "ALICE"}}), True),
    ("guide, case", {"EVENTNAME": ["INSERT"]}, record({}), False),
    ("guide, BOOL", new(x={"BOOL": [True]}), record({"x": {"BOOL": True}}), True),
    ("guide, BOOL", new(x={"BOOL": [True]}), record({"x": {"BOOL": False}}), False),
    ("a number is no truth", new(x={"BOOL": [1]}), record({"x": {"BOOL": True}}), False),
    ("a truth is no number", {"dynamodb": {"SizeBytes": [True]}}, record({}), False),
    ("guide", new(n={"N": ["101"]}), record({"n": {"N": "101"}}), True),
    ("guide", new(n={"N": [101]}), record({"n": {"N": "101"}}), False),
    ("ruler, 300.0 is 300", {"dynamodb": {"SizeBytes": [300.0]}}, record({}), True),
    ("ruler, 3e2 is 300", '{"dynamodb": {"SizeBytes": [3.0e2]}}', record({}), True),
    ("guide", {"dynamodb": {"SizeBytes": ["300"]}}, record({}), False),
    ("guide", {"dynamodb": {"SizeBytes": [{"numeric": ["=", 300]}]}}, record({}), True),
    ("guide", {"dynamodb": {"SizeBytes": [{"numeric": [">", 299, "<=", 300]}]}}, record({}), True),
    ("guide", {"dynamodb": {"SizeBytes": [{"numeric": ["<", 300]}]}}, record({}), False),
    ("guide", new(x={"S": [{"suffix": ".png"}]}), record({"x": {"S": "a.png"}}), True),
    ("guide", new(x={"S": [{"suffix": ".png"}]}), record({"x": {"S": "a.PNG"}}), False),
    (
        "pipes",
        new(x={"S": [{"suffix": {"equals-ignore-case": ".png"}}]}),
        record({"x": {"S": "a.PNG"}}),
        True,
    ),
    (
        "pipes",
        new(x={"S": [{"prefix": {"equals-ignore-case": "EVENTB"}}]}),
        record({"x": {"S": "eventbus"}}),
        True,
    ),
    ("guide", new(x={"S": [{"anything-but": ["a", "b"]}]}), record({"x": {"S": "c"}}), True),
    ("guide", new(x={"S": [{"anything-but": ["a", "b"]}]}), record({"x": {"S": "b"}}), False),
    ("ruler, absent", new(x={"S": [{"anything-but": ["a"]}]}), record({}), False),
    ("ruler, another type", new(x={"BOOL": [{"anything-but": ["a"]}]}), record({"x": {"BOOL": True}}), True),
    ("ruler", {"dynamodb": {"SizeBytes": [{"anything-but": [1, 2]}]}}, record({}), True),
    ("ruler", {"dynamodb": {"SizeBytes": [{"anything-but": 3e2}]}}, record({}), False),
    (
        "status changed to X",
        new(s={"S": ["X"]}) | {"eventName": ["MODIFY"]},
        record({"s": {"S": "X"}}, {}, event="MODIFY"),
        True,
    ),
    (
        "guide, $or",
        {"$or": [{"eventName": ["REMOVE"]}, new(x={"S": ["y"]})]},
        record({"x": {"S": "y"}}),
        True,
    ),
    (
        "guide, $or",
        {"$or": [{"eventName": ["REMOVE"]}, new(x={"S": ["y"]})]},
        record({"x": {"S": "z"}}),
        False,
    ),
    (
        "guide, $or within",
        {"dynamodb": {"$or": [{"SizeBytes": [1]}, {"SizeBytes": [300]}]}},
        record({}),
        True,
    ),
    (
        "ruler, $or and beside it",
        {"eventName": ["INSERT"], "$or": [{"eventName": ["MODIFY"]}, {"eventID": ["2"]}]},
        record({}, {}, event="MODIFY"),
        True,
    ),
    ("the last of one name counts", '{"eventName": ["REMOVE"], "eventName": ["INSERT"]}', record({}), True),
    ("a set is its elements", new(x={"SS": ["b"]}), record({"x": {"SS": ["a", "b"]}}), True),
    ("a set is its elements", new(x={"SS": [{"anything-but": "a"}]}), record({"x": {"SS": ["a"]}}), False),
    (
        "a set is its elements",
        new(x={"SS": [{"anything-but": "a"}]}),
        record({"x": {"SS": ["a", "b"]}}),
        True,
    ),
    ("nested", new(m={"M": {"k": {"S": ["v"]}}}), record({"m": {"M": {"k": {"S": "v"}}}}), True),
    ("nested", new(m={"M": {"k": {"S": ["v"]}}}), record({"m": {"S": "v"}}), False),
    (
        "a list is its elements",
        new(list={"L": {"S": ["y"]}}),
        record({"list": {"L": [{"S": "x"}, {"S": "y"}]}}),
        True,
    ),
    ("ruler, one element", new(**IN_ONE), record({"list": listed({"a": "x", "b": "y"})}), True),
    (
        "ruler, two elements",
        new(**IN_ONE),
        record({"list": listed({"a": "x", "b": "n"}, {"a": "n", "b": "y"})}),
        False,
    ),
    ("ruler, the chosen one", new(**WITHOUT_B), record({"list": listed({"a": "x"}, {"b": "y"})}), True),
    ("ruler, before the choice", new(**WITHOUT_A), record({"list": listed({"a": "x"}, {"b": "y"})}), False),
    ("ruler, an empty array", new(list={"L": [{"exists": False}]}), record({"list": {"L": []}}), True),
    (
        "a dot in a name is no step",
        {"dynamodb": {"NewImage": {"a.b": {"S": ["x"]}}}},
        record({"a": {"b": {"S": "x"}}}),
        False,
    ),
    ("a name in quotes", new(**{'a"b': {"S": ["x"]}}), record({'a"b': {"S": "x"}}), True),
]


@pytest.mark.parametrize(
    ("source", "pattern", "of", "expected"), CASES, ids=lambda one: one if isinstance(one, str) else ""
)
def test_a_pattern_lets_through_what_aws_lets_through(source, pattern, of, expected):
    assert passes(pattern, of) is expected


def test_without_patterns_every_record_passes_and_none_is_looked_into():
    assert Filters.compiled([]).passes(b"not even JSON")


def test_patterns_are_alternatives():
    filters = Filters.compiled([Pattern('{"eventName": ["INSERT"]}'), Pattern('{"eventID": ["1"]}')])
    assert filters.passes(json.dumps(record({}, event="REMOVE")).encode())
    assert not filters.passes(json.dumps(record({}, event="REMOVE") | {"eventID": "2"}).encode())


def test_the_reasons_name_the_first_field_that_fails_and_what_is_there():
    filters = Filters.compiled(
        [
            Pattern('{"eventName": ["INSERT"]}'),
            Pattern('{"eventName": ["INSERT"], "dynamodb": {"NewImage": {"x": {"S": ["a"]}}}}'),
            Pattern('{"dynamodb": {"NewImage": {"y": {"S": ["a"]}}}}'),
            Pattern(json.dumps(new(**IN_ONE))),
            Pattern('{"new": {"n": [{"numeric": ["<", 5]}]}}', extended=True),
        ]
    )
    of = record(
        {"x": {"S": "b"}, "n": {"N": "7"}, "list": listed({"a": "x", "b": "n"}, {"a": "n", "b": "y"})}
    )
    assert filters.reasons(json.dumps(of).encode()) == (
        None,
        'dynamodb.NewImage.x.S does not match: it is "b"',
        "dynamodb.NewImage.y.S does not match: it is not there",
        "every field matches, but not all within one element of an array",
        "new.n does not match: it is 7",
    )


def test_of_several_branches_the_one_is_told_that_gets_furthest():
    text = '{"$or": [{"eventID": ["2"]}, {"eventName": ["INSERT"], "eventSource": ["x"]}]}'
    assert Filters.compiled([Pattern(text)]).reasons(json.dumps(record({})).encode()) == (
        'eventSource does not match: it is "aws:dynamodb"',
    )


def test_a_text_that_is_no_record_is_refused_where_reasons_are_asked_for():
    filters = Filters.compiled([Pattern('{"eventName": ["INSERT"]}')])
    for text in (b"{", b"[]"):
        with pytest.raises(ValueError, match="JSON"):
            filters.reasons(text)


def test_several_threads_may_ask_at_once():
    filters = Filters.compiled([Pattern(json.dumps(new(**IN_ONE)))])
    text = json.dumps(record({"list": listed({"a": "x", "b": "y"})})).encode()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.extend(filters.passes(text) for _ in range(200)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 800
