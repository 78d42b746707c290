"""The front: one function that takes an operation and a body, as the wire does."""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random
from threading import Lock
from typing import Any
from zlib import crc32

import msgspec

from headrace.simulator.agenda import Agenda
from headrace.simulator.answers import Refusal, encode, http_date, invalid, unreadable
from headrace.simulator.batches import Batches
from headrace.simulator.control import StreamControl
from headrace.simulator.distortion import deliver, distort, planted, refuse
from headrace.simulator.faults import Faults, no_faults
from headrace.simulator.reads import Reads
from headrace.simulator.requests import check
from headrace.simulator.shards import RETENTION_SECONDS, ROTATION_SECONDS
from headrace.simulator.streams import Streams
from headrace.simulator.tables import Pace, Tables
from headrace.simulator.time_to_live import TimesToLive
from headrace.simulator.transactions import Transactions
from headrace.simulator.writes import Writes
from headrace.wire import Response

_Handler = Callable[..., "dict[str, Any] | bytes"]
_decode = msgspec.json.Decoder().decode
STREAM_OPERATIONS = ("ListStreams", "DescribeStream", "GetShardIterator", "GetRecords")
_CONTENT_TYPE = "application/x-amz-json-1.0"
MAX_REQUEST_BYTES = 16 * 1024 * 1024


class Simulator:
    """DynamoDB and DynamoDB Streams of one account and region: a ``headrace.wire.Transport``.

    ``clock`` gives epoch seconds; where it runs backwards, time stands still. The same calls at the same
    times with the same ``seed`` get the same answers, byte for byte. A stream begins with ``initial_shards``
    shards; each is rotated after ``rotation_seconds`` (None: never), and holds its records for
    ``retention_seconds``. Tables, streams and times to live are made, changed and deleted within
    ``table_seconds``; an item is deleted at a random time within ``expiry_seconds`` of its time to live, where
    AWS takes days. ``faults`` is asked before each operation. Calls from several threads are answered
    one after another.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        seed: int = 0,
        region: str = "us-east-1",
        account: str = "123456789012",
        *,
        initial_shards: int = 1,
        rotation_seconds: float | None = ROTATION_SECONDS,
        retention_seconds: float = RETENTION_SECONDS,
        table_seconds: float = 0.0,
        expiry_seconds: float = 10.0,
        faults: Faults = no_faults,
    ) -> None:
        if initial_shards < 1:
            raise ValueError(f"initial_shards is {initial_shards}, and must be at least 1")
        if table_seconds < 0 or expiry_seconds <= 0:
            raise ValueError(
                f"table_seconds is {table_seconds} and expiry_seconds {expiry_seconds}: "
                "the one must not be negative, the other must be positive"
            )
        self.region = region
        self.faults = faults
        self._clock = clock
        self._latest = clock()
        self._lock = Lock()
        self._random = Random(seed)  # noqa: S311  # Reproducible is the point; nothing is secret.
        self._streams = Streams(region, seed, initial_shards, rotation_seconds, retention_seconds)
        self._agenda = Agenda()
        pace = Pace(table_seconds, expiry_seconds)
        tables = Tables(region, account, seed, self._random, self._streams, self._agenda, pace)
        writes, reads, batches = Writes(tables), Reads(tables), Batches(tables)
        transactions, times_to_live = Transactions(tables), TimesToLive(tables)
        self.streams = StreamControl(self._lock, self._now, tables)
        self._date = (0, "")
        self._handlers: dict[str, _Handler] = {
            "CreateTable": tables.create_table,
            "DescribeTable": tables.describe_table,
            "ListTables": tables.list_tables,
            "UpdateTable": tables.update_table,
            "DeleteTable": tables.delete_table,
            "PutItem": writes.put_item,
            "UpdateItem": writes.update_item,
            "DeleteItem": writes.delete_item,
            "BatchWriteItem": batches.batch_write_item,
            "BatchGetItem": batches.batch_get_item,
            "TransactWriteItems": transactions.transact_write_items,
            "TransactGetItems": transactions.transact_get_items,
            "UpdateTimeToLive": times_to_live.update_time_to_live,
            "DescribeTimeToLive": times_to_live.describe_time_to_live,
            "GetItem": reads.get_item,
            "Query": reads.query,
            "Scan": reads.scan,
            "ListStreams": self._streams.list_streams,
            "DescribeStream": self._streams.describe_stream,
            "GetShardIterator": self._streams.get_shard_iterator,
            "GetRecords": self._streams.get_records,
        }

    def __call__(self, operation: str, body: bytes) -> Response:
        """Answer one request. Raises Unavailable only where a Lose fault is planted."""
        with self._lock:
            now = self._now()
            try:
                return self._answer(operation, body, now)
            except Refusal as refusal:
                return self._respond(refusal.body(), now, refusal.status)

    def refuse(self, refusal: Refusal) -> Response:
        """An error answer that is not the operation's own: the server uses it for credentials."""
        with self._lock:
            return self._respond(refusal.body(), self._now(), refusal.status)

    def _now(self) -> float:
        self._latest = max(self._latest, self._clock())
        self._agenda.advance(self._latest)
        return self._latest

    def _answer(self, operation: str, body: bytes, now: float) -> Response:
        handler = self._handlers.get(operation)
        if handler is None:
            raise Refusal(
                "UnknownOperationException", f"The simulator does not know the operation {operation!r}"
            )
        if len(body) > MAX_REQUEST_BYTES:
            # BatchWriteItem, API reference: "The total request size exceeds 16 MB"; no other request may be larger.
            raise invalid(
                f"The request is {len(body)} bytes, more than the {MAX_REQUEST_BYTES} that it may have"
            )
        try:
            request = check(operation, _decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise unreadable(f"The request is not valid JSON: {problem}") from problem
        faults = planted(self.faults(operation, request))
        refuse(faults, operation)
        body = distort(faults, lambda given, **wrong: _encoded(handler(given, now, **wrong)), request)
        return deliver(faults, operation, self._respond(body, now))

    def _respond(self, body: bytes, now: float, status: int = 200) -> Response:
        second = int(now)
        if self._date[0] != second or not self._date[1]:
            self._date = (second, http_date(second))
        headers = {
            "content-type": _CONTENT_TYPE,
            "content-length": str(len(body)),
            "date": self._date[1],
            "x-amzn-requestid": base64.b32encode(self._random.randbytes(33)).decode()[:52],
            "x-amz-crc32": str(crc32(body)),
        }
        return Response(status, headers, body)


def _encoded(answer: dict[str, Any] | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else encode(answer)
