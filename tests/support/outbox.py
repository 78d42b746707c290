"""Records of changes made by hand, events as a receiver reads them, and signatures checked by rules written down here anew."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

from headrace.batch import Batch
from headrace.position import SequenceNumber
from headrace.stream_record import StreamRecord
from support.canned_http import Canned, CannedServer, Received

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/orders"
ARN = f"{TABLE}/stream/2026-01-01T00:00:00.000"
CREATED = 1_767_225_600.0
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"fedcba9876543210fedcba9876543210").decode()

Item = dict[str, Any]


def record(
    number: int,
    key: str = "a",
    *,
    old: Item | None = None,
    new: Item | None = None,
    event_id: str | None = "",
    identity: Item | None = None,
    created: float = CREATED,
) -> StreamRecord:
    """A change of the item ``key``; without images, it was inserted with its number. ``event_id`` None: it has none."""
    keys = {"id": {"S": key}}
    if old is None and new is None:
        new = {"n": {"N": str(number)}}
    name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    change: Item = {
        "ApproximateCreationDateTime": created,
        "Keys": keys,
        "SequenceNumber": str(number),
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    change |= {"OldImage": keys | old} if old is not None else {}
    change |= {"NewImage": keys | new} if new is not None else {}
    told: Item = {"eventName": name, "dynamodb": change, "eventSourceARN": ARN}
    told |= {} if event_id is None else {"eventID": event_id or f"{number:032x}"}
    told |= {} if identity is None else {"userIdentity": identity}
    return StreamRecord(SequenceNumber(str(number)), created, json.dumps(keys), json.dumps(told).encode())


def batch(*records: StreamRecord, **more: Any) -> Batch:
    return Batch("events", ARN, "shard-1", records, **more)


def verified(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """Standard Webhooks, "Verifying signatures", without the time."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = [one.split(",", 1) for one in headers.get("webhook-signature", "").split()]
    return any(version == "v1" and hmac.compare_digest(text, wanted) for version, text in given)


Answer = Callable[[Received], Canned]


class Receiver:
    """Takes webhooks; ``answers`` are given to each event in turn, then it is taken. What was taken is in ``taken``."""

    def __init__(self, server: CannedServer) -> None:
        self.server = server
        self.answers: dict[str, list[Canned | Answer]] = {}
        self.taken: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.server.url + "/hooks/orders?team=a"

    @property
    def numbers(self) -> list[int]:
        """The numbers of the items that were taken, in their order."""
        return [int(event["data"]["new"]["n"]) for event in self.taken]

    def tries(self, number: int) -> int:
        """How often the event of that number came."""
        return sum(one.headers["webhook-id"] == f"{number:032x}" for one in self.server.received)

    def answer(self, request: Received) -> Canned:
        with self._lock:
            waiting = self.answers.get(request.headers["webhook-id"], [])
            found = waiting.pop(0) if waiting else Canned(b"thanks")
        canned = found(request) if callable(found) else found
        if 200 <= canned.status < 300 and not canned.silent:
            with self._lock:
                self.taken.append(json.loads(request.body))
        return canned

    def meets(self, number: int, *answers: Canned | Answer) -> None:
        """The event of that number is answered so, and then taken."""
        self.answers[f"{number:032x}"] = list(answers)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens."""
    with CannedServer(lambda _: Canned()) as server:
        made = Receiver(server)
        server.answer = made.answer
        yield made


@contextmanager
def scripted(script: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """The URL of a server that calls ``script`` with the connection and the body of each request, and sends nothing itself."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline():
                size = 0
                while (line := self.rfile.readline()) not in (b"\r\n", b""):
                    name, _, value = line.partition(b":")
                    size = int(value) if name.lower() == b"content-length" else size
                with suppress(OSError):
                    script(self.connection, self.rfile.read(size))

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def failed(response: Any) -> list[int]:
    """The numbers of the records that a response reports."""
    return [int(one["itemIdentifier"]) for one in response["batchItemFailures"]]


def in_order(numbers: Sequence[int]) -> bool:
    return list(numbers) == sorted(numbers)
