"""Tries failures and parked records again, one after another: for an operator, or because it is time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from headrace.batch import MOST_BYTES, Batch
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.event_source_mapping import Delivering
from headrace.ledger import Failure, FailureOutcome, ParkedRecord, StoredFailure
from headrace.mapping_facts import FailuresRedriven
from headrace.replicate.delivery.commands import (
    DeliveryAnswer,
    DeliveryRequest,
    DiscardFailures,
    FailuresRead,
    Invoke,
    ParkedRead,
    ReadFailures,
    ReadParked,
    RedriveFailures,
    Returned,
    Settled,
)
from headrace.replicate.delivery.lane import ENVELOPE, fault_of
from headrace.replicate.delivery.parking import Parking
from headrace.replicate.delivery.post import Post
from headrace.replicate.delivery.response import Verdict, judge

_PAGE = 20


@dataclass(slots=True)
class _Round:
    """One order on its way: first the parked items, then failures. ``ticket`` None: nobody waits for it."""

    ticket: int | None
    ids: tuple[str, ...] | None
    discards: bool
    keys: deque[str]
    failures: deque[StoredFailure] = field(default_factory=deque)
    after: str | None = None
    read_all: bool = False
    done: int = 0
    failing: int = 0
    released: int = 0
    left: int = 0
    found: set[str] = field(default_factory=set)

    @property
    def outcome(self) -> FailureOutcome:
        """What to tell at the end."""
        unknown = tuple(id_ for id_ in self.ids or () if id_ not in self.found)
        return FailureOutcome(self.done, self.failing, self.released, self.left, unknown)


class Redriver:
    """One round at a time, and in it one request: what keeps failing must not take the place of what goes well.

    ``held`` are the items that are being tried again. ``resolved``, ``again`` and ``failures`` are for the next transaction, and ``parking`` notes what is released.
    """

    def __init__(self, mapping: str, delivering: Delivering, post: Post, parking: Parking) -> None:
        self.parking = parking
        self.held: frozenset[str] = frozenset()
        self.resolved: list[str] = []
        self.again: list[str] = []
        self.failures: list[Failure] = []
        self._mapping = mapping
        self._delivering = delivering
        self._post = post
        self._orders: deque[RedriveFailures | DiscardFailures] = deque()
        self._round: _Round | None = None
        self._asked: int | None = None
        self._parked: tuple[ParkedRecord, ...] = ()
        self._uncommitted = False
        self._in_hand: Callable[[], frozenset[str]] = frozenset
        self._next_at: float | None = None
        self._resting = False

    # Orders

    def order(self, event: RedriveFailures | DiscardFailures) -> None:
        """An operator wants something; it is done in its turn."""
        self._orders.append(event)

    def rest(self) -> None:
        """Hand nothing more over."""
        self._resting = True

    def refuse(self, why: str) -> None:
        """Nothing can be done now for those who wait."""
        while self._orders:
            self._post.settle(Settled(self._orders.popleft().ticket, None, why))

    def owns(self, request_id: int) -> bool:
        """Whether this request is part of a round."""
        return request_id == self._asked

    @property
    def busy(self) -> bool:
        """Whether a request of a round is under way."""
        return self._asked is not None

    def advance(self, now: float, failures: int, in_hand: Callable[[], frozenset[str]]) -> float | None:
        """Go on with the round, or begin one; when to come again.

        ``failures`` are kept by now. What concerns an item that ``in_hand`` gives waits: it is with another invocation.
        """
        self._in_hand = in_hand
        interval = self._delivering.redrive_interval
        if interval is not None and self._next_at is None:
            self._next_at = now + interval
        if self._round is None:
            self._begin(now, failures)
        while self._round is not None and self._asked is None and not self._uncommitted:
            if not self._go_on(self._round):
                break
        return self._next_at if self._round is None else None

    def _begin(self, now: float, failures: int) -> None:
        if self._orders:
            event = self._orders.popleft()
            discards = isinstance(event, DiscardFailures)
            keys = [key for key in self.parking if event.ids is None or key in event.ids]
            self._round = _Round(event.ticket, event.ids, discards, deque(keys), found=set(keys))
        elif self._next_at is not None and now >= self._next_at:
            self._next_at = now + (self._delivering.redrive_interval or 0.0)
            if failures or len(self.parking):
                self._round = _Round(None, None, discards=False, keys=deque(self.parking))

    def _go_on(self, round_: _Round) -> bool:
        """The next request of a round; false if nothing more can be done before news."""
        if round_.keys:
            self.parking.ask(round_.keys[0])
            make = partial(ReadParked, key=round_.keys[0], limit=self._delivering.batch_size)
            self._asked = self._post.send(make)
        elif round_.failures:
            return self._retry(round_)
        elif not round_.read_all:
            make_read = partial(ReadFailures, ids=round_.ids, unsent=False, after=round_.after, limit=_PAGE)
            self._asked = self._post.send(make_read)
        elif self.resolved or self.again or self.failures or self.parking.dirty:
            # The operator is told of what is durable.
            self._uncommitted = True
        else:
            self._end(round_)
            return False
        return True

    def _end(self, round_: _Round) -> None:
        self._round = None
        if not round_.discards and (round_.done or round_.failing or round_.released):
            self._post.report(FailuresRedriven(self._mapping, round_.done + round_.released, round_.failing))
        if round_.ticket is not None:
            self._post.settle(Settled(round_.ticket, round_.outcome))

    def _retry(self, round_: _Round) -> bool:
        """Hand the next failure over; false if it must wait."""
        stored = round_.failures[0]
        failure = stored.failure
        if round_.discards:
            round_.failures.popleft()
            self.resolved.append(failure.id)
            round_.done += 1
        elif not failure.records:
            # The stream has forgotten what there was: only a person can say that this is settled.
            round_.failures.popleft()
            round_.left += 1
        elif not self._in_hand().isdisjoint(record.key for record in failure.records):
            return False
        else:
            attempt = failure.invoked + stored.redriven + 1
            self._hand_over(
                Batch(
                    self._mapping,
                    failure.stream_arn,
                    failure.shard,
                    failure.records,
                    failure.generation,
                    attempt,
                )
            )
        return True

    def _hand_over(self, batch: Batch) -> None:
        self._asked = self._post.send(partial(Invoke, batch=batch))
        self.held = frozenset(record.key for record in batch.records)

    # Answers

    def take(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Failure, ...]]:
        """What the next transaction has of failures: those that are resolved, tried in vain, and new."""
        taken = tuple(self.resolved), tuple(self.again), tuple(self.failures)
        self.resolved, self.again, self.failures = [], [], []
        return taken

    def heard(self, request: DeliveryRequest, outcome: DeliveryAnswer | HeadraceError) -> None:
        """What came of the request of a round."""
        self._asked = None
        self.held = frozenset()
        match request, outcome:
            case Invoke(), Returned(response=response):
                self._judged(judge(request.batch, response, reports=self._delivering.reports_item_failures))
            case Invoke(), ConsumerFailed():
                self._judged(Verdict(0, fault_of(outcome)))
            case Invoke(), HeadraceError():
                self._judged(Verdict(0))
            case _, HeadraceError():
                # The ledger could not be read.
                self._break_off(str(outcome))
            case _, (FailuresRead() | ParkedRead()):
                self._read(outcome)
            case _:
                raise TypeError(f"{request} was answered with {outcome}")

    def _read(self, answer: FailuresRead | ParkedRead) -> None:
        if self._resting:
            self._break_off("headrace is stopping; what was not settled is kept")
            return
        round_ = self._under_way
        if isinstance(answer, FailuresRead):
            round_.failures.extend(answer.failures)
            round_.found |= {stored.failure.id for stored in answer.failures}
            round_.read_all = not answer.failures
            round_.after = answer.failures[-1].failure.id if answer.failures else None
        elif not answer.records:
            if self.parking.is_gone(round_.keys[0]):
                round_.keys.popleft()
            else:
                self._uncommitted = self.parking.unsettled
        elif round_.discards:
            self._release(answer.records)
        else:
            first = answer.records[0]
            self._parked = _of_one_event(answer.records)
            records = tuple(one.record for one in self._parked)
            batch = Batch(self._mapping, first.stream_arn, first.shard, records, first.generation, 2)
            self._hand_over(batch)

    def _break_off(self, why: str) -> None:
        """The round is over, and what it did stays done."""
        ticket = self._under_way.ticket
        self._round = None
        if ticket is not None:
            self._post.settle(Settled(ticket, None, why))

    def _judged(self, verdict: Verdict) -> None:
        round_ = self._under_way
        if round_.keys:
            parked, self._parked = self._parked, ()
            self._release(parked[: verdict.done])
            if verdict.done < len(parked):
                round_.keys.popleft()
                round_.failing += 1
            return
        stored = round_.failures.popleft()
        failure = stored.failure
        if verdict.done == len(failure.records):
            self.resolved.append(failure.id)
            round_.done += 1
            return
        round_.failing += 1
        if not verdict.done:
            self.again.append(failure.id)
            return
        rest = failure.records[verdict.done :]
        self.resolved.append(failure.id)
        invoked = failure.invoked + stored.redriven + 1
        self.failures.append(replace(failure, records=rest, invoked=invoked, fault=verdict.fault))

    def _release(self, records: Sequence[ParkedRecord]) -> None:
        self.parking.release(records)
        self._under_way.released += len(records)
        # The ledger is asked for those behind them, and must not have these any more.
        self._uncommitted = bool(records)

    def committed(self) -> None:
        """What was noted when the transaction was made is durable."""
        self._uncommitted = bool(self.resolved or self.again or self.failures or self.parking.dirty)

    @property
    def _under_way(self) -> _Round:
        assert self._round is not None, "only a round asks"
        return self._round


def _of_one_event(parked: Sequence[ParkedRecord]) -> tuple[ParkedRecord, ...]:
    """The first records, as many as are of one shard and fit into one event."""
    first, room = parked[0], MOST_BYTES - ENVELOPE
    taken: list[ParkedRecord] = []
    for one in parked:
        room -= len(one.record.text) + 1
        if (one.stream_arn, one.shard) != (first.stream_arn, first.shard) or (taken and room < 0):
            break
        taken.append(one)
    return tuple(taken)
