"""A mapping at work: its stream is read, its records are handed over, and how far that has come is made durable."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from headrace.batch import Batch
from headrace.checkpoint import Checkpoint, ShardState, Stage
from headrace.errors import ConsumerFailed, HeadraceError, ShardGone
from headrace.event_source import EventPage
from headrace.event_source_mapping import Delivering
from headrace.ledger import Condition, Failure, Fault, ParkedRecord, ShardDelivery
from headrace.mapping_facts import BatchBisected, Invoked, KeyParked, RecordsFiltered, RecordsGivenUp
from headrace.observe import GapFound
from headrace.position import Position
from headrace.replicate.buffer import StreamUnit
from headrace.replicate.commands import GetRecords, ListChildren, ListShards, OpenIterator
from headrace.replicate.delivery.commands import Invoke
from headrace.replicate.delivery.feed import ShardFeed
from headrace.replicate.delivery.lane import Lane, fault_of
from headrace.replicate.delivery.parking import Parking
from headrace.replicate.delivery.portion import GivenUp, Portion, Settlement
from headrace.replicate.delivery.post import Post
from headrace.replicate.delivery.response import Verdict, judge
from headrace.replicate.delivery.start import generations
from headrace.replicate.desk import Desk
from headrace.replicate.entry import Gap
from headrace.replicate.lineage import CONFIRMATIONS, Lineage
from headrace.replicate.listing import PATIENCE
from headrace.replicate.liveness import Pulse, shard
from headrace.replicate.plan import ANCHOR_INTERVAL
from headrace.replicate.reader import ShardReader
from headrace.replicate.scan_pages import REQUESTS
from headrace.replicate.stream import StreamFollower
from headrace.shard import ShardListing

CONSUMER: Final = "the consumer"

MOST_INVOCATIONS: Final = 64
"""Batches that are handed over at once, whatever the number of shards and lanes."""

MOST_BYTES: Final = 256 * 2**20
"""Bytes of records that wait in all; beyond them a shard is read only while nothing of its own waits."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Of which mapping, for which consumer; ``salt`` spreads its backoff."""

    mapping: str
    consumer: str
    delivering: Delivering
    salt: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What a transaction makes durable of the stream. ``changes`` and ``units`` are for whoever reads it."""

    shards: tuple[ShardDelivery, ...] = ()
    forgotten: tuple[str, ...] = ()
    changes: Mapping[str, ShardState] | None = None
    units: tuple[StreamUnit, ...] = ()


@dataclass(frozen=True, slots=True)
class _Handed:
    feed: ShardFeed
    lane: Lane
    portion: Portion
    batch: Batch
    at: float
    age: float | None


class Following:
    """One stream, from what is durable of it on.

    A shard's records are handed over only once its generation is durable: versions must not change with a restart.
    """

    def __init__(
        self,
        identity: Identity,
        desk: Desk,
        post: Post,
        parking: Parking,
        stream_arn: str,
        states: Iterable[ShardState],
        durable: Mapping[str, ShardDelivery],
        *,
        since: float,
        first_generation: int,
        now: float,
    ) -> None:
        states = tuple(states)
        self.stream_arn = stream_arn
        self.failures: list[Failure] = []
        self.parking = parking
        self._identity = identity
        self._desk = desk
        self._post = post
        self._since = since
        self._first_generation = first_generation
        self._durable = dict(durable)
        self._feeds: dict[str, ShardFeed] = {}
        self._handed: dict[int, _Handed] = {}
        self._turn = 0
        self._bytes = 0
        self._gone: Gap | None = None
        self._confirmed = -1
        self._listings = 0
        self._rechecks = False
        self._listed_at = now
        self._anchored_at = now
        self._generations: dict[str, int] = {}
        service_now = desk.clock.at(now)
        checkpoint = Checkpoint("", stream_arn, service_now, (), states)
        self.stream = StreamFollower(desk, Lineage(states), checkpoint, full=self._is_full)
        self.stream.discovery.dirty = True
        self._number()
        for delivery in self._durable.values():
            if delivery.window is not None and delivery.state.stage is Stage.READING:
                self._feed(delivery.state.id)

    # Reading

    def read(self, now: float) -> None:
        """Ask the stream for what is due."""
        self.stream.advance(now, REQUESTS - self._desk.outbox.source_requests)

    def arrived(self, request: GetRecords, page: EventPage, now: float) -> None:
        """A page of a shard: its records wait from now on."""
        reader = self.stream.arrived(request, page, now)
        if reader is None:
            return
        if page.count or page.next_iterator is None:
            self._feed(reader.id).add(page, now)
            self._bytes += page.wire_bytes
        if page.filtered:
            self._post.report(RecordsFiltered(self._identity.mapping, reader.id, page.filtered))
        for letter in page.dead:
            number = "without a number" if letter.sequence is None else letter.sequence.text
            fault = Fault("RecordUnreadable", f"record {number}: {letter.reason}: {letter.record}")
            self._gave_up(reader.id, GivenUp((), Condition.RECORD_UNREADABLE, 0, fault), now)

    def listed(self, request: ListShards | ListChildren, listing: ShardListing, now: float) -> None:
        """A listing was answered."""
        self.stream.listed(request, listing, now)

    def forgotten(self, gap: Gap | None, error: HeadraceError | None, now: float) -> bool:
        """Records that the stream has forgotten are told as a failure, and the shard goes on; false if the stream itself is gone."""
        if gap is None:
            return True
        if gap.shard_id is None:
            self._gone = gap
            for feed in self._feeds.values():
                feed.end()
            return False
        self.lost(gap, now)
        reader = self.stream.readers.get(gap.shard_id)
        if reader is None:
            return True
        if isinstance(error, ShardGone):
            self._end(reader, now)
        else:
            self.stream.reposition(reader, Position.trim_horizon(self._desk.clock.at(now)), now)
        return True

    def lose(self, now: float) -> bool:
        """Tell that the stream is gone for good, if it is; false if that is told, or it was read to its end."""
        gone, self._gone = self._gone, None
        if gone is not None:
            self.lost(gone, now)
        return gone is not None

    def lost(self, gap: Gap, now: float) -> None:
        """Records that the stream has forgotten are kept as a failure, without them."""
        self._desk.outbox.tell(GapFound(self._identity.mapping, gap.shard_id, gap.reason, "continue"))
        fault = Fault("RecordsExpired", f"{gap}; what follows is delivered")
        self._gave_up(gap.shard_id or "", GivenUp((), Condition.RECORDS_EXPIRED, 0, fault), now)

    def _end(self, reader: ShardReader, now: float) -> None:
        """A shard that the service does not know any more has ended, as far as it was read."""
        page = EventPage(None, (), 0, None, None, None, None)
        reader.ended, reader.unapplied = True, reader.unapplied + 1
        self._feed(reader.id).add(page, now)

    def _feed(self, shard_id: str) -> ShardFeed:
        feed = self._feeds.get(shard_id)
        if feed is None:
            known = self._durable.get(shard_id)
            feed = self._feeds[shard_id] = ShardFeed(
                shard_id,
                self._identity.delivering,
                self._since,
                known.window if known is not None else None,
                self._identity.salt,
            )
        return feed

    def _is_full(self, reader: ShardReader) -> bool:
        feed = self._feeds.get(reader.id)
        if feed is None:
            return False
        return feed.full or (feed.bytes > 0 and self._bytes >= MOST_BYTES)

    # Handing over

    def hand_over(self, now: float, held: Container[str]) -> None:
        """Send every batch that is due, shard after shard in turn, within what may be under way at once.

        Items that are ``held`` are with another invocation.
        """
        feeds = [feed for feed in self._feeds.values() if feed.id in self._durable]
        self._turn += 1
        start = self._turn % len(feeds) if feeds else 0
        for feed in (*feeds[start:], *feeds[:start]):
            if feed.look_at <= now:
                look_at = math.inf
                for lane in feed.lanes:
                    if len(self._handed) >= MOST_INVOCATIONS:
                        return
                    look_at = min(look_at, self._try(feed, lane, held, now))
                feed.look_at = look_at
            if math.isfinite(feed.look_at):
                self._desk.outbox.wake(feed.look_at)

    def _try(self, feed: ShardFeed, lane: Lane, held: Container[str], now: float) -> float:
        """Hand the lane's next batch over if it is due; when to look again, infinity: after news of the shard."""
        reader = self.stream.readers.get(feed.id)
        passed = reader.read_up_to if reader is not None else None
        service_now = self._desk.clock.at(now)
        portion, settled, again_at = lane.next(now, service_now, self.parking, held=held, passed=passed)
        self._settle(feed, settled, now)
        if portion is None:
            if lane.busy:
                return math.inf
            if again_at is None or lane.window is not None:
                # What waits for another invocation, or for a window's end, may go on with any step.
                self._desk.outbox.wake(again_at)
                return -math.inf
            return again_at
        window = lane.window
        if window is not None:
            window = replace(window, final=portion.final, early=portion.early)
        batch = Batch(
            self._identity.mapping,
            self.stream_arn,
            feed.id,
            portion.records,
            self._durable[feed.id].generation,
            portion.invoked + 1,
            window,
        )
        age = max(0.0, service_now - portion.records[-1].created) if portion.entries else None
        request_id = self._post.send(partial(Invoke, batch=batch))
        self._handed[request_id] = _Handed(feed, lane, portion, batch, now, age)
        return math.inf

    def returned(self, request: Invoke, outcome: object, now: float) -> None:
        """What came of a batch: the response, or the error that was raised."""
        handed = self._handed.pop(request.id)
        handed.feed.look_at = -math.inf
        if isinstance(outcome, HeadraceError) and not isinstance(outcome, ConsumerFailed):
            handed.lane.trouble(outcome, now)
            self._desk.health.failed(CONSUMER, outcome, handed.portion.troubles, now)
            return
        self._desk.health.healed(CONSUMER)
        if isinstance(outcome, ConsumerFailed):
            verdict = Verdict(0, fault_of(outcome))
        else:
            reports = self._identity.delivering.reports_item_failures
            verdict = judge(handed.batch, outcome, reports=reports)
        fault = verdict.fault
        invoked = Invoked(
            self._identity.mapping,
            handed.feed.id,
            len(handed.batch.records),
            verdict.done,
            handed.batch.attempt,
            now - handed.at,
            handed.age,
            None if fault is None else f"{fault.type}: {fault.message}",
        )
        self._post.report(invoked)
        self._settle(handed.feed, handed.lane.settle(verdict, now), now)

    def _settle(self, feed: ShardFeed, settled: Settlement, now: float) -> None:
        for entry in settled.done:
            entry.done = True
        for given_up in settled.given_up:
            self._gave_up(feed.id, given_up, now)
        if settled.bisected:
            self._post.report(BatchBisected(self._identity.mapping, feed.id, settled.bisected))
        generation = self._durable[feed.id].generation
        for entry in settled.parked:
            entry.done = True
            first = self.parking.add(ParkedRecord(self.stream_arn, feed.id, generation, entry.record))
            if first:
                why = "" if settled.why_parked is None else settled.why_parked.message
                self._post.report(KeyParked(self._identity.mapping, feed.id, entry.record.key, why))

    def _gave_up(self, shard_id: str, given_up: GivenUp, now: float) -> None:
        failure = Failure(
            self._identity.mapping,
            self._identity.consumer,
            given_up.condition,
            self.stream_arn,
            shard_id,
            self._generations.get(shard_id, self._first_generation),
            given_up.invoked,
            tuple(entry.record for entry in given_up.entries),
            given_up.fault,
            self._desk.clock.at(now),
        )
        for entry in given_up.entries:
            entry.done = True
        self.failures.append(failure)
        error = None if given_up.fault is None else given_up.fault.message
        count = len(failure.records)
        self._post.report(
            RecordsGivenUp(self._identity.mapping, shard_id, count, failure.condition, failure.id, error)
        )

    @property
    def in_hand(self) -> frozenset[str]:
        """The items that are with an invocation."""
        return frozenset(record.key for handed in self._handed.values() for record in handed.batch.records)

    @property
    def under_way(self) -> int:
        """How many batches are handed over and not settled."""
        return len(self._handed)

    # Becoming durable

    def take(self, now: float) -> Progress:
        """What is to be made durable, which is taken away: it must be, or everything begins again."""
        changes: dict[str, ShardState] = {}
        units = []
        for feed in self._feeds.values():
            before = feed.bytes
            advance = feed.advance()
            self._bytes -= before - feed.bytes
            if advance is None:
                continue
            state = self.stream.lineage[feed.id]
            if advance.position is not None:
                state = replace(state, position=advance.position, read_up_to=advance.read_up_to)
            if advance.ended:
                state = replace(state, stage=Stage.FINISHED, position=None)
            changes[feed.id] = state
            if advance.pages:
                units.append(StreamUnit(feed.id, advance.pages))
        if not changes and now - self._anchored_at > ANCHOR_INTERVAL:
            changes, self._anchored_at = self.stream.anchored(), now
        discovery = self.stream.discovery
        if not discovery.dirty:
            shards = tuple(self._delivery(state) for state in changes.values())
            return Progress(shards, (), changes, tuple(units))
        discovery.dirty = False
        self._number()
        every = [self._delivery(state) for state in self.stream.lineage.states(changes)]
        news = tuple(one for one in every if self._durable.get(one.state.id) != one)
        gone = tuple(id_ for id_ in self._durable if id_ not in self.stream.lineage)
        return Progress(news, gone, changes, tuple(units))

    def commit(self, progress: Progress, now: float) -> None:
        """It is durable: shards that have ended let their children go on."""
        self.stream.commit(progress.units, progress.changes or {}, now)
        for delivery in progress.shards:
            self._durable[delivery.state.id] = delivery
        for shard_id in progress.forgotten:
            self._durable.pop(shard_id, None)
        for shard_id, feed in tuple(self._feeds.items()):
            if feed.empty:
                del self._feeds[shard_id]

    def _delivery(self, state: ShardState) -> ShardDelivery:
        feed, known = self._feeds.get(state.id), self._durable.get(state.id)
        window = feed.window if feed is not None else known.window if known is not None else None
        return ShardDelivery(state, self._generations.get(state.id, self._first_generation), window)

    def _number(self) -> None:
        known = {id_: delivery.generation for id_, delivery in self._durable.items()}
        # Those that are given already stay as they are, durable or not.
        known = {**known, **{id_: g for id_, g in self._generations.items() if id_ in self.stream.lineage}}
        self._generations = generations(self.stream.lineage.states(), known, self._first_generation)

    # Knowing

    @property
    def last_generation(self) -> int:
        """The greatest that was given."""
        return max(self._generations.values(), default=self._first_generation)

    @property
    def idle(self) -> bool:
        """Whether nothing that was read waits."""
        return all(feed.empty for feed in self._feeds.values())

    def is_drained(self, now: float) -> bool:
        """Whether the stream is off and everything in it is done and durable.

        Listings are known to lack children of shards for minutes: several, over so long, must show no more of them.
        """
        if not (self.stream.drained and self.idle):
            self._confirmed = -1
            return False
        discovery = self.stream.discovery
        interval = PATIENCE / CONFIRMATIONS
        listed = discovery.listings > self._listings and now - self._listed_at >= interval
        if self._confirmed < 0 or listed:
            self._confirmed += 1
            self._listings, self._listed_at, self._rechecks = discovery.listings, now, False
        if self._confirmed >= CONFIRMATIONS:
            return True
        if now - self._listed_at >= interval:
            if not self._rechecks:
                self._rechecks = True
                discovery.recheck(now)
        else:
            self._desk.outbox.wake(self._listed_at + interval)
        return False

    def ages(self, service_now: float) -> dict[str, float]:
        """How old the oldest record is that is not done, shard by shard (seconds); 0 where there is none."""
        ages = {}
        for reader in self.stream.readers.values():
            feed = self._feeds.get(reader.id)
            oldest = feed.oldest if feed is not None else None
            if oldest is None and not reader.at_tip:
                oldest = reader.read_up_to
            ages[reader.id] = 0.0 if oldest is None else max(0.0, service_now - oldest)
        return ages

    def pulses(self, now: float) -> Iterator[Pulse]:
        """What is expected to make progress: the readers, batches that keep failing, and those that cannot be tried."""
        yield from self.stream.pulses(now)
        for feed in self._feeds.values():
            for lane in feed.lanes:
                if lane.untried_since is not None:
                    yield Pulse(CONSUMER, lane.untried_since)
                elif lane.failing_since is not None:
                    yield Pulse(f"a batch of {shard(feed.id)}", lane.failing_since)

    def opened(self, request: OpenIterator, iterator: str, now: float) -> Gap | None:
        """An iterator was given."""
        return self.stream.opened(request, iterator, now)
