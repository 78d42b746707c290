"""A small stand-in for the event source mapping of AWS Lambda, over a simulated stream.

Rules: AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB", "Configuring partial batch response with DynamoDB and
Lambda". One invocation of a shard at a time, a child after its parent; what fails is tried again, cut otherwise where the mapping bisects; with
reports from the lowest identifier on, without them a response is not looked at.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from headrace.testing.asking import ask
from headrace.testing.events import lambda_event
from headrace.wire import Transport

Handler = Callable[[Any, Any], Any]


@dataclass
class Context:
    """What a function is told of its invocation."""

    seconds: float = 60.0

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@dataclass
class _Shard:
    """``done`` of its records are checkpointed; ``cuts`` are the sizes of the next batches, from a bisection."""

    id: str
    parent: str | None
    records: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    cuts: list[int] = field(default_factory=list)
    closed: bool = False


@dataclass
class Mishaps:
    """Probabilities of what befalls an invocation.

    ``unheard``: the function has done its work, and Lambda does not hear of it. ``rewound``: the checkpoint of a shard is lost, and
    an older one is gone on with.
    """

    unheard: float = 0.0
    rewound: float = 0.0


class LambdaPoller:
    """Follows the stream ``arn`` for ``handlers``, the execution environments, of which any takes a batch.

    ``transport`` leads to the simulator, and meets no weather. Without retries' end: what fails for ever never goes.
    """

    def __init__(
        self,
        transport: Transport,
        arn: str,
        handlers: Sequence[Handler],
        *,
        seed: int = 0,
        batch_size: int = 10,
        reports: bool = True,
        bisects: bool = True,
        mishaps: Mishaps | None = None,
    ) -> None:
        self._transport = transport
        self._arn = arn
        self._handlers = list(handlers)
        self._random = random.Random(seed)
        self._batch_size = batch_size
        self._reports = reports
        self._bisects = bisects
        self._mishaps = mishaps or Mishaps()
        self._shards: dict[str, _Shard] = {}
        self.failures: list[str] = []

    def drain(self, *, most: int = 600, after: Callable[[], None] = lambda: None) -> None:
        """Invoke until all that the stream holds is checkpointed; ``after`` each invocation something may be looked at."""
        for _ in range(most):
            if not self.step():
                return
            after()
        raise AssertionError(f"not done after {most} invocations; the last failures: {self.failures[-3:]}")

    def step(self) -> bool:
        """One invocation, if there is anything to invoke with."""
        self._read()
        ready = [one for one in self._shards.values() if one.done < len(one.records) and self._is_next(one)]
        if not ready:
            return False
        shard = self._random.choice(ready)
        if shard.done and self._random.random() < self._mishaps.rewound:
            shard.done, shard.cuts = self._random.randrange(shard.done), []
        size = shard.cuts.pop(0) if shard.cuts else self._random.randint(1, self._batch_size)
        batch = shard.records[shard.done : shard.done + size]
        done = self._invoked(batch)
        shard.done += done
        left = len(batch) - done
        if left and self._bisects:
            # With a report, what is left is one batch; without one, it is halved.
            shard.cuts = [left] if done else [part for part in (left // 2, left - left // 2) if part]
        return True

    def _invoked(self, records: list[dict[str, Any]]) -> int:
        """How many of the first records are done."""
        event = json.loads(json.dumps(lambda_event(records, self._arn)))
        try:
            response = self._random.choice(self._handlers)(event, Context())
        except Exception as error:  # noqa: BLE001 - whatever a function raises, Lambda takes for its failure
            self.failures.append(f"{type(error).__name__}: {error}")
            return 0
        if self._random.random() < self._mishaps.unheard:
            self.failures.append("Sandbox.Timedout")
            return 0
        return self._judged(records, json.loads(json.dumps(response)))

    def _judged(self, records: list[dict[str, Any]], response: Any) -> int:
        if not self._reports:
            return len(records)
        failures = response["batchItemFailures"]
        places = {record["dynamodb"]["SequenceNumber"]: place for place, record in enumerate(records)}
        assert all(failure.keys() == {"itemIdentifier"} for failure in failures)
        # An identifier of no record is a failure of the whole batch; a handler must never say one.
        done = min((places[failure["itemIdentifier"]] for failure in failures), default=len(records))
        if failures:
            self.failures.append(f"reported from {failures[0]['itemIdentifier']} on")
        return done

    def _is_next(self, shard: _Shard) -> bool:
        parent = self._shards.get(shard.parent or "")
        return parent is None or (parent.closed and parent.done == len(parent.records))

    def _read(self) -> None:
        """Take in what has come to the stream since."""
        page = ask(self._transport, "DescribeStream", StreamArn=self._arn)["StreamDescription"]
        for each in page["Shards"]:
            shard = self._shards.setdefault(
                each["ShardId"], _Shard(each["ShardId"], each.get("ParentShardId"))
            )
            if not shard.closed:
                self._read_shard(shard)

    def _read_shard(self, shard: _Shard) -> None:
        position: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
        if shard.records:
            last = shard.records[-1]["dynamodb"]["SequenceNumber"]
            position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
        answer = ask(self._transport, "GetShardIterator", StreamArn=self._arn, ShardId=shard.id, **position)
        iterator = answer["ShardIterator"]
        while iterator is not None:
            page = ask(self._transport, "GetRecords", ShardIterator=iterator)
            shard.records += page["Records"]
            iterator = page.get("NextShardIterator")
            shard.closed = iterator is None
            if not page["Records"]:
                return
