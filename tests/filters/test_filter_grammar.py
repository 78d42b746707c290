import json

import pytest

from headrace.errors import ConfigError
from headrace.event_source_mapping import Pattern
from headrace.filters import Filters
from headrace.filters.document import DEEPEST
from headrace.filters.filters import MOST, USUAL
from headrace.filters.pattern import LONGEST, MOST_BRANCHES


def refused(text, *, extended=False):
    with pytest.raises(ConfigError) as raised:
        Filters.compiled([Pattern(text, extended)])
    return str(raised.value)


REFUSED = [
    ("single-string", "line 1, column 1: this is not JSON: Expecting value"),
    ('[{"eventName": ["INSERT"=123}]', "line 1, column 25: this is not JSON: Expecting ',' delimiter"),
    ('{"a": [NaN]}', "line 1, column 1: this is not JSON: NaN is no JSON value"),
    ('"INSERT"', "line 1, column 1: a pattern is a JSON object, like"),
    ('[{"a": ["x"]}]', "line 1, column 1: a pattern is a JSON object"),
    ("{}", "line 1, column 1: an object of a pattern names at least one field"),
    ('{"a": {}}', "line 1, column 7: a: an object of a pattern names at least one field"),
    ('{"a": []}', "line 1, column 7: a: an array of alternatives has at least one"),
    ('{"a": "x"}', "line 1, column 7: a: a field takes an array of alternatives, or an object: put it in [ ]"),
    ('{"a": {"b c": null}}', "line 1, column 15: a['b c']: a field takes an array"),
    ('{"a": [["x"]]}', "line 1, column 8: a: an array cannot stand in an array"),
    ('{\n  "a": {\n    "b": [{"prefx": "x"}]\n  }\n}', "line 3, column 12: a.b: there is no operator 'prefx'; did you mean 'prefix'?"),
    ('{"a": [{"Anything_But": "x"}]}', "did you mean 'anything-but'?"),
    ('{"a": [{"qqq": "x"}]}', "the operators are anything-but, prefix, suffix, equals-ignore-case, numeric, exists"),
    ('{"a": [{}]}', "line 1, column 8: a: an object among the alternatives has one operator, this has no operator"),
    ('{"a": [{"prefix": "x", "suffix": "y"}]}', "this has the operators prefix, suffix; write each as an object"),
    ('{"a": [{"prefix": 1}]}', "line 1, column 19: a: prefix takes a string"),
    ('{"a": [{"suffix": {"prefix": "x"}}]}', 'within suffix only {"equals-ignore-case": ...} may stand'),
    ('{"a": [{"prefix": {"equals-ignore-case": 1}}]}', "prefix takes a string"),
    ('{"a": [{"equals-ignore-case": ["x"]}]}', "equals-ignore-case takes a string"),
    ('{"a": [{"exists": "true"}]}', "exists takes true or false"),
    ('{"a": [{"anything-but": []}]}', "anything-but takes at least one value"),
    ('{"a": [{"anything-but": ["x", 1]}]}', "anything-but takes only strings or only numbers, not both"),
    ('{"a": [{"anything-but": null}]}', "anything-but takes strings or numbers, not true, false, null, objects"),
    ('{"a": [{"anything-but": [true]}]}', "line 1, column 26: a: anything-but takes strings or numbers"),
    ('{"a": [{"anything-but": {"prefix": "x"}}]}', "event buses take anything-but with prefix, Lambda does not"),
    ('{"a": [{"anything-but": {"exists": true}}]}', "within anything-but one of prefix, suffix"),
    ('{"a": [{"wildcard": "x*"}]}', "wildcard is an operator of event buses, which Lambda does not take"),
    ('{"a": [{"cidr": "10.0.0.0/8"}]}', "cidr is an operator of event buses, which Lambda does not take"),
    ('{"a": [{"changed": true}]}', "changed is Headrace's own: AWS's grammar cannot compare old and new"),
    ('{"a": [{"numeric": 5}]}', 'numeric takes an array like [">", 10] or [">", 10, "<=", 20]'),
    ('{"a": [{"numeric": [">"]}]}', "numeric takes an array like"),
    ('{"a": [{"numeric": ["!=", 5]}]}', "a comparison of numeric is =, <, <=, > or >=, as a string"),
    ('{"a": [{"numeric": [">", "5"]}]}', "line 1, column 26: a: numeric > takes a JSON number, without quotes"),
    ('{"a": [{"numeric": ["<", 5, ">", 1]}]}', "a range has its lower bound first, by > or >=, then < or <="),
    ('{"a": [{"numeric": ["=", 5, "<", 9]}]}', "a range has its lower bound first"),
    ('{"a": [{"numeric": [">", 5, "<", 5.0]}]}', "the lower bound 5 is not below the upper one, 5.0"),
    ('{"a": [{"numeric": [">", 1700000000000]}]}', "numeric takes numbers from -5e9 to 5e9 in AWS's grammar"),
    ('{"a": [1e999]}', "1e999 is too large or too small"),
    ('{"a": [1e99999999999999999999]}', "1e99999999999999999999 is too large or too small"),
    ('{"$or": {"a": [1]}}', "line 1, column 2: $or takes an array of at least two objects"),
    ('{"$or": [{"a": [1]}]}', "$or takes an array of at least two objects"),
    ('{"$or": [{"a": [1]}, 2]}', "line 1, column 22: $or takes objects only"),
    ('{"a": {"$or": [{"prefix": [1]}, {"b": [1]}]}}', "AWS reserves 'prefix' within $or"),
    ('{"a": ["\\ud800"]}', "half of a surrogate pair"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=lambda one: one[:40])
def test_a_pattern_that_breaks_a_rule_is_refused_with_the_place_of_it(text, message):
    assert message in refused(text)


def test_all_patterns_are_told_that_are_wrong_and_by_which_of_them():
    with pytest.raises(ConfigError) as raised:
        Filters.compiled([Pattern("{"), Pattern('{"a": ["x"]}'), Pattern("{}")])
    first, last = str(raised.value).splitlines()
    assert first.startswith("filters[0]: line 1, column 2: this is not JSON")
    assert last.startswith("filters[2]: line 1, column 1: an object of a pattern")


def test_a_pattern_has_at_most_the_length_that_lambda_takes():
    def text(length):
        return '{"a": ["' + "x" * (length - 11) + '"]}'

    assert len(text(LONGEST)) == LONGEST
    Filters.compiled([Pattern(text(LONGEST))])
    assert "a pattern has at most 4,096 characters, this has 4,097" in refused(text(LONGEST + 1))
    Filters.compiled([Pattern(text(LONGEST + 1), extended=True)])


def test_more_patterns_than_lambda_takes_unasked_are_warned_of_and_more_than_it_ever_takes_refused():
    one = Pattern('{"eventName": ["INSERT"]}')
    assert Filters.compiled([one] * USUAL).warnings == ()
    (warning,) = Filters.compiled([one] * MOST).warnings
    assert "more than 5 filters only where the account's quota was raised" in warning
    with pytest.raises(ConfigError, match="at most 10 filters by pattern; say more with"):
        Filters.compiled([one] * (MOST + 1))
    Filters.compiled([Pattern(one.text, extended=True)] * (MOST + 1))


def test_what_is_nested_deeper_than_any_record_is_refused():
    def nested(levels):
        return '{"a":' * levels + '["x"]' + "}" * levels

    Filters.compiled([Pattern(nested(DEEPEST - 1))])
    assert "nested deeper than 100 levels" in refused(nested(DEEPEST))
    assert "nested deeper" in refused("[" * 30_000 + "]" * 30_000, extended=True)


def test_or_unfolds_into_no_more_combinations_than_an_event_bus_takes():
    choice = [{"a": ["x"]}, {"b": ["x"]}]
    tenfold = {"$or": [{f"f{at}": ["x"]} for at in range(10)]}
    thousandfold = {"one": tenfold, "two": tenfold, "three": tenfold}
    Filters.compiled([Pattern(json.dumps(thousandfold))])
    message = refused(json.dumps(thousandfold | {"$or": choice}))
    assert f"unfold into more than {MOST_BRANCHES:,} combinations" in message


def test_a_field_that_comes_again_is_warned_of():
    (warning,) = Filters.compiled([Pattern('{"eventName": ["INSERT"],\n "eventName": ["REMOVE"]}')]).warnings
    assert warning == (
        "filters[0]: line 1, column 2: eventName: it stands again at line 2, column 2, and only the last counts"
    )
    (warning,) = Filters.compiled(
        [Pattern('{"eventName": ["INSERT"], "$or": [{"eventName": ["REMOVE"]}, {"eventID": ["1"]}]}')]
    ).warnings
    assert "it stands beside $or and within: what comes later replaces what came before" in warning
