"""Requests of which one at a time is under way: the store's opening and checks, the table, the first listing, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headrace.errors import HeadraceError
from headrace.replicate.commands import Describe, ListShards, Request, RestoreSnapshot
from headrace.replicate.health import Health
from headrace.replicate.liveness import SUBJECTS, Pulse
from headrace.replicate.outbox import Outbox

CHECK = 5.0
"""Seconds between looks at an accelerator that is not written to: it may have failed for those who read."""

Kind = type[Request]

_OF_SOURCE = (Describe, ListShards)


class Errands:
    """Sends each kind of request once, and again after a failure when its backoff is over."""

    def __init__(self, outbox: Outbox, health: Health) -> None:
        self._outbox = outbox
        self._health = health
        self._asked: set[Kind] = set()
        self._due_at: dict[Kind, float] = {}
        self._failures: dict[Kind, int] = {}
        self._since: dict[Kind, float] = {}

    def ask(self, kind: Kind, make: Callable[[int], Request], now: float) -> None:
        """Send the request unless one of its kind is under way or not due."""
        if kind in self._asked:
            return
        due_at = self._due_at.get(kind, 0.0)
        if due_at <= now:
            self._asked.add(kind)
            self._since.setdefault(kind, now)
            self._outbox.send(make)
        else:
            self._outbox.wake(due_at)

    def postpone(self, kind: Kind, until: float) -> None:
        """Do not ask before ``until``."""
        self._due_at[kind] = until

    def answered(self, request: Request) -> None:
        """The request was answered: the next of its kind may be asked."""
        kind = type(request)
        self._asked.discard(kind)
        self._since.pop(kind, None)
        self._failures[kind] = 0
        self._health.healed(SUBJECTS[kind])

    def unsettled(self, request: Request, until: float) -> None:
        """The answer did not settle it: ask again after ``until``, and count it as no progress."""
        self._asked.discard(type(request))
        self._due_at[type(request)] = until

    def failed(self, request: Request, error: HeadraceError, now: float) -> None:
        """The request failed: ask again later."""
        kind = type(request)
        self._asked.discard(kind)
        self._failures[kind] = self._failures.get(kind, 0) + 1
        wait = self._health.failed(SUBJECTS[kind], error, self._failures[kind], now)
        self._due_at[kind] = now + wait

    def clear(self) -> None:
        """Forget what the source was asked. What else was asked goes on: its effect may still come."""
        for kind in tuple(self._asked):
            if kind in _OF_SOURCE:
                self._asked.discard(kind)
        self._due_at.clear()
        self._since.clear()

    def pulses(self) -> Iterator[Pulse]:
        """What was asked and is not answered, or fails.

        A restore takes as long as a snapshot is large, and says nothing meanwhile: of it only failures are told.
        """
        for kind, since in self._since.items():
            if kind is not RestoreSnapshot:
                yield Pulse(SUBJECTS[kind], since)
