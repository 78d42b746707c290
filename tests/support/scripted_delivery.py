"""A delivery machine over a simulated stream in fine weather, with a function that does what a test says."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

from headrace.batch import Batch
from headrace.dynamodb import TableEvents
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.event_source_mapping import Delivering
from headrace.ledger import Failure, StoredFailure
from headrace.ledgers import Ledgers
from headrace.mapping_facts import MappingFact
from headrace.observe import Observation
from headrace.replicate.commands import Done, Failed, Tell, Tick, WakeAt
from headrace.replicate.delivery.commands import (
    Answered,
    DeliveryEvent,
    DiscardFailures,
    Invoke,
    RedriveFailures,
    Refused,
    Report,
    Rest,
    Rested,
    Settled,
)
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.perform import ask_source, perform
from headrace.simulator import Simulator
from support.delivery_world import START, TABLE, TABLE_OF_ORDERS
from support.seeded import Clock

Answer = Callable[[Batch], object]
"""What the function does with a batch: it returns its response, or raises."""


def fails(_batch: Batch) -> object:
    """The function raises."""
    raise ConsumerFailed("ValueError", "a record is wrong")


def reports(*places: int) -> Answer:
    """The function reports the records of these places in the batch."""
    return lambda batch: {
        "batchItemFailures": [{"itemIdentifier": batch.records[place].sequence.text} for place in places]
    }


def poisoned(*keys: str) -> Answer:
    """The function raises whenever a record of these items is in the batch."""

    def answer(batch: Batch) -> object:
        if any(key in record.key for record in batch.records for key in keys):
            raise ConsumerFailed("ValueError", f"{keys} are wrong")
        return None

    return answer


class Scripted:
    """One mapping. ``batches`` are all that was handed over, in order; ``facts`` all that was told.

    ``passes`` are its filters. While it ``hangs``, batches that are handed over stay in ``hanging``. ``answers`` are used up one by one; then ``otherwise`` answers. Every request is carried out in its turn.
    """

    def __init__(
        self,
        delivering: Delivering | None = None,
        answers: Sequence[Answer] = (),
        otherwise: Answer = lambda _batch: None,
        *,
        has_destination: bool = False,
        shards: int = 1,
        passes: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.clock = Clock(START)
        self.simulator = Simulator(self.clock, 1, initial_shards=shards, rotation_seconds=None)
        self.delivering = delivering or Delivering()
        self.batches: list[Batch] = []
        self.at: list[float] = []
        self.facts: list[MappingFact | Observation] = []
        self.settled: list[Settled] = []
        self.sent: list[Failure] = []
        self.rested = False
        self.passes = passes
        self.hangs = False
        self.hanging: list[Invoke] = []
        self.ledger = Ledgers(None).of("watch")
        self._answers = deque(answers)
        self.otherwise = otherwise
        self._has_destination = has_destination
        self._written = 0
        self._ask("CreateTable", **TABLE_OF_ORDERS)
        self.boot()

    def boot(self) -> None:
        """Start a process: everything but the table and the ledger is new."""
        self.machine = DeliveryMachine(
            "watch", self.delivering, "handlers:watch", has_destination=self._has_destination
        )
        self.source = TableEvents(self.simulator, TABLE, passes=self.passes)
        self._waiting: deque[object] = deque()
        self.wake_at = self.clock()
        self._take(Tick())

    def put(self, *keys: str, size: int = 0) -> None:
        """Change these items, one after another."""
        for key in keys:
            self._written += 1
            item = {"id": {"S": key}, "n": {"N": str(self._written)}, "pad": {"S": "x" * size}}
            self._ask("PutItem", TableName=TABLE, Item=item)

    def delete(self, key: str) -> None:
        self._ask("DeleteItem", TableName=TABLE, Key={"id": {"S": key}})

    def turn_off(self) -> None:
        """Turn the table's stream off."""
        self._ask("UpdateTable", TableName=TABLE, StreamSpecification={"StreamEnabled": False})

    def run(self, seconds: float = 5.0) -> Scripted:
        """Let so much time pass, and everything happen that is due in it."""
        until = self.clock.now + seconds
        while True:
            while self._waiting:
                request = self._waiting.popleft()
                if self.hangs and isinstance(request, Invoke):
                    self.hanging.append(request)
                else:
                    self._take(self._carry_out(request))
            if self.clock.now >= until:
                return self
            self.clock.now = min(max(self.wake_at, self.clock.now + 0.001), until)
            self._take(Tick())

    def tell(self, event: RedriveFailures | DiscardFailures | Rest) -> Scripted:
        """An operator asks for something."""
        self._take(event)
        return self

    @property
    def keys(self) -> list[list[str]]:
        """The items of each batch."""
        return [[json.loads(record.key)["id"]["S"] for record in batch.records] for batch in self.batches]

    @property
    def failures(self) -> tuple[StoredFailure, ...]:
        """All that the ledger keeps."""
        return self.ledger.failures(limit=1000)

    def of_kind(self, kind: type) -> list[object]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def consume(self, batch: Batch) -> object:
        self.batches.append(replace(batch))
        self.at.append(self.clock.now - START)
        answer = self._answers.popleft() if self._answers else self.otherwise
        return answer(batch)

    def send(self, failure: Failure) -> None:
        self.sent.append(failure)

    def close(self) -> None:
        pass

    def _ask(self, operation: str, **request: object) -> None:
        answer = self.simulator(operation, json.dumps(request).encode())
        assert answer.status == 200, answer.body

    def _carry_out(self, request: object) -> DeliveryEvent:
        beside = type(request).__module__.endswith("delivery.commands")
        try:
            if beside:
                answer = perform(request, self.source, self, self.ledger, self)  # type: ignore[arg-type]
                return Answered(request.id, answer)  # type: ignore[attr-defined]
            return Done(request.id, ask_source(request, self.source))  # type: ignore[attr-defined, arg-type]
        except HeadraceError as error:
            return (Refused if beside else Failed)(request.id, error)  # type: ignore[attr-defined]

    def _take(self, event: DeliveryEvent) -> None:
        for command in self.machine.step(event, self.clock()):
            match command:
                case Tell(observation=fact) | Report(fact=fact):
                    self.facts.append(fact)
                case Settled():
                    self.settled.append(command)
                case Rested():
                    self.rested = True
                case WakeAt(at=at):
                    self.wake_at = at
                case _:
                    self._waiting.append(command)
