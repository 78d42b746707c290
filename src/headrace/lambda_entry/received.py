"""One event of Lambda as a batch.

**Versions.** Lambda tells neither shard nor generation, but the stream: a table has one at a time, and its ARN ends with the time at which
it began (Amazon DynamoDB API Reference, TableDescription, LatestStreamLabel: a timestamp in ISO 8601). So the generation is that time, in
units of ``UNIT`` seconds since ``SINCE``: a later stream has a greater one. Two streams of a table that begin within one unit cannot be told
apart; a table's stream takes about as long to be turned off and on. A stream from before ``SINCE`` has generation 0: two of one table
cannot both hold records, which live for a day. The eight digits of a version last until 2041; a later stream is refused.

Within a stream, versions follow the sequence numbers. AWS promises that they rise within a shard, and that a child shard is delivered
after its parent (Amazon DynamoDB developer guide, "Change data capture for DynamoDB Streams"). That numbers of a child are greater than those of its parent is
how AWS numbers, and is not promised: PostgreSQL's copies notice a contradiction, and stop.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from headrace.batch import Batch
from headrace.decoding import json_decoder
from headrace.errors import EventMalformed
from headrace.lambda_event import arn_of, batch_of
from headrace.stream_record import StreamRecord

SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""When generation 0 ends."""

UNIT: Final = 5
"""Seconds of one generation."""

_MOST: Final = 10**8 - 1
_ARN: Final = re.compile(r"arn:[^:]+:dynamodb:([^:]+):[^:]*:table/([A-Za-z0-9_.-]+)/stream/(.+)")


@dataclass(frozen=True, slots=True)
class StreamName:
    """What a stream's ARN says."""

    region: str
    table: str
    label: str

    @classmethod
    def of(cls, arn: str) -> StreamName:
        """Raises EventMalformed where it is no ARN of a stream."""
        found = _ARN.fullmatch(arn)
        if found is None:
            raise EventMalformed(
                f"the event: its records are not of a table's stream: eventSourceARN is {arn!r}; this function takes "
                "events of an event source mapping on a DynamoDB stream"
            )
        return cls(*found.groups())

    @property
    def generation(self) -> int:
        """Greater for a later stream of the same table. Raises EventMalformed where the label is no time, or too late a one."""
        try:
            began = datetime.fromisoformat(self.label)
        except ValueError as error:
            raise EventMalformed(
                f"the event: the stream's label {self.label!r} is no time, so its records cannot be put in order with those of "
                "the table's other streams"
            ) from error
        since = (began if began.tzinfo else began.replace(tzinfo=UTC)) - SINCE
        generation = max(0, int(since.total_seconds() // UNIT))
        if generation > _MOST:
            raise EventMalformed(
                f"the event: the stream began at {self.label}, beyond what a version can hold"
            )
        return generation


class _Identified(msgspec.Struct, rename={"id": "eventID"}):
    id: str


_RECORD: Final = json_decoder(_Identified)


@dataclass(frozen=True, slots=True)
class ReceivedBatch(Batch):
    """A batch whose shard nobody tells."""

    def idempotency_key(self, record: StreamRecord) -> str:
        """The stream and the record's eventID, "a globally unique identifier" (Amazon DynamoDB Streams API Reference, Record)."""
        try:
            return f"{self.stream_arn}/{_RECORD.decode(record.text).id}"
        except msgspec.MsgspecError as error:
            raise EventMalformed(
                f"the record {record.sequence.text} of {record.key} has no eventID"
            ) from error


@dataclass(frozen=True, slots=True)
class Received:
    """An event: its ``batch``, the ``stream`` it is of, None without records. ``state`` is what a window's response must hold."""

    batch: ReceivedBatch
    stream: StreamName | None
    state: object = None
    windowed: bool = False


def _expect_one_stream(event: Any, arn: str) -> None:
    """Raise EventMalformed where records are of several streams: Lambda makes no such event, but whoever puts together what it gave up may."""
    others = {arn_of(record, arn) for record in event["Records"]} - {arn}
    if others:
        raise EventMalformed(
            f"the event: its records are of several streams, {arn} and {min(others)}; call the function once for each of them"
        )


def received(event: object) -> Received:
    """Raises EventMalformed where it is none of a stream of DynamoDB."""
    batch = batch_of(event, "the event", "")
    windowed = batch.window is not None
    state = event.get("state", {}) if windowed and isinstance(event, dict) else None
    if not batch.records:
        return Received(ReceivedBatch("", batch.stream_arn, batch.shard, ()), None, state, windowed)
    _expect_one_stream(event, batch.stream_arn)
    stream = StreamName.of(batch.stream_arn)
    made = ReceivedBatch("", batch.stream_arn, batch.shard, batch.records, stream.generation)
    return Received(made, stream, state, windowed)
