"""Which refresh is to be done, and why; what is told when it is done, or is not."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from headrace.checkpoint import LastRefresh
from headrace.dataset import Refresh
from headrace.errors import HeadraceError, SelectionUnusable, Throttled
from headrace.observe import CopyResumed, RefreshFailed, RefreshFinished, RefreshStarted
from headrace.replicate.commands import Refreshed, RefreshNow, Reply, Request
from headrace.replicate.liveness import subject
from headrace.replicate.outbox import Outbox
from headrace.replicate.schedule import Schedule
from headrace.selection import Selection


class Cause(StrEnum):
    """Why a table is copied."""

    FIRST = "there is no copy yet"
    SETTINGS = "the copy was made by other settings"
    TABLE = "the table was re-created"
    RESUMED = "an earlier process began it"
    STARTUP = "refresh_on_startup"
    SCHEDULE = "it is due"
    REQUEST = "somebody asked for it"


@dataclass(frozen=True, slots=True)
class Order:
    """One refresh to be done. ``selection`` and ``whole`` None are the dataset's own; the service's times."""

    cause: Cause
    selection: Selection | None = None
    whole: bool | None = None
    ticket: int | None = None
    not_before: float = -math.inf


class Agenda:
    """The refresh under way, the one that somebody waits for, and the one that is due next.

    ``due_at`` is the service's time at which the next begins by itself, None if none does. ``failure`` says why the
    last one was given up.
    """

    def __init__(self, dataset: str, settings: Refresh, outbox: Outbox, salt: str) -> None:
        self.order: Order | None = None
        self.due_at: float | None = None
        self.failure: str | None = None
        self.schedule = Schedule(settings, f"{salt}/{dataset}")
        self._dataset = dataset
        self._most = settings.max_attempts if settings.retry else 0
        self._outbox = outbox
        self._asked: Order | None = None
        self._failed: Counter[str] = Counter()
        self._last_error: HeadraceError | None = None

    def take(self, asked: RefreshNow, service_now: float) -> None:
        """Somebody wants a refresh; one that was asked for and has not begun gives way."""
        if self._asked is not None:
            self._refuse(self._asked, "another refresh was asked for before it began")
        begins_at = service_now + self.schedule.spread(asked.jitter, f"request/{asked.ticket}")
        self._asked = Order(Cause.REQUEST, asked.selection, asked.whole, asked.ticket, begins_at)

    def postpone(self, order: Order) -> None:
        """This one is to begin when its time comes, unless somebody has asked for another."""
        self._asked = self._asked or order

    @property
    def _is_hopeless(self) -> bool:
        return isinstance(self._last_error, SelectionUnusable)

    def next(self, service_now: float) -> Order | None:
        """What is to begin now: what is asked for, whatever is under way, and what is due only if nothing is."""
        if self._asked is not None and self._asked.not_before <= service_now:
            return self._asked
        if self.order is None and self.due_at is not None and self.due_at <= service_now:
            return Order(Cause.SCHEDULE)
        return None

    @property
    def next_at(self) -> float | None:
        """The service's time at which ``next`` will say something, None if nothing is known to come."""
        asked = None if self._asked is None else self._asked.not_before
        due = self.due_at if self.order is None else None
        return min((at for at in (asked, due) if at is not None), default=None)

    def begin(self, order: Order) -> None:
        """This one is done from here on; the one under way is dropped."""
        if self.order is not None:
            self._refuse(self.order, "another refresh was asked for, which begins anew")
        if order is self._asked:
            self._asked = None
        self.order = order
        self.due_at = None
        self._failed.clear()
        self._last_error = None

    def resumed(self, last: LastRefresh | None) -> None:
        """A complete copy of an earlier process is served."""
        if last is not None:
            self._outbox.tell(CopyResumed(self._dataset, last.ended_at))

    def started(self, mode: str, items: int) -> None:
        """Its Scan begins."""
        assert self.order is not None, "nothing is under way"
        self._outbox.tell(RefreshStarted(self._dataset, mode, self.order.cause.value, items))

    def finished(self, last: LastRefresh, rows: int, seconds: float) -> None:
        """It is done: the copy is as the table was."""
        order = self._end(last.ended_at)
        self.failure = None
        self._outbox.tell(RefreshFinished(self._dataset, rows, seconds, last.ended_at))
        if order.ticket is not None:
            self._outbox.reply(Reply(order.ticket, Refreshed(rows, seconds), None))

    def wait(self, last: LastRefresh) -> None:
        """There is a complete copy, and nothing to do before the next refresh is due."""
        self.due_at = self.schedule.after(last.ended_at)

    def went_wrong(self, request: Request, error: HeadraceError) -> None:
        """A request of the refresh failed. Throttling is no failure: the service asks for patience."""
        if self._is_hopeless:
            return
        self._last_error = error
        if not isinstance(error, Throttled):
            self._failed[subject(request)] += 1

    def went_well(self, request: Request) -> None:
        """A request was answered."""
        self._failed.pop(subject(request), None)

    @property
    def exhausted(self) -> bool:
        """Whether something failed more often in a row than the settings allow, or would fail again whenever it is tried."""
        if self._is_hopeless:
            return True
        return self._most is not None and max(self._failed.values(), default=0) > self._most

    def give_up(self, service_now: float) -> None:
        """It has failed for good: the next one is tried when it is due, or asked for."""
        self.failure = str(self._last_error)
        order = self._end(service_now)
        self._outbox.tell(RefreshFailed(self._dataset, self.failure))
        self._refuse(order, f"it failed: {self.failure}")

    def _end(self, at: float) -> Order:
        assert self.order is not None, "nothing is under way"
        order, self.order = self.order, None
        self._failed.clear()
        self._last_error = None
        self.due_at = self.schedule.after(at)
        return order

    def _refuse(self, order: Order, why: str) -> None:
        if order.ticket is not None:
            self._outbox.reply(Reply(order.ticket, None, why))
