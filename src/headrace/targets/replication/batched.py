"""Writes without conditions: the replica's items are exactly the source's.

An item has no version, so a batch that comes again shows it as it was before, until the later batches have come again too.
Limits: Amazon DynamoDB API Reference, BatchWriteItem: 25 requests, 16 MB, no item twice; what is left unprocessed is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from typing import Any, Final

import msgspec

from headrace.attribute import BrokenValue, Image
from headrace.errors import HeadraceError, RequestRejected
from headrace.targets.replication.write import Outcome, Verdict, Write, Writer
from headrace.targets.table import MOST_PUTS, Table, key_of

_MOST_BYTES: Final = 15 * 2**20
"""Of one request, of which the frame takes some too."""

_IMAGE: Final = msgspec.json.Decoder(Image)


class BatchWriter(Writer):
    """Writes to ``table``."""

    def __init__(self, table: Table, workers: Executor) -> None:
        self._table = table
        self._workers = workers

    def write(self, writes: list[Write]) -> dict[str, Outcome]:
        """How each went."""
        outcomes: dict[str, Outcome] = {}
        for written in self._workers.map(self._chunk, list(_chunks(writes))):
            outcomes |= written
        return outcomes

    def _chunk(self, writes: list[Write]) -> dict[str, Outcome]:
        left = list(writes)
        attempt, waited = 0, 0.0
        try:
            while left:
                unprocessed = self._table.write([_request(write) for write in left])
                less = _those(left, unprocessed) if unprocessed else []
                if less:
                    # Some were taken: the next try is the first one for the rest.
                    attempt = attempt + 1 if len(less) == len(left) else 1
                    left = less
                    waited = self._table.rest(attempt, waited)
                left = less
        except RequestRejected as error:
            return self._one_by_one(writes, left, error)
        except HeadraceError as error:
            return _done(writes) | dict.fromkeys([write.key for write in left], error)
        return _done(writes)

    def _one_by_one(
        self, writes: list[Write], left: list[Write], error: RequestRejected
    ) -> dict[str, Outcome]:
        """A request is refused whole for one of its items: find which."""
        if len(left) == 1:
            return _done(writes) | {left[0].key: error}
        outcomes = _done(writes)
        for write in left:
            outcomes |= self._chunk([write])
        return outcomes


def _done(writes: list[Write]) -> dict[str, Outcome]:
    return dict.fromkeys([write.key for write in writes], Verdict.WRITTEN)


def _request(write: Write) -> Mapping[str, Any]:
    if write.item is None:
        return {"DeleteRequest": {"Key": write.change.key}}
    return {"PutRequest": {"Item": write.item}}


def _those(writes: list[Write], unprocessed: list[dict[str, Any]]) -> list[Write]:
    """The writes that were left; all, where that cannot be told."""
    names = list(writes[0].change.key)
    try:
        keys = {_key(request, names) for request in unprocessed}
    except (KeyError, ValueError, TypeError, msgspec.MsgspecError, BrokenValue):
        return writes
    left = [write for write in writes if write.key in keys]
    return left if len(left) == len(unprocessed) else writes


def _key(request: Mapping[str, Any], names: list[str]) -> str:
    attributes = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return key_of(_IMAGE.decode(msgspec.json.encode({name: attributes[name] for name in names})), names)


def _chunks(writes: list[Write]) -> Iterator[list[Write]]:
    chunk: list[Write] = []
    size = 0
    for write in writes:
        weight = len(msgspec.json.encode(_request(write)))
        if chunk and (len(chunk) == MOST_PUTS or size + weight > _MOST_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(write)
        size += weight
    if chunk:
        yield chunk
