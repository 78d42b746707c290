"""Which stream of the table follows the one that is read to its end, or gone."""

from __future__ import annotations

import math
from functools import partial
from typing import Final

from headrace.errors import HeadraceError
from headrace.replicate.delivery.commands import DeliveryAnswer, FindSuccessor, Successor
from headrace.replicate.delivery.post import Post
from headrace.replicate.health import Health
from headrace.source import SourceTable

RECHECK: Final = 30.0
"""Seconds between looks at a table whose stream was read to its end."""

SUCCESSOR: Final = "the search for the table's next stream"


class Succession:
    """Looks for the next stream now and then, until there is one. ``found`` is the table with that stream as its own."""

    def __init__(self, post: Post, health: Health) -> None:
        self.found: SourceTable | None = None
        self._post = post
        self._health = health
        self._looking = False
        self._failures = 0
        self._look_at = -math.inf

    def look(self, stream_arn: str, now: float) -> float | None:
        """Ask which stream followed this one, if it is time; when to come again, None: after news."""
        if self._looking:
            return None
        if now < self._look_at:
            return self._look_at
        self._looking = True
        self._post.send(partial(FindSuccessor, stream_arn=stream_arn))
        return None

    def heard(self, outcome: DeliveryAnswer | HeadraceError, now: float) -> bool:
        """What came of it; false if the service says that none has followed."""
        self._looking = False
        self._look_at = now + RECHECK
        match outcome:
            case Successor(table=table):
                self._health.healed(SUCCESSOR)
                self.found = table if table.stream_arn else None
                return self.found is not None
            case HeadraceError():
                self._failures += 1
                self._look_at = now + self._health.failed(SUCCESSOR, outcome, self._failures, now)
                return True
            case _:
                raise TypeError(f"the search for a successor was answered with {outcome}")

    def followed(self) -> None:
        """The stream that was found is followed: the next search begins anew."""
        self.found = None
        self._look_at, self._failures = -math.inf, 0
