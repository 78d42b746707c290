"""A whole runtime with every engine: attacked by every protocol, it answers, or refuses, and tells nothing of its inside."""

import json
import os
import random
import re
from pathlib import Path

import adbc_driver_flightsql.dbapi as adbc
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pyarrow import flight
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from headrace.errors import QueryError
from headrace.limits import Origin
from headrace.serve.http import app
from support.deadline import eventually
from support.serving import Caller
from support.statements_corpus import corpus
from support.whole_runtime import CANARY, DATASETS, whole_runtime

ATTACKS = corpus("attacks.txt")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with whole_runtime(tmp_path_factory.mktemp("whole")) as whole:
        yield whole


@pytest.fixture
def call(whole):
    host, _, port = whole.runtime.http_url.partition("//")[2].partition(":")
    return Caller((host, int(port)))


def expect_discreet(whole, said):
    """No secret, no path of this machine, no address of PostgreSQL, nothing of our own code."""
    for inside in (
        CANARY,
        str(whole.folder),
        "Traceback",
        "site-packages",
        'File "',
        "postgresql://",
        "host=127",
    ):
        assert inside not in said
    assert not re.search(r"/(tmp|home|root|work)/[\w-]+/[\w-]+", said), said


def about(sql, name):
    return re.sub(r"\borders\b", name, sql)


def test_attacks_over_http_are_refused_and_learn_nothing(whole, call):
    before = sorted(str(path) for path in whole.folder.rglob("*"))
    connection = call.connection()
    for sql in ATTACKS:
        named = about(sql, random.Random(sql).choice(DATASETS))
        connection.request("POST", "/v1/sql", named.encode())
        response = connection.getresponse()
        said = response.read().decode()
        assert response.status in (400, 403), (sql, response.status, said)
        if str(whole.folder) not in named:
            expect_discreet(whole, said.replace("/tmp/", "/"))
    connection.close()
    assert sorted(str(path) for path in whole.folder.rglob("*")) == before
    assert whole.value("SELECT count(*) FROM in_duckdb") >= 3


def test_attacks_over_flight_are_refused_as_statements_and_as_prepared_ones(whole):
    with adbc.connect(whole.runtime.flight_url, autocommit=True) as connection, connection.cursor() as cursor:
        # The driver cannot send a zero byte.
        for number, sql in enumerate(sql for sql in ATTACKS if "\0" not in sql):
            cursor.adbc_statement.set_sql_query(sql)
            with pytest.raises(adbc.Error) as caught:
                cursor.adbc_statement.prepare() if number % 4 == 0 else cursor.execute(sql)
            expect_discreet(whole, str(caught.value).replace("/tmp/", "/"))
        cursor.execute("SELECT count(*) FROM in_sqlite")
        assert cursor.fetchone()[0] >= 3


NASTY = (
    "'",
    "''",
    "\\'",
    "\\",
    '"',
    "`",
    ";--",
    "' OR '1'='1",
    "'); DROP TABLE x; --",
    "%",
    "_",
    "%_\\%",
    "$1",
    "?",
    ":a",
    "#id",
    ":v0",
    "{}",
    "${secrets:pg_pass}",
    "\n",
    "\t\r\n",
    "\x7f",
    "\u2028",
    "\uff4e\uff45\uff57",
    "n\u0435w",
    "\U0001f600",
    "e\u0301",
    "a" * 5000,
    "id",
    "null",
    "NaN",
    "E'\\x00'",
    "/* x */",
    "-- x",
)
"""Texts that mean something to somebody."""


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def hostile_conditions():
    for text in NASTY:
        yield f"status = {quoted(text)}"
        yield f"id > {quoted(text)} AND status <> {quoted(text)}"
        yield f"status LIKE {quoted(text)} ESCAPE '^'"
    yield "status LIKE '!%' ESCAPE '!'"
    yield "status LIKE 'n%' OR status ILIKE 'N_W' OR status SIMILAR TO 'n.*' OR regexp_matches(status, '^n')"
    yield "id IN (" + ", ".join(quoted(f"o{n}") for n in range(3000)) + ")"
    yield "n IN (" + ", ".join(map(str, range(3000))) + ")"
    yield "n = 99999999999999999999999999999999999999 OR n = 1e308 OR n = -1e-308 OR n = 0.1"
    yield "n > 170141183460469231731687303715884105727"
    yield "n = 'NaN'::DOUBLE OR n < '-Infinity'::DOUBLE"
    yield "(" * 60 + "n = 1" + ")" * 60
    yield "NOT " * 61 + "n = 1"
    yield " OR ".join(f"(n = {n} AND status = 'new')" for n in range(200))
    yield "n BETWEEN 5 AND 1 OR id BETWEEN 'z' AND 'a'"
    yield "id IS NULL OR (status IS NULL) IS NOT TRUE"


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.long)])
def test_hostile_texts_are_values_to_every_engine(whole, call, every):
    conditions = list(hostile_conditions())[::every]
    for name in DATASETS[1:]:
        # Each part of a statement over `far` is a Scan.
        asked = conditions[::5] if name == "far" else conditions
        parts = [f"(SELECT count(*) FROM {{0}} WHERE {condition})" for condition in asked]
        for start in range(0, len(parts), 12):
            sql = "SELECT [" + ", ".join(parts[start : start + 12]) + "]"
            expected = whole.value(sql.replace("{0}", DATASETS[0]))
            assert whole.value(sql.replace("{0}", name)) == expected, (name, start)
    for text in NASTY:
        body = {"sql": f"SELECT count(*) AS n FROM {random.Random(text).choice(DATASETS)} WHERE status = ?"}
        reply = call("POST", "/v1/sql", json.dumps({**body, "parameters": [text]}), JSON)
        assert reply.json() == [{"n": 0}], text


JSON = {"Content-Type": "application/json"}

BOMBS = (
    "SELECT count(*) FROM range(1000000000000)",
    "SELECT sum(a.range * b.range) FROM range(1000000000) a, range(1000000000) b",
    "SELECT length(repeat(repeat('x', 1000000), 1000000))",
    "SELECT list(range) FROM range(10000000000)",
    "SELECT string_agg(repeat('x', 1000), '') FROM range(100000000)",
    "WITH RECURSIVE t AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM t) SELECT max(x) FROM t",
    "WITH RECURSIVE t AS (SELECT 'x' AS x UNION ALL SELECT x || x FROM t) SELECT count(*) FROM t",
    "SELECT count(*) FROM {0} a, {0} b, {0} c, range(1000000000) d WHERE a.n + b.n + c.n + d.range = -1",
    "SELECT regexp_matches(repeat('a', 5000) || 'b', '(a*)*(a*)*(a*)*c') FROM range(100000000)",
    "SELECT {0}.*, r FROM {0}, range(100000000000) t(r) ORDER BY r DESC",
    "SELECT hash(r) FROM range(10000000000) t(r) GROUP BY ALL",
    "SELECT DISTINCT r % 1000000007 FROM range(10000000000) t(r) ORDER BY 1 LIMIT 3",
    "SELECT histogram(r) FROM range(1000000000) t(r)",
    "SELECT list_aggregate([1], 'getenv')",
    "SELECT json_extract(repeat('[', 1000000), '$[0]')",
)


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("bombs", [BOMBS[:5], pytest.param(BOMBS[5:], marks=pytest.mark.long)])
def test_what_would_take_all_time_or_memory_is_ended(whole, call, bombs):
    before = resident()
    for number, bomb in enumerate(bombs):
        sql = bomb.replace("{0}", DATASETS[number % len(DATASETS)])
        connection = call.connection()
        connection.request(
            "POST", "/v1/sql", sql.encode(), {"X-Headrace-Timeout": "0.1", "Accept": "text/csv"}
        )
        response = connection.getresponse()
        first = response.read(10_000)
        assert response.status in (200, 400, 408, 500, 503), (sql, response.status)
        if response.status != 200:
            expect_discreet(whole, first.decode())
        response.close()
        connection.close()
        assert call("GET", "/health").body == b"ok"
    assert resident() - before < 900 * 2**20
    eventually(lambda: whole.value("SELECT count(*) FROM far") >= 3, within=20, what="it still answers")


def test_every_fault_is_told_without_what_is_inside(whole, call):
    faults = (
        ("POST", "/v1/sql", "SELECT nothing FROM in_postgres"),
        ("POST", "/v1/sql", "SELECT CAST(status AS INTEGER) FROM in_postgres"),
        ("POST", "/v1/sql", "SELECT CAST(status AS INTEGER) FROM in_cayenne"),
        ("POST", "/v1/sql", "SELECT error(status) FROM in_sqlite"),
        ("POST", "/v1/sql", "SELECT n / 0, status::JSON FROM far"),
        (
            "POST",
            "/v1/sql",
            "EXPLAIN ANALYZE SELECT * FROM in_cayenne, in_duckdb, in_postgres, in_sqlite, far",
        ),
        ("GET", "/v1/datasets?status=true", None),
        ("GET", "/v1/ready", None),
        ("GET", "/v1/datasets/in_postgres/shards", None),
        ("GET", "/v1/datasets/in_postgres/key?partition=o1", None),
        ("GET", "/v1/datasets/far/key?partition=o1", None),
        ("POST", "/v1/datasets/in_cayenne/acceleration/snapshots", None),
        ("POST", "/v1/datasets/in_sqlite/acceleration/refresh", None),
        ("GET", "/../../etc/passwd", None),
        ("GET", "/v1/datasets/..%2F..%2Fetc%2Fpasswd/shards", None),
    )
    for method, path, body in faults:
        expect_discreet(whole, call(method, path, body).body.decode())
    with flight.connect(whole.runtime.flight_url) as client:
        for ticket in (b"", b"x" * 1000, b"/etc/passwd"):
            with pytest.raises((flight.FlightError, OSError, ValueError, KeyError)) as caught:
                client.do_get(flight.Ticket(ticket)).read_all()
            expect_discreet(whole, str(caught.value))
    with pytest.raises(QueryError) as caught:
        whole.runtime.query("FROM '/etc/passwd'")
    expect_discreet(whole, str(caught.value))


def test_metrics_hold_no_value_of_a_row(whole):
    host, _, port = whole.runtime.metrics_url.partition("//")[2].partition(":")
    text = Caller((host, int(port)))("GET", "/metrics").body.decode()
    assert "results_cache_hits_total" in text
    assert 'dataset="far"' in text
    assert "o1" not in text
    expect_discreet(whole, text)


def origin(whole, sql):
    with whole.runtime.query(sql) as answer:
        answer.reader().read_all()
        return answer.origin


def test_every_engines_commits_make_answers_new_and_dynamodbs_own_are_never_kept(whole):
    sums = {name: f"SELECT sum(n) AS total FROM {name}" for name in DATASETS}
    for number in (10, 20):
        for sql in sums.values():
            whole.value(sql)
        assert origin(whole, sums["far"]) is Origin.BYPASS
        whole.put("more", n={"N": str(number)})
        for sql in sums.values():
            eventually(lambda: whole.value(sql) == 3 + number, within=20, what=f"{sql} is told")  # noqa: B023
    for name in DATASETS[:-1]:
        eventually(lambda: origin(whole, sums[name]) is Origin.HIT, within=20, what=f"{name} is kept")  # noqa: B023


def conforms(whole, examples):
    """Ask every operation so many times; any answer must be as the document has it."""
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app(whole.runtime, whole.access))
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            database=None,
        )
        @given(case=operation.as_strategy())
        def answers(case):
            if "name" in case.path_parameters and hash(str(case.body)) % 2:
                case.path_parameters["name"] = "in_duckdb"
            response = case.call()
            seen.add((case.method, response.status_code))
            assert response.status_code != 500
            for check in (status_code_conformance, content_type_conformance, response_schema_conformance):
                case.validate_response(response, checks=[check])

        answers()
    return seen


def test_the_runtime_answers_as_the_document_says(whole):
    seen = conforms(whole, 4)
    assert {("GET", 200), ("GET", 404), ("POST", 400)} <= seen


@pytest.mark.long
def test_the_runtime_answers_many_as_the_document_says(whole):
    conforms(whole, 300)
