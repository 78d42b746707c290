"""A table's stream as an event source mapping sees it: each record as the JSON of Lambda's event.

A record stays the bytes that came. Of its JSON only what places it is decoded; what Lambda adds is put before its last
brace. Shapes: Amazon DynamoDB Streams API Reference, Record and Identity; AWS Lambda developer guide, "Using AWS Lambda
with Amazon DynamoDB" (example event), whose records have ``eventSourceARN`` and spell the keys of ``userIdentity`` in
lower case.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from headrace.attribute import BrokenValue, key_text
from headrace.change import DeadLetter
from headrace.decoding import json_decoder
from headrace.dynamodb.calls import service_time
from headrace.dynamodb.generic import is_number, split
from headrace.dynamodb.letter import RECORDS, Provenance, not_whole
from headrace.dynamodb.raw import ABSENT
from headrace.dynamodb.stream import VIEWS, TableStream
from headrace.errors import InternalError, IteratorExpired
from headrace.event_source import EventPage, EventSource
from headrace.position import Position, SequenceNumber
from headrace.source import SourceTable
from headrace.stream_record import StreamRecord
from headrace.wire import Transport

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BrokenValue)


class _Change(
    msgspec.Struct,
    gc=False,
    rename={"number": "SequenceNumber", "created": "ApproximateCreationDateTime", "keys": "Keys"},
):
    number: str
    created: float
    keys: dict[str, dict[str, str]]


class _Record(
    msgspec.Struct,
    gc=False,
    rename={"change": "dynamodb", "identity": "userIdentity", "arn": "eventSourceARN"},
):
    change: _Change
    identity: msgspec.Raw = ABSENT
    arn: msgspec.Raw = ABSENT


_RECORD: Final = json_decoder(_Record, strict=False)
_MEMBERS: Final = json_decoder(dict[str, msgspec.Raw])
_NULL: Final = msgspec.Raw(b"null")


class TableEvents(TableStream, EventSource):
    """Reads the stream of ``table`` over ``transport``, as TableStream does, for a mapping.

    ``passes`` takes a record's text and says whether the mapping wants it; None wants them all. ``views`` are the view
    types that its consumer can do with, None all of them; ``described`` hears of each description's.
    """

    def __init__(
        self,
        transport: Transport,
        table: str,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        passes: Callable[[bytes], bool] | None = None,
        views: frozenset[str] | None = None,
        described: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(transport, table, region=region, endpoint_url=endpoint_url, clock=clock)
        self._passes = passes
        self._views = frozenset(VIEWS) if views is None else views
        self._described_as = described
        self._streams: dict[str, str] = {}

    def describe(self) -> SourceTable:
        """DescribeTable. Raises TableUnusable where the stream is off, or of none of ``views``."""
        table = self._described(self._views, "does not hold what is needed of changes")
        if self._described_as is not None:
            self._described_as(table.view)
        return table

    def successor(self, stream_arn: str) -> SourceTable:
        """DescribeTable and ListStreams. The time in a stream's ARN tells which came later."""
        later = [arn for arn in self._calls.list_streams() if _label(arn) > _label(stream_arn)]
        return replace(self._described(None, ""), stream_arn=min(later, key=_label, default=""))

    def open_iterator(self, stream_arn: str, shard_id: str, position: Position) -> str:
        """GetShardIterator."""
        iterator = super().open_iterator(stream_arn, shard_id, position)
        self._streams[shard_id] = stream_arn
        return iterator

    def get_records(self, shard_id: str, iterator: str) -> EventPage:
        """GetRecords, filtered. An iterator that was not opened here raises IteratorExpired."""
        stream_arn = self._streams.get(shard_id)
        if stream_arn is None:
            raise IteratorExpired(f"the iterator of shard {shard_id} was not opened here; it is opened again")
        response = self._calls.get_records(shard_id, iterator)
        page = event_page(
            response.body,
            stream_arn,
            shard=shard_id,
            at=self._dated(response),
            service_time=service_time(response),
            passes=self._passes,
        )
        if page.next_iterator is None:
            self._streams.pop(shard_id, None)
        return page


def _label(stream_arn: str) -> str:
    """When the stream was enabled, as ISO 8601 (Amazon DynamoDB Streams API Reference, Stream: StreamLabel)."""
    return stream_arn.rpartition("/stream/")[2]


def event_page(
    body: bytes,
    stream_arn: str,
    *,
    shard: str,
    at: float,
    service_time: float | None = None,
    passes: Callable[[bytes], bool] | None = None,
) -> EventPage:
    """An answer of GetRecords; ``at`` (epoch seconds) dates its dead letters.

    Raises Unavailable where the body is not a whole answer, InternalError where ``passes`` raises.
    """
    try:
        raws, following = split(body, RECORDS, "NextShardIterator")
        next_iterator = None if following is ABSENT else msgspec.json.decode(following, type=str | None)
    except _UNREADABLE as error:
        raise not_whole(body, error) from error
    ending = b',"eventSourceARN":' + msgspec.json.encode(stream_arn) + b"}"
    taken = _Taken(Provenance(shard, (), at), passes)
    for raw in raws:
        taken.take(raw, ending)
    return EventPage(
        changes=None,
        dead=tuple(taken.dead),
        count=len(raws),
        last=taken.last,
        oldest_at=min(taken.created, default=None),
        newest_at=max(taken.created, default=None),
        next_iterator=next_iterator,
        service_time=service_time,
        records=tuple(taken.records),
    )


@dataclass(slots=True)
class _Taken:
    """What was made of the records of one page so far."""

    provenance: Provenance
    passes: Callable[[bytes], bool] | None
    records: list[StreamRecord] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    created: list[float] = field(default_factory=list)
    last: SequenceNumber | None = None

    def take(self, raw: msgspec.Raw, ending: bytes) -> None:
        """One record; ``ending`` is what Lambda adds to it."""
        try:
            record = _record(raw, ending)
        except _UNREADABLE as error:
            reason = f"the record cannot be read: {error}"
            letter = self.provenance.letter(raw, reason, len(self.records) + len(self.dead))
            self.dead.append(letter)
            self.last = letter.sequence or self.last
            return
        self.last = record.sequence
        self.created.append(record.created)
        try:
            wanted = self.passes is None or self.passes(record.text)
        except Exception as error:
            raise InternalError(
                f"a filter failed with record {record.sequence.text} of shard {self.provenance.shard}: {error!r}"
            ) from error
        if wanted:
            self.records.append(record)


def _record(raw: msgspec.Raw, ending: bytes) -> StreamRecord:
    record = _RECORD.decode(raw)
    change = record.change
    if not is_number(change.number):
        raise BrokenValue(f"its SequenceNumber is {change.number!r}, which is no number")
    text = b"".join((memoryview(raw)[:-1], ending))
    if record.identity is not ABSENT or record.arn is not ABSENT:
        text = _rewritten(raw, ending)
    return StreamRecord(SequenceNumber(change.number), change.created, key_text(change.keys), text)


def _rewritten(raw: msgspec.Raw, ending: bytes) -> bytes:
    """A record with an Identity, or with the ARN that is about to be added."""
    members = _MEMBERS.decode(raw)
    members.pop("eventSourceARN", None)
    identity = members.get("userIdentity", _NULL)
    if identity != _NULL:
        lower = {name[:1].lower() + name[1:]: value for name, value in _MEMBERS.decode(identity).items()}
        members["userIdentity"] = msgspec.Raw(msgspec.json.encode(lower))
    return msgspec.json.encode(members)[:-1] + ending
