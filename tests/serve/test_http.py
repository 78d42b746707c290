"""The HTTP contract, over real sockets and a real DuckDB."""

import http.client
import io
import json
import os
import socket
import struct
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.applications import Starlette

from headrace.errors import ConfigError, HeadraceError
from headrace.query.watch import Bounds
from headrace.refresh import RefreshAsked, RefreshOutcome, RefreshState
from headrace.serve.http import metrics_app
from headrace.serve.requests import LARGEST_BODY
from headrace.serve.server import Server
from headrace.status import LastChange, State
from support.deadline import eventually
from support.serving import ARROW, Caller, SmallSystem, served

ENDLESS = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE (a.range * b.range) % 7 = 3"
LONG = "SELECT i, 'row number ' || i AS text, i / 7 AS part FROM range(300000000) t(i)"


@pytest.fixture
def system():
    return SmallSystem()


@pytest.fixture
def call(system):
    with served(system) as caller:
        yield caller


def test_a_statement_is_answered_with_an_array_of_objects(call):
    reply = call.sql("SELECT id, status FROM orders ORDER BY id")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json() == [{"id": 1, "status": "new"}, {"id": 2, "status": "paid"}]


def test_no_rows_are_an_empty_array(call):
    assert call.sql("SELECT id FROM orders WHERE false").json() == []


def test_a_statement_may_come_as_json(call):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    body = json.dumps({"sql": "SELECT 'ü' AS x"})
    assert call("POST", "/v1/sql", body, headers).json() == [{"x": "ü"}]
    for wrong in ("{", "{}", '{"sql": 1}', '{"sql": "SELECT 1", "parameters": 1}', "[]"):
        reply = call("POST", "/v1/sql", wrong, headers)
        assert (reply.status, reply.code) == (400, "invalid")
        assert '{"sql": "SELECT ...", "parameters": [...]}' in reply.message


def test_curl_as_it_comes_is_understood(call):
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "*/*"}
    assert call("POST", "/v1/sql", "SELECT 1 + 1 AS x", headers).json() == [{"x": 2}]


def test_csv_has_a_header_and_tells_null_from_an_empty_text(call):
    sql = "SELECT 1 AS a, NULL::VARCHAR AS b, '' AS c, 'x,\"y\"' AS d, 1.5 AS e, [1, 2] AS f, 0.1::DOUBLE AS g, 'b'::BLOB AS h"
    reply = call.sql(sql, "text/csv")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.body.decode().splitlines() == [
        '"a","b","c","d","e","f","g","h"',
        '1,,"","x,""y""","1.5","[1,2]",0.1,"Yg=="',
    ]
    assert call.sql("SELECT id FROM orders WHERE false", "text/csv").body == b'"id"\n'


def test_arrow_comes_as_an_ipc_stream(call):
    reply = call.sql("SELECT id::BIGINT AS id, [status] AS tags FROM orders ORDER BY id", ARROW)
    assert reply.headers["Content-Type"] == ARROW
    table = pa.ipc.open_stream(io.BytesIO(reply.body)).read_all()
    assert table.schema.types[0] == pa.int64()
    assert table.to_pylist() == [{"id": 1, "tags": ["new"]}, {"id": 2, "tags": ["paid"]}]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/*", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/csv", "text/csv; charset=utf-8"),
        ("application/json;q=0, */*", "text/csv; charset=utf-8"),
        (f"text/csv;q=0.2, {ARROW};q=0.9", ARROW),
        ("TEXT/CSV", "text/csv; charset=utf-8"),
    ],
)
def test_the_form_is_the_one_that_is_accepted_most(call, accept, form):
    assert call.sql("SELECT 1", accept).headers["Content-Type"] == form


def test_a_form_that_there_is_none_of_is_named_with_the_choices(call):
    reply = call.sql("SELECT 1", "application/xml")
    assert (reply.status, reply.code) == (406, "not_acceptable")
    assert "text/csv" in reply.message


@pytest.mark.parametrize(
    ("sql", "status", "code", "words"),
    [
        ("SELEC 1", 400, "invalid", "syntax error"),
        ("", 400, "invalid", "no statement"),
        ("SELECT idd FROM orders", 400, "unknown_name", "idd"),
        ("SELECT * FROM odrers", 400, "unknown_name", "did you mean 'orders'"),
        ("SELECT status::INT FROM orders", 400, "invalid", "Could not convert"),
        ("DELETE FROM orders", 403, "refused", "DELETE statements are refused"),
        ("SELECT * FROM '/etc/passwd'", 403, "refused", "/etc/passwd"),
        ("COPY orders TO '/tmp/x.csv'", 403, "refused", "COPY"),
        ("SELECT " + "1," * 200_000, 413, "too_large", "characters"),
        ("SELECT 1 --" + "x" * LARGEST_BODY, 413, "too_large", "bytes"),
    ],
)
def test_an_error_has_a_status_a_code_and_a_message(call, sql, status, code, words):
    reply = call.sql(sql)
    assert (reply.status, reply.code) == (status, code)
    assert words in reply.message
    assert reply.headers["Content-Type"] == "application/json"


def test_a_statement_that_writes_changes_nothing(call):
    for sql in (
        "INSERT INTO orders VALUES (3, 'x')",
        "UPDATE orders SET id = 9",
        "DROP TABLE orders",
        "CREATE TABLE t (x INT)",
        "WITH x AS (SELECT 1) DELETE FROM orders",
        "SELECT 1; DELETE FROM orders",
    ):
        assert call.sql(sql).status == 403
    assert call.sql("SELECT count(*) AS n, sum(id) AS s FROM orders").json() == [{"n": 2, "s": 3}]


def test_a_body_that_is_not_text_is_refused(call):
    reply = call("POST", "/v1/sql", b"SELECT '\xff'")
    assert (reply.status, reply.code) == (400, "invalid")


def test_a_body_too_large_is_refused_even_where_its_length_is_not_told(call):
    connection = call.connection()
    pieces = (b"SELECT 1 --" + b"x" * 100_000 for _ in range(12))
    connection.request(
        "POST", "/v1/sql", pieces, encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 413
    connection.close()


def test_paths_and_methods_that_there_are_none_of(call):
    assert (call("GET", "/v1/nothing").status, call("GET", "/v1/nothing").code) == (404, "not_found")
    assert (call("GET", "/v1/sql").status, call("GET", "/v1/sql").code) == (405, "method_not_allowed")
    assert call("GET", "/metrics").status == 404


def test_health_is_ok_whatever_the_datasets_do(call, system):
    system.status = replace(system.status, ready=False)
    reply = call("GET", "/health")
    assert (reply.status, reply.body) == (200, b"ok")


def test_ready_says_ready_or_why_not(call, system):
    reply = call("GET", "/v1/ready")
    assert (reply.status, reply.body) == (200, b"Ready")
    system.status = replace(system.status, ready=False, status=State.LOADING, reason="bootstrap at 10 %")
    reply = call("GET", "/v1/ready")
    assert (reply.status, reply.code) == (503, "not_ready")
    assert reply.message == "orders: bootstrap at 10 %"
    assert reply.headers["Retry-After"] == "1"


def test_a_dead_stream_is_not_ready_though_its_table_may_be_queried(call, system):
    system.status = replace(
        system.status, live=False, fresh=False, reason="shard s1 made no progress for 60 s"
    )
    assert call("GET", "/v1/ready").status == 503
    assert "shard s1" in call("GET", "/v1/ready").message
    assert call.sql("SELECT count(*) AS n FROM orders").json() == [{"n": 2}]


def test_a_table_that_is_not_ready_is_not_queried(call, system):
    system.status = replace(system.status, ready=False, reason="bootstrap at 10 %")
    reply = call.sql("FROM orders")
    assert (reply.status, reply.code) == (503, "not_ready")
    assert "bootstrap at 10 %" in reply.message
    assert call.sql("SELECT 1 AS x").json() == [{"x": 1}]


def test_datasets_are_listed_with_their_status(call, system):
    last = LastChange("price: Int64 -> Float64", 1_700_000_000.0)
    system.status = replace(
        system.status,
        lag_ms=None,
        reason="why",
        columns=2,
        schema_changes=3,
        last_schema_change=last,
        waiting_indexes=("(status)",),
    )
    assert call("GET", "/v1/datasets?status=true").json() == [
        {
            "name": "orders",
            "from": "dynamodb:orders",
            "engine": "duckdb",
            "status": "Ready",
            "ready": True,
            "live": True,
            "fresh": True,
            "lag_ms": None,
            "rows": 2,
            "reason": "why",
            "dead_letters": 0,
            "columns": 2,
            "schema_changes": 3,
            "last_schema_change": {"text": "price: Int64 -> Float64", "at": "2023-11-14T22:13:20.000Z"},
            "waiting_indexes": ["(status)"],
            "snapshot": None,
        }
    ]
    system.status = replace(system.status, last_schema_change=None)
    assert call("GET", "/v1/datasets?status=true").json()[0]["last_schema_change"] is None
    plain = [{"name": "orders", "from": "dynamodb:orders", "engine": "duckdb"}]
    assert call("GET", "/v1/datasets").json() == plain
    assert call("GET", "/v1/datasets?status=maybe").status == 400
    assert call("GET", "/v1/datasets?format=csv").status == 400


REFRESH = "/v1/datasets/{}/acceleration/refresh"
JSON = {"Content-Type": "application/json"}


def test_a_refresh_is_asked_for_by_name(call, system):
    reply = call("POST", REFRESH.format("orders"))
    assert reply.status == 201
    assert reply.json() == {"message": "Dataset refresh triggered for orders.", "refresh": 1}
    assert call("POST", REFRESH.format("ORDERS"), b"{}").json()["refresh"] == 2
    assert system.refreshed == [("orders", RefreshAsked())] * 2


def test_a_refresh_may_be_another_than_the_datasets(call, system):
    body = b'{"refresh_sql": "SELECT 1", "refresh_mode": "append", "refresh_jitter_max": "10s"}'
    assert call("POST", REFRESH.format("orders"), body, JSON).status == 201
    assert system.refreshed == [("orders", RefreshAsked("SELECT 1", "append", "10s"))]


def test_a_refresh_that_cannot_be_says_why(call, system):
    missing = call("POST", REFRESH.format("a%2Fb"))
    assert (missing.status, missing.code) == (404, "unknown_name")
    assert "'a/b'; the datasets are: orders" in missing.message
    plain = call("POST", REFRESH.format("orders"), b'{"refresh_sql": "x"}')
    assert (plain.status, "Content-Type: application/json" in plain.message) == (400, True)
    unknown = call("POST", REFRESH.format("orders"), b'{"refresh": "x"}', JSON)
    assert (unknown.status, "`refresh`" in unknown.message) == (400, True)
    system.refusal = HeadraceError("orders follows its stream: there is nothing to refresh")
    refused = call("POST", REFRESH.format("orders"))
    assert (refused.status, refused.message) == (
        400,
        "orders follows its stream: there is nothing to refresh",
    )
    assert system.refreshed == []


def test_what_becomes_of_a_refresh_is_told_by_its_number(call, system):
    path = REFRESH.format("orders")
    assert call("GET", f"{path}/1").status == 404
    assert call("GET", f"{path}/x").status == 404
    system.outcomes[1] = RefreshOutcome(RefreshState.DONE, 7, 1.23456)
    done = {"refresh": 1, "state": "done", "rows": 7, "seconds": 1.235, "reason": None}
    assert call("GET", f"{path}/1").json() == done


def test_refresh_sql_is_changed_until_the_process_ends(call, system):
    path = "/v1/datasets/orders/acceleration"
    reply = call("PATCH", path, b'{"refresh_sql": "SELECT 1"}', JSON)
    assert (reply.status, system.reselected) == (200, [("orders", "SELECT 1")])
    assert "from its next refresh on" in reply.json()["message"]
    assert call("PATCH", path, b"{}", JSON).status == 400
    assert call("PATCH", path, b'{"refresh_sql": "SELECT 1", "x": 1}', JSON).status == 400
    assert call("PATCH", path, b'{"refresh_sql": "SELECT 1"}').status == 400
    assert len(system.reselected) == 1


def test_a_statement_that_takes_too_long_is_a_timeout():
    with served(SmallSystem(Bounds(timeout=0.2))) as call:
        reply = call.sql(ENDLESS)
        assert (reply.status, reply.code) == (408, "timeout")


def test_too_many_statements_at_once_are_told_to_come_again():
    system = SmallSystem(Bounds(places=1, wait=0.05))
    with served(system) as call:
        reading = call.connection()
        reading.request("POST", "/v1/sql", LONG)
        assert reading.getresponse().status == 200
        reply = call.sql("SELECT 1")
        assert (reply.status, reply.code) == (503, "busy")
        assert call("GET", "/health").body == b"ok"
        reading.close()
        eventually(lambda: call.sql("SELECT 1").status == 200, within=10, what="the place is free again")


def read_to_the_end(response):
    while response.read(2**20):
        pass


def resident():
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("accept", ["application/json", "text/csv", ARROW])
def test_a_large_result_streams_in_bounded_memory(call, accept):
    connection = call.connection()
    connection.request("POST", "/v1/sql", LONG, {"Accept": accept})
    response = connection.getresponse()
    response.read(2**20)
    before, most, read = resident(), 0, 0
    while read < 60 * 2**20:
        read += len(response.read(2**20))
        most = max(most, resident())
    connection.close()
    assert most - before < 48 * 2**20


def test_a_client_that_does_not_read_makes_no_memory_grow(call, system):
    connection = call.connection()
    connection.request("POST", "/v1/sql", LONG)
    response = connection.getresponse()
    response.read(1000)
    before = resident()
    assert call.sql("SELECT count(*) AS n FROM range(100000000)").json() == [{"n": 100_000_000}]
    assert resident() - before < 48 * 2**20
    connection.close()


def test_a_client_that_goes_away_ends_its_statement_before_the_first_row(call, system):
    connection = call.connection()
    connection.request("POST", "/v1/sql", ENDLESS)
    eventually(lambda: system.engine.running == 1, within=10, what="the statement runs")
    connection.close()
    eventually(lambda: system.engine.running == 0, within=10, what="the statement was ended")


def test_a_client_that_goes_away_ends_its_statement_between_rows(call, system):
    connection = call.connection()
    connection.request("POST", "/v1/sql", LONG)
    connection.getresponse().read(100_000)
    assert system.engine.running == 1
    # A reset rather than an orderly end.
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    eventually(lambda: system.engine.running == 0, within=10, what="the statement was ended")


@pytest.mark.parametrize("accept", ["application/json", "text/csv", ARROW])
def test_an_error_after_the_first_row_breaks_the_answer_off(call, system, accept):
    sql = "SELECT CASE WHEN i = 2000000 THEN error('too far') ELSE i END AS i FROM range(4000000) t(i)"
    connection = call.connection()
    connection.request("POST", "/v1/sql", sql, {"Accept": accept})
    response = connection.getresponse()
    assert response.status == 200
    with pytest.raises(http.client.IncompleteRead):
        read_to_the_end(response)
    connection.close()
    assert system.engine.running == 0


def test_an_error_before_the_first_row_has_its_status(call):
    reply = call.sql("SELECT error('at once') FROM range(10)")
    assert (reply.status, reply.message) == (400, "at once")


def test_a_connection_answers_one_request_after_another(call):
    connection = call.connection()
    for n in range(5):
        connection.request("POST", "/v1/sql", f"SELECT {n} AS n")
        assert json.loads(connection.getresponse().read()) == [{"n": n}]
    connection.close()


def test_stopping_breaks_off_what_is_under_way(system):
    with served(system) as call:
        connection = call.connection()
        connection.request("POST", "/v1/sql", LONG)
        response = connection.getresponse()
        response.read(1000)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        read_to_the_end(response)
    connection.close()
    assert system.engine.running == 0


def test_a_port_that_is_taken_is_named_with_the_flag_that_changes_it():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(Starlette(), "--http")
        with pytest.raises(ConfigError) as caught:
            server.start("127.0.0.1", port)
        assert f"--http 127.0.0.1:{port}: port {port} is taken" in str(caught.value)
        assert "0 picks a free one" in str(caught.value)
        server.stop()


@pytest.mark.parametrize("host", ["203.0.113.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_named(host):
    with pytest.raises(ConfigError, match="--metrics HOST:PORT"):
        Server(Starlette(), "--metrics").start(host, 9090)


def test_metrics_have_a_port_of_their_own():
    server = Server(metrics_app(lambda: (b"a 1\n", "text/plain; version=0.0.4; charset=utf-8")), "--metrics")
    call = Caller(server.start("127.0.0.1", 0))
    reply = call("GET", "/metrics")
    assert reply.body == b"a 1\n"
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert call("POST", "/v1/sql").status == 404
    server.stop()
    with pytest.raises(ConnectionError):
        call("GET", "/metrics")
