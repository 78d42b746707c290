"""A mapping at work: its stream is read, its records are handed over, and how far that has come is made durable."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from headrace.checkpoint import Checkpoint, ShardState, Stage
from headrace.errors import HeadraceError, ShardGone
from headrace.event_source import EventPage
from headrace.ledger import Condition, Fault, ShardDelivery
from headrace.mapping_facts import RecordsFiltered
from headrace.observe import GapFound
from headrace.position import Position
from headrace.replicate.buffer import StreamUnit
from headrace.replicate.commands import GetRecords, ListChildren, ListShards, OpenIterator
from headrace.replicate.delivery.feed import ShardFeed
from headrace.replicate.delivery.handover import CONSUMER, Handover, Identity
from headrace.replicate.delivery.parking import Parking
from headrace.replicate.delivery.portion import GivenUp
from headrace.replicate.delivery.post import Post
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

MOST_BYTES: Final = 256 * 2**20
"""Bytes of records that wait in all; beyond them a shard is read only while nothing of its own waits."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a transaction makes durable of the stream. ``changes`` and ``units`` are for whoever reads it."""

    shards: tuple[ShardDelivery, ...] = ()
    forgotten: tuple[str, ...] = ()
    changes: Mapping[str, ShardState] | None = None
    units: tuple[StreamUnit, ...] = ()


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
        self._identity = identity
        self._desk = desk
        self._post = post
        self._since = since
        self._first_generation = first_generation
        self._durable = dict(durable)
        self._feeds: dict[str, ShardFeed] = {}
        self._bytes = 0
        self._gone: Gap | None = None
        self._confirmed = -1
        self._listings = 0
        self._rechecks = False
        self._listed_at = now
        self._anchored_at = now
        self._generations: dict[str, int] = {}
        self.handover = Handover(identity, desk, post, parking, stream_arn, self._generation)
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
            self.handover.give_up(reader.id, GivenUp((), Condition.RECORD_UNREADABLE, 0, fault), now)

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
        self.handover.give_up(gap.shard_id or "", GivenUp((), Condition.RECORDS_EXPIRED, 0, fault), now)

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
        """Send every batch that is due; items that are ``held`` are with another invocation."""
        ready = [feed for feed in self._feeds.values() if feed.id in self._durable]
        self.handover.hand_over(ready, self._passed, held, now)

    def _passed(self, shard_id: str) -> float | None:
        """The time before which no record of a shard will come any more (the service's), None while nothing proves any."""
        reader = self.stream.readers.get(shard_id)
        return reader.read_up_to if reader is not None else None

    def _generation(self, shard_id: str) -> int:
        return self._generations.get(shard_id, self._first_generation)

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
        return ShardDelivery(state, self._generation(state.id), window)

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
                    yield Pulse(f"a batch of {shard(feed.id)}", lane.failing_since, lane.why_failing)

    def opened(self, request: OpenIterator, iterator: str, now: float) -> Gap | None:
        """An iterator was given."""
        return self.stream.opened(request, iterator, now)
