"""A table of items, its stream by hand, and a view of it whose output is in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from headrace.attribute import Image, digits_of, key_text
from headrace.batch import Batch
from headrace.dataset import AwsAccess
from headrace.errors import HeadraceError, RowRefused
from headrace.position import SequenceNumber
from headrace.row_table import Row, RowTable
from headrace.stream_record import StreamRecord
from headrace.target import MaterializedView
from headrace.target_context import TargetContext
from headrace.targets.view import ViewTarget
from headrace.wire import Response

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/1"
NOW = 1_700_000_000.0

Item = dict[str, Any]
"""An item as DynamoDB JSON."""


class Crash(Exception):
    """The process is gone."""


class MemoryRows(RowTable):
    """Rows by their keys. ``befall`` is called before and after each write, and may raise; ``refuses`` says of a row that it cannot be."""

    def __init__(self) -> None:
        self.stored: dict[str, Item] = {}
        self.befall: Callable[[], None] = lambda: None
        self.refuses: Callable[[Item], bool] = lambda _: False
        self.made = 1

    def write(self, rows: Sequence[Row]) -> Sequence[HeadraceError | None]:
        self.befall()
        keys = [_plain(row.key) for row in rows]
        assert len({key_text(key) for key in keys}) == len(rows), "two rows of one key"
        failed: list[HeadraceError | None] = []
        for row, key in zip(rows, keys, strict=True):
            if row.item is None:
                self.stored.pop(key_text(key), None)
            elif self.refuses(_plain(row.item)):
                failed.append(RowRefused("it is not liked"))
                continue
            else:
                assert row.item.items() >= row.key.items(), "a row holds its key"
                self.stored[key_text(key)] = _plain(row.item)
            failed.append(None)
        self.befall()
        return failed

    def rows(self) -> Iterator[Sequence[Image]]:
        yield [_raw(item) for item in self.stored.values()]

    def identity(self) -> str:
        return str(self.made)

    def close(self) -> None:
        pass

    def plain(self) -> list[dict[str, Any]]:
        """The rows without tags and view_key, in the order of their keys."""
        return [
            {name: untagged(value) for name, value in item.items() if name != "view_key"}
            for _, item in sorted(self.stored.items())
        ]


@dataclass
class Viewed:
    """A table whose key is ``id``, its records in order, and a view of it, in ``state`` or in memory."""

    sql: str
    state: Any = None
    rows: MemoryRows = field(default_factory=MemoryRows)
    items: dict[str, Item] = field(default_factory=dict)
    records: list[StreamRecord] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    now: float = NOW
    target: Any = None
    meanwhile: Callable[[], None] = lambda: None

    def __post_init__(self):
        self.start()

    def start(self):
        """A new process."""
        self.stop()
        context = TargetContext(
            "kept",
            "items",
            AwsAccess("us-east-1"),
            source=self.answer,
            reach=lambda *_: self.answer,
            connect=lambda *_: None,
            observe=self.told.append,
            ledger=None if self.state is None else self.state / "events.sqlite",
            dataset=lambda key: self.rows,
            clock=lambda: self.now,
        )
        self.target = ViewTarget(MaterializedView(self.sql), context, settle=0.0, pause=self.paused)

    def paused(self, _: float) -> None:
        """Somebody waits: between two looks, say."""
        self.meanwhile()

    def stop(self):
        if self.target is not None:
            self.target.close()

    def put(self, id_: str, **attributes: Any) -> StreamRecord:
        """Put an item, as plain values of Python or tagged ones."""
        item = {"id": {"S": id_}, **{name: tagged(value) for name, value in attributes.items()}}
        old = self.items.get(id_)
        self.items[id_] = item
        return self._record(id_, "MODIFY" if old else "INSERT", old, item)

    def delete(self, id_: str) -> StreamRecord | None:
        old = self.items.pop(id_, None)
        return None if old is None else self._record(id_, "REMOVE", old, None)

    def deliver(self, records: Sequence[StreamRecord] | None = None, **more: Any) -> Any:
        """What the target says to one batch, of all there is where none is given."""
        batch = Batch("kept", ARN, "shard", tuple(self.records if records is None else records), **more)
        return self.target.consume(batch)

    def fill(self, at: float = 1.0, page: int = 2) -> None:
        """A whole fill."""
        self.target.begin_fill(at)
        items = [_raw(item) for item in self.items.values()]
        for first in range(0, len(items), page):
            self.target.fill(items[first : first + page])
        self.target.end_fill()

    def raw(self, id_: str) -> Image:
        """An item as a page of a Scan has it."""
        return _raw(self.items[id_])

    def answer(self, operation: str, body: bytes) -> Response:
        """The service: DescribeTable, Scan and BatchGetItem."""
        request = json.loads(body)
        said: dict[str, Any]
        match operation:
            case "DescribeTable":
                said = {
                    "Table": {
                        "TableName": "items",
                        "TableStatus": "ACTIVE",
                        "TableArn": "arn:items",
                        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    }
                }
            case "Scan":
                items = list(self.items.values()) if request.get("Segment", 0) == 0 else []
                said = {"Items": items}
            case _:
                keys = [key["id"]["S"] for key in request["RequestItems"]["items"]["Keys"]]
                found = [self.items[key] for key in keys if key in self.items]
                said = {"Responses": {"items": found}, "UnprocessedKeys": {}}
        return Response(200, {}, json.dumps(said).encode())

    def _record(self, id_: str, event: str, old: Item | None, new: Item | None) -> StreamRecord:
        number = str(10**20 + len(self.records))
        images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}
        text = {
            "eventName": event,
            "dynamodb": {
                "Keys": {"id": {"S": id_}},
                "SequenceNumber": number,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
                **images,
            },
        }
        record = StreamRecord(
            SequenceNumber(number), NOW, key_text({"id": {"S": id_}}), json.dumps(text).encode()
        )
        self.records.append(record)
        return record


def tagged(value: Any) -> Item:
    """A plain value as an attribute."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case str():
            return {"S": value}
        case _:
            return dict(value)


def untagged(value: Item) -> Any:
    """An attribute as a plain value; numbers are Decimals."""
    ((tag, content),) = value.items()
    return {"N": lambda: Decimal(digits_of(content)), "NULL": lambda: None}.get(tag, lambda: content)()


def _plain(image: Image) -> Item:
    return {name: msgspec.json.decode(raw) for name, raw in image.items()}


def _raw(item: Item) -> Image:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in item.items()}
