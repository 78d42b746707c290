"""One set of shard readers for everybody who follows one table, because a stream allows few readers of a shard.

Two readers of a shard are allowed, one where the table is a global table: Amazon DynamoDB Developer Guide, "Service,
account, and table quotas in Amazon DynamoDB" (DynamoDB Streams).
"""

from __future__ import annotations

import copy
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from headrace.dataset import AwsAccess
from headrace.dynamodb.calls import MOST_RECORDS
from headrace.dynamodb.credentials import place_of
from headrace.dynamodb.shared_page import Pages, Standing
from headrace.dynamodb.shared_shard import Ask, Pause, SharedShard, conversation, iterator_of
from headrace.errors import HeadraceError
from headrace.refusal import Place
from headrace.wire import Response, Transport

INTERVAL: Final = 0.2
"""Seconds that a reader waits at the tip of a shard before it looks again."""

KEPT: Final = 32 * 2**20
"""Bytes of pages lately read that are kept of a table."""

MOST_HELD: Final = 48
"""Requests of a table that wait for a better time at once; beyond these, threads are worth more than requests."""

FORGOTTEN: Final = 3600.0
"""Seconds after which a shard that nobody asks for is forgotten."""


@dataclass(frozen=True, slots=True)
class Follower:
    """Somebody who follows a table's stream, and waits ``interval`` seconds at most before looking at its tip again."""

    access: AwsAccess
    table: str
    interval: float = INTERVAL


class SharedStreams:
    """Transports for ``followers``: those of one table, reached in the same way, share their reads of its stream.

    ``connect`` makes transports. Who follows a table alone gets a transport as it is.
    """

    def __init__(self, connect: Callable[[AwsAccess], Transport], followers: Iterable[Follower]) -> None:
        self._connect = connect
        by_table: dict[_Table, list[Follower]] = {}
        for follower in followers:
            by_table.setdefault(_Table.of(follower.access, follower.table), []).append(follower)
        self._readers = {
            table: SharedReader(
                connect(those[0].access), interval=min(INTERVAL, *(each.interval for each in those))
            )
            for table, those in by_table.items()
            if len(those) > 1
        }

    def transport(self, access: AwsAccess, table: str) -> Transport:
        """A transport for one of the followers; what is no read of the stream goes its own way."""
        reader = self._readers.get(_Table.of(access, table))
        own = self._connect(access)
        return own if reader is None else reader.transport(own)


class SharedReader:
    """Reads the shards of one table over ``transport`` for several consumers. Any thread may call.

    ``interval`` and ``kept`` are as INTERVAL and KEPT; ``clock`` counts seconds.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        interval: float = INTERVAL,
        kept: int = KEPT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._pages = Pages(kept)
        self._shards: OrderedDict[tuple[str, str], _Place] = OrderedDict()
        self._held = 0

    def transport(self, own: Transport) -> Transport:
        """What a consumer takes for its transport: all but the reads of shards goes over its ``own``."""

        def call(operation: str, body: bytes) -> Response:
            if operation == "GetShardIterator":
                return self._opened(body)
            if operation == "GetRecords":
                request = _request(body)
                standing = Standing.of_token(request.get("ShardIterator"))
                if standing is not None:
                    return self._records(standing, int(request.get("Limit") or MOST_RECORDS))
            return own(operation, body)

        return call

    def _opened(self, body: bytes) -> Response:
        """GetShardIterator is asked for everybody alone, and says what is wrong with a position."""
        sent_at = self._clock()
        response = self._transport("GetShardIterator", body)
        iterator = iterator_of(response)
        if iterator is None:
            return response
        request = _request(body)
        now = self._clock()
        with self._lock:
            place = self._place((str(request["StreamArn"]), str(request["ShardId"])), now)
            token = place.shard.opened(request, iterator, sent_at, now).token()
        date = response.headers.get("date")
        headers = {} if date is None else {"date": date}
        return Response(200, headers, msgspec.json.encode({"ShardIterator": token}))

    def _records(self, standing: Standing, limit: int) -> Response:
        with self._lock:
            place = self._place((standing.stream_arn, standing.shard_id), self._clock())
            waiter = place.shard.arrive(standing, limit)
            try:
                while True:
                    turn = place.shard.turn(waiter, self._clock(), patient=self._held < MOST_HELD)
                    match turn:
                        case Response():
                            return turn
                        case Pause(seconds):
                            self._wait(place, seconds)
                        case Ask():
                            self._ask(place, turn)
                        case error:
                            # Others raise it too, each in a thread of its own.
                            raise copy.copy(error)
            finally:
                place.shard.leave(waiter)
                place.changed.notify_all()

    def _wait(self, place: _Place, seconds: float | None) -> None:
        held = seconds is not None
        self._held += held
        try:
            place.changed.wait(seconds)
        finally:
            self._held -= held

    def _ask(self, place: _Place, ask: Ask) -> None:
        """Make a request while others may go on; called with the lock, which it gives away meanwhile."""
        found: Response | HeadraceError | None = None
        self._lock.release()
        try:
            found = self._asked(ask)
        except HeadraceError as error:
            found = error
        finally:
            self._lock.acquire()
            place.shard.done(ask, found, self._clock())
            place.changed.notify_all()

    def _asked(self, ask: Ask) -> Response:
        talk = conversation(ask)
        try:
            operation, body = next(talk)
            while True:
                operation, body = talk.send(self._transport(operation, body))
        except StopIteration as end:
            response: Response = end.value
            return response

    def _place(self, key: tuple[str, str], now: float) -> _Place:
        place = self._shards.get(key)
        if place is None:
            shard = SharedShard(key, self._pages, self._interval)
            place = self._shards[key] = _Place(shard, threading.Condition(self._lock))
        place.touched = now
        self._shards.move_to_end(key)
        while self._shards:
            oldest, other = next(iter(self._shards.items()))
            if other.shard.waited_for or now - other.touched < FORGOTTEN:
                break
            del self._shards[oldest]
            self._pages.forget(oldest)
        return place


@dataclass(slots=True)
class _Place:
    """A shard, and what is told when anything happens to it."""

    shard: SharedShard
    changed: threading.Condition
    touched: float = field(default=0.0)


@dataclass(frozen=True, slots=True)
class _Table:
    """What makes two followers read the same."""

    place: Place
    keys: tuple[object, ...]
    table: str

    @classmethod
    def of(cls, access: AwsAccess, table: str) -> _Table:
        keys = (access.access_key_id, access.secret_access_key, access.session_token)
        return cls(place_of(access), keys, table)


def _request(body: bytes) -> dict[str, Any]:
    request: dict[str, Any] = msgspec.json.decode(body)
    return request
