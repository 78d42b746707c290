"""The example of an outbox: a receiver that misbehaves has every event in the end, each order's in its order; and so has a file."""

from __future__ import annotations

import importlib.util
import json
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from headrace.attribute import plain_json
from support.canned_http import Canned, CannedServer, Received
from support.event_stories import EXAMPLES, Story
from support.json_patch import applied, exact, same
from support.outbox import SECRET, verified

_UNKNOWN = object()
"""The item before the first event about it."""


class CheckedOutbox:
    """``examples/outbox.yaml``, its receiver that of ``examples/receive_events.py``."""

    example = "outbox"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._came: list[bytes] = []
        self._strangers = 0

    @contextmanager
    def served(self, story: Story) -> Iterator[None]:
        (story.folder / ".env").write_text(f"ORDERS_WEBHOOK_SECRET={SECRET}\n")
        receive = _example()
        orders = receive.Orders(str(story.folder / "received.sqlite"))
        dice = random.Random(story.random.random())

        def answer(request: Received) -> Canned:
            with self._lock:
                trouble, moment = dice.random(), dice.random()
            if trouble < 0.1:
                return _refused(moment)
            if trouble < 0.2:
                time.sleep(moment * 0.2)
            if not verified(request.headers, request.body, SECRET) or not receive.is_genuine(
                request.headers, request.body, SECRET, time.time()
            ):
                # Of a sender that is killed a part may come.
                self._strangers += len(request.body) == int(request.headers["content-length"])
                return Canned(status=401)
            with self._lock:
                orders.take(json.loads(request.body))
                self._came.append(request.body)
            # Taken, and the sender is not told.
            return Canned(silent=True) if trouble > 0.95 else Canned(b"", 204)

        with CannedServer(answer) as server:
            self._url = server.url
            yield

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        pod["event_source_mappings"][0]["target"]["outbox"]["to"] = f"webhook:{self._url}/orders"

    def is_settled(self, story: Story) -> bool:
        wanted = len(story.records())
        return len({event["id"] for event in self._received()}) == len(set(_logged(story))) == wanted

    def expect(self, story: Story) -> None:
        assert self._strangers == 0
        self._expect_received(story)
        self._expect_file(story)
        kept = _kept(story)
        items = {item["id"]["S"]: int(item["revision"]["N"]) for item in story.items("orders")}
        assert kept == {order: items.get(order) for order in kept}

    def _expect_received(self, story: Story) -> None:
        """Each event came, in the order of its item, and always the same; what they say leads to the table as it is."""
        with self._lock:
            first = list(dict.fromkeys(self._came))
        events = [exact(body) for body in first]
        assert len({event["id"] for event in events}) == len(events), "an event came in two forms"
        records = {record["eventID"]: record for record in story.records()}
        assert {event["id"] for event in events} == records.keys()
        sequences: dict[str, str] = {}
        states: dict[str, Any] = {}
        for event in events:
            data, order = event["data"], event["subject"]
            assert event["sequence"] > sequences.get(order, ""), f"{order}: {event['sequence']} comes late"
            sequences[order] = event["sequence"]
            _expect_record(records[event["id"]], data.get("new"), data.get("old"))
            assert event["type"] == f"com.example.order.{data['op']}"
            before = states.get(order, _UNKNOWN)
            if data["op"] == "modified" and before is not _UNKNOWN:
                assert same(applied(before, data["patch"]), data["new"])
            if data["op"] == "inserted":
                assert before in (_UNKNOWN, None)
            if data["op"] == "removed" and before is not _UNKNOWN:
                assert same(before, data["old"])
            states[order] = data.get("new")
        _expect_table(story, {json.loads(order)["id"]: state for order, state in states.items()})

    def _expect_file(self, story: Story) -> None:
        logged = _logged(story)
        texts: dict[str, bytes] = {}
        for eid, line in logged:
            assert texts.setdefault(eid, line) == line, "an event came in two forms"
        assert len(texts) == len(story.records())
        states: dict[str, Any] = {}
        for line in texts.values():
            event = exact(line)
            order, before = event["data"]["id"], states.get(event["data"]["id"], _UNKNOWN)
            assert event["data_type"] == "shop.order"
            if event["data_op"] == "U" and before is not _UNKNOWN:
                assert same(applied(before, event["patch"]), event["data"])
            states[order] = None if event["data_op"] == "D" else event["data"]
        _expect_table(story, states)

    def _received(self) -> list[dict[str, Any]]:
        with self._lock:
            return [json.loads(body) for body in self._came]


def _refused(moment: float) -> Canned:
    """Before it has looked at the event."""
    if moment < 0.3:
        return Canned(silent=True)
    if moment < 0.5:
        return Canned(b"slow down", 429, {"Retry-After": "0" if moment < 0.45 else "1"})
    return Canned(b"no", 500 if moment < 0.8 else 503)


def _expect_record(record: dict[str, Any], new: Any, old: Any) -> None:
    """An event has the images of its record."""
    change = record["dynamodb"]
    for image, told in (("NewImage", new), ("OldImage", old)):
        if told is not None:
            assert same(_sorted(told), _sorted(exact(plain_json({"M": change[image]}))))


def _expect_table(story: Story, states: dict[str, Any]) -> None:
    """The last state of each order is that of the table."""
    items = {item["id"]["S"]: exact(plain_json({"M": item})) for item in story.items("orders")}
    for order, state in states.items():
        assert (order in items) is (state is not None), order
        assert state is None or same(_sorted(state), _sorted(items[order])), order


def _sorted(item: dict[str, Any]) -> dict[str, Any]:
    """Sets, which are the only arrays of an order, have no order."""
    return {name: sorted(value) if isinstance(value, list) else value for name, value in item.items()}


def _logged(story: Story) -> list[tuple[str, bytes]]:
    """The events of the file by their eid; a line that a process has not ended is none."""
    path = story.folder / "order-events.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [(json.loads(line)["metadata"]["eid"], line) for line in lines]


def _kept(story: Story) -> dict[str, int | None]:
    """Each order's revision, as the receiver of the example has it."""
    with closing(sqlite3.connect(story.folder / "received.sqlite", timeout=10)) as orders:
        return dict(orders.execute("SELECT id, revision FROM orders"))


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("receive_events", EXAMPLES / "receive_events.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
