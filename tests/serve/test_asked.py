"""Parameters, time and freshness of a statement over HTTP."""

import json

import pytest

from support.serving import SmallSystem, served

JSON = {"Content-Type": "application/json"}
ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"


@pytest.fixture(scope="module")
def system():
    return SmallSystem()


@pytest.fixture(scope="module")
def call(system):
    with served(system) as call:
        yield call


def ask(call, sql, *parameters, **headers):
    body = json.dumps({"sql": sql, "parameters": list(parameters)})
    return call("POST", "/v1/sql", body, JSON | headers)


def test_values_are_given_beside_the_statement(call):
    sql = "SELECT status FROM orders WHERE id = ? OR status = ? ORDER BY id"
    assert ask(call, sql, 1, "paid").json() == [{"status": "new"}, {"status": "paid"}]
    assert ask(call, "SELECT $2 || $1 AS x", "a", "b").json() == [{"x": "ba"}]
    hostile = "' OR 1=1; DROP TABLE orders; --"
    assert ask(call, "SELECT count(*) AS n FROM orders WHERE status = $1", hostile).json() == [{"n": 0}]


@pytest.mark.parametrize(
    ("value", "type_", "written"),
    [
        (1, "BIGINT", "1"),
        (-(2**63), "BIGINT", str(-(2**63))),
        (2**63, "DECIMAL(38,0)", str(2**63)),
        (10**38 - 1, "DECIMAL(38,0)", "9" * 38),
        (1.0, "DOUBLE", "1.0"),
        (1e300, "DOUBLE", "1e+300"),
        (True, "BOOLEAN", "true"),
        ("ü", "VARCHAR", "ü"),
        ("", "VARCHAR", ""),
        (None, '"NULL"', None),
    ],
)
def test_a_json_value_has_its_own_type(call, value, type_, written):
    sql = "SELECT typeof($1) AS t, CAST($1 AS VARCHAR) AS w"
    assert ask(call, sql, value).json() == [{"t": type_, "w": written}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"sql": "SELECT ?", "parameters": [[1]]}', "$1 is an array or an object"),
        (
            '{"sql": "SELECT ?, ?", "parameters": [1, {}]}',
            "$2 is an array or an object; give a string, and write CAST($2",
        ),
        ('{"sql": "SELECT ?", "parameters": [' + "9" * 39 + "]}", "$1 has more than 38 digits"),
        ('{"sql": "SELECT ?", "parameters": [1e999]}', "not JSON of the form"),
        ('{"sql": "SELECT ?", "parameters": {"a": 1}}', "not JSON of the form"),
        ('{"sql": "SELECT ?"}', "has 1 parameter (? or $1), but no values were given"),
        ('{"sql": "SELECT 1", "parameters": [1]}', "has no parameters"),
        ('{"sql": "SELECT 1", "parameter": [1]}', "unknown field `parameter`"),
        ('{"sql": "SELECT 1", "parameters": ' + "[" * 20_000 + "]" * 20_000 + "}", ""),
        ('{"sql": "SELECT $a", "parameters": [1]}', "the parameter $a has a name"),
        ('{"sql": "SELECT * FROM ?", "parameters": ["orders"]}', "syntax error"),
        ('{"sql": "SELECT * FROM $1", "parameters": ["/etc/passwd"]}', "syntax error"),
    ],
)
def test_what_cannot_be_a_parameter_is_said(call, body, words):
    reply = call("POST", "/v1/sql", body, JSON)
    assert (reply.status, words in reply.message) == (400, True), reply.message[:300]
    assert len(reply.message) < 500


def test_a_request_may_take_less_time_than_is_allowed_and_never_more(call):
    reply = call("POST", "/v1/sql", ENDLESS, {"X-Headrace-Timeout": "0.2"})
    assert (reply.status, "longer than 0.2 s" in reply.message) == (408, True)
    for wrong in ("", "soon", "0", "-1", "nan", "inf"):
        assert call("POST", "/v1/sql", "SELECT 1", {"X-Headrace-Timeout": wrong}).status == 400
    assert call("POST", "/v1/sql", "SELECT 1", {"X-Headrace-Timeout": "1e300"}).status == 200


def test_an_answer_says_whether_it_was_kept_and_a_request_whether_it_may_be(call, system):
    def origin(sql="SELECT id FROM orders", **headers):
        reply = call("POST", "/v1/sql", sql, headers)
        assert reply.headers["Cache-Control"] == "no-store"
        return reply.headers["X-Cache"]

    assert [origin(), origin()] == ["Miss", "Hit"]
    assert origin(**{"Cache-Control": "no-cache"}) == "Miss"
    assert origin(**{"Cache-Control": "x, NO-STORE"}) == "Bypass"
    assert origin("SELECT now()") == "Bypass"
    assert origin(Accept="text/csv") == "Hit"
    with system.versions.changed("orders"):
        assert origin() == "Bypass"
    assert origin() == "Miss"
