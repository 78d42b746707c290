"""Conditions and projections: what they say of an item, and what may not be said."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace.simulator.answers import Refusal
from headrace.simulator.expressions import (
    Placeholders,
    Projection,
    holds,
    parse_condition,
    parse_projection,
    parse_update,
    updated,
)

ITEM = {
    "id": {"S": "order-1"},
    "n": {"N": "10"},
    "b": {"B": "AAEC"},
    "yes": {"BOOL": True},
    "gone": {"NULL": True},
    "tags": {"SS": ["red", "soft"]},
    "sizes": {"NS": ["1", "2.5"]},
    "l": {"L": [{"S": "first"}, {"N": "2"}, {"M": {"k": {"S": "deep"}}}]},
    "m": {"M": {"k": {"N": "1"}, "nested": {"M": {"z": {"S": "end"}}}}},
}
VALUES = {
    ":s": {"S": "order-1"},
    ":prefix": {"S": "ord"},
    ":ten": {"N": "1E1"},
    ":two": {"N": "2"},
    ":half": {"N": "2.50"},
    ":big": {"N": "20"},
    ":red": {"S": "red"},
    ":deep": {"S": "deep"},
    ":bin": {"B": "AAEC"},
    ":head": {"B": "AAE="},
    ":type": {"S": "N"},
    ":tags": {"SS": ["soft", "red"]},
    ":yes": {"BOOL": True},
    ":zzz": {"S": "zzz"},
}
NAMES = {"#n": "n", "#k": "k"}


def placeholders():
    return Placeholders(
        {"ConditionExpression": "", "ExpressionAttributeNames": NAMES, "ExpressionAttributeValues": VALUES},
        ("ConditionExpression",),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id = :s", True),
        (":s = id", True),
        ("id <> :s", False),
        ("n = :ten", True),
        ("n > :two", True),
        ("n < :two", False),
        ("n >= :ten AND n <= :ten", True),
        ("id < :zzz", True),
        ("b > :head", True),
        ("b = :bin", True),
        ("tags = :tags", True),
        ("yes = :yes", True),
        ("n = :s", False),
        ("n <> :s", True),
        ("n < :zzz", False),
        ("absent = :s", False),
        ("absent <> :s", True),
        ("absent < :big", False),
        ("NOT absent = :s", True),
        ("n BETWEEN :two AND :big", True),
        ("n between :two and :big and id = :s", True),
        ("n BETWEEN :ten AND :ten", True),
        ("n BETWEEN :big AND n", False),
        ("n IN (:two, :ten)", True),
        ("n in (:two, :big)", False),
        ("attribute_exists(m.nested.z)", True),
        ("attribute_exists(m.nested.y)", False),
        ("attribute_not_exists(l[3])", True),
        ("attribute_exists(l[2].k)", True),
        ("attribute_type(n, :type)", True),
        ("attribute_type(id, :type)", False),
        ("begins_with(id, :prefix)", True),
        ("begins_with(b, :head)", True),
        ("begins_with(n, :prefix)", False),
        ("contains(id, :prefix)", True),
        ("contains(tags, :red)", True),
        ("contains(sizes, :half)", True),
        ("contains(sizes, :red)", False),
        ("contains(l, :two)", True),
        ("contains(n, :two)", False),
        ("size(id) > :two", True),
        ("size(b) = :two", False),
        ("size(l) BETWEEN :two AND :big", True),
        ("size(n) > :two", False),
        ("size(tags) = :two", True),
        ("l[2].#k = :deep", True),
        ("m.#k < #n", True),
        ("id = :zzz OR n = :ten AND yes = :yes", True),
        ("(id = :zzz OR n = :ten) AND id = :zzz", False),
        ("NOT (id = :zzz OR n = :big) AND NOT n = :two", True),
        ("(id) = (:s)", True),
    ],
)
def test_a_condition_says_yes_or_no(text, expected):
    assert holds(parse_condition("ConditionExpression", text, placeholders()), ITEM) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The expression can not be empty;"),
        ("   ", "The expression can not be empty;"),
        ("id", 'Syntax error; token: "<EOF>", near: "id"'),
        ("id = ", 'Syntax error; token: "<EOF>", near: "="'),
        ("id = :s)", 'Syntax error; token: "\\)", near: ":s\\)"'),
        ("id = :s extra", 'Syntax error; token: "extra"'),
        ("(id = :s", "Syntax error"),
        ("id ~ :s", 'Syntax error; token: "~"'),
        ("id = :s AND", "Syntax error"),
        ("id AND id = :s", 'Syntax error; token: "AND"'),
        ("NOT id", "Syntax error"),
        ("n BETWEEN :two", "Syntax error"),
        ("n IN ()", "Syntax error"),
        ("n IN :two", "Syntax error"),
        ("l[x] = :s", "Syntax error"),
        ("l[-1] = :s", "Syntax error"),
        ("l. = :s", "Syntax error"),
        (":s", "Syntax error"),
        ("((id = :s))", "The expression has redundant parentheses;"),
        ("((id)) = :s", "The expression has redundant parentheses;"),
        ("status = :s", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("id = :nope", "value used in expression is not defined; attribute value: :nope"),
        ("#nope = :s", "name used in the document path is not defined; attribute name: #nope"),
        ("id = id", "The first operand must be distinct from the remaining operands"),
        ("yes < :yes", "operator or function: <, operand type: BOOL"),
        ("n BETWEEN :big AND :two", "requires upper bound to be greater than or equal to lower bound"),
        ("n BETWEEN :two AND :s", "requires same data type for lower and upper bounds"),
        ("shout(id)", "Invalid function name; function: shout"),
        ("if_not_exists(id, :s)", "not allowed in a condition expression; function: if_not_exists"),
        ("size(id)", "not allowed to be used this way in an expression; function: size"),
        ("contains(id, :s) = :yes", "not allowed to be used this way in an expression; function: contains"),
        ("size(size(id)) = :two", "not allowed to be used this way"),
        ("attribute_exists(:s)", "requires a document path; operator or function: attribute_exists"),
        ("attribute_exists(id, n)", "number of operands: 2"),
        ("begins_with(id, :two)", "operator or function: begins_with, operand type: N"),
        ("attribute_type(id, :two)", "operator or function: attribute_type, operand type: N"),
        ("attribute_type(id, :s)", "Invalid attribute type name found; type: order-1"),
        ("size(:two) = n", "operator or function: size, operand type: N"),
        ("n IN (" + ", ".join([":two"] * 101) + ")", "operator or function: IN, number of operands: 101"),
        (" AND ".join(["n = :ten"] * 200), "too many operators and functions"),
        ("(" * 80 + "n = :ten" + ")" * 80, "nested too deeply"),
        ("a" + ".b" * 33 + " = :ten", "The document path has too many nesting elements; nesting levels: 34"),
        ("n = :ten" + " " * 4096, "Expression size has exceeded the maximum allowed size"),
    ],
)
def test_what_a_condition_may_not_say(text, message):
    with pytest.raises(Refusal, match=message) as caught:
        parse_condition("FilterExpression", text, placeholders())
    assert caught.value.code == "ValidationException"
    assert str(caught.value).startswith("Invalid FilterExpression: ")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"ExpressionAttributeNames": {"#n": "n"}}, "Names can only be specified when using expressions"),
        (
            {"ExpressionAttributeValues": {":n": {"N": "1"}}},
            "Values can only be specified when using expressions: ConditionExpression is null",
        ),
        ({"ConditionExpression": "x", "ExpressionAttributeNames": {}}, "Names must not be empty"),
        ({"ConditionExpression": "x", "ExpressionAttributeValues": {}}, "Values must not be empty"),
        (
            {"ConditionExpression": "x", "ExpressionAttributeNames": {"n": "n"}},
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "n"',
        ),
        (
            {"ConditionExpression": "x", "ExpressionAttributeValues": {":a-b": {"N": "1"}}},
            'ExpressionAttributeValues contains invalid key: Syntax error; key: ":a-b"',
        ),
        (
            {"ConditionExpression": "x", "ExpressionAttributeValues": {":a": {"N": "one"}}},
            "ExpressionAttributeValues contains invalid value: .* for key :a",
        ),
        (
            {"ConditionExpression": "x", "ExpressionAttributeNames": {"#" + "n" * 255: "n"}},
            "ExpressionAttributeNames contains invalid key: .*; maximum: 255",
        ),
        (
            {"ConditionExpression": "x", "ExpressionAttributeValues": {":a": {"S": "x" * 2**21}}},
            "placeholders of an expression weigh 2097154 bytes, more than 2097152",
        ),
    ],
)
def test_placeholders_are_checked_before_the_expression(request_, message):
    with pytest.raises(Refusal, match=message):
        Placeholders(request_, ("ConditionExpression",))


def test_every_placeholder_must_be_used():
    given = placeholders()
    parse_condition("ConditionExpression", "#n = :ten", given)
    with pytest.raises(Refusal, match=r"ExpressionAttributeNames unused in expressions: keys: \{#k\}"):
        given.finish()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id, #n", {"id": {"S": "order-1"}, "n": {"N": "10"}}),
        ("m.nested.z", {"m": {"M": {"nested": {"M": {"z": {"S": "end"}}}}}}),
        ("l[2].k, l[0]", {"l": {"L": [{"S": "first"}, {"M": {"k": {"S": "deep"}}}]}}),
        ("absent, m.absent, l[9], n.k, id[0]", {}),
    ],
)
def test_a_projection_keeps_what_its_paths_lead_to(text, expected):
    assert Projection(parse_projection(text, placeholders())).of(ITEM) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m, m.k", "overlap"),
        ("l[0], l[0]", "overlap"),
        ("l[0], l.k", "conflict"),
        ("m(id)", "Syntax error"),
        ("id,", "Syntax error"),
        (":s", "Syntax error"),
        ("name", "reserved keyword"),
    ],
)
def test_what_a_projection_may_not_say(text, message):
    with pytest.raises(Refusal, match=f"Invalid ProjectionExpression: .*{message}"):
        parse_projection(text, placeholders())


_PIECES = st.sampled_from(
    [
        *("id", "n", "l", "m", "#n", "#k", ":s", ":ten", ":tags", "status", "0", "7", "~", "é"),
        *("(", "(", ")", ")", "[", "]", ".", ",", "=", "<>", "<", ">=", "+", "-"),
        *("AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"),
        *("size", "contains", "attribute_exists", "begins_with", "if_not_exists", "list_append"),
    ]
)
_TEXTS = st.one_of(st.text(max_size=40), st.lists(_PIECES, max_size=25).map(" ".join))


def refusal_of(run):
    try:
        run()
    except Refusal as refusal:
        return refusal.code
    return None


@given(_TEXTS)
@example("NOT " * 500 + "id = :s")
@example("(" * 2000)
@example("l[" + "9" * 4000 + "] = :s")
def test_no_text_crashes_a_parser_or_what_it_parsed(text):
    """It is refused with a ValidationException, or it can be evaluated."""
    for run in (
        lambda: holds(parse_condition("ConditionExpression", text, placeholders()), ITEM),
        lambda: Projection(parse_projection(text, placeholders())).of(ITEM),
        lambda: updated(parse_update(text, placeholders()), ITEM),
    ):
        assert refusal_of(run) in {None, "ValidationException"}


_ATOMS = ["n = :ten", "n = :two", "attribute_exists(id)", "contains(tags, :red)", "absent = :s"]


@given(st.sampled_from(_ATOMS), st.sampled_from(_ATOMS), st.sampled_from(_ATOMS))
def test_not_binds_tighter_than_and_and_and_tighter_than_or(a, b, c):
    def says(text):
        return holds(parse_condition("ConditionExpression", text, placeholders()), ITEM)

    assert says(f"{a} OR {b} AND {c}") == (says(a) or (says(b) and says(c)))
    assert says(f"NOT {a} AND {b}") == (not says(a) and says(b))
    assert says(f"NOT ({a} AND {b})") == says(f"NOT {a} OR NOT {b}")
