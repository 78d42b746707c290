"""The machine of one event source mapping: ``step(event, now) -> commands``.

It decides and does nothing: no I/O, lock, thread, clock or randomness. It reads a stream as the machine that replicates
does, parents first, and hands its records over in batches under the rules of AWS Lambda's event source mappings (AWS Lambda
developer guide, "Process DynamoDB records with Lambda"). Each record is handed over at least once, those of one item in
their order; what is given up is kept. How far each shard has come is durable, and never ahead of what is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.checkpoint import ShardState
from headrace.dataset import Replication
from headrace.errors import HeadraceError
from headrace.event_source import EventPage
from headrace.event_source_mapping import Delivering
from headrace.ledger import Delivery, ShardDelivery, StreamDelivery
from headrace.mapping_facts import KeyReleased, MappingStarted
from headrace.replicate.clock import ServiceClock
from headrace.replicate.commands import (
    Describe,
    Done,
    Failed,
    GetRecords,
    ListChildren,
    ListShards,
    OpenIterator,
    Request,
)
from headrace.replicate.delivery.bookkeeping import LEDGER, Bookkeeping
from headrace.replicate.delivery.commands import (
    Answered,
    CommitDelivery,
    DeliveryAnswer,
    DeliveryCommand,
    DeliveryEvent,
    DiscardFailures,
    FindSuccessor,
    Invoke,
    Opened,
    OpenLedger,
    RedriveFailures,
    Refused,
    Rest,
    Returned,
)
from headrace.replicate.delivery.following import Following
from headrace.replicate.delivery.handover import Identity
from headrace.replicate.delivery.parking import Parking
from headrace.replicate.delivery.post import Post
from headrace.replicate.delivery.redriver import Redriver
from headrace.replicate.delivery.sender import Sender
from headrace.replicate.delivery.standing import Standing
from headrace.replicate.delivery.start import first_lineage, next_lineage, since
from headrace.replicate.delivery.succession import Succession
from headrace.replicate.desk import Desk
from headrace.replicate.entry import Gap
from headrace.replicate.errands import Errands
from headrace.replicate.health import Health
from headrace.replicate.journal import Journal
from headrace.replicate.listing import FirstListing
from headrace.replicate.outbox import Outbox
from headrace.shard import Shard, ShardListing
from headrace.source import SourceTable


class DeliveryMachine:
    """One mapping's deliveries to ``consumer``, which is only a name here.

    ``salt`` spreads the backoff of mappings and processes. Without a destination failures stay in the ledger alone.
    """

    def __init__(
        self,
        mapping: str,
        delivering: Delivering,
        consumer: str,
        salt: str = "",
        *,
        has_destination: bool = False,
    ) -> None:
        self.mapping = mapping
        self._delivering = delivering
        self._identity = Identity(mapping, consumer, delivering, f"{salt}/{mapping}")
        self._outbox = Outbox()
        self._post = Post()
        self._clock = ServiceClock()
        self._health = Health(mapping, self._outbox, f"{salt}/{mapping}")
        self._desk = Desk(mapping, Replication(), self._outbox, self._clock, self._health, Journal(0))
        self._errands = Errands(self._outbox, self._health)
        self._parking = Parking()
        self._sender = Sender(mapping, self._post, self._health, has_destination=has_destination)
        self._redriver = Redriver(mapping, delivering, self._post, self._parking)
        self._books = Bookkeeping(self._post, self._health, self._parking, self._sender, self._redriver)
        self._succession = Succession(self._post, self._health)
        self._standing = Standing(self._desk, self._post)
        self._opening = False
        self._open_failures = 0
        self._open_at = 0.0
        self._opened = False
        self._delivery: Delivery | None = None
        self._table: SourceTable | None = None
        self._listing: FirstListing | None = None
        self._stream: StreamDelivery | None = None
        self._following: Following | None = None
        self._next_generation = 0
        self._failures = 0
        self._resting = False

    def step(self, event: DeliveryEvent, now: float) -> list[DeliveryCommand]:
        """Take in what happened by ``now`` (seconds, never decreasing) and say what to do next."""
        self._outbox.begin(now)
        match event:
            case Answered() | Refused():
                self._heard_beside(event, now)
            case RedriveFailures() | DiscardFailures():
                self._redriver.order(event)
            case Rest():
                self._resting = True
                self._redriver.rest()
            case _:
                for request, outcome in self._outbox.settled(event):
                    self._heard(request, outcome, now)
        self._advance(now)
        self._standing.tell(self._following, self._errands, len(self._parking), self._failures, now)
        # A machine that nothing happens to must still notice that nothing happens.
        self._outbox.wake(now + 1.0)
        return [*self._post.drain(), *self._outbox.drain()]

    # What the stream says

    def _heard(self, request: Request, event: Done | Failed, now: float) -> None:
        if isinstance(event, Done):
            self._clock.observe(getattr(event.answer, "service_time", None), now)
        if isinstance(request, (ListShards, OpenIterator)) and self._listing is not None:
            self._heard_listing(self._listing, request, event, now)
        elif isinstance(event, Failed):
            self._failed(request, event.error, now)
        else:
            self._done(request, event.answer, now)

    def _heard_listing(
        self, listing: FirstListing, request: ListShards | OpenIterator, event: Done | Failed, now: float
    ) -> None:
        match request, event:
            case _, Failed(error=error):
                shards = listing.failed(request, error, now)
            case ListShards(), Done(answer=ShardListing() as page):
                shards = listing.take(request, page, now)
            case OpenIterator(), Done():
                shards = listing.found(request, now)
            case _:
                raise TypeError(f"{request} was answered with {event}")
        if shards is not None:
            self._begin(shards, listing, now)
        elif listing.gone:
            self._begin_again()

    def _done(self, request: Request, answer: object, now: float) -> None:
        match request, answer:
            case Describe(), SourceTable():
                self._errands.answered(request)
                self._table = answer
            case ((ListShards() | ListChildren()), ShardListing()):
                self._at_work.listed(request, answer, now)
            case OpenIterator(), str():
                gap = self._at_work.opened(request, answer, now)
                self._going_on(self._at_work.forgotten(gap, None, now))
            case GetRecords(), EventPage():
                self._at_work.arrived(request, answer, now)
            case _:
                raise TypeError(f"{request} was answered with {answer}")

    def _failed(self, request: Request, error: HeadraceError, now: float) -> None:
        match request:
            case Describe():
                self._errands.failed(request, error, now)
            case ListShards() | ListChildren() | OpenIterator() | GetRecords():
                gap = self._at_work.stream.failed(request, error, now)
                self._going_on(self._at_work.forgotten(gap, error, now))
            case _:
                raise TypeError(f"{request} failed: {error}")

    def _going_on(self, there: bool) -> None:  # noqa: FBT001  # The answer of one question, handed on.
        """Where the stream is gone, what was read of it is still delivered; then the table's stream is looked for."""
        if not there:
            self._standing.gone = True

    # What the consumer, the ledger and the destination say

    def _heard_beside(self, event: Answered | Refused, now: float) -> None:
        redrives = self._redriver.owns(event.id)
        request = self._post.claim(event.id)
        outcome = event.answer if isinstance(event, Answered) else event.error
        match request:
            case None:
                return
            case OpenLedger() | CommitDelivery():
                self._heard_ledger(request, outcome, now)
            case FindSuccessor():
                if not self._succession.heard(outcome, now):
                    # It may be there after all, or be turned on again.
                    self._standing.gone = False
            case _ if redrives:
                self._redriver.heard(request, outcome)
            case Invoke():
                response = outcome.response if isinstance(outcome, Returned) else outcome
                self._at_work.handover.returned(request, response, now)
            case _:
                self._sender.heard(request, outcome, now)

    def _heard_ledger(
        self, request: OpenLedger | CommitDelivery, outcome: DeliveryAnswer | HeadraceError, now: float
    ) -> None:
        match request, outcome:
            case OpenLedger(), Opened(delivery=delivery):
                self._ledger_opened(delivery)
            case OpenLedger(), HeadraceError():
                self._opening = False
                self._open_failures += 1
                self._open_at = now + self._health.failed(LEDGER, outcome, self._open_failures, now)
            case CommitDelivery(), HeadraceError():
                self._books.failed(outcome, now)
            case _:
                self._committed(now)

    def _ledger_opened(self, delivery: Delivery | None) -> None:
        self._health.healed(LEDGER)
        self._opened, self._delivery = True, delivery
        if delivery is not None:
            self._parking.begin(delivery.parked)
            self._failures = delivery.failures

    def _committed(self, now: float) -> None:
        work, free = self._books.committed(self._at_work, now)
        self._failures = max(0, self._failures + len(work.failures) - len(work.resolved))
        for key in free:
            self._post.report(KeyReleased(self.mapping, key))

    # Beginning

    def _open(self, now: float) -> None:
        """Read the ledger and the table, then go on where an earlier process was, or list the shards."""
        if not self._opened and not self._opening:
            if now >= self._open_at:
                self._opening = True
                self._post.send(OpenLedger)
            else:
                self._outbox.wake(self._open_at)
        if self._delivery is not None:
            # An earlier stream is read to its end even where the table has none any more.
            self._resume(self._delivery, now)
            return
        if self._table is None:
            self._errands.ask(Describe, Describe, now)
        if not self._opened or self._table is None:
            return
        if self._listing is None:
            self._listing = FirstListing(self._desk, self._errands, self._table.stream_arn, now)
        self._listing.ask(now)

    def _resume(self, delivery: Delivery, now: float) -> None:
        """Go on with the stream that was followed, though the table may have another by now: that one follows it."""
        self._delivery = None
        # The table may have been asked for meanwhile, in vain perhaps: nobody waits for it any more.
        self._outbox.abandon_source()
        self._errands.clear()
        self._health.forget()
        self._stream = delivery.stream
        states = [one.state for one in delivery.shards]
        durable = {one.state.id: one for one in delivery.shards}
        self._follow(states, durable, now)
        self._post.report(
            MappingStarted(self.mapping, len(states), resumed=True, stream=delivery.stream.stream_arn)
        )

    def _begin(self, shards: tuple[Shard, ...], listing: FirstListing, now: float) -> None:
        """Follow a stream from its beginning: as the mapping says if it is the first, else whole."""
        assert self._table is not None, "a table was described before its shards were listed"
        service_now = self._clock.at(now)
        first = self._stream is None
        if first:
            states = first_lineage(self._delivering, shards, listing.trimmed, service_now)
            started_at = since(self._delivering, service_now)
        else:
            states = next_lineage(shards, listing.trimmed, service_now)
            started_at = 0.0
        self._listing = None
        self._stream = StreamDelivery(self._table.table_id, self._table.stream_arn, started_at)
        self._books.anew = True
        self._follow(states, {}, now)
        if listing.trimmed and not first:
            parents = ", ".join(sorted(listing.trimmed))
            self._at_work.lost(
                Gap(None, f"{parents} of the table's next stream were trimmed before they were read"), now
            )
        self._post.report(
            MappingStarted(self.mapping, len(states), resumed=not first, stream=self._stream.stream_arn)
        )

    def _follow(self, states: Iterable[ShardState], durable: Mapping[str, ShardDelivery], now: float) -> None:
        assert self._stream is not None, "what is followed is known"
        self._standing.gone = self._standing.drained = False
        self._following = Following(
            self._identity,
            self._desk,
            self._post,
            self._parking,
            self._stream.stream_arn,
            states,
            durable,
            since=self._stream.started_at,
            first_generation=self._next_generation,
            now=now,
        )

    def _begin_again(self) -> None:
        """Ask for the table's stream anew; what is durable stays."""
        self._outbox.abandon_source()
        self._errands.clear()
        self._listing = None
        self._table = None

    # What to do next

    def _advance(self, now: float) -> None:
        following = self._following
        if following is None:
            self._redriver.refuse("the mapping is not open yet; ask again once it follows its stream")
            if self._resting:
                self._post.rested()
            else:
                self._open(now)
            return
        assert self._stream is not None, "what is followed is known"
        if not self._resting:
            if not self._standing.gone:
                following.read(now)
            following.hand_over(now, self._redriver.held)
            self._standing.drained = self._standing.drained and (
                self._standing.gone or following.is_drained(now)
            )
            self._outbox.wake(self._redriver.advance(now, self._failures, lambda: following.handover.in_hand))
            self._outbox.wake(self._sender.advance(now))
        self._outbox.wake(self._books.advance(following, self._stream, now))
        if self._resting:
            if not (following.handover.under_way or self._redriver.busy or self._books.under_way):
                self._post.rested()
        elif not (following.handover.under_way or self._books.under_way) and (
            following.is_drained(now) or (self._standing.gone and following.idle)
        ):
            self._look_for_another(following, now)

    def _look_for_another(self, following: Following, now: float) -> None:
        """Nothing of the stream is left to deliver: begin with the one that followed it, once there is one."""
        table = self._succession.found
        if table is None:
            self._standing.drained = True
            self._outbox.wake(self._succession.look(following.stream_arn, now))
        elif not following.lose(now):
            # What was lost of the stream is durable by now.
            self._next_generation = following.last_generation + 1
            self._succession.followed()
            self._outbox.abandon_source()
            self._following, self._table = None, table
            self._listing = FirstListing(self._desk, self._errands, table.stream_arn, now)

    @property
    def _at_work(self) -> Following:
        assert self._following is not None, "nothing is followed in this phase"
        return self._following
