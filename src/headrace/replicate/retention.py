"""Removes the rows of a copy that have expired, now and then, in small transactions."""

from __future__ import annotations

import math
from functools import partial

from headrace.change import ChangeBatch
from headrace.checkpoint import Checkpoint
from headrace.dataset import Retention
from headrace.errors import HeadraceError
from headrace.replicate.commands import Expired, FindExpired
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.lane import Lane
from headrace.replicate.refresh_plan import plan_expired

ROWS = 10_000
"""Rows that one transaction removes at most."""


class Removal:
    """Asks which rows have expired and removes them, until none are left; then again after the interval.

    Between the question and the transaction nothing else is applied: a row that a refresh brings back to life meanwhile
    would be removed all the same. ``settings`` None: nothing expires.
    """

    def __init__(self, desk: Desk, errands: Errands, lane: Lane, settings: Retention | None) -> None:
        self._desk = desk
        self._errands = errands
        self._lane = lane
        self._settings = settings
        self._due_at = -math.inf
        self._asked = False
        self._found: ChangeBatch | None = None
        self._yields = False

    def due(self) -> None:
        """The copy is another one: look at it at once."""
        self._due_at = -math.inf

    def forget(self) -> None:
        """What was found is not true any more."""
        self._asked, self._found = False, None

    def advance(self, checkpoint: Checkpoint, now: float) -> bool:
        """Do what is due; the lane is free. Whether nothing else may be applied now.

        ``checkpoint`` is that of the live copy. After each transaction others have a turn.
        """
        if self._found is not None:
            found, self._found = self._found, None
            self._yields = True
            self._lane.send(plan_expired(checkpoint, found, self._desk.clock.at(now)), now)
            return True
        if self._settings is None or (now < self._due_at and not self._asked):
            if self._settings is not None:
                self._desk.outbox.wake(self._due_at)
            return False
        if self._yields:
            self._yields = False
            return False
        self._errands.ask(FindExpired, partial(self._question, now), now)
        return self._asked

    def _question(self, now: float, id_: int) -> FindExpired:
        self._asked = True
        return FindExpired(id_, self._desk.clock.at(now), ROWS)

    def found(self, request: FindExpired, answer: Expired, now: float) -> None:
        """These have expired."""
        self._errands.answered(request)
        if self._asked and answer.changes is None and self._settings is not None:
            self._due_at = now + self._settings.interval
        if self._asked:
            self._found = answer.changes
        self._asked = False

    def failed(self, request: FindExpired, error: HeadraceError, now: float) -> None:
        """Ask again later."""
        self._asked = False
        self._errands.failed(request, error, now)
