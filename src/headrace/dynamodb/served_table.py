"""One table that answers statements: what is known of it by now, for the life of the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from headrace.change import ScanPage
from headrace.decoding import json_decoder
from headrace.dynamodb.asking import Asking
from headrace.dynamodb.calls import Calls, service_time
from headrace.dynamodb.decode import DEFAULT, Decoder
from headrace.dynamodb.request_writer import BATCH, Request
from headrace.dynamodb.transport import BotocoreTransport
from headrace.errors import TableUnusable, Unavailable
from headrace.mapping import Mapping
from headrace.refusal import Place
from headrace.schema import TableSchema
from headrace.table_shape import Shelf, TableShape, shape_of
from headrace.wire import Response, Transport

KNOWN_SECONDS: Final = 300.0
"""After so long the table is described, and its items are sampled, anew by the next statement."""

SAMPLED: Final = 100
"""Items by which a table's columns are first known, where the mapping does not say how many."""

MOST_SEGMENTS: Final = 10
"""Parts of the table from which a sample is taken."""

SMALL_BYTES: Final = 2**20
"""Bytes of a table of which one part is enough for a sample."""

SAMPLED_OF_INDEX: Final = 10
"""Items of an index that are sampled where its key has no column yet."""

_READABLE: Final = ("ACTIVE", "UPDATING")


class _Counted(msgspec.Struct, rename={"count": "Count", "next": "LastEvaluatedKey"}):
    count: int
    next: msgspec.Raw = msgspec.Raw()


class _Got(msgspec.Struct, rename={"found": "Responses", "left": "UnprocessedKeys"}):
    found: dict[str, msgspec.Raw]
    left: dict[str, msgspec.Raw] = {}  # msgspec makes a new one for each.


_COUNTED: Final = json_decoder(_Counted)
_GOT: Final = json_decoder(_Got)


class ServedTable:
    """The table ``name`` over ``transport``, read as ``mapping`` says. Any thread may call.

    ``place`` stands in messages. ``clock`` gives seconds and only ever goes forward.
    """

    def __init__(
        self,
        transport: Transport,
        name: str,
        *,
        mapping: Mapping = DEFAULT,
        place: Place | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.mapping = mapping
        self._place = transport.place if isinstance(transport, BotocoreTransport) else place or Place()
        self._calls = Calls(transport, name, self._place)
        self._clock = clock
        self._decoder = Decoder(TableSchema(()), mapping)
        # One page at a time: the interpreter would take turns anyway, at the memory of all of them.
        self._turn = threading.Lock()
        self._learning = threading.Lock()
        self._known: tuple[TableShape, float] | None = None
        self._denied: frozenset[str] = frozenset()

    @property
    def denied(self) -> frozenset[str]:
        """Operations, and names of indexes, that are not permitted."""
        return self._denied

    @property
    def schema(self) -> TableSchema:
        """All columns that are known by now."""
        return self._decoder.schema

    def deny(self, what: str) -> None:
        """Ask no more for an operation, or an index, until the table is described anew."""
        self._denied |= {what}

    def forget(self) -> None:
        """Describe the table anew before the next statement."""
        self._known = None

    def shape(self, asking: Asking) -> TableShape:
        """The table's shape, once its columns are known at least by a sample. Raises SourceError, QueryError."""
        while not self._learning.acquire(timeout=0.05):
            asking.expect_wanted()
        try:
            known = self._known
            if known is not None and self._clock() - known[1] < KNOWN_SECONDS:
                return known[0]
            shape = self._described(asking)
            if known is not None and known[0].id != shape.id:
                # Another table of this name: what was learned of the old one's items does not hold.
                self._decoder = Decoder(TableSchema(()), self.mapping)
            self._decoder.learn(TableSchema.of_keys(shape.keys))
            self._sample(shape, asking)
            self._denied = frozenset()
            self._known = (shape, self._clock())
            return shape
        finally:
            self._learning.release()

    def pages(self, request: Request, asking: Asking, limit: Callable[[], int | None]) -> Iterator[Response]:
        """The answers to a request, page after page; ``limit`` says how many items the next one may look at, 0 ends it."""
        if request.operation == BATCH:
            yield from self._batches(request, asking)
            return
        cursor: msgspec.Raw | None = None
        while True:
            body: dict[str, Any] = dict(request.body)
            most = limit()
            if most == 0:
                return
            if most is not None:
                body["Limit"] = most
            if cursor is not None:
                body["ExclusiveStartKey"] = cursor
            answer = asking.read(request.operation, partial(self._calls.read, request.operation, body))
            yield answer
            cursor = _cursor(answer)
            if cursor is None:
                return

    def decoded(self, answer: Response) -> ScanPage:
        """The items of an answer. Raises Unavailable."""
        with self._turn:
            return self._decoder.scan_page(answer.body, at=service_time(answer) or time.time())

    def _described(self, asking: Asking) -> TableShape:
        table, _ = asking.ask("DescribeTable", self._calls.describe_table)
        status = table.get("TableStatus")
        if status not in _READABLE:
            raise TableUnusable(
                f"table {self.name} in {self._place} is {status}, not ACTIVE; ask again later"
            )
        return shape_of(table)

    def _batches(self, request: Request, asking: Asking) -> Iterator[Response]:
        """The answers to a BatchGetItem as those of a Scan are, until no key is left unprocessed."""
        left = dict(request.body["RequestItems"])
        while left:
            body = {**request.body, "RequestItems": left}
            answer = asking.read(BATCH, partial(self._calls.read, BATCH, body))
            got = _whole(_GOT, answer)
            for items in got.found.values():
                yield Response(answer.status, answer.headers, b'{"Items":%b}' % bytes(items))
            left = dict(got.left)
            if left:
                # What is left unprocessed was throttled, or more than an answer holds.
                asking.wait(UNPROCESSED_PAUSE)

    def _sample(self, shape: TableShape, asking: Asking) -> None:
        freezing = self._decoder.wants_sample
        if self.mapping.freeze and not freezing:
            return
        wanted = self.mapping.sample if self.mapping.freeze else SAMPLED
        segments = min(wanted, MOST_SEGMENTS) if shape.table.size_bytes > SMALL_BYTES or freezing else 1
        each = -(-wanted // segments)
        parts = [
            {"Segment": part, "TotalSegments": segments} if segments > 1 else {} for part in range(segments)
        ]
        answers = [self._sampled(asking, each, **part) for part in parts]
        if freezing:
            self._decoder.freeze([answer.body for answer in answers])
        else:
            for answer in answers:
                self.decoded(answer)
        if not self.mapping.freeze:
            for index in shape.indexes:
                if not self._knows_key(index):
                    self.decoded(self._sampled(asking, SAMPLED_OF_INDEX, IndexName=index.name))

    def _sampled(self, asking: Asking, items: int, **more: Any) -> Response:
        body = {"TableName": self.name, "Limit": items, "ReturnConsumedCapacity": "TOTAL", **more}
        return asking.read("Scan", lambda: self._calls.read("Scan", body))

    def _knows_key(self, index: Shelf) -> bool:
        """Whether each attribute of an index's key has a column; few items may have it."""
        return all(self.schema.column(name) is not None for name in index.key)


UNPROCESSED_PAUSE: Final = 0.2
"""Seconds before keys are asked for again that a BatchGetItem left unprocessed."""


def counted(answer: Response) -> int:
    """How many items an answer counts. Raises Unavailable."""
    return int(_whole(_COUNTED, answer).count)


def _cursor(answer: Response) -> msgspec.Raw | None:
    following = _whole(_COUNTED, answer).next
    return None if bytes(following) in (b"", b"null") else following


def _whole(decoder: msgspec.json.Decoder[Any], answer: Response) -> Any:
    try:
        return decoder.decode(answer.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unavailable(f"an answer of {len(answer.body)} bytes is not whole ({error})") from error
