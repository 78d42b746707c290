"""DynamoDB Streams: a table's changes, readable for 24 hours.

Rules: DynamoDB Streams API reference (DescribeStream, GetRecords, GetShardIterator, ListStreams).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from headrace.simulator.answers import (
    Refusal,
    encode,
    epoch,
    invalid,
    iso_milliseconds,
    not_found,
    timestamp,
)
from headrace.simulator.items import Item, item_weight
from headrace.simulator.keys import KeySchema
from headrace.simulator.rows import StoredItem
from headrace.simulator.shards import Lineage, ListedShard, Shard

ITERATOR_SECONDS = 15 * 60.0
PAGE_RECORDS = 1000
PAGE_BYTES = 1024 * 1024
PAGE_SHARDS = 100

Relisting = Callable[[Sequence[ListedShard]], Sequence[ListedShard]]


@dataclass(slots=True)
class Stream:
    """One stream of one table: a table that is switched off and on again gets another."""

    arn: str
    label: str
    table_name: str
    view_type: str
    schema: KeySchema
    created_at: float
    lineage: Lineage
    random: Random
    status: str = "ENABLING"
    disabled_at: float | None = None
    generation: int = 0  # of iterators; those of an older one have expired

    @property
    def is_enabled(self) -> bool:
        """Whether it takes records."""
        return self.status == "ENABLED"


class Streams:
    """Every stream of the account and region, those of deleted tables included until they are forgotten."""

    def __init__(
        self,
        region: str,
        seed: int,
        initial_shards: int,
        rotation_seconds: float | None,
        retention_seconds: float,
    ) -> None:
        self._region = region
        self._retention_seconds = retention_seconds
        self._seed = seed
        self._initial_shards = initial_shards
        self._rotation_seconds = rotation_seconds
        self._streams: dict[str, Stream] = {}

    def enable(
        self, table_name: str, table_arn: str, schema: KeySchema, view_type: str, now: float
    ) -> Stream:
        """A new stream with an ARN that none had before. Until it is settled it has no shard and takes no record."""
        moment = int(now * 1000)
        while (arn := f"{table_arn}/stream/{iso_milliseconds(moment)}") in self._streams:
            moment += 1
        # Seeded by its name, so that what one table does never changes another's stream.
        random = Random(f"{self._seed}/{arn}")  # noqa: S311  # Reproducible is the point; nothing is secret.
        lineage = self._lineage(random, now, shards=0)
        stream = Stream(arn, iso_milliseconds(moment), table_name, view_type, schema, now, lineage, random)
        self._streams[arn] = stream
        return stream

    def disable(self, stream: Stream, now: float) -> None:
        """Close its shards; what they hold stays readable for a day."""
        stream.lineage.advance(now)
        stream.lineage.close(now)
        stream.status, stream.disabled_at = "DISABLING", now

    def settle(self, stream: Stream, now: float) -> None:
        """It has been enabled or disabled, if it was about to be."""
        if stream.status == "ENABLING":
            stream.lineage = self._lineage(stream.random, now, self._initial_shards)
            stream.status = "ENABLED"
        elif stream.status == "DISABLING":
            stream.status = "DISABLED"

    def knows(self, arn: str | None, now: float) -> bool:
        """Whether a stream, enabled or not, can still be read."""
        self._forget(now)
        return arn in self._streams

    def record(
        self,
        stream: Stream,
        keys: Item,
        old: StoredItem | None,
        new: StoredItem | None,
        now: float,
        identity: bytes = b"",
    ) -> None:
        """Append one change; one of ``old`` and ``new`` is there. ``identity`` as in Tables.write."""
        stored = old or new
        if stored is None:
            raise ValueError("a change has an old or a new image")
        stream.lineage.rotate_due(now)
        shard = stream.lineage.leaf(stored.key.token)
        number = shard.draw()
        weight = item_weight(keys)
        images = b""
        if new is not None and stream.view_type in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
            images = b',"NewImage":' + new.body
            weight += new.size
        if old is not None and stream.view_type in {"OLD_IMAGE", "NEW_AND_OLD_IMAGES"}:
            images += b',"OldImage":' + old.body
            weight += old.size
        name = b"INSERT" if old is None else b"REMOVE" if new is None else b"MODIFY"
        body = (
            b'{"eventID":"%032x","eventName":"%b","eventVersion":"1.1","eventSource":"aws:dynamodb",'
            b'"awsRegion":"%b","dynamodb":{"ApproximateCreationDateTime":%b,"Keys":%b%b,'
            b'"SequenceNumber":"%d","SizeBytes":%d,"StreamViewType":"%b"}%b}'
        ) % (
            stream.random.getrandbits(128),
            name,
            self._region.encode(),
            epoch(int(now)),
            encode(keys),
            images,
            number,
            weight,
            stream.view_type.encode(),
            b"," + identity if identity else b"",
        )
        shard.append(number, body, weight, now)

    def list_streams(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """ListStreams."""
        self._forget(now)
        table, after = request.get("TableName"), request.get("ExclusiveStartStreamArn", "")
        limit = request.get("Limit", PAGE_SHARDS)
        arns = [
            arn
            for arn in sorted(self._streams)
            if arn > after and table in {None, self._streams[arn].table_name}
        ]
        answer: dict[str, Any] = {
            "Streams": [
                {
                    "StreamArn": arn,
                    "TableName": self._streams[arn].table_name,
                    "StreamLabel": self._streams[arn].label,
                }
                for arn in arns[:limit]
            ]
        }
        if len(arns) > limit:
            answer["LastEvaluatedStreamArn"] = arns[limit - 1]
        return answer

    def describe_stream(
        self, request: dict[str, Any], now: float, *, relist: Sequence[Relisting] = ()
    ) -> dict[str, Any]:
        """DescribeStream; ``relist`` changes what it knows of the shards, before it filters and pages them."""
        stream = self.find(request["StreamArn"], now)
        after, limit = request.get("ExclusiveStartShardId", ""), request.get("Limit", PAGE_SHARDS)
        listing: Sequence[ListedShard] = [shard.listed for shard in stream.lineage.listing]
        for change in relist:
            listing = change(listing)
        shards = [shard for shard in _filtered(listing, request.get("ShardFilter")) if shard.id > after]
        description: dict[str, Any] = {
            "StreamArn": stream.arn,
            "StreamLabel": stream.label,
            "StreamStatus": stream.status,
            "StreamViewType": stream.view_type,
            "CreationRequestDateTime": timestamp(stream.created_at),
            "TableName": stream.table_name,
            "KeySchema": key_schema_json(stream.schema),
            "Shards": [_shard_json(shard) for shard in shards[:limit]],
        }
        if len(shards) > limit:
            description["LastEvaluatedShardId"] = shards[limit - 1].id
        return {"StreamDescription": description}

    def get_shard_iterator(self, request: dict[str, Any], now: float) -> dict[str, Any]:
        """GetShardIterator."""
        stream = self.find(request["StreamArn"], now)
        shard = _find_shard(stream, request["ShardId"])
        position = _position(shard, request, now)
        return {"ShardIterator": _iterator(stream, shard, position, now)}

    def get_records(
        self, request: dict[str, Any], now: float, *, empty: bool = False, late_end: bool = False
    ) -> bytes:
        """GetRecords; ``empty`` stays in place, ``late_end`` tells of a shard's end only after its records.

        A shard's end is told without records even then, so an ``empty`` page is the last where none lie ahead.
        """
        stream, shard, position = self._open(request["ShardIterator"], now)
        records: Sequence[bytes] = ()
        if not empty:
            records, position = shard.page(position, request.get("Limit", PAGE_RECORDS), PAGE_BYTES)
        body = b'{"Records":[' + b",".join(records) + b"]"
        if shard.is_spent(position) and not (late_end and records):
            return body + b"}"
        return body + b',"NextShardIterator":"' + _iterator(stream, shard, position, now).encode() + b'"}'

    def find(self, arn: str, now: float) -> Stream:
        """The stream of this ARN, brought up to ``now``."""
        self._forget(now)
        stream = self._streams.get(arn)
        if stream is None:
            raise not_found(f"Requested resource not found: Stream: {arn} not found")
        stream.lineage.advance(now)
        return stream

    def _lineage(self, random: Random, now: float, shards: int) -> Lineage:
        return Lineage(random, now, shards, self._rotation_seconds, self._retention_seconds)

    def _open(self, iterator: str, now: float) -> tuple[Stream, Shard, int]:
        arn, shard_id, position, issued_at, generation = read_iterator(iterator)
        stream = self.find(arn, now)
        shard = _find_shard(stream, shard_id)
        if now - issued_at > ITERATOR_SECONDS or generation < stream.generation:
            raise Refusal(
                "ExpiredIteratorException", "The provided iterator exceeds the maximum age allowed."
            )
        if position <= shard.trimmed_through:
            raise _trimmed()
        return stream, shard, position

    def _forget(self, now: float) -> None:
        for arn, stream in list(self._streams.items()):
            if stream.disabled_at is not None and stream.disabled_at < now - self._retention_seconds:
                del self._streams[arn]


def key_schema_json(schema: KeySchema) -> list[dict[str, str]]:
    """A key schema as the API writes it."""
    return [
        {"AttributeName": attribute.name, "KeyType": role}
        for attribute, role in zip(schema.attributes, ("HASH", "RANGE"), strict=False)
    ]


def _filtered(listing: Sequence[ListedShard], shard_filter: dict[str, str] | None) -> Sequence[ListedShard]:
    if shard_filter is None:
        return listing
    if shard_filter.keys() != {"Type", "ShardId"}:
        raise invalid("ShardFilter needs both Type and ShardId")
    return [shard for shard in listing if shard.parent == shard_filter["ShardId"]]


def _shard_json(shard: ListedShard) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": str(shard.start)}
    if shard.end is not None:
        numbers["EndingSequenceNumber"] = str(shard.end)
    answer: dict[str, Any] = {"ShardId": shard.id, "SequenceNumberRange": numbers}
    if shard.parent is not None:
        answer["ParentShardId"] = shard.parent
    return answer


def _find_shard(stream: Stream, shard_id: str) -> Shard:
    shard = stream.lineage.get(shard_id)
    if shard is None:
        raise not_found(
            f"Requested resource not found: Shard does not exist: {shard_id} in stream {stream.arn}"
        )
    return shard


def _position(shard: Shard, request: dict[str, Any], now: float) -> int:
    """The number of the first record that the iterator may give."""
    kind = request["ShardIteratorType"]
    for name, kinds in (
        ("SequenceNumber", ("AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER")),
        ("Timestamp", ("AT_TIMESTAMP",)),
    ):
        if (name in request) != (kind in kinds):
            must = "requires" if kind in kinds else "does not take"
            raise invalid(f"Shard iterator type {kind} {must} the parameter {name}")
    if kind == "TRIM_HORIZON":
        return shard.trimmed_through + 1
    if kind == "LATEST":
        return shard.tip
    if kind == "AT_TIMESTAMP":
        if request["Timestamp"] > now:
            raise invalid("Timestamp must not be in the future")
        return shard.first_at_or_after(request["Timestamp"])
    number = int(request["SequenceNumber"])
    if number < shard.start or (shard.end is not None and number > shard.end):
        raise invalid(f"Invalid SequenceNumber: {number} is not in the range of {shard.id}")
    if number <= shard.trimmed_through:
        raise _trimmed()
    return number if kind == "AT_SEQUENCE_NUMBER" else number + 1


def _trimmed() -> Refusal:
    return Refusal("TrimmedDataAccessException", "The data you are trying to access has been trimmed.")


def _iterator(stream: Stream, shard: Shard, position: int, now: float) -> str:
    place = f"{shard.id}:{position}:{now!r}:{stream.generation}".encode()
    return f"{stream.arn}|1|{binascii.b2a_base64(place, newline=False).decode()}"


def read_iterator(iterator: str) -> tuple[str, str, int, float, int]:
    """ARN, shard id, the least number that it may give, time of issue, generation. Raises Refusal if it is none."""
    try:
        arn, version, place = iterator.split("|")
        text = binascii.a2b_base64(place, strict_mode=True).decode()
        shard_id, position, issued_at, generation = text.split(":")
        if version == "1":
            return arn, shard_id, int(position), float(issued_at), int(generation)
    except ValueError:
        pass
    raise invalid("Invalid ShardIterator")
