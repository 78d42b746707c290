"""The single requests to DynamoDB and its Streams: JSON out, a Response or one of our errors back.

Shapes: Amazon DynamoDB API Reference, operations DescribeTable, GetItem and Scan; Amazon DynamoDB Streams API
Reference, operations DescribeStream, GetShardIterator and GetRecords.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from headrace.errors import Unavailable
from headrace.position import Anchor, Position, SequenceNumber
from headrace.refusal import Place
from headrace.shard import Shard, ShardListing
from headrace.table_requests import TableRequests, json_object
from headrace.wire import Response, Transport

MOST_RECORDS = 1000
"""The greatest Limit that GetRecords takes."""


class Calls:
    """Requests about one table, over any Transport. Stateless, so any thread may call."""

    def __init__(self, transport: Transport, table: str, place: Place) -> None:
        self._requests = TableRequests(transport, table, place)
        self._table = table

    def describe_table(self) -> tuple[dict[str, Any], float | None]:
        """The TableDescription, and the answer's time."""
        table, response = self._requests.described()
        return table, service_time(response)

    def describe_stream(self, stream_arn: str, start_after: str | None = None) -> ShardListing:
        """One page of the stream's shards."""
        body = {"StreamArn": stream_arn}
        if start_after is not None:
            body["ExclusiveStartShardId"] = start_after
        return _listing(self._requests.ask("DescribeStream", body))

    def describe_children(self, stream_arn: str, parent_id: str) -> ShardListing:
        """The children of one shard, or more: not every service knows the filter."""
        child_shards = {"Type": "CHILD_SHARDS", "ShardId": parent_id}
        return _listing(
            self._requests.ask("DescribeStream", {"StreamArn": stream_arn, "ShardFilter": child_shards})
        )

    def list_streams(self) -> tuple[str, ...]:
        """The ARNs of the table's streams that can be read still, those of an earlier table of its name included."""
        arns: list[str] = []
        body = {"TableName": self._table}
        while True:
            answer = json_object(self._requests.ask("ListStreams", body))
            try:
                arns += [stream["StreamArn"] for stream in answer["Streams"]]
            except (KeyError, TypeError) as error:
                raise Unavailable(f"the answer of ListStreams is not as documented ({error!r})") from error
            last = answer.get("LastEvaluatedStreamArn")
            if not isinstance(last, str) or last == body.get("ExclusiveStartStreamArn"):
                return tuple(arns)
            body["ExclusiveStartStreamArn"] = last

    def get_shard_iterator(self, stream_arn: str, shard_id: str, position: Position) -> str:
        """An iterator at ``position``."""
        body: dict[str, Any] = {
            "StreamArn": stream_arn,
            "ShardId": shard_id,
            "ShardIteratorType": position.anchor.value,
        }
        if position.anchor is Anchor.AT_TIMESTAMP:
            body["Timestamp"] = position.timestamp
        elif position.sequence is not None:
            body["SequenceNumber"] = position.sequence.text
        iterator = self._requests.answer("GetShardIterator", body, shard_id).get("ShardIterator")
        if not isinstance(iterator, str):
            raise Unavailable("the answer of GetShardIterator has no ShardIterator")
        return iterator

    def get_records(self, shard_id: str, iterator: str) -> Response:
        """The answer whole, for the decoder."""
        return self._requests.ask("GetRecords", {"ShardIterator": iterator, "Limit": MOST_RECORDS}, shard_id)

    def scan(
        self,
        segment: int,
        segments: int,
        cursor: str | None,
        *,
        consistent: bool,
        limit: int | None = None,
        counted: bool = False,
    ) -> Response:
        """The answer whole, for the decoder. ``cursor`` is the LastEvaluatedKey of the page before.

        A ``counted`` one says what it consumed.
        """
        body: dict[str, Any] = {"TableName": self._table, "ConsistentRead": consistent}
        if counted:
            body["ReturnConsumedCapacity"] = "TOTAL"
        if segments > 1:
            body |= {"Segment": segment, "TotalSegments": segments}
        if cursor is not None:
            body["ExclusiveStartKey"] = msgspec.Raw(cursor.encode())
        if limit is not None:
            body["Limit"] = limit
        return self._requests.ask("Scan", body)

    def read(self, operation: str, body: Mapping[str, Any]) -> Response:
        """The answer of Query, Scan or BatchGetItem whole, for the decoder."""
        return self._requests.ask(operation, body)

    def get_item(self, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """The item of this key, read consistently; None if there is none."""
        body = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        item = self._requests.answer("GetItem", body).get("Item")
        return item if isinstance(item, dict) else None


def service_time(response: Response) -> float | None:
    """The answer's Date header in epoch seconds; None where the service sends none."""
    date = response.headers.get("date")
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _listing(response: Response) -> ShardListing:
    stream = json_object(response).get("StreamDescription")
    if not isinstance(stream, dict):
        raise Unavailable("the answer of DescribeStream has no StreamDescription")
    try:
        return ShardListing(
            shards=tuple(_shard(shard) for shard in stream.get("Shards") or ()),
            next_start=stream.get("LastEvaluatedShardId"),
            status=stream["StreamStatus"],
            service_time=service_time(response),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise Unavailable(f"the answer of DescribeStream is not as documented ({error!r})") from error


def _shard(shard: dict[str, Any]) -> Shard:
    numbers = shard.get("SequenceNumberRange") or {}
    return Shard(
        id=shard["ShardId"],
        parent_id=shard.get("ParentShardId"),
        starting=_number(numbers.get("StartingSequenceNumber")),
        ending=_number(numbers.get("EndingSequenceNumber")),
    )


def _number(text: str | None) -> SequenceNumber | None:
    return None if text is None else SequenceNumber(text)
