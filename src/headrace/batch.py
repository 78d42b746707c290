"""What an event source mapping hands over at once, and who takes it: a function, or a target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from headrace.lambda_context import idempotency_key
from headrace.stream_record import StreamRecord

MOST_BYTES = 6 * 2**20
"""The largest event (AWS Lambda developer guide, "Lambda quotas": invocation payload, synchronous, 6 MB)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A tumbling window of one shard: from ``start`` to before ``end`` (epoch seconds).

    ``state`` is the JSON text that the last invocation returned, ``{}`` at the beginning. ``final``: this is the last
    invocation for the window. ``early``: its state has grown too large before the window ended. The end of its shard is none before its time.
    """

    start: float
    end: float
    state: str = "{}"
    final: bool = False
    early: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one shard in their order, all of one lane; none at the end of a window that brought no more.

    ``generation`` counts up from shard to child wherever the child's sequence numbers do not follow its parent's, and
    from stream to stream. ``attempt`` is 1 for the first time that these records are handed over.
    """

    mapping: str
    stream_arn: str
    shard: str
    records: tuple[StreamRecord, ...]
    generation: int = 0
    attempt: int = 1
    window: Window | None = None

    def event(self) -> bytes:
        """The event as Lambda makes it, as JSON.

        With a window: AWS Lambda developer guide, "Implementing stateful DynamoDB stream processing in Lambda".
        """
        records = b",".join(record.text for record in self.records)
        return b'{"Records":[' + records + b"]" + self._of_window() + b"}"

    def version(self, record: StreamRecord) -> str:
        """A text that grows with every change of an item, through splits, restarts and new streams, by plain comparison of texts."""
        return f"{self.generation:08d}{record.sequence.text:0>40}"

    def idempotency_key(self, record: StreamRecord) -> str:
        """The same whenever the same record is handed over again, and different for any other."""
        return idempotency_key(self.stream_arn, self.shard, record.sequence.text)

    def _of_window(self) -> bytes:
        window = self.window
        if window is None:
            return b""
        rest = {
            "window": {"start": _iso(window.start), "end": _iso(window.end)},
            "state": msgspec.Raw(window.state.encode()),
            "shardId": self.shard,
            "eventSourceARN": self.stream_arn,
            "isFinalInvokeForWindow": window.final,
            "isWindowTerminatedEarly": window.early,
        }
        return b"," + msgspec.json.encode(rest)[1:-1]


class Consumer(Protocol):
    """Takes the batches of one mapping. Any thread may call; batches of different lanes come at the same time."""

    def consume(self, batch: Batch) -> object:
        """Take a batch and wait until it is done; the response as a JSON value, as a Lambda function returns it.

        Raises ConsumerFailed where it was tried and failed. Any other HeadraceError says that it could not be tried:
        that counts as no attempt.
        """
        ...

    def close(self) -> None:
        """Give everything back; batches under way may be given up. Safe to call twice."""
        ...


def function_arn(mapping: str, stream_arn: str) -> str:
    """The ARN that a Lambda function of the mapping's name would have, beside the stream's table."""
    _, partition, _, region, account, *_ = f"{stream_arn}:::::".split(":")
    return f"arn:{partition or 'aws'}:lambda:{region}:{account}:function:{mapping}"


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
