"""An OpenSearch in memory, a simulated table, and what brings the one to the other, by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import urllib3
from osmem_server import OsmemServer

from headrace.batch import Batch
from headrace.dataset import AwsAccess
from headrace.target import SearchIndex
from headrace.target_context import TargetContext
from headrace.targets.search import SearchTarget
from support.replication import Side

_POOL = urllib3.PoolManager(maxsize=16)


class Cluster:
    """A cluster at ``url``, as its operator sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: Any = None, *, ok: bool = True) -> Any:
        encoded = None if body is None else json.dumps(body).encode()
        answer = _POOL.request(
            method, self.url + path, body=encoded, headers={"Content-Type": "application/json"}, retries=False
        )
        assert not ok or answer.status < 300, answer.data
        return json.loads(answer.data or b"null")

    def documents(self, index: str = "orders") -> dict[str, Any]:
        """Every document by its id, numbers as they are written."""
        self.ask("POST", f"/{index}/_refresh")
        answer = _POOL.request(
            "POST",
            f"{self.url}/{index}/_search",
            body=b'{"size": 10000}',
            headers={"Content-Type": "application/json"},
        )
        found = json.loads(answer.data, parse_float=str, parse_int=str)
        return {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}

    def get(self, id_: str, index: str = "orders") -> Any:
        """One document's source as it is this moment, None for none."""
        return self.ask("GET", f"/{index}/_doc/{id_}", ok=False).get("_source")

    def version(self, id_: str, index: str = "orders") -> int | None:
        return self.ask("GET", f"/{index}/_doc/{id_}", ok=False).get("_version")

    def forgetful(self, index: str = "orders") -> None:
        """Have it forget deletions at once, as it does after a minute."""
        self.ask("PUT", f"/{index}/_settings", {"index": {"gc_deletes": "0ms"}})


@contextmanager
def served_search() -> Iterator[OsmemServer]:
    """A server; each test has a clone of it."""
    with OsmemServer.start(japanese=False) as server:
        yield server
    assert server.process.stdout is not None
    server.process.stdout.close()


@dataclass
class Indexing:
    """A target from ``source`` to the index at ``url``. What it does not wait for, it counts in ``waits``."""

    source: Side
    url: str
    state: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    told: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    clock: Any = None
    target: Any = None

    def __post_init__(self):
        self.start()

    def start(self):
        """A new process."""
        self.stop()
        settings = SearchIndex(self.url, "orders", **self.settings)
        context = TargetContext(
            "find",
            "orders",
            AwsAccess("us-east-1"),
            self.source,
            lambda *_: self.source,
            lambda *_: None,
            self.told.append,
            self.state,
            clock=self.clock or (lambda: self.source.now),
        )
        self.target = SearchTarget(settings, context, pause=self.waits.append)

    def stop(self):
        if self.target is not None:
            self.target.close()

    def batch(self, records, **more):
        return Batch("find", self.source.arn, "shard", tuple(records), **more)

    def deliver(self, records=None, **more):
        """What the target says to one batch, of all there is where none is given."""
        return self.target.consume(self.batch(self.source.records() if records is None else records, **more))

    def fill(self, at, *, page=2):
        """A whole fill of what the table holds."""
        self.target.begin_fill(at)
        items = list(self.source.call("Scan", TableName="orders")["Items"])
        for first in range(0, len(items), page):
            self.target.fill(images(items[first : first + page]))
        self.target.end_fill()


def images(items: list[dict[str, Any]]) -> list[Any]:
    """Items as a Scan gives them."""
    import msgspec

    return [{name: msgspec.Raw(json.dumps(value).encode()) for name, value in item.items()} for item in items]
