"""Whoever asks over HTTP has a key that opens it, and asks for himself."""

import socket
import ssl
from dataclasses import replace

import pytest
from starlette.applications import Starlette

from headrace.access import Access, ApiKey, Scope, Tls
from headrace.dataset import Secret
from headrace.serve.server import LARGEST_HEAD, Server
from headrace.tls import server_context
from support.certificates import made
from support.serving import Caller, SmallSystem, served

READS, OPERATES = "key-that-only-reads", "key-that-operates"
KEYS = Access((ApiKey(Secret(READS), Scope.READ), ApiKey(Secret(OPERATES))))
REFRESH = "/v1/datasets/orders/acceleration/refresh"


@pytest.fixture(scope="module")
def shared():
    system = SmallSystem()
    with served(system, KEYS) as call:
        yield system, call


@pytest.fixture
def system(shared):
    """It answers to keys; what it was asked to do is forgotten before each test."""
    system, _ = shared
    system.refreshed.clear()
    system.reselected.clear()
    system.settled.clear()
    system.status = replace(system.status, ready=True, live=True, reason=None)
    return system


@pytest.fixture
def call(shared, system):
    return shared[1]


@pytest.fixture(scope="module")
def without_keys():
    with served(SmallSystem()) as call:
        yield call


def by(key):
    return {"X-API-Key": key}


NOT_KEYS = (
    {},
    by("wrong"),
    by(""),
    by(READS[:-1]),
    by(READS + "x"),
    by(READS.upper()),
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Basic {READS}"},
    {"Authorization": READS},
    {"Cookie": f"key={READS}"},
)

SHUT = (
    ("POST", "/v1/sql"),
    ("GET", "/v1/datasets"),
    ("POST", REFRESH),
    ("GET", "/v1/no/such/path"),
    ("OPTIONS", "/v1/sql"),
    ("POST", "/health"),
    ("GET", "/health/"),
    ("GET", "//v1/sql"),
    ("GET", "/v1/ready/../datasets"),
)


def test_without_a_key_that_is_known_nothing_is_answered(call, system):
    for method, path in SHUT:
        for headers in NOT_KEYS:
            reply = call(method, path, "SELECT 1" if method == "POST" else None, headers)
            assert (reply.status, reply.code) == (401, "unauthorized")
            assert reply.headers["WWW-Authenticate"] == 'Bearer realm="headrace"'
            assert READS not in reply.body.decode()
    assert system.refreshed == []


def test_a_key_opens_in_either_header(call):
    for headers in (
        by(READS),
        {"Authorization": f"Bearer {READS}"},
        {"authorization": f"bearer {OPERATES}"},
    ):
        assert call("POST", "/v1/sql", "SELECT 1 AS n", headers).json() == [{"n": 1}]
        assert call("GET", "/v1/datasets", headers=headers).status == 200


def test_a_key_that_only_reads_changes_nothing(call, system):
    letters = '{"all": true}'
    json = {"Content-Type": "application/json"}
    for method, path, body in (
        ("POST", REFRESH, None),
        ("PATCH", "/v1/datasets/orders/acceleration", '{"refresh_sql": "SELECT 1"}'),
        ("POST", "/v1/datasets/orders/dead-letters/discard", letters),
        ("POST", "/v1/datasets/orders/dead-letters/retry", letters),
    ):
        reply = call(method, path, body, {**by(READS), **json})
        assert (reply.status, reply.code) == (403, "refused")
        assert call(method, path, body, {**by(OPERATES), **json}).status < 300
    assert len(system.refreshed) == len(system.reselected) == 1
    assert len(system.settled) == 2


def test_what_watches_over_processes_needs_no_key_and_learns_no_names(call, system):
    assert call("GET", "/health").body == b"ok"
    assert call("GET", "/v1/ready").body == b"Ready"
    system.status = replace(system.status, ready=False, live=False, reason="copying 7 of 9")
    for headers, told in (({}, False), (by("wrong"), False), (by(READS), True)):
        reply = call("GET", "/v1/ready", headers=headers)
        assert reply.status == 503
        assert ("copying" in reply.message, "orders" in reply.message) == (told, told)


def test_a_page_of_another_site_is_refused_even_with_a_key(call, system):
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "http://[", ""):
        reply = call("POST", REFRESH, None, {**by(OPERATES), "Origin": origin})
        assert (reply.status, reply.code) == (403, "refused")
    assert system.refreshed == []
    own = f"http://127.0.0.1:{call.address[1]}"
    assert call("POST", REFRESH, None, {**by(OPERATES), "Origin": own}).status == 201


def test_where_no_key_is_asked_for_only_names_of_this_machine_and_addresses_are_answered(without_keys):
    call = without_keys
    for host in (
        "evil.example",
        "evil.example:8090",
        "127.0.0.1.evil.example",
        "[x",
        "[x]",
        "a@evil.example",
    ):
        refused = call("POST", "/v1/sql", "SELECT 1", {"Host": host})
        assert (refused.status, "--insecure" in refused.message) == (403, True)
    for host in ("localhost", "LOCALHOST:1", "a.localhost", "127.0.0.1:8090", "[::1]:8090", "10.0.0.7"):
        assert call("POST", "/v1/sql", "SELECT 1", {"Host": host}).status == 200


def test_whoever_wants_it_open_has_it_open():
    with served(SmallSystem(), Access(insecure=True)) as call:
        assert call("POST", "/v1/sql", "SELECT 1", {"Host": "warehouse.example"}).status == 200


def test_answers_come_encrypted_and_from_whom_they_should(tmp_path):
    issued = made(tmp_path)
    access = Access(tls=Tls(issued.certificate.read_text(), Secret(issued.key.read_text())))
    with served(SmallSystem(), access, issued.authority) as call:
        assert call("POST", "/v1/sql", "SELECT 1 AS n").json() == [{"n": 1}]
        with pytest.raises(ssl.SSLCertVerificationError):
            Caller(call.address, made(tmp_path / "..").authority)("GET", "/health")
        with pytest.raises(ConnectionError):
            Caller(call.address)("GET", "/health")
    assert access.tls is not None
    assert server_context(access.tls).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n"])
def test_a_head_without_end_is_given_up(start):
    server = Server(Starlette(), "--http")
    piece = b"X-More: 1\r\n" * 1000 if start.endswith(b"\n") else b"x" * 10_000
    with socket.create_connection(server.start("127.0.0.1", 0), timeout=20) as plain:
        plain.sendall(start)
        with pytest.raises(ConnectionError):
            plain.sendall(piece * (100 * LARGEST_HEAD // len(piece)))
    server.stop()


def test_a_body_that_does_not_come_is_not_waited_for(without_keys, monkeypatch):
    monkeypatch.setattr("headrace.serve.requests.BODY_SECONDS", 0.1)
    call = without_keys
    connection = call.connection()
    connection.putrequest("POST", "/v1/sql")
    connection.putheader("Content-Length", "8")
    connection.endheaders(b"SELECT")
    reply = connection.getresponse()
    assert reply.status == 408
    assert b"within 0.1 s" in reply.read()
    connection.close()
