"""The form in which failures leave: AWS Lambda's own, and what is beside it."""

import json
from dataclasses import replace

from headrace.destinations import document
from headrace.event_source_mapping import Delivering
from headrace.ledger import Condition, Fault
from support.deliveries import ARN, failure, record
from support.scripted_delivery import Scripted, reports


def whole(of):
    return json.loads(document.whole(of))


def test_the_keys_are_lambdas_with_headraces_own_beside_them():
    given = replace(failure(7, 8), records=(replace(record(7), created=1_573_690_399.0), record(8)))
    told = whole(given)
    beside = told.pop("headrace")
    assert told == {
        "requestContext": {
            "requestId": document.request_id(given),
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:status",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 4,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2023-11-14T22:16:40.125Z",
        "DDBStreamBatchInfo": {
            "shardId": "s1",
            "startSequenceNumber": "7",
            "endSequenceNumber": "8",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:13:19Z",
            "approximateArrivalOfLastRecord": "2023-11-14T22:15:00Z",
            "batchSize": 2,
            "streamArn": ARN,
        },
    }
    assert beside == {
        "id": given.id,
        "mapping": "status",
        "consumer": "handlers:on_change",
        "error": {"errorType": "KeyError", "errorMessage": "'price'", "stackTrace": ["line 1", "line 2"]},
        "records": [json.loads(each.text) for each in given.records],
    }


def test_what_was_never_handed_over_has_no_response_and_what_raised_nothing_no_error():
    aged = failure(1, invoked=0, condition=Condition.RECORD_AGE_EXCEEDED)
    told = whole(replace(aged, fault=None))
    assert "responseContext" not in told
    assert told["requestContext"]["condition"] == "RecordAgeExceeded"
    assert told["headrace"]["error"] is None


def test_a_response_that_names_records_or_means_nothing_is_no_error_of_the_function():
    mistaken = {"batchItemFailures": [{"itemIdentifier": "an eventID"}]}
    for answer in (reports(0), lambda _batch: mistaken):
        world = Scripted(
            Delivering(maximum_retry_attempts=0, reports_item_failures=True), [answer], has_destination=True
        )
        world.put("a")
        told = whole(world.run().sent[0])
        assert told["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
        assert told["headrace"]["error"]["errorMessage"]
    raised = whole(failure(1, fault=Fault("InvalidResponse", "a class of the function", ("line 1",))))
    assert raised["responseContext"]["functionError"] == "Unhandled"


def test_records_that_the_stream_has_forgotten_are_none():
    expired = failure(
        condition=Condition.RECORDS_EXPIRED, records=(), fault=Fault("Gap", "1 to 9 are gone"), invoked=0
    )
    told = whole(expired)
    assert told["DDBStreamBatchInfo"] == {"shardId": "s1", "batchSize": 0, "streamArn": ARN}
    assert (told["headrace"]["records"], told["headrace"]["error"]["errorMessage"]) == ([], "1 to 9 are gone")


def test_the_payload_is_the_event_as_a_text():
    told = json.loads(document.with_payload(failure(1, 2)))
    assert json.loads(told["payload"]) == {"Records": [json.loads(record(n).text) for n in (1, 2)]}
    assert "records" not in told["headrace"]
    assert told["headrace"]["error"]["errorType"] == "KeyError"


def test_the_request_id_is_a_uuid_of_the_failure():
    assert document.request_id(failure(1)) == document.request_id(failure(1, invoked=9))
    assert document.request_id(failure(1)) != document.request_id(failure(2))
    assert document.request_id(failure(1))[14] == "4"


def test_a_message_leaves_out_what_does_not_fit_and_says_so():
    large = failure(1, 2, fault=Fault("E" * 300, "m" * 3000, ("line " * 2000,)))
    needed = len(document.whole(large))
    assert document.fitting(large, needed).encode() == document.whole(large)
    smaller = document.fitting(large, needed - 1)
    assert len(smaller) < needed
    told = json.loads(smaller)
    assert "records" not in told["headrace"]
    assert told["headrace"]["error"]["errorMessage"] == "m" * 3000
    assert f"headrace failures show {large.id}" in told["headrace"]["omitted"]
    assert told["DDBStreamBatchInfo"]["batchSize"] == 2
    smallest = json.loads(document.fitting(large, 4000))
    assert smallest["headrace"]["error"] == {"errorType": "E" * 200, "errorMessage": "m" * 200}
    assert len(document.fitting(large, 4000)) < 2000


def test_bytes_are_counted_not_characters():
    wide = failure(1, records=(record(1, text='{"a":"é"}'.encode()),))
    size = len(document.whole(wide))
    assert "omitted" not in document.fitting(wide, size)
    assert "omitted" in document.fitting(wide, size - 1)


def test_characters_that_no_message_may_hold_are_escaped():
    odd = failure(1, records=(record(1, text='{"a":"\ufffe\uffff"}'.encode()),))
    text = document.fitting(odd, 10_000)
    assert not {"\ufffe", "\uffff"} & set(text)
    assert json.loads(text) == whole(odd)
