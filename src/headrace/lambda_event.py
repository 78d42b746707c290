"""Events of a table's stream as AWS Lambda makes them, and records as GetRecords gives them, out of parsed JSON.

Shapes: AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB" (example event), and for windows "Implementing
stateful DynamoDB stream processing in Lambda"; Amazon DynamoDB Streams API Reference, Record and Identity. Every function raises
EventMalformed, which says where: ``place`` begins each message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from headrace.attribute import BrokenValue, check_value, key_text
from headrace.batch import Batch, Window
from headrace.errors import EventMalformed
from headrace.lambda_context import ANY_SHARD
from headrace.position import SequenceNumber
from headrace.stream_record import StreamRecord

Json = Mapping[str, Any]


def batch_of(event: object, place: str, mapping: str, stream_arn: str = "") -> Batch:
    """An event's records; ``stream_arn`` where neither they nor the event name the stream.

    The event tells the shard only where it has a window; elsewhere any shard's name stands for it.
    """
    if not isinstance(event, Mapping):
        raise EventMalformed(f"{place}: is {kind_of(event)}; expected an event, as an object")
    if "Records" not in event:
        raise EventMalformed(
            f"{place}: is neither an event, for it has no Records, nor a record, for it has no dynamodb"
        )
    listed = event["Records"] if isinstance(event["Records"], list) else []
    arn = next((arn_of(record, "") for record in listed if arn_of(record, "")), arn_of(event, stream_arn))
    records = records_of(event["Records"], f"{place}.Records", arn)
    batch = Batch(mapping, arn, event.get("shardId") or ANY_SHARD, tuple(records))
    return replace(batch, window=_window(event, place) if "window" in event else None)


def records_of(values: object, place: str, arn: str) -> list[StreamRecord]:
    """A list of records; ``arn`` is the stream of those that name none."""
    return [record_of(value, at, arn) for at, value in listed(values, place)]


def record_of(value: object, place: str, arn: str) -> StreamRecord:
    """One record."""
    change = value.get("dynamodb") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(change, Mapping):
        raise EventMalformed(
            f"{place}: is no record, for it has no dynamodb; a record is as in Lambda's event, or as GetRecords gives it"
        )
    number = change.get("SequenceNumber")
    if not isinstance(number, str) or not (number.isascii() and number.isdigit()):
        raise EventMalformed(
            f"{place}.dynamodb.SequenceNumber: is {kind_of(number)}; expected a text of digits"
        )
    try:
        keys = change.get("Keys") or {}
        for held in keys.values():
            check_value(held)
        key = key_text(keys)
    except (BrokenValue, AttributeError, TypeError) as error:
        raise EventMalformed(f"{place}.dynamodb.Keys: {error}; expected DynamoDB JSON") from error
    created = _created(change.get("ApproximateCreationDateTime", 0.0), place)
    text = _as_lambda_has_it({"eventSourceARN": arn, **value}, place)
    return StreamRecord(SequenceNumber(number), float(created), key, text)


def record_text(value: object, place: str) -> bytes:
    """A record's JSON as in Lambda's event, although it may lack what only a delivery needs: its keys, its number."""
    if not isinstance(value, Mapping):
        raise EventMalformed(f"{place}: is {kind_of(value)}; expected an event or a record, as an object")
    return _as_lambda_has_it(value, place)


def listed(values: object, place: str) -> Sequence[tuple[str, Any]]:
    """What a list holds, each with its place."""
    if not isinstance(values, list):
        raise EventMalformed(f"{place}: is {kind_of(values)}; expected a list of records")
    return [(f"{place}[{number}]", value) for number, value in enumerate(values)]


def arn_of(value: object, otherwise: str) -> str:
    """The stream that a record, or an event, names."""
    named = value.get("eventSourceARN") if isinstance(value, Mapping) else None
    return named if isinstance(named, str) else otherwise


def kind_of(value: object) -> str:
    """What a value is, in words."""
    match value:
        case None:
            return "missing, or null"
        case str():
            return f"the text {value[:40]!r}"
        case list():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"{value!r:.40}"


def _as_lambda_has_it(value: Json, place: str) -> bytes:
    """The record's JSON; of GetRecords, times may be texts and names of identities begin with capitals."""
    told = dict(value)
    change = value.get("dynamodb")
    if isinstance(change, Mapping) and "ApproximateCreationDateTime" in change:
        created = _created(change["ApproximateCreationDateTime"], place)
        told["dynamodb"] = {**change, "ApproximateCreationDateTime": created}
    identity = value.get("userIdentity")
    if isinstance(identity, Mapping):
        told["userIdentity"] = {name[:1].lower() + name[1:]: held for name, held in identity.items()}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _created(value: object, place: str) -> float:
    """Epoch seconds; version 2 of the AWS CLI prints a text."""
    if isinstance(value, (int, float)):
        return value
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError as error:
        raise EventMalformed(
            f"{place}.dynamodb.ApproximateCreationDateTime: {value!r} is no time; expected epoch seconds"
        ) from error


def _window(value: Json, place: str) -> Window:
    try:
        start, end = (_instant(value["window"][name]) for name in ("start", "end"))
    except (KeyError, TypeError, ValueError) as error:
        raise EventMalformed(
            f'{place}.window: expected {{"start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:01:00Z"}}'
        ) from error
    return Window(
        start,
        end,
        state=json.dumps(value.get("state", {})),
        final=value.get("isFinalInvokeForWindow") is True,
        early=value.get("isWindowTerminatedEarly") is True,
    )


def _instant(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
