"""The examples of event source mappings at work: a table that is written to under bad weather, and what must come of each."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ruamel.yaml import YAML

from headrace.simulator import Simulator
from headrace.simulator.server import SimulatorServer
from headrace.simulator.weather import Weather
from support.process import HeadraceProcess

EXAMPLES = Path(__file__).parents[2] / "examples"

_RATES = {
    "throttle": 0.03, "internal error": 0.02, "lost answer": 0.02, "expired iterator": 0.02, "empty page": 0.1,
    "late end": 0.3, "split": 0.15, "rotation": 0.1, "ttl delete": 0.02,
}  # fmt: skip


_STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


class Checked(Protocol):
    """One example, and what must come of it."""

    example: str
    """The name of its file, without the ending."""

    def served(self, story: Story) -> AbstractContextManager[None]:
        """What it needs is there: tables, files, servers."""
        ...

    def adapt(self, pod: dict[str, Any], url: str) -> None:
        """Put the addresses of this story into the example's document; that of the source is there already."""
        ...

    def is_settled(self, story: Story) -> bool:
        """Whether all that was written has come of it, as far as can be seen while the process runs."""
        ...

    def expect(self, story: Story) -> None:
        """Fail unless the target is right; no process runs."""
        ...


class Story:
    """A table ``orders``, with items that no record of its stream tells of, the examples of ``checked`` over it, all in ``folder``, and somebody who writes orders."""

    def __init__(self, folder: Path, seed: int, checked: Sequence[Checked]) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.weather = Weather(seed, _RATES, time.time)
        self.simulator = Simulator(time.time, seed, initial_shards=2, faults=self.weather)
        self.process: HeadraceProcess | None = None
        self._checked = checked
        self._stopping = threading.Event()
        self._revision = 0
        self.make_table("orders", stream=False)
        for number in range(25):
            self._put(f"old{number}")
        self.ask("UpdateTable", TableName="orders", StreamSpecification=_STREAM)

    def make_table(self, name: str, key: str = "id", *, stream: bool = True) -> None:
        """A table, with a stream of both images; its key is a text."""
        self.ask(
            "CreateTable",
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            StreamSpecification=_STREAM if stream else {"StreamEnabled": False},
        )

    @contextmanager
    def served(self) -> Iterator[None]:
        """The service is up, and one Spicepod of all examples, over it, is in the folder."""
        with SimulatorServer(self.simulator) as server, ExitStack() as stack:
            yaml = YAML()
            whole: dict[str, Any] = {"datasets": [], "event_source_mappings": []}
            for one in self._checked:
                stack.enter_context(one.served(self))
                pod = yaml.load(EXAMPLES / f"{one.example}.yaml")
                for entry in (*pod.get("datasets", ()), *pod["event_source_mappings"]):
                    if str(entry["from"]).startswith("dynamodb:"):
                        entry["params"]["endpoint_url"] = server.url
                one.adapt(pod, server.url)
                for key in whole:
                    whole[key] += pod.get(key, ())
            yaml.dump(whole, self.folder / "spicepod.yaml")
            yield

    def write(self, seconds: float) -> None:
        """Orders come and change, shards split, and everything goes wrong now and then."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for _ in range(5):
                self.write_one()
            self.weather.act(self.simulator, "orders")
            self._stopping.wait(0.05)

    def write_one(self) -> None:
        """One order comes, changes or goes."""
        order = f"o{self.random.randrange(40)}"
        if self.random.random() < 0.1:
            self.ask("DeleteItem", TableName="orders", Key={"id": {"S": order}})
        else:
            self._put(order)

    def _put(self, order: str) -> None:
        self._revision += 1
        item = {
            "id": {"S": order},
            "status": {"S": self.random.choice(("new", "paid", "sent"))},
            "category": {"S": self.random.choice(("books", "music", "tools"))},
            "revision": {"N": str(self._revision)},
        }
        if self.random.random() > 0.01:
            item["total"] = {"N": f"{self.random.randrange(10_000)}.5"}
        if self.random.random() < 0.3:
            item["tags"] = {"SS": sorted(self.random.sample(("a", "b", "c", "d"), 2))}
        if self.random.random() < 0.2:
            item["note"] = self.random.choice(({"NULL": True}, {"S": "n"}, {"M": {"by": {"S": "me"}}}))
        self.ask("PutItem", TableName="orders", Item=item)

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """Ask the service, in fine weather."""
        with self.weather.paused():
            answer = self.simulator(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def records(self) -> list[dict[str, Any]]:
        """Every record of the table's stream, parents before children, each as Lambda tells it but for eventSourceARN."""
        (stream,) = [one for arn, one in self.simulator._streams._streams.items() if "/orders/" in arn]
        return [json.loads(body) for shard in stream.lineage.listing for body in shard.bodies]

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table."""
        found: list[dict[str, Any]] = []
        more: dict[str, Any] = {}
        while True:
            page = self.ask("Scan", TableName=table, ConsistentRead=True, **more)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                return found
            more = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def changed_items(self) -> list[dict[str, Any]]:
        """The orders that records of the stream have told of, as far as they are still there."""
        return [item for item in self.items("orders") if not item["id"]["S"].startswith("old")]

    def statuses(self) -> list[dict[str, Any]]:
        """Of all mappings, as the running process tells them."""
        assert self.process is not None, "it runs"
        return list(json.loads(self.process.get("/v1/event_source_mappings").data))

    def status(self, mapping: str) -> dict[str, Any]:
        """Of one mapping."""
        return next(one for one in self.statuses() if one["name"] == mapping)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What the running process answers to SQL."""
        assert self.process is not None, "it runs"
        return list(self.process.sql(sql))

    def is_settled(self) -> bool:
        """Whether everything has come to everybody."""
        return all(not any(one["shards"].values()) for one in self.statuses()) and all(
            one.is_settled(self) for one in self._checked
        )

    def unsettled(self) -> str:
        """What has not come to whom, for whoever waited for it in vain."""
        behind = [one for one in self.statuses() if any(one["shards"].values()) or one["reason"]]
        waiting = [type(one).__name__ for one in self._checked if not one.is_settled(self)]
        log = [] if self.process is None else self.process.log[-30:]
        return "\n".join([f"not settled: {waiting}", *(json.dumps(one) for one in behind), *log])

    def expect(self) -> None:
        """Fail unless each target is right."""
        for one in self._checked:
            one.expect(self)
