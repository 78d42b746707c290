"""Deliveries of a mapping, small and readable, as a ledger is given them."""

from __future__ import annotations

from headrace.batch import Window
from headrace.checkpoint import ShardState, Stage
from headrace.ledger import (
    Condition,
    DeliveryWork,
    Failure,
    Fault,
    ParkedRecord,
    ShardDelivery,
    StreamDelivery,
)
from headrace.position import Position, SequenceNumber
from headrace.stream_record import StreamRecord

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2024-01-01T00:00:00.000"
STREAM = StreamDelivery("table-1", ARN, 1_700_000_000.5)


def record(number: int | str, key: str = '{"id":{"S":"a"}}', text: bytes | None = None) -> StreamRecord:
    known = b'{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"' + str(number).encode() + b'"}}'
    return StreamRecord(SequenceNumber(str(number)), 1_700_000_100.0, key, text or known)


def shard(id_: str = "s1", after: int = 1, window: Window | None = None) -> ShardDelivery:
    position = Position.after(SequenceNumber(str(after)))
    return ShardDelivery(ShardState(id_, None, None, Stage.READING, position, 5.25), 2, window)


FAULT = Fault("KeyError", "'price'", ("line 1", "line 2"))


def failure(*numbers: int, mapping: str = "status", fault: Fault | None = FAULT, **others) -> Failure:
    told = {
        "consumer": "handlers:on_change",
        "condition": Condition.RETRY_ATTEMPTS_EXHAUSTED,
        "stream_arn": ARN,
        "shard": "s1",
        "generation": 2,
        "invoked": 4,
        "records": tuple(record(number) for number in numbers),
        "fault": fault,
        "at": 1_700_000_200.125,
    }
    return Failure(mapping, **{**told, **others})


def parked(number: int | str, generation: int = 0, key: str = "a", shard: str = "s1") -> ParkedRecord:
    return ParkedRecord(ARN, shard, generation, record(number, key))


def work(*shards: ShardDelivery, stream: StreamDelivery = STREAM, **others) -> DeliveryWork:
    return DeliveryWork(stream, shards, **others)
