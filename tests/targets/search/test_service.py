"""Answers of a server, good and bad, through the door: what is refused, what is tried again, what is never taken for success."""

import base64
import hashlib
import json
import ssl
import sys

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import request_signer
from headrace.errors import (
    AccessDenied,
    ConfigError,
    ConsumerFailed,
    PackageMissing,
    RequestRejected,
    TableUnusable,
    Throttled,
    Unavailable,
)
from headrace.target import SearchIndex
from headrace.targets.search.bulk import Bulk, Verdict, Write
from headrace.targets.search.service import SearchService
from headrace.targets.table import Patience
from support.canned_http import Canned, CannedServer
from support.certificates import made

BUSY = {"type": "es_rejected_execution_exception", "reason": "queue is full"}
BLOCK = {
    "type": "cluster_block_exception",
    "reason": "index [orders] blocked by: [FORBIDDEN/8/index write (api)]",
}
JSON = {"Content-Type": "application/json"}


def ids(request):
    """The ids that a request writes, and how."""
    lines = [json.loads(line) for line in request.body.splitlines()]
    actions = [
        line
        for line in lines
        if {"index", "delete", "create"} & line.keys() and "_id" in next(iter(line.values()))
    ]
    return [(operation, action["_id"]) for each in actions for operation, action in each.items()]


def told(request, **more):
    """An answer in which all is done but what ``more`` tells by its id."""
    items = [{operation: {"_id": id_, "status": 200, **more.get(id_, {})}} for operation, id_ in ids(request)]
    return Canned(json.dumps({"took": 1, "errors": bool(more), "items": items}).encode(), headers=JSON)


class Sending:
    """Sends writes to a scripted server; ``waits`` are the pauses that it wanted."""

    def __init__(self, url):
        self.waits = []
        self.service = SearchService(SearchIndex(url, "orders"), seconds=0.3)
        self.bulk = Bulk(self.service, "orders", Patience(5.0, "find", self.waits.append))

    def __call__(self, *names, size=10):
        return self.bulk.send(
            [Write.numbered(name, b'{"id":"%b"}' % (name.encode() * size), 5) for name in names]
        )


@pytest.fixture
def script():
    """A server that answers as its ``answer`` says, and what sends to it."""
    with CannedServer(told) as server:
        sending = Sending(server.url)
        sending.server = server
        yield sending
        sending.service.close()


def test_writes_go_as_lines_with_their_conditions(script):
    script.bulk.send(
        [
            Write.numbered('a\n"', b'{"n":1.50}', 7),
            Write.numbered("b", None, 8),
            Write.unchanged("c", b"{}", 3, 1),
            Write.unchanged("d", None, 4, 2),
            Write.absent("e", b"{}"),
        ]
    )
    (request,) = script.server.received
    assert (request.method, request.path) == ("POST", "/orders/_bulk")
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.body.splitlines() == [
        b'{"index":{"_id":"a\\n\\"","version":7,"version_type":"external"}}',
        b'{"n":1.50}',
        b'{"delete":{"_id":"b","version":8,"version_type":"external"}}',
        b'{"index":{"_id":"c","if_seq_no":3,"if_primary_term":1}}',
        b"{}",
        b'{"delete":{"_id":"d","if_seq_no":4,"if_primary_term":2}}',
        b'{"create":{"_id":"e"}}',
        b"{}",
    ]


def test_only_what_was_turned_away_is_sent_again(script):
    turns = iter(
        [
            {"b": {"status": 429, "error": BUSY}, "c": {"status": 503, "error": BUSY}},
            {"c": {"status": 429, "error": BUSY}},
        ]
    )
    script.server.answer = lambda request: told(request, **next(turns, {}))
    assert script("a", "b", "c") == [Verdict.DONE] * 3
    assert [[id_ for _, id_ in ids(request)] for request in script.server.received] == [
        ["a", "b", "c"],
        ["b", "c"],
        ["c"],
    ]
    assert len(script.waits) == 2


def test_what_is_turned_away_for_ever_fails_after_the_patience_and_the_rest_is_done(script):
    script.server.answer = lambda request: told(request, b={"status": 429, "error": BUSY})
    first, second = script("a", "b")
    assert first is Verdict.DONE
    assert isinstance(second, Throttled)
    assert len(script.waits) >= 3
    assert sum(script.waits) <= 5.0


def test_a_block_that_may_pass_is_waited_for(script):
    turns = iter([{"a": {"status": 403, "error": BLOCK}}])
    script.server.answer = lambda request: told(request, **next(turns, {}))
    assert script("a") == [Verdict.DONE]
    assert script.waits


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (Canned(b"", 429), Throttled, "too many requests"),
        (Canned(b'{"error":{"type":"x","reason":"y"},"status":503}', 503, JSON), Unavailable, "answered 503"),
        (Canned(b"<html>", 502, {"Content-Type": "text/html"}), Unavailable, "check that url leads to OpenSearch"),
        (Canned(b"<html>", 200, {"Content-Type": "text/html"}), Unavailable, "cannot be read"),
        (Canned(b"not found", 404), Unavailable, "check that url"),
        (Canned(silent=True), Unavailable, "hung up"),
        (Canned(b'{"items": [{"index"', 200, JSON), Unavailable, "not whole"),
        (Canned(b'{"took":1,"items":[{"index":{"_id":"a","status":200}}]}', 200, JSON, announced=500), Unavailable, "hung up"),
        (Canned(b'{"took": 1, "errors": false}', 200, JSON), Unavailable, "not whole"),
        (Canned(b'{"items":[]}', 200, JSON), Unavailable, "0 of 1 writes"),
        (Canned(b'{"items":[{"index":{"_id":"z","status":200}}]}', 200, JSON), Unavailable, "other writes"),
        (Canned(b'{"items":[{"delete":{"_id":"a","status":200}}]}', 200, JSON), Unavailable, "other writes"),
        (Canned(b"", 200, JSON), Unavailable, "not whole"),
    ],
)  # fmt: skip
def test_what_is_no_whole_answer_is_tried_again_and_never_success(script, answer, kind, says):
    script.server.answer = lambda _: answer
    (outcome,) = script("a")
    assert isinstance(outcome, kind)
    assert says in str(outcome)
    assert len(script.server.received) > 3


def test_an_answer_that_does_not_come_is_not_waited_for_without_end(script):
    import threading

    gone = threading.Event()
    script.server.answer = lambda request: told(request) if gone.wait(0.6) else Canned(silent=True)
    script.bulk = Bulk(script.service, "orders", Patience(0.01, "find", script.waits.append))
    (outcome,) = script("a")
    gone.set()
    assert "no answer within 0.3 s" in str(outcome)


def test_nobody_at_the_address_is_said_with_the_address():
    sending = Sending("http://127.0.0.1:1")
    (outcome,) = sending("a")
    assert isinstance(outcome, Unavailable)
    assert "OpenSearch at http://127.0.0.1:1" in str(outcome)


def test_a_request_that_is_too_large_is_cut_in_two_until_it_fits(script):
    script.server.answer = lambda request: told(request) if len(ids(request)) < 3 else Canned(b"", 413)
    assert script(*"abcdefg") == [Verdict.DONE] * 7
    assert sorted(
        id_ for request in script.server.received if len(ids(request)) < 3 for _, id_ in ids(request)
    ) == list("abcdefg")


def test_one_document_that_is_too_large_fails_alone(script):
    script.server.answer = lambda request: Canned(b"", 413) if b"bbb" in request.body else told(request)
    first, second, third = script("a", "b", "c")
    assert (first, third) == (Verdict.DONE, Verdict.DONE)
    assert isinstance(second, ConsumerFailed)
    assert second.type == "TooLarge"


def test_a_request_that_is_refused_whole_is_cut_until_the_one_is_found(script):
    wrong = b'{"error":{"type":"illegal_argument_exception","reason":"odd"},"status":400}'
    script.server.answer = lambda request: (
        Canned(wrong, 400, JSON) if b"bbb" in request.body else told(request)
    )
    first, second, third = script("a", "b", "c")
    assert (first, third) == (Verdict.DONE, Verdict.DONE)
    assert isinstance(second, ConsumerFailed)
    assert second.type == "illegal_argument_exception"


def test_requests_are_bounded_in_bytes_and_in_writes(script):
    script(*(f"k{number:04}" for number in range(1200)))
    assert [len(ids(request)) for request in script.server.received] == [1000, 200]
    script.server.received.clear()
    script(*"abcdef", size=2**20)
    assert all(len(request.body) < 5.1 * 2**20 for request in script.server.received)
    assert len(script.server.received) == 2


def test_what_an_item_is_told_is_sorted(script):
    script.server.answer = lambda request: told(
        request,
        a={"status": 409, "error": {"type": "version_conflict_engine_exception"}},
        b={"status": 404, "result": "not_found"},
        c={
            "status": 400,
            "error": {
                "type": "mapper_parsing_exception",
                "reason": "outer",
                "caused_by": {"type": "t", "reason": "inner"},
            },
        },
    )
    outcomes = script.bulk.send([Write.numbered(name, None, 5) for name in "abc"])
    assert outcomes[:2] == [Verdict.CONFLICT, Verdict.DONE]
    assert "outer (inner)" in str(outcomes[2])


def test_an_index_that_is_missing_is_said_to_be_so(script):
    missing = {"type": "index_not_found_exception", "reason": "no such index [orders]"}
    script.server.answer = lambda request: told(request, a={"status": 404, "error": missing})
    with pytest.raises(TableUnusable, match="there is no index orders"):
        script("a")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Canned(b"Unauthorized", 401, {"Content-Type": "text/plain"}), "username and password"),
        (Canned(b'{"Message":"User: x is not authorized to perform: es:ESHttpPost"}', 403, JSON), "es:ESHttpPost"),
        (Canned(b'{"message":"The request signature we calculated does not match"}', 403, JSON), "signature"),
        (Canned(b'{"error":{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk]"},"status":403}', 403, JSON), "Rights"),
    ],
)  # fmt: skip
def test_who_is_not_let_in_is_told_the_cure(script, answer, says):
    script.server.answer = lambda _: answer
    with pytest.raises(AccessDenied, match=says):
        script("a")
    assert len(script.server.received) == 1


def test_a_refusal_has_its_type_as_code(script):
    script.server.answer = lambda _: Canned(
        b'{"error":{"type":"parse_exception","reason":"odd"},"status":400}', 400, JSON
    )
    with pytest.raises(RequestRejected, match="parse_exception: odd") as caught:
        script.service.ask("GET", "/orders", dict)
    assert caught.value.code == "parse_exception"


def test_without_the_package_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensearchpy", None)
    with pytest.raises(PackageMissing, match=r"headrace\[search\]"):
        SearchService(SearchIndex("http://127.0.0.1:1", "orders")).ask("GET", "/", dict)


def test_user_and_password_are_sent_and_never_told(script):
    settings = SearchIndex(script.server.url, "orders", username=Secret("ada"), password=Secret("s3cret"))
    service = SearchService(settings)
    script.server.answer = lambda _: Canned(b"Unauthorized", 401)
    with pytest.raises(AccessDenied) as caught:
        service.ask("GET", "/orders", dict)
    service.close()
    (request,) = script.server.received
    assert base64.b64decode(request.headers["authorization"].split()[1]) == b"ada:s3cret"
    assert "s3cret" not in f"{caught.value} {settings!r}"


@pytest.mark.parametrize("token", [None, "token"])
@pytest.mark.parametrize("service", ["es", "aoss"])
def test_requests_are_signed_as_botocore_signs_them(script, service, token):
    access = AwsAccess(
        "eu-west-1", None, Secret("AKID"), Secret("SECRET"), None if token is None else Secret(token)
    )
    asking = SearchService(
        SearchIndex(script.server.url, "orders", service=service, access=access),
        request_signer(service, access),
    )
    script.server.answer = lambda _: Canned(b"{}", headers=JSON)
    asking.ask("POST", "/orders/_search", dict, b'{"size":1}', params={"scroll": "5m"})
    asking.close()
    (request,) = script.server.received
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(request.body).hexdigest()
    signed = AWSRequest("POST", script.server.url + request.path, data=request.body)
    signed.headers["X-Amz-Content-SHA256"] = request.headers["x-amz-content-sha256"]
    auth = SigV4Auth(Credentials("AKID", "SECRET", token), service, "eu-west-1")
    # The time of the request is that of its signature.
    signed.context["timestamp"] = request.headers["x-amz-date"]
    signed.headers["X-Amz-Date"] = request.headers["x-amz-date"]
    if token is not None:
        signed.headers["X-Amz-Security-Token"] = token
    signature = auth.signature(auth.string_to_sign(signed, auth.canonical_request(signed)), signed)
    assert request.headers["authorization"].endswith(f"Signature={signature}")
    assert f"/eu-west-1/{service}/aws4_request" in request.headers["authorization"]
    assert request.headers.get("x-amz-security-token") == token


def test_a_request_that_cannot_be_signed_is_not_sent(script, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    access = AwsAccess("eu-west-1")
    asking = SearchService(
        SearchIndex(script.server.url, "orders", service="es"), request_signer("es", access)
    )
    with pytest.raises(AccessDenied, match="no AWS credentials found"):
        asking.ask("GET", "/orders", dict)
    asking.close()
    assert script.server.received == []


def test_a_file_of_certificates_that_is_not_there_is_named(tmp_path):
    settings = SearchIndex("https://127.0.0.1:1", "orders", certificates=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"none\.pem"):
        SearchService(settings).ask("GET", "/orders", dict)


@pytest.fixture
def secured(tmp_path):
    """A server with a certificate of an authority that nobody trusts but whoever is told."""
    certificates = made(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with CannedServer(lambda _: Canned(b"{}", headers=JSON)) as server:
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        yield server.url.replace("http:", "https:"), certificates.authority


def test_a_certificate_is_trusted_by_the_file_that_is_named(secured):
    url, authority = secured
    service = SearchService(SearchIndex(url, "orders", certificates=authority))
    assert service.ask("GET", "/orders", dict) == {}
    service.close()
    service = SearchService(SearchIndex(url, "orders"))
    with pytest.raises(Unavailable, match="certificate is not trusted"):
        service.ask("GET", "/orders", dict)
    service.close()
