"""One lane of a shard: its records become batches, one at a time.

Records of one item are always of one lane, so that a shard's lanes may be worked on at the same time and every item
keeps its order (AWS Lambda API reference, ParallelizationFactor: "order is guaranteed at the item level").
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Container
from typing import Final

from headrace.backoff import CEILING, delay
from headrace.batch import MOST_BYTES, Window
from headrace.errors import ConsumerFailed, HeadraceError
from headrace.event_source_mapping import Delivering, OnPoison
from headrace.ledger import Condition, Fault
from headrace.replicate.delivery.portion import Entry, GivenUp, Portion, Settlement
from headrace.replicate.delivery.response import Verdict

ENVELOPE: Final = 1024
"""Bytes of an event beside its records and the state of its window."""

STATE_BYTES: Final = 2**20
"""The largest state of a window ("Implementing stateful DynamoDB stream processing in Lambda"): beyond it, the window ends early."""

_SOON: Final = 0.25
"""Seconds between looks at an open window of which nothing waits."""

EXPIRY: Final = 23 * 3600.0
"""Seconds after which a record that keeps failing is given up although its retries have no end.

The stream keeps 24 hours: an hour before, so that those behind it are not forgotten unread.
"""

TRIES: Final = 10
"""Tries that it has had by then, in any case: a mapping that is a day behind must not give up what fails but once."""


class Lane:
    """Records that wait, and the portion that is being tried.

    ``window`` is the open one, with its state after everything that is done. ``failing_since`` is the time of the first of
    the failures in a row, ``untried_since`` that of the first time in a row that a portion could not be tried at all. Whoever
    calls hands each portion over once, and brings back what came of it before the next.
    """

    def __init__(self, delivering: Delivering, salt: str, window: Window | None = None) -> None:
        # Where the mapping has no windows any more, nobody asks for the state of the last.
        self.window = window if delivering.tumbling_window else None
        self.busy = False
        self.failing_since: float | None = None
        self.untried_since: float | None = None
        self._delivering = delivering
        self._salt = salt
        # What a state may grow to between two tries of the same records is kept free.
        self._room = MOST_BYTES - ENVELOPE - (STATE_BYTES if delivering.tumbling_window else 0)
        self._waiting: deque[Entry] = deque()
        self._bytes = 0
        self._since = 0.0
        self._free_since = -math.inf
        self._portions: deque[Portion] = deque()
        self._ended = False
        self._too_large = False

    # What waits

    def add(self, entry: Entry, now: float) -> None:
        """A record has come."""
        if not self._waiting:
            self._since = now
        self._waiting.append(entry)
        self._bytes += len(entry.record.text) + 1

    def end(self) -> None:
        """No record will follow: the shard has been read to its end."""
        self._ended = True

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way, the end of a window included."""
        return not (self.busy or self._waiting or self._portions) and (self.window is None or not self._ended)

    # The next try

    def next(
        self,
        now: float,
        service_now: float,
        parked: Container[str],
        *,
        held: Container[str],
        passed: float | None,
    ) -> tuple[Portion | None, Settlement, float | None]:
        """The portion to hand over now; what is settled without; and when to ask again if there is none, None or infinity: after news.

        Records of items that are ``parked`` join those; a portion waits while one of its items is ``held`` by another invocation.
        ``passed`` is the time before which no record will come any more (the service's).
        """
        settled = Settlement()
        while not self.busy:
            if not self._portions:
                wait = self._cut(now, parked, settled, passed)
                if wait is not None:
                    return None, settled, wait
            portion = self._portions[0]
            self._expire(portion, service_now, settled)
            if not (portion.entries or portion.final):
                self._portions.popleft()
                self.failing_since = self.untried_since = None
            elif portion.due_at > now:
                return None, settled, portion.due_at
            elif any(entry.record.key in held for entry in portion.entries):
                return None, settled, None
            else:
                self.busy = True
                return portion, settled, None
        return None, settled, None

    def _cut(
        self, now: float, parked: Container[str], settled: Settlement, passed: float | None
    ) -> float | None:
        """Make a portion of what waits; else the time at which to look again, infinity: not before news."""
        closing = self._closing(passed)
        if closing is not None:
            self._portions.append(closing)
            return None
        if not self._waiting:
            return now + _SOON if self.window is not None else math.inf
        delivering = self._delivering
        full = len(self._waiting) >= delivering.batch_size or self._bytes > self._room
        # The next window begins as soon as the invocation before is done (AWS Lambda developer guide, "Batching behavior").
        due_at = max(self._since, self._free_since) + delivering.maximum_batching_window
        if not (full or self._ended or due_at <= now or self._is_complete(passed)):
            return due_at
        self._portions.append(Portion(self._take(parked, settled)))
        return None

    def _take(self, parked: Container[str], settled: Settlement) -> list[Entry]:
        """Records for one batch, within its size, the bytes of an event, and one window."""
        room = self._room
        entries: list[Entry] = []
        while self._waiting and len(entries) < self._delivering.batch_size:
            entry = self._waiting[0]
            size = len(entry.record.text) + 1
            if entry.record.key in parked:
                settled.parked.append(entry)
            elif (entries and size > room) or not self._belongs(entry):
                break
            else:
                entries.append(entry)
                room -= size
            self._waiting.popleft()
            self._bytes -= size
        return entries

    @property
    def _tries_without_end(self) -> bool:
        """Whether retries go on for longer than the stream keeps records."""
        most = self._delivering.maximum_retry_attempts
        return most is None or most * CEILING > EXPIRY

    def _expire(self, portion: Portion, service_now: float, settled: Settlement) -> None:
        """Give up the records at its beginning that are too old to be tried."""
        limit, condition = self._delivering.maximum_record_age, Condition.RECORD_AGE_EXCEEDED
        if limit is None or limit > EXPIRY:
            # Without end means until the stream would forget them; what was never tried is tried at any age.
            late = portion.invoked >= TRIES and portion.fault is not None and self._tries_without_end
            limit, condition = (EXPIRY if late else math.inf), Condition.RECORDS_EXPIRED
        count = 0
        for entry in portion.entries:
            if service_now - entry.record.created <= limit:
                break
            count += 1
        if count:
            old, portion.entries = portion.entries[:count], portion.entries[count:]
            settled.given_up.append(GivenUp(old, condition, portion.invoked, portion.fault))
            portion.failures, portion.named = 0, False

    # What came of it

    @property
    def why_failing(self) -> str | None:
        """What the consumer said of the portion that is tried again, None where none is."""
        faults = (portion.fault for portion in self._portions if portion.fault is not None)
        fault = next(faults, None)
        return None if fault is None else f"{fault.type}: {fault.message}"

    def settle(self, verdict: Verdict, now: float) -> Settlement:
        """The consumer took the portion that was handed over, and this is what it says."""
        portion, settled = self._portions.popleft(), Settlement()
        self.busy, self._free_since, self.untried_since = False, now, None
        portion.invoked += 1
        portion.troubles = 0
        portion.fault = verdict.fault
        self.failing_since = None if verdict.fault is None else self.failing_since or now
        if verdict.state is not None and not portion.final:
            self._carry(verdict.state)
        if portion.final:
            self._finish(portion, verdict, now)
        elif verdict.fault is None:
            settled.done = portion.entries
        else:
            settled.done, rest = portion.entries[: verdict.done], portion.entries[verdict.done :]
            self._failed(portion, rest, verdict, settled)
            if settled.done or settled.given_up or settled.parked:
                self.failing_since = None
            for again in self._portions:
                if again.due_at <= now and again.fault is verdict.fault:
                    attempt = max(1, again.failures)
                    again.due_at = now + delay(
                        ConsumerFailed("", ""), attempt, f"{self._salt}/{again.invoked}"
                    )
        return settled

    def trouble(self, error: HeadraceError, now: float) -> float:
        """The portion could not be tried at all: that counts as no try. Seconds until the next."""
        portion = self._portions[0]
        self.busy = False
        self.untried_since = self.untried_since or now
        portion.troubles += 1
        wait = delay(error, portion.troubles, self._salt)
        portion.due_at = now + wait
        return wait

    def _failed(self, portion: Portion, rest: list[Entry], verdict: Verdict, settled: Settlement) -> None:
        bisects = self._delivering.bisects
        if verdict.done:
            # With bisect, the batch is split at the record that was named, and a split uses up no retry.
            again = portion.part(rest, failures=0 if bisects else 1, named=True)
        elif bisects and len(rest) > 1 and not verdict.named:
            self._split(portion, settled)
            return
        else:
            again = portion.part(rest, failures=portion.failures + 1, named=verdict.named)
        most = self._delivering.maximum_retry_attempts
        if most is None or again.failures <= most:
            self._portions.appendleft(again)
        elif self._delivering.on_poison is OnPoison.BLOCK:
            condition = Condition.RETRY_ATTEMPTS_EXHAUSTED
            settled.given_up.append(GivenUp(rest, condition, again.invoked, again.fault))
        elif again.named or len(rest) == 1:
            self._park_first(again, settled)
        else:
            self._split(again, settled)

    def _split(self, portion: Portion, settled: Settlement) -> None:
        settled.bisected = len(portion.entries)
        self._portions.extendleft(reversed(portion.halves()))

    def _park_first(self, portion: Portion, settled: Settlement) -> None:
        """Put the first record aside with its item; the others are as if they had never been tried."""
        key = portion.entries[0].record.key
        settled.parked = [entry for entry in portion.entries if entry.record.key == key]
        settled.why_parked = portion.fault
        rest = [entry for entry in portion.entries if entry.record.key != key]
        if rest:
            others = portion.part(rest)
            others.fault = None
            self._portions.appendleft(others)
        # Portions behind it, made by a split, may hold more of the item.
        for other in self._portions:
            settled.parked += [entry for entry in other.entries if entry.record.key == key]
            other.entries = [entry for entry in other.entries if entry.record.key != key]

    # Windows

    def _belongs(self, entry: Entry) -> bool:
        """Whether a record is of the open window; the first one opens its own."""
        if not self._delivering.tumbling_window:
            return True
        if self.window is None:
            self.window = self._window_of(entry)
        # A record that is late by its time is of the window that is open, which may have another size than the next.
        return entry.record.created < self.window.end

    def _is_complete(self, passed: float | None) -> bool:
        """Whether no record of the window of those that wait can follow: they need not wait for more."""
        size = self._delivering.tumbling_window
        if not size:
            return False
        end = (self.window or self._window_of(self._waiting[0])).end
        return self._waiting[-1].record.created >= end or (passed is not None and passed >= end)

    def _window_of(self, entry: Entry) -> Window:
        size = self._delivering.tumbling_window
        start = math.floor(entry.record.created / size) * size
        return Window(start, start + size)

    def _closing(self, passed: float | None) -> Portion | None:
        """The end of the open window, if it has come: nothing of it waits, and nothing can follow."""
        window = self.window
        if window is None:
            return None
        if self._too_large:
            return Portion([], final=True, early=True)
        if self._waiting:
            return Portion([], final=True) if self._waiting[0].record.created >= window.end else None
        # "When a shard ends, Lambda considers the current window to be closed."
        over = self._ended or (passed is not None and passed >= window.end)
        return Portion([], final=True) if over else None

    def _carry(self, state: str) -> None:
        """The state after what was done; one that is too large ends the window early."""
        assert self.window is not None, "only a batch of a window has a state"
        self.window = Window(self.window.start, self.window.end, state)
        self._too_large = len(state.encode()) > STATE_BYTES

    def _finish(self, portion: Portion, verdict: Verdict, now: float) -> None:
        """A window's end was handed over. One that fails is tried until it succeeds: nothing goes on without."""
        if verdict.fault is None:
            # After an end that came too early, the next record opens the same window again, with a new state.
            self.window, self._too_large = None, False
            return
        portion.failures += 1
        portion.due_at = now + delay(ConsumerFailed("", ""), portion.failures, self._salt)
        self._portions.appendleft(portion)


def fault_of(error: ConsumerFailed) -> Fault:
    """What a consumer raised, as it is kept."""
    return Fault(error.type, str(error), error.trace)
