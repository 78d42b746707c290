"""Files of events and records, as people have them: from Lambda, from the AWS CLI, from where failures go."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headrace.attribute import BrokenValue, check_value, key_text
from headrace.batch import MOST_BYTES, Batch, Window
from headrace.errors import ConfigError
from headrace.lambda_context import ANY_SHARD
from headrace.position import SequenceNumber
from headrace.stream_record import StreamRecord

Json = Mapping[str, Any]

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
                raise ConfigError(f"{place}: is {_kind(value)}; expected an event or a record, as an object")
            is_record = value is not None and "dynamodb" in value
            arn = _arn(value, self.stream_arn) if is_record else ""
            if loose and arn != of_loose:
                yield self._batch(loose, of_loose), False
                loose = []
            if is_record:
                loose.append(_record(value, place, arn))
                of_loose = arn
            elif value is not None:
                yield self._event(value, place), True

    def _event(self, value: Json, place: str) -> Batch:
        if "DDBStreamBatchInfo" in value:
            return self._failure(value, place)
        if "Records" not in value:
            raise ConfigError(
                f"{place}: is neither an event, for it has no Records, nor a record, for it has no dynamodb"
            )
        unknown = sorted(value.keys() - _OF_EVENTS)
        if unknown:
            raise ConfigError(f"{place}: {unknown[0]} is not known in an event of a stream; remove it")
        listed = value["Records"] if isinstance(value["Records"], list) else []
        arn = next((_arn(record, "") for record in listed if _arn(record, "")), _arn(value, self.stream_arn))
        batch = self._batch(_records(value["Records"], f"{place}.Records", arn), arn, value.get("shardId"))
        window = _window(value, place) if "window" in value else None
        return replace(batch, window=window)

    def _failure(self, value: Json, place: str) -> Batch:
        """Where failures go, they are kept whole; AWS's own messages leave the records out."""
        info = value["DDBStreamBatchInfo"]
        records = _kept(value, place)
        arn = str(info.get("streamArn", self.stream_arn))
        return self._batch(_records(records, f"{place}.records", arn), arn, info.get("shardId"))

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
            yield place, _text(value, place)


def _texts(values: object, place: str) -> Iterator[tuple[str, bytes]]:
    for at, value in _listed(values, place):
        yield at, _text(value, at)


def _text(value: object, place: str) -> bytes:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place}: is {_kind(value)}; expected an event or a record, as an object")
    return _as_lambda_has_it(value, place)


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
            raise ConfigError(f"{where}: is no JSON: {error}") from error
        return [_line(line, f"{where}:{number}", error) for number, line in lines]
    if isinstance(whole, list):
        return [(f"{where}[{number}]", value) for number, value in enumerate(whole)]
    return [(where, whole)]


def _line(line: bytes, place: str, of_whole: ValueError) -> tuple[str, Any]:
    try:
        return place, json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{place}: is no JSON: {error}; nor is the file as a whole: {of_whole}") from error


def _kept(value: Json, place: str) -> object:
    """The records of a failure."""
    info = value["DDBStreamBatchInfo"]
    records = value.get("headrace", {}).get("records")
    if records is None and "payload" in value:
        records = json.loads(value["payload"]).get("Records")
    if records is None:
        raise ConfigError(
            f"{place}: holds no records, only where they were: {info.get('streamArn')}, {info.get('shardId')}"
        )
    return records


def _listed(values: object, place: str) -> list[tuple[str, Any]]:
    if not isinstance(values, list):
        raise ConfigError(f"{place}: is {_kind(values)}; expected a list of records")
    return [(f"{place}[{number}]", value) for number, value in enumerate(values)]


def _records(values: object, place: str, arn: str) -> list[StreamRecord]:
    return [_record(value, at, arn) for at, value in _listed(values, place)]


def _record(value: object, place: str, arn: str) -> StreamRecord:
    change = value.get("dynamodb") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(change, Mapping):
        raise ConfigError(
            f"{place}: is no record, for it has no dynamodb; a record is as in Lambda's event, or as GetRecords gives it"
        )
    number = change.get("SequenceNumber")
    if not isinstance(number, str) or not (number.isascii() and number.isdigit()):
        raise ConfigError(f"{place}.dynamodb.SequenceNumber: is {_kind(number)}; expected a text of digits")
    try:
        keys = change.get("Keys") or {}
        for held in keys.values():
            check_value(held)
        key = key_text(keys)
    except (BrokenValue, AttributeError, TypeError) as error:
        raise ConfigError(f"{place}.dynamodb.Keys: {error}; expected DynamoDB JSON") from error
    created = _created(change.get("ApproximateCreationDateTime", 0.0), place)
    text = _as_lambda_has_it({"eventSourceARN": arn, **value}, place)
    return StreamRecord(SequenceNumber(number), float(created), key, text)


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


def _arn(value: object, otherwise: str) -> str:
    """The stream that a record, or an event, names."""
    named = value.get("eventSourceARN") if isinstance(value, Mapping) else None
    return named if isinstance(named, str) else otherwise


def _created(value: object, place: str) -> float:
    """Epoch seconds; version 2 of the AWS CLI prints a text."""
    if isinstance(value, (int, float)):
        return value
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError as error:
        raise ConfigError(
            f"{place}.dynamodb.ApproximateCreationDateTime: {value!r} is no time; expected epoch seconds"
        ) from error


def _window(value: Json, place: str) -> Window:
    try:
        start, end = (_instant(value["window"][name]) for name in ("start", "end"))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
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


def _kind(value: object) -> str:
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
