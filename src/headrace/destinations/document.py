"""A failure as a JSON document: AWS Lambda's own keys, and beside them ``headrace`` with all else.

Lambda's keys are those of the AWS Lambda developer guide, "Retain discarded records for a DynamoDB event source in
Lambda", its examples of invocation records.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from headrace.batch import Batch, function_arn
from headrace.ledger import Failure
from headrace.message_service import message_text

_SHORT: Final = 200
"""Characters of an error's message where there is room for no more."""

Json = dict[str, Any]


def whole(failure: Failure) -> bytes:
    """With the records."""
    return _encoded(failure, {**_known(failure), "records": _records(failure)})


def with_payload(failure: Failure) -> bytes:
    """As Lambda stores it in a bucket: ``payload`` is the event, as a text. It has the records."""
    batch = Batch(failure.mapping, failure.stream_arn, failure.shard, failure.records)
    document = {**_of_lambda(failure), "payload": batch.event().decode(), "headrace": _known(failure)}
    return msgspec.json.encode(document)


def fitting(failure: Failure, limit: int) -> str:
    """What of it fits into a message of ``limit`` bytes; what was left out is said under ``headrace.omitted``.

    Only its least form may be larger all the same.
    """
    text = whole(failure)
    if len(text) > limit:
        text = _encoded(failure, {**_known(failure), "omitted": _omitted(failure, limit)})
    if len(text) > limit:
        text = _encoded(failure, {**_short(_known(failure)), "omitted": _omitted(failure, limit)})
    return message_text(text.decode())


def request_id(failure: Failure) -> str:
    """A UUID, the same for the same failure."""
    digest = blake2b(failure.id.encode(), digest_size=16).digest()
    return str(uuid.UUID(bytes=digest, version=4))


def records_json(failure: Failure) -> str:
    """The records as a JSON array."""
    return msgspec.json.encode(_records(failure)).decode()


def iso(time: float, timespec: str = "milliseconds") -> str:
    """Epoch seconds as Lambda writes them."""
    return datetime.fromtimestamp(time, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _of_lambda(failure: Failure) -> Json:
    document: Json = {
        "requestContext": {
            "requestId": request_id(failure),
            "functionArn": function_arn(failure.mapping, failure.stream_arn),
            "condition": failure.condition,
            "approximateInvokeCount": failure.invoked,
        }
    }
    if failure.invoked:
        answer = {"statusCode": 200, "executedVersion": "$LATEST"}
        raised = failure.fault is not None and failure.fault.raised
        document["responseContext"] = answer | ({"functionError": "Unhandled"} if raised else {})
    info: Json = {"shardId": failure.shard}
    if failure.records:
        first, last = failure.records[0], failure.records[-1]
        info |= {
            "startSequenceNumber": first.sequence.text,
            "endSequenceNumber": last.sequence.text,
            "approximateArrivalOfFirstRecord": iso(first.created, "seconds"),
            "approximateArrivalOfLastRecord": iso(last.created, "seconds"),
        }
    info |= {"batchSize": len(failure.records), "streamArn": failure.stream_arn}
    return document | {"version": "1.0", "timestamp": iso(failure.at), "DDBStreamBatchInfo": info}


def _known(failure: Failure) -> Json:
    fault = failure.fault
    return {
        "id": failure.id,
        "mapping": failure.mapping,
        "consumer": failure.consumer,
        "error": fault
        and {"errorType": fault.type, "errorMessage": fault.message, "stackTrace": list(fault.trace)},
    }


def _short(known: Json) -> Json:
    error = known["error"]
    if error is None:
        return known
    return {**known, "error": {name: error[name][:_SHORT] for name in ("errorType", "errorMessage")}}


def _omitted(failure: Failure, limit: int) -> str:
    size = sum(len(record.text) for record in failure.records)
    return (
        f"a message holds {limit:,} bytes, and the {len(failure.records):,} records have {size:,}; "
        f"`headrace failures show {failure.id}` prints all"
    )


def _records(failure: Failure) -> list[msgspec.Raw]:
    return [msgspec.Raw(record.text) for record in failure.records]


def _encoded(failure: Failure, beside: Json) -> bytes:
    return msgspec.json.encode({**_of_lambda(failure), "headrace": beside})
