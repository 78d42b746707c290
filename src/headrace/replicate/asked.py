"""The refreshes of a dataset that somebody asked for, until they are forgotten."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from concurrent.futures import Future

from headrace.refresh import RefreshOutcome, RefreshState
from headrace.replicate.commands import Refreshed, Reply

KEPT = 100
"""How many are remembered."""


class AskedRefreshes:
    """Numbers them, from 1. Any thread may ask."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._replies: OrderedDict[int, Future[Reply]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, reply: Future[Reply]) -> int:
        """One more; its number."""
        with self._lock:
            number = next(self._numbers)
            self._replies[number] = reply
            if len(self._replies) > KEPT:
                self._replies.popitem(last=False)
        return number

    def outcome(self, number: int) -> RefreshOutcome | None:
        """What became of it so far; None if there was none, or it is forgotten."""
        with self._lock:
            future = self._replies.get(number)
        if future is None:
            return None
        if not future.done():
            return RefreshOutcome(RefreshState.RUNNING)
        reply = future.result()
        if isinstance(reply.outcome, Refreshed):
            return RefreshOutcome(RefreshState.DONE, reply.outcome.rows, reply.outcome.seconds)
        return RefreshOutcome(RefreshState.FAILED, reason=reply.refusal)
