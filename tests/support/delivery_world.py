"""A simulated table whose changes are delivered: one seed decides writes, weather, failures, crashes and settings.

Whatever happens, the checks hold at each moment: no record of an item is handed over before those before it are settled,
versions grow with an item's changes, no item is with two invocations at once, and batches are within their bounds. At the
end, once all is calm, every record is delivered, or kept as a failure, or parked.
"""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from headrace.batch import MOST_BYTES, Batch
from headrace.dynamodb import TableEvents
from headrace.errors import (
    ConsumerFailed,
    ConsumerUnavailable,
    DestinationUnavailable,
    HeadraceError,
    LedgerError,
    Throttled,
    Unavailable,
)
from headrace.event_source_mapping import Delivering, OnPoison, StartingPosition
from headrace.ledger import Condition, Failure, ParkedRecord, StoredFailure
from headrace.ledgers import Ledgers
from headrace.mapping_facts import MappingFact, MappingStatusChanged
from headrace.observe import Observation
from headrace.replicate.commands import Done, Failed, Request, Tell, Tick, WakeAt
from headrace.replicate.delivery.commands import (
    Answered,
    CommitDelivery,
    DeliveryCommand,
    DeliveryEvent,
    DeliveryRequest,
    DiscardFailures,
    FindSuccessor,
    Invoke,
    OpenLedger,
    ReadFailures,
    ReadParked,
    RedriveFailures,
    Refused,
    Report,
    Rest,
    Rested,
    SendFailure,
    Settled,
)
from headrace.replicate.delivery.machine import DeliveryMachine
from headrace.replicate.delivery.perform import ask_source, perform
from headrace.simulator import Simulator
from headrace.simulator.weather import Weather
from headrace.status import State
from headrace.wire import Response
from support.seeded import Clock

TABLE = "orders"
MAPPING = "watch"
START = 1_700_000_000.0

Name = tuple[str, str]
"""A record: its stream's ARN and its sequence number."""


class Broken(AssertionError):
    """A promise was broken."""


@dataclass
class Hardship:
    """How likely each mishap is: per request, per invocation, per record, per step.

    ``late``: an invocation goes on although its process is dead. ``outage``: the ledger, the destination and the function are away
    for a while. ``rest``: the process is stopped and started. ``discard``: an operator gives up what is kept. ``filters``: not all
    records are wanted. ``resettled``: each process has other settings.
    """

    weather: dict[str, float] = field(default_factory=dict)
    trouble: float = 0.0
    crash: float = 0.0
    raises: float = 0.0
    reports: float = 0.0
    poison: float = 0.0
    nonsense: float = 0.0
    late: float = 0.0
    outage: float = 0.0
    rest: float = 0.0
    discard: float = 0.0
    filters: bool = False
    resettled: bool = False


@dataclass(frozen=True)
class Written:
    """A record that the table's streams have had: of which item, and the how-manieth of it."""

    key: str
    place: int
    created: float


class Truth:
    """Every record that the streams ever had, item by item, in the order in which they came to be."""

    def __init__(self, simulator: Simulator) -> None:
        self.records: dict[Name, Written] = {}
        self.items: dict[str, list[Name]] = defaultdict(list)
        self._simulator = simulator

    def look(self) -> None:
        """Note what is new. To be called after every single write."""
        for arn, stream in self._simulator._streams._streams.items():
            for shard in stream.lineage.listing:
                for number, body, created in zip(shard.numbers, shard.bodies, shard.created, strict=True):
                    name = (arn, str(number))
                    if name not in self.records:
                        keys = json.loads(body)["dynamodb"]["Keys"]
                        key = msgspec.json.encode(keys, order="deterministic").decode()
                        self.records[name] = Written(key, len(self.items[key]), created)
                        self.items[key].append(name)


class Handler:
    """The function: succeeds, raises, reports, or answers nonsense, as the dice and the poison say."""

    def __init__(self, seed: int, truth: Truth, hardship: Hardship, delivering: Delivering) -> None:
        self.random = random.Random(f"handler/{seed}")
        self.hardship = hardship
        self.settled: set[Name] = set()
        self.delivered: set[Name] = set()
        self.once = True
        self.excused: set[Name] = set()
        self.given_up: set[Name] = set()
        self.handed: dict[Name, int] = defaultdict(int)
        self.versions: dict[Name, str] = {}
        self.invocations = 0
        self.states: list[tuple[float, int, bool]] = []
        self._truth = truth
        self.delivering = delivering
        self._poison: dict[Name, bool] = {}

    def is_poison(self, name: Name) -> bool:
        if name not in self._poison:
            self._poison[name] = self.random.random() < self.hardship.poison
        return self._poison[name]

    def heal(self) -> None:
        """No record is poison any more, and nothing goes wrong."""
        self.hardship = Hardship()
        self._poison = defaultdict(bool)

    def consume(self, batch: Batch) -> object:
        self.invocations += 1
        names = [(batch.stream_arn, record.sequence.text) for record in batch.records]
        self._check(batch, names)
        for name in names:
            self.handed[name] += 1
            if self.once and name in self.delivered:
                raise Broken(f"{name} was delivered already, by this process")
        dice, hard = self.random.random(), self.hardship
        if dice < hard.trouble:
            raise Unavailable("it could not be tried")
        poisoned = [place for place, name in enumerate(names) if self.is_poison(name)]
        reporting = self.delivering.reports_item_failures
        if dice < hard.trouble + hard.raises or (poisoned and not reporting):
            raise ConsumerFailed("ValueError", "a record is wrong")
        if reporting and dice > 1 - hard.nonsense:
            return self._with_state(batch, {"batchItemFailures": [{"itemIdentifier": "of-nothing"}]})
        if reporting and names and (poisoned or self.random.random() < hard.reports):
            failing = poisoned or [self.random.randrange(len(names))]
            self._done(names[: min(failing)])
            reported = [
                {"itemIdentifier": names[place][1]} for place in self.random.sample(failing, len(failing))
            ]
            return self._with_state(batch, {"batchItemFailures": reported})
        self._done(names)
        return self._with_state(batch, {})

    def _done(self, names: list[Name]) -> None:
        self.settled |= set(names)
        self.delivered |= set(names)

    def close(self) -> None:
        pass

    def _with_state(self, batch: Batch, response: dict[str, Any]) -> object:
        if batch.window is None:
            return response or self.random.choice(
                (None, {}, {"batchItemFailures": []}, {"batchItemFailures": None})
            )
        count = json.loads(batch.window.state).get("count", 0) + len(batch.records)
        return {**response, "state": {"count": count}}

    def _check(self, batch: Batch, names: list[Name]) -> None:
        if len(names) > self.delivering.batch_size or len(batch.event()) > MOST_BYTES:
            raise Broken(f"a batch of {len(names)} records, {len(batch.event())} bytes")
        if not names and (batch.window is None or not batch.window.final):
            raise Broken("a batch without records")
        within: set[Name] = set()
        for name, record in zip(names, batch.records, strict=True):
            written = self._truth.records[name]
            for before in self._truth.items[written.key][: written.place]:
                if before not in self.settled and before not in within and not self.is_excused(before):
                    raise Broken(f"{name} of {written.key} comes before {before}, which is not settled")
            within.add(name)
            version = batch.version(record)
            if self.versions.setdefault(name, version) != version:
                raise Broken(f"{name} has version {version}, and had {self.versions[name]}")
            if written.place:
                earlier = self.versions.get(self._truth.items[written.key][written.place - 1])
                if earlier is not None and earlier >= version:
                    raise Broken(f"{name} has version {version}, not after {earlier}")

    def is_excused(self, name: Name) -> bool:
        return name in self.excused or name in self.given_up


class DeliveryWorld:
    """Everything one seed needs. ``facts`` are all that was told; ``trace`` hashes what happened."""

    def __init__(self, seed: int, delivering: Delivering, hardship: Hardship, *, items: int = 12) -> None:
        self.random = random.Random(f"world/{seed}")
        self.clock = Clock(START)
        self.weather = Weather(seed, hardship.weather, self.clock)
        self.simulator = Simulator(
            self.clock,
            seed,
            initial_shards=self.random.choice((1, 2, 4)),
            faults=self.weather,
            rotation_seconds=self.random.choice((None, 4 * 3600.0)),
        )
        self.hardship = self.hardship_of_all = hardship
        self.delivering = delivering
        self.facts: list[MappingFact | Observation] = []
        self.settled: list[Settled] = []
        self.sent: list[Failure] = []
        self.status: MappingStatusChanged | None = None
        self.begun = False
        self._seen: object = None
        self.versions = 0
        self.crashes = 0
        self.items = items
        self.truth = Truth(self.simulator)
        self.handler = Handler(seed, self.truth, hardship, delivering)
        self.ledgers = Ledgers(None)
        self.ledger = self.ledgers.of(MAPPING)
        self._trace = hashlib.sha256()
        self.late: list[Invoke] = []
        self.away_until = 0.0
        self.discarding = False
        self._ask("CreateTable", **TABLE_OF_ORDERS)
        if delivering.starting_position is not StartingPosition.TRIM_HORIZON:
            for _ in range(20):
                self.write()
                self.clock.now += self.random.random() * 2.0
        self.boot()

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    # The table

    def write(self) -> None:
        """One item is put or deleted."""
        key = {"id": {"S": f"k{self.random.randrange(self.items)}"}}
        self.versions += 1
        before = len(self.truth.records)
        if self.random.random() < 0.25:
            self._ask("DeleteItem", TableName=TABLE, Key=key)
        else:
            item = {**key, "v": {"N": str(self.versions)}}
            self._ask("PutItem", TableName=TABLE, Item=item)
        self._look(before)

    def _look(self, before: int) -> None:
        """Note what is new; what the filters leave out is never delivered."""
        self.truth.look()
        if self.hardship_of_all.filters:
            new = list(self.truth.records)[before:]
            self.handler.excused |= {name for name in new if not _is_wanted(name[1])}

    def _ask(self, operation: str, **request: object) -> None:
        with self.weather.paused():
            answer = self.simulator(operation, json.dumps(request).encode())
        gone = b"ResourceNotFoundException" in answer.body or b"ResourceInUse" in answer.body
        if answer.status != 200 and not gone:
            raise AssertionError(answer.body)

    def let_happen(self) -> None:
        """The weather acts upon the table and its stream."""
        before = len(self.truth.records)
        self.clock.now += self.weather.act(self.simulator, TABLE)
        self._look(before)

    # The process

    def boot(self) -> None:
        """Start a process: everything but the ledger is new."""
        if self.hardship_of_all.resettled:
            self._resettle()
        self.machine = DeliveryMachine(
            MAPPING, self.delivering, "handlers:watch", "salt", has_destination=True
        )
        self.source = TableEvents(self._wire, TABLE, passes=_passes if self.hardship_of_all.filters else None)
        self.outstanding: list[Request | DeliveryRequest] = []
        self.answered: list[DeliveryEvent] = []
        self.rested = self.resting = False
        self.handler.given_up = set()
        self.wake_at = self.clock()
        self._take(Tick())

    def _resettle(self) -> None:
        """Somebody has changed the Spicepod."""
        lanes = 1 if self.delivering.tumbling_window else self.random.choice((1, 2, 3, 7))
        window = self.random.choice((3.0, 5.0, 8.0)) if self.delivering.tumbling_window else 0.0
        self.delivering = replace(
            self.delivering,
            parallelization_factor=lanes,
            tumbling_window=window,
            bisects=self.random.random() < 0.5,
        )

    def _wire(self, operation: str, body: bytes) -> Response:
        if operation == "GetRecords":
            request = json.loads(body)
            request["Limit"] = self.random.randint(1, 7)
            body = json.dumps(request).encode()
        answer = self.simulator(operation, body)
        if answer.status == 200 and getattr(answer, "cut", False):
            raise Unavailable("cut off")
        return answer

    def step(self) -> None:
        """Let one thing happen."""
        if self.random.random() < self.hardship.crash:
            self._crash()
            return
        if self.late and self.random.random() < 0.05:
            self._carry_out(self.late.pop())
            return
        self._trouble()
        choices = len(self.outstanding) + len(self.answered)
        pick = self.random.randrange(choices + 1)
        if pick < len(self.outstanding):
            self.answered.append(self._carry_out(self.outstanding.pop(pick)))
        elif pick < choices:
            self._take(self.answered.pop(pick - len(self.outstanding)))
        elif choices and self.random.random() < 0.7:
            self.clock.now += self.random.random() * 0.02
        else:
            self.clock.now = max(self.clock.now, min(self.wake_at, self.clock.now + 1.0))
            self._take(Tick())

    def _trouble(self) -> None:
        dice = self.random.random()
        if dice < self.hardship.outage:
            self.away_until = self.clock() + self.random.random() * 60.0
        elif dice < self.hardship.outage + self.hardship.discard:
            self.discarding = True
            self._take(DiscardFailures(len(self.settled) + 1))
        elif dice < self.hardship.outage + self.hardship.discard + self.hardship.rest and not self.resting:
            self.resting = True
            self._take(Rest())
        elif self.rested:
            self.handler.once = False
            self.boot()

    def redrive(self) -> None:
        """An operator has all failures tried again."""
        self._take(RedriveFailures(len(self.settled) + 1))

    def _crash(self) -> None:
        self.crashes += 1
        for request in self.outstanding:
            if isinstance(request, Invoke) and self.random.random() < self.hardship.late:
                self.late.append(request)
            elif isinstance(request, (CommitDelivery, Invoke, SendFailure)) and self.random.random() < 0.5:
                self._carry_out(request)
        self.handler.once = False
        self.boot()

    def _carry_out(self, request: Request | DeliveryRequest) -> DeliveryEvent:
        beside = isinstance(
            request,
            (OpenLedger, CommitDelivery, Invoke, SendFailure, ReadFailures, ReadParked, FindSuccessor),
        )
        try:
            self._fault(request)
            if beside:
                answer = perform(request, self.source, self.handler, self.ledger, self)
                event: DeliveryEvent = Answered(request.id, answer)
            else:
                event = Done(request.id, ask_source(request, self.source))
        except HeadraceError as error:
            event = Refused(request.id, error) if beside else Failed(request.id, error)
        if isinstance(request, CommitDelivery) and isinstance(event, Answered):
            for failure in request.work.failures:
                self._gave_up(failure)
            self._let_go(request.work.released)
        self._trace.update(repr(event).encode())
        return event

    def _let_go(self, released: tuple[ParkedRecord, ...]) -> None:
        """What was parked is parked no more: it was delivered, or an operator has given it up."""
        names = {(one.stream_arn, one.record.sequence.text) for one in released}
        lost = names - self.handler.settled - self.handler.excused
        if lost and not self.discarding:
            raise Broken(f"{lost} were parked, and are let go though nothing has become of them")
        self.handler.excused |= lost

    def _fault(self, request: Request | DeliveryRequest) -> None:
        beside = isinstance(
            request, (Invoke, SendFailure, OpenLedger, CommitDelivery, ReadFailures, ReadParked)
        )
        away = beside and self.clock() < self.away_until
        if isinstance(request, Invoke):
            if away:
                raise ConsumerUnavailable("no process can be started")
            return
        if not away and self.random.random() >= self.hardship.trouble:
            return
        if isinstance(request, SendFailure):
            raise DestinationUnavailable("the queue is away")
        if isinstance(request, (OpenLedger, CommitDelivery, ReadFailures, ReadParked)):
            raise LedgerError("the disk is full")
        raise self.random.choice((Throttled, Unavailable))("as the seed decided")

    def _gave_up(self, failure: Failure) -> None:
        most = self.delivering.maximum_retry_attempts
        for record in failure.records:
            name = (failure.stream_arn, record.sequence.text)
            self.handler.settled.add(name)
        if failure.condition is Condition.RETRY_ATTEMPTS_EXHAUSTED and (
            most is None or failure.invoked <= most
        ):
            raise Broken(f"given up after {failure.invoked} tries, of {most} retries")
        if failure.condition is Condition.RECORD_AGE_EXCEEDED:
            age = failure.at - max(record.created for record in failure.records)
            if age <= (self.delivering.maximum_record_age or 0.0):
                raise Broken(f"given up at an age of {age} s")
        if failure.condition is Condition.RECORDS_EXPIRED and not failure.records:
            self._excuse()

    def _excuse(self) -> None:
        """What the stream has forgotten by now, of that shard and those above it, cannot be delivered any more."""
        for arn, stream in self.simulator._streams._streams.items():
            held = {str(number) for shard in stream.lineage.listing for number in shard.numbers}
            lost = {name for name in self.truth.records if name[0] == arn and name[1] not in held}
            self.handler.excused |= lost
        known = set(self.simulator._streams._streams)
        self.handler.excused |= {name for name in self.truth.records if name[0] not in known}

    def send(self, failure: Failure) -> None:
        """The destination of failures takes one."""
        self.sent.append(failure)

    def close(self) -> None:
        """It is the destination, too."""

    def _take(self, event: DeliveryEvent) -> None:
        for command in self.machine.step(event, self.clock()):
            self._do(command)
        self._note_beginning()
        self._note_given_up()
        self._expect_one_invocation_for_each_item()

    def _note_beginning(self) -> None:
        """A mapping begins with what the table's stream holds then: what was earlier it never promised."""
        following = self.machine._following
        if following is not None and not self.begun and following is not self._seen:
            self._seen = following
            earlier = {name for name in self.truth.records if name[0] < following.stream_arn}
            self.handler.excused |= earlier
            self._excuse()
            self._excuse_earlier(following._since)
        self.begun = self.begun or self.ledger.open() is not None

    def _excuse_earlier(self, since: float) -> None:
        """What was made before the time at which a mapping is to begin; with LATEST, what shards hold that were closed by then."""
        early = {name for name, written in self.truth.records.items() if written.created < since}
        if self.delivering.starting_position is StartingPosition.LATEST:
            for arn, stream in self.simulator._streams._streams.items():
                closed = (shard for shard in stream.lineage.listing if not shard.is_open)
                early |= {(arn, str(number)) for shard in closed for number in shard.numbers}
        self.handler.excused |= early

    def _note_given_up(self) -> None:
        """What the machine has given up counts before it is durable: after a crash, it comes again."""
        following, work = self.machine._following, self.machine._books._work
        failures = [*(following.handover.failures if following else ()), *(work.failures if work else ())]
        for failure in failures:
            self.handler.given_up |= {(failure.stream_arn, one.sequence.text) for one in failure.records}
            if failure.condition is Condition.RECORDS_EXPIRED and not failure.records:
                self._excuse()

    def _do(self, command: DeliveryCommand) -> None:
        match command:
            case Tell(observation=fact) | Report(fact=fact):
                self.facts.append(fact)
                if isinstance(fact, MappingStatusChanged):
                    self.status = fact
            case Settled():
                self.settled.append(command)
            case WakeAt(at=at):
                self.wake_at = at
            case Rested():
                if any(isinstance(one, (Invoke, CommitDelivery)) for one in self.outstanding):
                    raise Broken("it rests while something is under way")
                self.rested = True
            case Invoke() if self.resting:
                raise Broken("a batch is handed over by a mapping that is to rest")
            case _:
                self.outstanding.append(command)

    def _expect_one_invocation_for_each_item(self) -> None:
        taken: set[str] = set()
        for request in self.outstanding:
            if isinstance(request, Invoke):
                keys = {record.key for record in request.batch.records}
                if keys & taken:
                    raise Broken(f"{keys & taken} are handed over twice at once")
                taken |= keys

    # The end

    def run(self, steps: int, writes: float = 0.15, acts: float = 0.02) -> None:
        """Let so many things happen, writes and weather among them."""
        for _ in range(steps):
            dice = self.random.random()
            if dice < writes:
                self.write()
            elif dice < writes + acts:
                self.let_happen()
            else:
                self.step()

    def settle(self, *, heal: bool = True, steps: int = 60_000) -> None:
        """Nothing goes wrong any more; go on until nothing is left to do."""
        self.hardship = Hardship()
        if heal:
            self.handler.heal()
        else:
            self.handler.hardship = Hardship(poison=self.handler.hardship.poison)
        self.weather.calm()
        self.away_until = 0.0
        while self.late:
            self._carry_out(self.late.pop())
        if self.resting:
            self._crash()
        for _ in range(steps):
            if not self.weather.is_calm:
                self.let_happen()
            self.step()
            if self.random.random() < 0.02 and not self.missing() and self._quiet():
                return
        raise Broken(
            f"not settled in {steps} steps: {len(self.missing())} records are missing, status {self.status}"
        )

    def _quiet(self) -> bool:
        wrong = self.status is None or self.status.status is State.ERROR
        return not wrong and not any(
            isinstance(one, (Invoke, CommitDelivery, SendFailure)) for one in self.outstanding
        )

    def missing(self) -> set[Name]:
        """Records that are neither delivered, nor kept as failures, nor parked, nor excused."""
        kept = {
            (stored.failure.stream_arn, record.sequence.text)
            for stored in self.failures()
            for record in stored.failure.records
        }
        delivery = self.ledger.open()
        parked = {
            (one.stream_arn, one.record.sequence.text)
            for key in (delivery.parked if delivery is not None else ())
            for one in self.ledger.parked(key, 10_000)
        }
        return set(self.truth.records) - self.handler.settled - kept - parked - self.handler.excused

    def failures(self) -> tuple[StoredFailure, ...]:
        """All that the ledger keeps."""
        return self.ledger.failures(limit=100_000)


def _is_wanted(number: str) -> bool:
    return zlib.crc32(number.encode()) % 4 != 0


def _passes(text: bytes) -> bool:
    return _is_wanted(json.loads(text)["dynamodb"]["SequenceNumber"])


TABLE_OF_ORDERS: dict[str, object] = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
}


def draw(seed: int) -> tuple[Delivering, Hardship]:
    """Settings and mishaps for one seed: each seed mixes a few kinds."""
    dice = random.Random(f"draw/{seed}")
    window = dice.choice((0.0, 0.0, 0.0, 5.0))
    park = not window and dice.random() < 0.4
    start = dice.choice((*StartingPosition, StartingPosition.TRIM_HORIZON))
    retries = dice.choice((0, 1, 3)) if park or dice.random() < 0.6 else None
    delivering = Delivering(
        starting_position=start,
        starting_timestamp=START + 12.0 if start is StartingPosition.AT_TIMESTAMP else None,
        batch_size=dice.choice((1, 3, 10, 100)),
        maximum_batching_window=dice.choice((0.0, 0.0, 2.0)),
        parallelization_factor=1 if window else dice.choice((1, 2, 5, 10)),
        tumbling_window=window,
        reports_item_failures=dice.random() < 0.6,
        bisects=dice.random() < 0.5,
        maximum_retry_attempts=retries,
        maximum_record_age=dice.choice((None, None, 60.0)),
        on_poison=OnPoison.PARK if park else OnPoison.BLOCK,
        redrive_interval=dice.choice((None, 5.0)),
    )
    kinds = {
        "throttle": 0.05, "internal error": 0.05, "lost answer": 0.05, "expired iterator": 0.03, "empty page": 0.2,
        "tiny pages": 0.5, "late children": 0.3, "early children": 0.3, "lagging listing": 0.2, "childless parent": 0.2,
        "missing shard": 0.1, "late end": 0.5, "split": 0.2, "rotation": 0.1, "longer numbers": 0.05,
        "ttl delete": 0.2, "pause": 0.02, "stream replaced": 0.03, "table recreated": 0.02, "trim": 0.02,
    }  # fmt: skip
    weather = {kind: rate for kind, rate in kinds.items() if dice.random() < 0.3}
    hardship = Hardship(
        weather,
        trouble=dice.choice((0.0, 0.05, 0.2)),
        crash=dice.choice((0.0, 0.002, 0.01)),
        raises=dice.choice((0.0, 0.1, 0.3)),
        reports=dice.choice((0.0, 0.1, 0.3)),
        poison=dice.choice((0.0, 0.02, 0.1)),
        nonsense=dice.choice((0.0, 0.05)),
        late=dice.choice((0.0, 0.5)),
        outage=dice.choice((0.0, 0.002)),
        rest=dice.choice((0.0, 0.003)),
        discard=dice.choice((0.0, 0.0, 0.002)),
        filters=dice.random() < 0.3,
        resettled=dice.random() < 0.3,
    )
    return delivering, hardship
