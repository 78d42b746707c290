"""Events a second to a webhook: ``python bench/outbox.py [--records N] [--rounds N]``.

Records with both images, of as many items as there are records in a batch, are handed to the target ``outbox``, which makes signed
CloudEvents with patches of them; and to a loop over requests as one writes it by hand, which sends one event after the other, not
signed, without a patch, and tries nothing twice. The receiver is a process of its own that answers at once, or after some
milliseconds. They take turns; the most of all rounds. Last, the events alone, nobody taking them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import requests
from boto3.dynamodb.types import TypeDeserializer

import machine
from headrace.batch import Batch
from headrace.position import SequenceNumber
from headrace.stream_record import StreamRecord
from headrace.targets.outbox.cloudevents import CloudEvents
from headrace.targets.outbox.occurrence import Occurrence
from headrace.targets.outbox.target import OutboxTarget
from headrace.targets.outbox.webhook import Webhook
from report import table

ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
BATCH = 100
ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
MILLISECONDS = (0, 5)


def receiver(milliseconds: float, told: Connection) -> None:
    """Answers each request once it has come whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
                if milliseconds:
                    await asyncio.sleep(milliseconds / 1000)
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def records(count: int) -> list[StreamRecord]:
    return [record(number) for number in range(count)]


def record(number: int) -> StreamRecord:
    keys = {"id": {"S": f"order-{number % BATCH}"}}
    old = keys | {
        "status": {"S": "new"},
        "total": {"N": f"{number}.5"},
        "customer": {"M": {"name": {"S": "Ada"}, "street": {"S": "By the mill race 3"}}},
        "tags": {"SS": ["a", "b"]},
        "note": {"S": "x" * 100},
    }
    told = {
        "eventID": f"{number:032x}",
        "eventName": "MODIFY",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_767_225_600,
            "Keys": keys,
            "OldImage": old,
            "NewImage": old | {"status": {"S": "paid"}, "tags": {"SS": ["a", "b", "c"]}},
            "SequenceNumber": str(10**20 + number),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": ARN,
    }
    sequence = SequenceNumber(str(10**20 + number))
    return StreamRecord(sequence, 1_767_225_600.0, json.dumps(keys), json.dumps(told).encode())


def batches(all_: list[StreamRecord]) -> list[Batch]:
    return [
        Batch("events", ARN, "s", tuple(all_[first : first + BATCH])) for first in range(0, len(all_), BATCH)
    ]


def headrace(url: str, handed: list[Batch]) -> None:
    format_ = CloudEvents()
    target = OutboxTarget(
        "events", format_, Webhook("events", url, format_, [b"k" * 32], {}, timeout=15.0), lambda _: None
    )
    for batch in handed:
        if target.consume(batch) != {"batchItemFailures": []}:
            raise RuntimeError("not all was taken")
    target.close()


def by_hand(url: str, handed: list[Batch]) -> None:
    read = TypeDeserializer().deserialize
    with requests.Session() as session:
        for batch in handed:
            for record in batch.records:
                told = json.loads(record.text)
                images = {
                    name: {key: read(value) for key, value in told["dynamodb"][image].items()}
                    for name, image in (("old", "OldImage"), ("new", "NewImage"))
                }
                event = {"id": told["eventID"], "type": told["eventName"], "data": images}
                text = json.dumps(event, default=lambda one: list(one) if isinstance(one, set) else str(one))
                session.post(url, data=text.encode(), timeout=15).raise_for_status()


def events_alone(_: str, handed: list[Batch]) -> None:
    format_ = CloudEvents()
    for batch in handed:
        for record in batch.records:
            format_.event(Occurrence.read(batch, record))


def rate(send: Callable[[str, list[Batch]], None], url: str, handed: list[Batch]) -> float:
    began = time.perf_counter()
    send(url, handed)
    return len(handed) * BATCH / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    handed = batches(records(given.records))
    rows = []
    for milliseconds in MILLISECONDS:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=receiver, args=(milliseconds, theirs), daemon=True
        )
        process.start()
        url = f"http://127.0.0.1:{ours.recv()}/orders"
        most = dict.fromkeys((headrace, by_hand), 0.0)
        for _ in range(given.rounds):
            for send in most:
                most[send] = max(most[send], rate(send, url, handed))
        process.terminate()
        process.join()
        ratio = most[headrace] / most[by_hand]
        rows.append(
            [
                f"{milliseconds} ms",
                f"{most[headrace]:,.0f}",
                f"{most[by_hand]:,.0f}",
                f"{ratio:.1f}x",
            ]
        )
    alone = max(rate(events_alone, "", handed) for _ in range(given.rounds))
    print(f"{machine.describe()}; load {machine.load()}")
    print(table(["the receiver takes", "Headrace", "requests loop", ""], rows))
    print(f"events alone: {alone:,.0f} a second")


if __name__ == "__main__":
    main()
