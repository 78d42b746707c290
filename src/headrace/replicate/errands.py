"""Requests of which one at a time is under way: opening the store, describing the table, the first listing."""

from __future__ import annotations

from collections.abc import Callable

from headrace.errors import HeadraceError
from headrace.replicate.commands import Request
from headrace.replicate.health import Health
from headrace.replicate.outbox import Outbox

Kind = type[Request]


class Errands:
    """Sends each kind of request once, and again after a failure when its backoff is over."""

    def __init__(self, outbox: Outbox, health: Health) -> None:
        self._outbox = outbox
        self._health = health
        self._asked: dict[Kind, bool] = {}
        self._due_at: dict[Kind, float] = {}
        self._failures: dict[Kind, int] = {}

    def ask(self, kind: Kind, make: Callable[[int], Request], now: float) -> None:
        """Send the request unless one of its kind is under way or not due."""
        if self._asked.get(kind):
            return
        due_at = self._due_at.get(kind, 0.0)
        if due_at <= now:
            self._asked[kind] = True
            self._outbox.send(make)
        else:
            self._outbox.wake(due_at)

    def postpone(self, kind: Kind, until: float) -> None:
        """Do not ask before ``until``."""
        self._due_at[kind] = until

    def answered(self, request: Request) -> None:
        """The request was answered: the next of its kind may be asked."""
        kind = type(request)
        self._asked[kind] = False
        self._failures[kind] = 0
        self._health.healed(kind.__name__)

    def failed(self, request: Request, error: HeadraceError, now: float) -> None:
        """The request failed: ask again later."""
        kind = type(request)
        self._asked[kind] = False
        self._failures[kind] = self._failures.get(kind, 0) + 1
        self._due_at[kind] = now + self._health.failed(kind.__name__, error, self._failures[kind], now)

    def clear(self) -> None:
        """Forget what is under way."""
        self._asked.clear()
        self._due_at.clear()
