"""Every error answer becomes one of ours, with its cure, and without a secret."""

from __future__ import annotations

import json

import botocore.session
import pytest
from botocore.retries.standard import ThrottledRetryableChecker

from headrace.errors import (
    AccessDenied,
    IteratorExpired,
    PositionTrimmed,
    RequestRejected,
    ShardGone,
    SourceError,
    TableUnusable,
    Throttled,
    Unavailable,
)
from headrace.refusal import STREAM_OPERATIONS, Place, Request, refusal, spoils_credentials
from headrace.wire import Response

IRELAND = Place("eu-west-1")
OPERATIONS = ("DescribeTable", "Scan", "DescribeStream", "GetShardIterator", "GetRecords")


def answer(code, message="said", status=400, **headers):
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message})
    return Response(status, headers, body.encode())


def translated(response, operation="Scan", place=IRELAND, shard=None):
    return refusal(response, Request(operation, "orders", place, shard))


def modelled():
    session = botocore.session.Session()
    for operation in OPERATIONS:
        service = "dynamodbstreams" if operation in STREAM_OPERATIONS else "dynamodb"
        model = session.get_service_model(service).operation_model(operation)
        assert model.error_shapes
        for shape in model.error_shapes:
            yield operation, shape.name, shape.metadata.get("error", {}).get("httpStatusCode", 400)


@pytest.mark.parametrize(("operation", "code", "status"), list(modelled()))
def test_no_error_of_the_service_model_escapes_translation(operation, code, status):
    error = translated(answer(code, status=status), operation)
    assert isinstance(error, SourceError)
    assert not isinstance(error, RequestRejected), "a modelled error deserves better than 'rejected'"
    assert operation in str(error) or "orders" in str(error)


# botocore lists services' codes together; these two belong to transactions and to EC2.
FOREIGN = {"TransactionInProgressException", "EC2ThrottledException"}


@pytest.mark.parametrize("code", sorted({*ThrottledRetryableChecker._THROTTLED_ERROR_CODES} - FOREIGN))
def test_every_code_that_botocore_knows_as_throttling_asks_for_patience(code):
    assert isinstance(translated(answer(code)), Throttled)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer("InternalServerError", status=500), Unavailable),
        (answer("InternalFailure", status=500), Unavailable),
        (answer("ServiceUnavailable", status=503), Unavailable),
        (answer("NeverHeardOf", status=502), Unavailable),
        (Response(503, {}, b"<html>busy</html>"), Unavailable),
        (Response(429, {}, b""), Throttled),
        (Response(404, {}, b"<html>not here</html>"), Unavailable),
        (Response(302, {}, b""), Unavailable),
        (Response(403, {}, b"<html>blocked</html>"), AccessDenied),
        (Response(400, {}, b"[1]"), Unavailable),
        (Response(400, {}, b"\xff"), Unavailable),
        (answer("ExpiredIteratorException"), IteratorExpired),
        (answer("TrimmedDataAccessException"), PositionTrimmed),
        (answer("ValidationException"), RequestRejected),
        (answer("SerializationException"), RequestRejected),
        (answer("NeverHeardOf"), RequestRejected),
        (answer("AccessDeniedException"), AccessDenied),
        (answer("UnrecognizedClientException"), AccessDenied),
        (answer("ExpiredTokenException"), AccessDenied),
        (answer("RequestTimeTooSkewed", status=403), AccessDenied),
    ],
)
def test_each_kind_of_answer_has_its_error(response, kind):
    assert type(translated(response)) is kind


def test_a_missing_table_is_named_with_the_region_that_was_asked():
    error = translated(answer("ResourceNotFoundException"), "DescribeTable")
    assert type(error) is TableUnusable
    assert "table orders does not exist in region eu-west-1" in str(error)
    assert "dynamodb_aws_region" in str(error)


def test_a_missing_table_is_named_with_the_endpoint_that_was_asked():
    place = Place("us-east-1", "http://127.0.0.1:8000")
    error = translated(answer("ResourceNotFoundException"), "Scan", place)
    assert "region us-east-1 at http://127.0.0.1:8000" in str(error)


@pytest.mark.parametrize("operation", ["DescribeStream", "GetShardIterator", "GetRecords"])
def test_a_missing_stream_or_shard_is_gone(operation):
    assert type(translated(answer("ResourceNotFoundException"), operation, shard="shardId-1")) is ShardGone


@pytest.mark.parametrize(
    ("operation", "permission"),
    [
        ("DescribeTable", "dynamodb:DescribeTable on table/orders "),
        ("Scan", "dynamodb:Scan on table/orders "),
        ("GetRecords", "dynamodb:GetRecords on table/orders/stream/*"),
        ("GetShardIterator", "dynamodb:GetShardIterator on table/orders/stream/*"),
        ("DescribeStream", "dynamodb:DescribeStream on table/orders/stream/*"),
    ],
)
def test_a_missing_permission_is_named_by_its_action_and_resource(operation, permission):
    said = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: dynamodb:Scan"
    message = str(translated(answer("AccessDeniedException", said), operation))
    assert f"allow {permission}" in message
    assert "user/x" in message


def test_an_expired_token_says_what_to_renew():
    message = str(translated(answer("ExpiredTokenException")))
    assert "expired" in message
    assert "aws sso login" in message
    assert "dynamodb_aws_session_token" in message


def test_an_unrecognised_client_says_what_to_check():
    message = str(translated(answer("UnrecognizedClientException")))
    assert "access key id" in message
    assert "secret access key" in message


@pytest.mark.parametrize(
    "code", ["InvalidSignatureException", "ExpiredTokenException", "IncompleteSignature"]
)
def test_answers_about_signatures_are_not_repeated_because_they_hold_headers(code):
    said = "The Canonical String should have been 'x-amz-security-token:FwoGZXIvYXdzTOKEN'"
    assert "FwoGZXIvYXdzTOKEN" not in str(translated(answer(code, said)))


def test_a_rejected_request_keeps_the_services_words():
    message = str(
        translated(answer("ValidationException", "Limit is too large"), "GetRecords", shard="shardId-9")
    )
    assert "ValidationException: Limit is too large" in message
    assert "shardId-9" in message


def test_the_code_may_stand_in_a_header_alone():
    named = Response(400, {"x-amzn-errortype": "ThrottlingException:http://internal"}, b"{}")
    assert type(translated(named)) is Throttled


def test_only_answers_about_credentials_spoil_them():
    assert spoils_credentials(answer("ExpiredTokenException"))
    assert spoils_credentials(answer("UnrecognizedClientException"))
    assert not spoils_credentials(answer("AccessDeniedException"))
    assert not spoils_credentials(Response(200, {}, b'{"__type":"ExpiredTokenException"}'))


@pytest.mark.parametrize("code", ["TransactionConflictException", "ReplicatedWriteConflictException"])
def test_a_write_that_meets_another_one_of_its_item_is_tried_again(code):
    error = translated(answer(code), "PutItem")
    assert isinstance(error, Throttled)
    assert "another write of the item" in str(error)
