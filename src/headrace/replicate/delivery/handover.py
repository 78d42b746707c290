"""Batches on their way to the consumer: handed over when they are due, and settled by what comes back."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from headrace.batch import Batch
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.event_source_mapping import Delivering
from headrace.ledger import Failure, ParkedRecord
from headrace.mapping_facts import BatchBisected, Invoked, KeyParked, RecordsGivenUp
from headrace.replicate.delivery.commands import Invoke
from headrace.replicate.delivery.feed import ShardFeed
from headrace.replicate.delivery.lane import Lane, fault_of
from headrace.replicate.delivery.parking import Parking
from headrace.replicate.delivery.portion import GivenUp, Portion, Settlement
from headrace.replicate.delivery.post import Post
from headrace.replicate.delivery.response import Verdict, judge
from headrace.replicate.desk import Desk

CONSUMER: Final = "the consumer"

MOST_INVOCATIONS: Final = 64
"""Batches that are handed over at once, whatever the number of shards and lanes."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Of which mapping, for which consumer; ``salt`` spreads its backoff."""

    mapping: str
    consumer: str
    delivering: Delivering
    salt: str


@dataclass(frozen=True, slots=True)
class _Handed:
    feed: ShardFeed
    lane: Lane
    portion: Portion
    batch: Batch
    at: float
    age: float | None


class Handover:
    """The batches of one stream that are with the consumer.

    ``failures`` are those to be made durable next. ``generation`` tells a shard's, as in Batch.
    """

    def __init__(
        self,
        identity: Identity,
        desk: Desk,
        post: Post,
        parking: Parking,
        stream_arn: str,
        generation: Callable[[str], int],
    ) -> None:
        self.failures: list[Failure] = []
        self._identity = identity
        self._desk = desk
        self._post = post
        self._parking = parking
        self._stream_arn = stream_arn
        self._generation = generation
        self._handed: dict[int, _Handed] = {}
        self._turn = 0

    def hand_over(
        self,
        feeds: Sequence[ShardFeed],
        passed: Callable[[str], float | None],
        held: Container[str],
        now: float,
    ) -> None:
        """Send every batch that is due, shard after shard in turn, within what may be under way at once.

        ``passed`` tells of a shard the time before which no record will come any more. Items that are ``held`` are with
        another invocation.
        """
        self._turn += 1
        start = self._turn % len(feeds) if feeds else 0
        for feed in (*feeds[start:], *feeds[:start]):
            if feed.look_at <= now:
                look_at = math.inf
                for lane in feed.lanes:
                    if len(self._handed) >= MOST_INVOCATIONS:
                        return
                    look_at = min(look_at, self._try(feed, lane, passed(feed.id), held, now))
                feed.look_at = look_at
            if math.isfinite(feed.look_at):
                self._desk.outbox.wake(feed.look_at)

    def _try(
        self, feed: ShardFeed, lane: Lane, passed: float | None, held: Container[str], now: float
    ) -> float:
        """Hand the lane's next batch over if it is due; when to look again, infinity: after news of the shard."""
        service_now = self._desk.clock.at(now)
        portion, settled, again_at = lane.next(now, service_now, self._parking, held=held, passed=passed)
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
            self._stream_arn,
            feed.id,
            portion.records,
            self._generation(feed.id),
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
            self.give_up(feed.id, given_up, now)
        if settled.bisected:
            self._post.report(BatchBisected(self._identity.mapping, feed.id, settled.bisected))
        generation = self._generation(feed.id)
        for entry in settled.parked:
            entry.done = True
            first = self._parking.add(ParkedRecord(self._stream_arn, feed.id, generation, entry.record))
            if first:
                why = "" if settled.why_parked is None else settled.why_parked.message
                self._post.report(KeyParked(self._identity.mapping, feed.id, entry.record.key, why))

    def give_up(self, shard_id: str, given_up: GivenUp, now: float) -> None:
        """No further try is made of these records: they become a failure."""
        failure = Failure(
            self._identity.mapping,
            self._identity.consumer,
            given_up.condition,
            self._stream_arn,
            shard_id,
            self._generation(shard_id),
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
