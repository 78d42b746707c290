"""Several readers of one simulated stream in a seeded order: every request is taken apart into what may happen between."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random

from headrace.dynamodb.shared_page import Pages, Standing
from headrace.dynamodb.shared_shard import Ask, Pause, SharedShard, Waiter, conversation, iterator_of
from headrace.errors import HeadraceError, Unavailable
from headrace.simulator import Simulator
from headrace.simulator.faults import EmptyPage, Lose, Refuse
from headrace.wire import Response

TABLE = "orders"
START = 1_700_000_000.0


@dataclass
class Talk:
    """A request of one waiter to the service, between two of its steps."""

    ask: Ask
    steps: object
    pending: tuple[str, bytes]
    answer: Response | HeadraceError | None = None


@dataclass
class Reader:
    """One consumer in one shard. ``at`` is the index of the record that it must see next, ``iterators`` what it was given before."""

    name: int
    shard: str
    at: int | None = None
    token: str | None = None
    waiter: Waiter | None = None
    known: int = 0
    ended: bool = False
    seen: int = 0
    iterators: list[tuple[str, int]] = field(default_factory=list)


class SharedReading:
    """Readers, the shards that they share, and a service that they are not to tell from their own."""

    def __init__(self, seed: int, *, readers: int, faults: bool, kept: int, interval: float = 0.2) -> None:
        self.random = Random(f"shared/{seed}")
        self.now = START
        self.faults = faults
        self.lies = 0
        self.simulator = Simulator(lambda: self.now, seed, rotation_seconds=None, faults=self._fault)
        self.call(
            "CreateTable",
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        self.arn = self.call("DescribeTable", TableName=TABLE)["Table"]["LatestStreamArn"]
        self.pages = Pages(kept)
        self.interval = interval
        self.shards: dict[str, SharedShard] = {}
        self.truth: dict[str, list[str]] = {}
        self.trimmed: dict[str, int] = {}
        self.talks: dict[str, Talk] = {}
        self.asked: Counter[str] = Counter()
        self.calm = True
        self.note()
        [first] = self.truth
        self.readers = [Reader(name, first) for name in range(readers)]

    # The service

    def call(self, operation: str, **request: object) -> dict:
        was, self.calm = getattr(self, "calm", True), True
        response = self.simulator(operation, json.dumps(request).encode())
        self.calm = was
        assert response.status == 200, response.body
        return json.loads(response.body)

    def _fault(self, operation, _request):
        if self.calm or not self.faults or operation not in ("GetRecords", "GetShardIterator"):
            return None
        roll = self.random.random()
        if roll < 0.05:
            return Refuse("ThrottlingException")
        if roll < 0.08:
            return Lose(after_effect=True)
        if roll < 0.13 and operation == "GetRecords":
            self.lies += 1
            return EmptyPage()
        return Refuse("ExpiredIteratorException") if roll < 0.16 and operation == "GetRecords" else None

    def note(self) -> None:
        """Keep what was written, before it may be trimmed."""
        for shard in self.simulator.streams._lineage(TABLE).listing:
            known = self.truth.setdefault(shard.id, [])
            self.trimmed.setdefault(shard.id, 0)
            last = int(known[-1]) if known else -1
            known += [str(number) for number in shard.numbers if number > last]

    def write(self) -> None:
        for _ in range(self.random.choice((1, 1, 2, 5))):
            key = f"k{self.random.randrange(10**9)}"
            self.call("PutItem", TableName=TABLE, Item={"id": {"S": key}})
        self.note()

    def trouble(self) -> None:
        """Something that readers cannot help: a split, iterators that are too old, records that are forgotten."""
        streams = self.simulator.streams
        match self.random.randrange(6):
            case 0 | 1:
                streams.split_shard(TABLE)
                self.note()
            case 2 | 3:
                streams.expire_iterators(TABLE)
            case 4:
                self.now += 1000.0
            case _:
                streams.trim_records(TABLE)
                self.trimmed = {shard: len(known) for shard, known in self.truth.items()}

    # The readers

    def step(self) -> None:
        """One of all things that may happen now."""
        self.now += self.random.choice((0.0, 0.001, 0.05, 0.3))
        roll = self.random.random()
        if roll < 0.08:
            self.write()
        elif roll < 0.085 and self.faults:
            self.trouble()
        elif roll < 0.45 and self.talks:
            self.talk(self.random.choice(list(self.talks)))
        else:
            self.act(self.random.choice(self.readers))

    def talk(self, shard_id: str) -> None:
        """The service gets a request, or its answer arrives."""
        talk = self.talks[shard_id]
        if talk.answer is None:
            self.asked[talk.pending[0]] += 1
            talk.answer = self.served(*talk.pending)
            return
        found, talk.answer = talk.answer, None
        if isinstance(found, Response):
            try:
                talk.pending = talk.steps.send(found)
            except StopIteration as end:
                found = end.value
            else:
                return
        del self.talks[shard_id]
        self.shards[shard_id].done(talk.ask, found, self.now)

    def served(self, operation: str, body: bytes) -> Response | HeadraceError:
        self.calm = False
        try:
            return self.simulator(operation, body)
        except Unavailable as error:
            return error
        finally:
            self.calm = True

    def act(self, reader: Reader) -> None:
        if reader.ended:
            self.follow(reader)
        elif reader.waiter is not None:
            self.await_turn(reader)
        elif reader.token is None:
            self.open(reader)
        else:
            if reader.iterators and self.random.random() < 0.05:
                # Whoever failed after an answer may ask with what it had before.
                reader.token, reader.at = self.random.choice(reader.iterators)
            if self.random.random() < 0.03:
                reader.token = None
                return
            standing = Standing.of_token(reader.token)
            reader.known = len(self.truth[reader.shard])
            reader.waiter = self.shards[reader.shard].arrive(standing, self.random.choice((1000, 1000, 2)))

    def follow(self, reader: Reader) -> None:
        children = [
            shard.id
            for shard in self.simulator.streams._lineage(TABLE).listing
            if shard.parent == reader.shard
        ]
        if children:
            self.begin(reader, self.random.choice(children))

    def begin(self, reader: Reader, shard: str) -> None:
        reader.shard, reader.at, reader.token, reader.ended, reader.iterators = shard, None, None, False, []

    def open(self, reader: Reader) -> None:
        """Anywhere, or after what was read last; what it would see alone is looked up at the same moment."""
        known = self.truth[reader.shard]
        asked = {"StreamArn": self.arn, "ShardId": reader.shard, "ShardIteratorType": "TRIM_HORIZON"}
        kept = known[self.trimmed[reader.shard] :]
        if reader.at is not None and reader.at > self.trimmed[reader.shard] and self.random.random() < 0.7:
            asked |= {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": known[reader.at - 1]}
        elif kept and self.random.random() < 0.5:
            anchor = self.random.choice(("AFTER_SEQUENCE_NUMBER", "AT_SEQUENCE_NUMBER"))
            asked |= {"ShardIteratorType": anchor, "SequenceNumber": self.random.choice(kept)}
        elif self.random.random() < 0.2:
            asked |= {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": float(int(self.now))}
        opened = self.served("GetShardIterator", json.dumps(asked).encode())
        iterator = iterator_of(opened) if isinstance(opened, Response) else None
        if iterator is None:
            return
        ahead = self.call("GetRecords", ShardIterator=iterator, Limit=1)["Records"]
        number = ahead[0]["dynamodb"]["SequenceNumber"] if ahead else None
        reader.at = len(known) if number is None else known.index(number)
        key = (self.arn, reader.shard)
        shard = self.shards.setdefault(reader.shard, SharedShard(key, self.pages, self.interval))
        reader.token = shard.opened(asked, iterator, self.now, self.now).token()

    def await_turn(self, reader: Reader) -> None:
        shard, waiter = self.shards[reader.shard], reader.waiter
        turn = shard.turn(waiter, self.now, patient=self.random.random() < 0.9)
        if isinstance(turn, Pause):
            return
        if isinstance(turn, Ask):
            assert reader.shard not in self.talks, "one request of a shard at a time"
            steps = conversation(turn)
            self.talks[reader.shard] = Talk(turn, steps, next(steps))
            return
        reader.waiter = None
        if isinstance(turn, Response) and turn.status == 200:
            self.take(reader, json.loads(turn.body))
        else:
            said = turn.body if isinstance(turn, Response) else b""
            if b"Expired" in said or b"Trimmed" in said:
                reader.token = None
                if b"Trimmed" in said:
                    assert reader.at <= self.trimmed[reader.shard], "what is there is not trimmed"

    def take(self, reader: Reader, page: dict) -> None:
        """The law: what comes is what lies ahead, in its order; nothing comes only where nothing did when it was asked for."""
        numbers = [record["dynamodb"]["SequenceNumber"] for record in page["Records"]]
        truth = self.truth[reader.shard]
        if numbers:
            first = truth.index(numbers[0])
            assert first == reader.at or first <= self.trimmed[reader.shard] <= reader.at, "none is left out"
            assert numbers == truth[first : first + len(numbers)]
            reader.at = first + len(numbers)
            reader.seen += len(numbers)
        following = page.get("NextShardIterator")
        if following is None:
            assert reader.at == len(truth) or reader.at <= self.trimmed[reader.shard]
            assert not self.simulator.streams._lineage(TABLE).get(reader.shard).is_open
            reader.ended = True
        elif not numbers and not self.lies:
            assert reader.known <= reader.at, "a page without records proves that nothing older is left"
        reader.token = following
        if following is not None:
            reader.iterators = [*reader.iterators[-3:], (following, reader.at)]
