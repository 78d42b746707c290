"""Files of events and records, as people have them: from Lambda, from the AWS CLI, from where failures go."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headrace.batch import MOST_BYTES, Batch
from headrace.errors import ConfigError, EventMalformed
from headrace.lambda_context import ANY_SHARD
from headrace.lambda_event import (
    Json,
    arn_of,
    batch_of,
    kind_of,
    listed,
    record_of,
    record_text,
    records_of,
)
from headrace.stream_record import StreamRecord

_OF_EVENTS = frozenset(
    {
        *("Records", "window", "state", "shardId", "eventSourceARN"),
        *("isFinalInvokeForWindow", "isWindowTerminatedEarly"),
        # What GetRecords answers beside its records.
        *("NextShardIterator", "ResponseMetadata"),
    }
)


@dataclass(frozen=True, slots=True)
class EventFile:
    """Makes batches of a file's text. ``where`` names the file in messages.

    ``stream_arn`` belongs to records that name none.
    """

    where: str
    mapping: str
    stream_arn: str

    def batches(self, text: bytes) -> Iterator[tuple[Batch, bool]]:
        """In the file's order; with each, whether it is an event as it stands. Other records in a row are one batch.

        The text is JSON, or JSON lines, of events, records or failures (or a list of them). Records are those of Lambda's
        event, or of GetRecords as the API or the AWS CLI gives them. Raises ConfigError with the place.
        """
        loose: list[StreamRecord] = []
        of_loose = self.stream_arn
        for place, value in [*_values(text, self.where), (self.where, None)]:
            if value is not None and not isinstance(value, Mapping):
                raise EventMalformed(
                    f"{place}: is {kind_of(value)}; expected an event or a record, as an object"
                )
            is_record = value is not None and "dynamodb" in value
            arn = arn_of(value, self.stream_arn) if is_record else ""
            if loose and arn != of_loose:
                yield self._batch(loose, of_loose), False
                loose = []
            if is_record:
                loose.append(record_of(value, place, arn))
                of_loose = arn
            elif value is not None:
                yield self._event(value, place), True

    def _event(self, value: Json, place: str) -> Batch:
        if "DDBStreamBatchInfo" in value:
            return self._failure(value, place)
        unknown = sorted(value.keys() - _OF_EVENTS) if "Records" in value else []
        if unknown:
            raise EventMalformed(f"{place}: {unknown[0]} is not known in an event of a stream; remove it")
        return batch_of(value, place, self.mapping, self.stream_arn)

    def _failure(self, value: Json, place: str) -> Batch:
        """Where failures go, they are kept whole; AWS's own messages leave the records out."""
        info = value["DDBStreamBatchInfo"]
        records = _kept(value, place)
        arn = str(info.get("streamArn", self.stream_arn))
        return self._batch(records_of(records, f"{place}.records", arn), arn, info.get("shardId"))

    def _batch(self, records: Sequence[StreamRecord], arn: str, shard: str | None = None) -> Batch:
        return Batch(self.mapping, arn, shard or ANY_SHARD, tuple(records))


def content(path: Path) -> tuple[str, bytes]:
    """A file's name for messages, and its bytes; ``-`` is standard input. Raises ConfigError."""
    if str(path) == "-":
        return "standard input", sys.stdin.buffer.read()
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def record_texts(text: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """Each record of a file as ``EventFile`` takes it: its place, and its JSON as in Lambda's event.

    Here a record may lack what only a delivery needs: its keys, its number. Raises ConfigError with the place.
    """
    for place, value in _values(text, where):
        if isinstance(value, Mapping) and "DDBStreamBatchInfo" in value:
            yield from _texts(_kept(value, place), f"{place}.records")
        elif isinstance(value, Mapping) and "Records" in value:
            yield from _texts(value["Records"], f"{place}.Records")
        else:
            yield place, record_text(value, place)


def _texts(values: object, place: str) -> Iterator[tuple[str, bytes]]:
    for at, value in listed(values, place):
        yield at, record_text(value, at)


def parts(batch: Batch, size: int) -> Iterator[Batch]:
    """Its records in batches of at most ``size``, none of more bytes than Lambda allows; none of no records."""
    part: list[StreamRecord] = []
    room = MOST_BYTES
    for record in (*batch.records, None):
        if part and (record is None or len(part) == size or len(record.text) > room):
            yield replace(batch, records=tuple(part))
            part, room = [], MOST_BYTES
        if record is not None:
            part.append(record)
            room -= len(record.text) + 1


def _values(text: bytes, where: str) -> list[tuple[str, Any]]:
    """What the text holds, each with its place."""
    try:
        whole = json.loads(text)
    except ValueError as error:
        lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        if len(lines) < 2:  # noqa: PLR2004 - one line is no list of lines.
            raise EventMalformed(f"{where}: is no JSON: {error}") from error
        return [_line(line, f"{where}:{number}", error) for number, line in lines]
    if isinstance(whole, list):
        return [(f"{where}[{number}]", value) for number, value in enumerate(whole)]
    return [(where, whole)]


def _line(line: bytes, place: str, of_whole: ValueError) -> tuple[str, Any]:
    try:
        return place, json.loads(line)
    except ValueError as error:
        raise EventMalformed(
            f"{place}: is no JSON: {error}; nor is the file as a whole: {of_whole}"
        ) from error


def _kept(value: Json, place: str) -> object:
    """The records of a failure."""
    info = value["DDBStreamBatchInfo"]
    records = value.get("headrace", {}).get("records")
    if records is None and "payload" in value:
        records = json.loads(value["payload"]).get("Records")
    if records is None:
        raise EventMalformed(
            f"{place}: holds no records, only where they were: {info.get('streamArn')}, {info.get('shardId')}"
        )
    return records
