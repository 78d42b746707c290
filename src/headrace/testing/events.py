"""Events as AWS Lambda gives them to a function that is mapped to a table's stream.

Shape and order: AWS Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB": one event holds records of
one shard, in their order, and a shard's records come after those of its parent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from headrace.errors import RequestRejected
from headrace.testing.asking import ask
from headrace.wire import Transport

MOST_RECORDS = 10_000
"""The largest BatchSize of an event source mapping."""

MOST_BYTES = 6 * 1024 * 1024
"""Lambda calls a function before its event would be larger."""

_PAGE = 1000


@dataclass(slots=True)
class _Shard:
    """How far one shard has been given out: ``last`` is the sequence number of the last record."""

    id: str
    parent: str | None
    last: str | None = None
    ended: bool = False


class EventSource:
    """One stream, mapped to a function: each pass over it gives events of what has come since the last pass.

    ``transport`` leads to the simulator, and meets no weather. An event holds at most ``batch_size``
    records. ``repeats`` is the probability that an event is followed by another with its records again, all or
    those from one of them on, as after a failure: a function is given each record at least once. Which of
    several shards comes next is decided by ``seed``. What was trimmed before it was given is not given, as in
    Lambda. Raises ValueError for a batch size outside 1 to 10,000 and for repeats outside 0 to below 1.
    """

    def __init__(
        self,
        transport: Transport,
        stream_arn: str,
        batch_size: int = 100,
        *,
        repeats: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not 1 <= batch_size <= MOST_RECORDS:
            raise ValueError(f"batch_size is {batch_size}, and must be between 1 and {MOST_RECORDS}")
        if not 0 <= repeats < 1:
            raise ValueError(f"repeats is {repeats}, and must be at least 0 and less than 1")
        self.stream_arn = stream_arn
        self._transport = transport
        self._batch_size = batch_size
        self._repeats = repeats
        self._random = Random(f"events/{seed}")  # noqa: S311  # Reproducible is the point; nothing is secret.
        self._shards: dict[str, _Shard] = {}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Events until nothing more is there, each a dictionary of its own, as json.loads makes it."""
        idle: set[str] = set()
        while True:
            ready = [shard for shard in self._readable() if shard.id not in idle]
            if not ready:
                return
            shard = self._random.choice(ready)
            records = self._batch(shard)
            if not records:
                idle.add(shard.id)
                continue
            while records:
                yield lambda_event(records, self.stream_arn)
                again = self._random.random() < self._repeats
                records = records[self._random.randrange(len(records)) :] if again else []

    def _readable(self) -> list[_Shard]:
        """Shards that have not ended, all of whose known ancestors have."""
        start: dict[str, str] = {}
        while True:
            answer = ask(self._transport, "DescribeStream", StreamArn=self.stream_arn, **start)
            page = answer["StreamDescription"]
            for each in page["Shards"]:
                known = _Shard(each["ShardId"], each.get("ParentShardId"))
                self._shards.setdefault(known.id, known)
            if "LastEvaluatedShardId" not in page:
                break
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}
        return [shard for shard in self._shards.values() if not shard.ended and self._is_next(shard)]

    def _is_next(self, shard: _Shard) -> bool:
        parent = self._shards.get(shard.parent or "")
        return parent is None or parent.ended

    def _batch(self, shard: _Shard) -> list[dict[str, Any]]:
        """The next records, fewer than a batch only at the tip, the end, or where they are too large for one."""
        records: list[dict[str, Any]] = []
        size = 0
        iterator = self._iterator(shard)
        while iterator is not None and len(records) < self._batch_size:
            limit = min(self._batch_size - len(records), _PAGE)
            page = ask(self._transport, "GetRecords", ShardIterator=iterator, Limit=limit)
            for record in page["Records"]:
                size += len(json.dumps(record))
                if records and size > MOST_BYTES:
                    return records
                records.append(record)
                shard.last = record["dynamodb"]["SequenceNumber"]
            iterator = page.get("NextShardIterator") if page["Records"] else None
            shard.ended = "NextShardIterator" not in page
        return records

    def _iterator(self, shard: _Shard) -> str | None:
        """After what was given; at the oldest that is left where that is trimmed; None where nothing is."""
        asked = {"StreamArn": self.stream_arn, "ShardId": shard.id}
        positions = [{"ShardIteratorType": "TRIM_HORIZON"}]
        if shard.last is not None:
            positions.insert(0, {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": shard.last})
        for position in positions:
            try:
                answer = ask(self._transport, "GetShardIterator", **asked, **position)
            except RequestRejected as refused:
                if "ResourceNotFoundException" in str(refused):
                    break
                if "TrimmedDataAccessException" not in str(refused):
                    raise
            else:
                return str(answer["ShardIterator"])
        shard.ended = True
        return None


def lambda_event(records: list[dict[str, Any]], stream_arn: str) -> dict[str, Any]:
    """Records of GetRecords as the event that Lambda makes of them; shares nothing with what it is given.

    Lambda adds the stream's ARN to each record and spells the keys of ``userIdentity`` in lower case. Times are
    epoch seconds, binary values base64 text.
    """
    copies: list[dict[str, Any]] = json.loads(json.dumps(records))
    for record in copies:
        record["eventSourceARN"] = stream_arn
        identity = record.get("userIdentity")
        if identity is not None:
            record["userIdentity"] = {"principalId": identity["PrincipalId"], "type": identity["Type"]}
    return {"Records": copies}
