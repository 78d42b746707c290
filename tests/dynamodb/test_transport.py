"""Real botocore against a local server: bytes out, bytes back, nothing parsed, nothing retried."""

from __future__ import annotations

import inspect
import json
import logging
import socket
import threading
import zlib

import botocore.exceptions
import pytest

from headrace.dataset import AwsAccess, Secret
from headrace.dynamodb import botocore_transport, transport
from headrace.errors import AccessDenied, ConfigError, HeadraceError, SourceError, Unavailable
from headrace.refusal import Place
from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from support.canned_http import Canned, CannedServer

KEY_ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI+SECRET", "FwoGZXIvYXdzTOKEN"
PLACE = Place("us-east-1", "http://there")


def access(url, region="us-east-1", token=TOKEN):
    return AwsAccess(region, url, Secret(KEY_ID), Secret(SECRET), None if token is None else Secret(token))


def with_crc(body, crc=None):
    return Canned(body, headers={"x-amz-crc32": str(zlib.crc32(body) if crc is None else crc)})


def test_the_body_travels_as_it_is_and_the_answer_comes_back_as_it_is():
    sent = b'{ "TableName" : "orders" }'
    answered = b'{"Items":[],"odd":  1}'
    with CannedServer(lambda _: with_crc(answered)) as server:
        response = botocore_transport(access(server.url))("Scan", sent)
    assert (response.status, response.body) == (200, answered)
    assert response.headers["x-amz-crc32"] == str(zlib.crc32(answered))
    (request,) = server.received
    assert request.body == sent
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.Scan"
    assert request.headers["x-amz-security-token"] == TOKEN
    assert f"Credential={KEY_ID}/" in request.headers["authorization"]
    assert "/us-east-1/dynamodb/aws4_request" in request.headers["authorization"]
    assert "headrace/" in request.headers["user-agent"]


@pytest.mark.parametrize("operation", ["DescribeTable", "Scan", "Query", "GetItem", "BatchGetItem"])
def test_every_operation_travels_as_it_is(operation):
    sent = b'{"odd":  1}'
    with CannedServer(lambda _: Canned()) as server:
        assert botocore_transport(access(server.url))(operation, sent).status == 200
    (request,) = server.received
    assert (request.body, request.headers["x-amz-target"]) == (sent, f"DynamoDB_20120810.{operation}")


@pytest.mark.parametrize("operation", ["DescribeStream", "GetShardIterator", "GetRecords"])
def test_streams_have_their_own_target_at_the_same_endpoint(operation):
    with CannedServer(lambda _: Canned()) as server:
        botocore_transport(access(server.url))(operation, b"{}")
    (request,) = server.received
    assert request.headers["x-amz-target"] == f"DynamoDBStreams_20120810.{operation}"
    assert "/us-east-1/dynamodb/aws4_request" in request.headers["authorization"]


@pytest.mark.parametrize("status", [300, 400, 403, 413, 429, 500, 503])
def test_error_answers_are_returned_whole_and_never_retried(status):
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow"}'
    with CannedServer(lambda _: Canned(body, status)) as server:
        response = botocore_transport(access(server.url))("Scan", b"{}")
    assert (response.status, response.body) == (status, body)
    assert len(server.received) == 1


def test_the_signature_is_right_for_the_body_that_was_sent():
    simulator = Simulator(lambda: 1_700_000_000.0)
    with SimulatorServer(simulator, credentials={KEY_ID: SECRET}) as server:
        good = botocore_transport(access(server.url))("ListTables", b'{"Limit": 1}')
        wrong = AwsAccess("us-east-1", server.url, Secret(KEY_ID), Secret("other"))
        bad = botocore_transport(wrong)("ListTables", b"{}")
    assert json.loads(good.body) == {"TableNames": []}
    assert bad.status == 400
    assert b"InvalidSignatureException" in bad.body


@pytest.mark.parametrize("crc", [0, "nonsense"])
def test_a_body_that_does_not_match_its_crc_is_unavailable(crc):
    with (
        CannedServer(lambda _: with_crc(b'{"Items":[]}', crc)) as server,
        pytest.raises(Unavailable, match="CRC32"),
    ):
        botocore_transport(access(server.url))("Scan", b"{}")


def test_a_body_that_ends_early_is_unavailable():
    with (
        CannedServer(lambda _: Canned(b'{"Items":[]', announced=400)) as server,
        pytest.raises(Unavailable, match="cut off after 11 of 400"),
    ):
        botocore_transport(access(server.url))("Scan", b"{}")


def test_a_connection_closed_without_an_answer_is_unavailable():
    with CannedServer(lambda _: Canned(silent=True)) as server, pytest.raises(Unavailable, match="no answer"):
        botocore_transport(access(server.url))("Scan", b"{}")


def test_an_endpoint_that_is_down_is_unavailable_and_named():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(Unavailable, match="no answer") as caught:
        botocore_transport(access(url))("Scan", b"{}")
    assert url in str(caught.value)
    assert "dynamodb_aws_region" in str(caught.value)


def test_a_service_that_does_not_answer_in_time_is_unavailable(monkeypatch):
    monkeypatch.setattr(transport, "READ_SECONDS", 0.05)
    release = threading.Event()

    def slow(_):
        release.wait(10)
        return Canned()

    with CannedServer(slow) as server:
        with pytest.raises(Unavailable, match="ReadTimeout"):
            botocore_transport(access(server.url))("Scan", b"{}")
        release.set()


def test_the_environment_may_name_the_endpoint(monkeypatch):
    with CannedServer(lambda _: Canned()) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        sending = botocore_transport(access(None))
        sending("Scan", b"{}")
        sending("GetRecords", b"{}")
    assert len(server.received) == 2
    assert str(sending.place) == f"region us-east-1 at {server.url}"


def test_many_threads_share_one_transport():
    def echo(request):
        return with_crc(request.body)

    with CannedServer(echo) as server:
        sending = botocore_transport(access(server.url))
        wrong = []

        def ask(number):
            body = json.dumps({"number": number}).encode()
            operation = "Scan" if number % 2 else "GetRecords"
            if sending(operation, body).body != body:
                wrong.append(number)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(server.received) == 40


def test_a_missing_region_names_where_it_can_be_given():
    with pytest.raises(ConfigError) as caught:
        botocore_transport(AwsAccess(None, "http://127.0.0.1:1"))
    assert "dynamodb_aws_region" in str(caught.value)
    assert "AWS_REGION" in str(caught.value)


@pytest.mark.parametrize(
    ("configured", "named"),
    [
        (AwsAccess("us east 1"), "us east 1"),
        (AwsAccess("us-east-1", "127.0.0.1:8000"), "endpoint_url"),
        (AwsAccess("us-east-1", "ftp://x"), "endpoint_url"),
        (AwsAccess("us-east-1", access_key_id=Secret(KEY_ID)), "dynamodb_aws_secret_access_key"),
        (AwsAccess("us-east-1", secret_access_key=Secret(SECRET)), "dynamodb_aws_access_key_id"),
        (AwsAccess("us-east-1", session_token=Secret(TOKEN)), "dynamodb_aws_session_token"),
    ],
)
def test_what_cannot_work_is_refused_at_once_by_its_key(configured, named):
    with pytest.raises(ConfigError, match=named) as caught:
        botocore_transport(configured)
    assert SECRET not in str(caught.value)
    assert TOKEN not in str(caught.value)


def _vendor_errors():
    for _, kind in inspect.getmembers(botocore.exceptions, inspect.isclass):
        if issubclass(kind, Exception) and kind.__module__ == botocore.exceptions.__name__:
            yield kind


@pytest.mark.parametrize("kind", sorted(set(_vendor_errors()), key=lambda kind: kind.__name__))
def test_no_exception_of_botocore_escapes_translation(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "vendor's words")
    assert isinstance(transport._translated(error, "Scan", PLACE), HeadraceError)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (botocore.exceptions.NoCredentialsError(), AccessDenied),
        (botocore.exceptions.PartialCredentialsError(provider="env", cred_var="x"), AccessDenied),
        (botocore.exceptions.UnauthorizedSSOTokenError(), AccessDenied),
        (botocore.exceptions.CredentialRetrievalError(provider="p", error_msg="e"), AccessDenied),
        (
            botocore.exceptions.ClientError(
                {"Error": {"Code": "AccessDenied", "Message": "m"}}, "AssumeRole"
            ),
            AccessDenied,
        ),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url="http://x"), Unavailable),
        (botocore.exceptions.ProxyConnectionError(proxy_url="http://p"), Unavailable),
        (ConnectionResetError("reset"), Unavailable),
        (TimeoutError("late"), Unavailable),
        (RuntimeError("unforeseen"), Unavailable),
    ],
)
def test_failures_on_the_way_have_their_error(error, kind):
    translated = transport._translated(error, "Scan", PLACE)
    assert type(translated) is kind
    assert isinstance(translated, SourceError)


def test_refused_credentials_are_looked_for_anew_without_a_restart(bare_aws):
    credentials = bare_aws / "credentials"

    def write(key_id):
        credentials.write_text(f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {SECRET}\n")

    def answer(request):
        if "Credential=OLD/" in request.headers["authorization"]:
            return Canned(b'{"__type":"com.amazon.coral.service#ExpiredTokenException"}', 400)
        return Canned()

    with CannedServer(answer) as server:
        sending = botocore_transport(AwsAccess("us-east-1", server.url))
        with pytest.raises(AccessDenied, match="no AWS credentials found"):
            sending("Scan", b"{}")
        write("OLD")
        assert sending("Scan", b"{}").status == 400
        write("NEW")
        assert sending("Scan", b"{}").status == 200


def test_secrets_are_in_no_message_and_no_log_above_debug(caplog):
    caplog.set_level(logging.INFO)
    answers = [
        Canned(
            b'{"__type":"x#InvalidSignatureException","message":"canonical: ' + TOKEN.encode() + b'"}', 400
        ),
        Canned(b"cut", announced=9),
        Canned(silent=True),
    ]
    said = []
    with CannedServer(lambda _: answers[len(server.received) - 1]) as server:
        sending = botocore_transport(access(server.url))
        sending("Scan", b"{}")
        for _ in answers[1:]:
            with pytest.raises(Unavailable) as caught:
                sending("Scan", b"{}")
            said.append(f"{caught.value!s}{caught.value!r}{caught.value.__cause__!r}")
    text = "".join(said) + caplog.text + repr(access(server.url)) + repr(sending)
    assert SECRET not in text
    assert TOKEN not in text
