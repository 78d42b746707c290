"""One table, as what writes to it and compares it asks for it: each request again and again, within bounds.

Shapes and limits: Amazon DynamoDB API Reference, PutItem, UpdateItem, DeleteItem, BatchWriteItem, BatchGetItem and Scan.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from headrace.attribute import Image, key_text
from headrace.backoff import delay
from headrace.decoding import json_decoder
from headrace.errors import SourceError, TableUnusable, Throttled, Unavailable
from headrace.read_budget import ReadBudget
from headrace.refusal import Place
from headrace.table_requests import TableRequests
from headrace.wire import Transport

MOST_GETS: Final = 100
"""Keys of one BatchGetItem."""

MOST_PUTS: Final = 25
"""Requests of one BatchWriteItem."""

PAGE_UNITS: Final = 256
"""Read units of a whole page of a consistent Scan: 1 MB, a unit for 4 KB."""

LONGEST_PAUSE: Final = 1.0
"""Seconds after which who waits for a budget is asked whether to go on."""

FAILED_CHECK: Final = "ConditionalCheckFailedException"
"""The code of a RequestRejected whose request had a condition that does not hold."""

_READABLE: Final = ("ACTIVE", "UPDATING")

T = TypeVar("T")


class _Consumed(msgspec.Struct, rename={"units": "CapacityUnits"}):
    units: float = 0.0


class _Page(
    msgspec.Struct, rename={"items": "Items", "last": "LastEvaluatedKey", "consumed": "ConsumedCapacity"}
):
    items: list[Image]
    last: Image | None = None
    consumed: _Consumed | None = None

    @property
    def units(self) -> float:
        return 0.0 if self.consumed is None else self.consumed.units


class _Keys(msgspec.Struct, rename={"keys": "Keys"}):
    keys: list[Image]


class _Got(
    msgspec.Struct, rename={"found": "Responses", "left": "UnprocessedKeys", "consumed": "ConsumedCapacity"}
):
    found: dict[str, list[Image]]
    left: dict[str, _Keys] = {}
    consumed: list[_Consumed] = []

    @property
    def units(self) -> float:
        return sum(table.units for table in self.consumed)


Read = TypeVar("Read", _Page, _Got)

_PAGE: Final = json_decoder(_Page)
_GOT: Final = json_decoder(_Got)
_KEY_PART: Final = json_decoder(dict[str, str])


class Patience:
    """How long one request is asked again: until its waits would exceed ``seconds`` together.

    ``pause`` waits so many seconds; it raises to end all waiting.
    """

    def __init__(self, seconds: float, salt: str, pause: Callable[[float], None]) -> None:
        self._seconds = seconds
        self._salt = salt
        self._pause = pause

    def spare(self, budget: ReadBudget) -> None:
        """Wait until ``budget`` allows a request, however long that is."""
        while (seconds := budget.pause()) > 0:
            self._pause(min(seconds, LONGEST_PAUSE))

    def rest(self, error: SourceError, attempt: int, waited: float) -> float:
        """Wait before the next try; gives what was waited in all. Raises ``error`` where there is none any more."""
        seconds = delay(error, attempt, f"{self._salt}/{threading.get_ident()}")
        if waited + seconds > self._seconds:
            raise error
        self._pause(seconds)
        return waited + seconds


class Table:
    """``name``, over ``transport``. Any thread may call. Every method raises the SourceErrors.

    What is read of its items is taken from ``budget``, and waits for it.
    """

    def __init__(
        self,
        transport: Transport,
        name: str,
        place: Place,
        patience: Patience,
        budget: ReadBudget | None = None,
    ) -> None:
        self._requests = TableRequests(transport, name, place)
        self._patience = patience
        self._budget = budget
        self.name = name

    def __str__(self) -> str:
        return f"table {self.name} in {self._requests.place}"

    @property
    def read_units(self) -> int | None:
        """How many a second may be consumed; None for no bound."""
        return None if self._budget is None else int(self._budget.units)

    @property
    def options(self) -> str:
        """The options that make the ``aws`` command go there."""
        return self._requests.place.options()

    def describe(self, cure: str = "check its name, its region and its account") -> dict[str, Any]:
        """DescribeTable. Raises TableUnusable unless the table can be read and written; ``cure`` is for one that is not there."""
        try:
            described = self._again(lambda: self._requests.described()[0])
        except TableUnusable:
            raise TableUnusable(f"{self} does not exist; {cure}") from None
        if described.get("TableStatus") not in _READABLE:
            raise TableUnusable(
                f"{self} is {described.get('TableStatus')}, not ACTIVE; it is looked at again later"
            )
        return described

    def ask(self, operation: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Any request about the table, asked again while it is throttled or not answered."""
        whole = {"TableName": self.name, **body}
        return self._again(lambda: self._requests.answer(operation, whole))

    def scan(self, segment: int, segments: int) -> Iterator[list[Image]]:
        """All items of a segment, read consistently, page by page."""
        cursor: str | None = None
        while True:
            items, cursor = self.page(segment, segments, cursor)
            yield items
            if cursor is None:
                return

    def page(self, segment: int, segments: int, cursor: str | None) -> tuple[list[Image], str | None]:
        """One page of a segment, read consistently, and where the next one begins, None at the end."""
        body: dict[str, Any] = {"TableName": self.name, "ConsistentRead": True}
        if segments > 1:
            body |= {"Segment": segment, "TotalSegments": segments}
        if cursor is not None:
            body["ExclusiveStartKey"] = msgspec.Raw(cursor.encode())
        page = self._decoded("Scan", body, _PAGE)
        return page.items, None if page.last is None else msgspec.json.encode(page.last).decode()

    def items(self, keys: Sequence[Image]) -> dict[str, Image]:
        """The items with these keys, no two the same, read consistently, by the texts of their keys. Others do not exist."""
        found: dict[str, Image] = {}
        for first in range(0, len(keys), MOST_GETS):
            self._get(list(keys[first : first + MOST_GETS]), found)
        return found

    def write(self, requests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """BatchWriteItem, once: what it leaves unprocessed, as it says it."""
        body = {"RequestItems": {self.name: requests}}
        left = (
            self._again(lambda: self._requests.answer("BatchWriteItem", body)).get("UnprocessedItems") or {}
        )
        requests_left: list[dict[str, Any]] = left.get(self.name) or []
        return requests_left

    def rest(self, attempt: int, waited: float) -> float:
        """Wait because something was left unprocessed, as Patience.rest does."""
        error = Throttled(
            f"{self}: requests of a batch are left unprocessed again and again: it is throttled"
        )
        return self._patience.rest(error, attempt, waited)

    def _get(self, keys: Sequence[Image], found: dict[str, Image]) -> None:
        attempt, waited = 0, 0.0
        while keys:
            body = {"RequestItems": {self.name: {"Keys": keys, "ConsistentRead": True}}}
            got = self._decoded("BatchGetItem", body, _GOT)
            found |= {key_of(item, keys[0]): item for item in got.found.get(self.name, ())}
            left = got.left[self.name].keys if self.name in got.left else []
            if left:
                # Fewer than before: an answer holds no more of them. As many: it is throttled.
                attempt = attempt + 1 if len(left) == len(keys) else 0
                waited = self.rest(attempt, waited) if attempt else 0.0
            keys = left

    def _decoded(self, operation: str, body: Mapping[str, Any], decoder: msgspec.json.Decoder[Read]) -> Read:
        budget = self._budget
        if budget is not None:
            self._patience.spare(budget)
            body = {**body, "ReturnConsumedCapacity": "TOTAL"}

        def ask() -> Read:
            response = self._requests.ask(operation, body)
            try:
                return decoder.decode(response.body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise Unavailable(
                    f"an answer of {len(response.body)} bytes is not whole ({error})"
                ) from error

        read = self._again(ask)
        if budget is not None:
            budget.spend(read.units)
        return read

    def _again(self, ask: Callable[[], T]) -> T:
        attempt, waited = 0, 0.0
        while True:
            try:
                return ask()
            except (Throttled, Unavailable) as error:
                attempt += 1
                waited = self._patience.rest(error, attempt, waited)


def key_of(item: Image, names: Iterable[str]) -> str:
    """The text of the key that an item has in these attributes. Raises BrokenValue or msgspec.MsgspecError where it has none."""
    return key_text({name: _KEY_PART.decode(item[name]) for name in names})
