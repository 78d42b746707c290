"""How a mapping stands: what is told of it after each step."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from headrace.mapping_facts import MappingStatusChanged
from headrace.replicate.delivery.bookkeeping import LEDGER
from headrace.replicate.delivery.following import Following
from headrace.replicate.delivery.post import Post
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.liveness import Liveness, Pulse
from headrace.replicate.report import REPEAT, lag
from headrace.status import State

_PAUSE: Final = 0.1
"""Seconds between two looks at all that is expected to make progress: there may be thousands of shards."""


class Standing:
    """Finds the reason why a mapping is not live, and tells the status when it is news.

    ``drained``: its stream is off, or ``gone``, and everything that was read of it is done.
    """

    def __init__(self, desk: Desk, post: Post) -> None:
        self.drained = False
        self.gone = False
        self._desk = desk
        self._post = post
        self._liveness = Liveness(desk.dataset, desk.outbox, desk.health)
        self._last: MappingStatusChanged | None = None
        self._told_at = 0.0
        self._looked_at = -math.inf

    def tell(
        self, following: Following | None, errands: Errands, parked: int, failures: int, now: float
    ) -> None:
        """Tell the status if it is news, and now and then while it is not, for its ages."""
        if following is not None and now - self._looked_at < _PAUSE:
            return
        self._looked_at = now
        service_now = self._desk.clock.at(now)
        pulses = tuple(errands.pulses())
        faults = self._desk.health.faults
        unnoted = faults.get(LEDGER)
        if unnoted is not None:
            pulses += (Pulse(LEDGER, unnoted.since),)
        if following is not None and not self.gone:
            pulses += tuple(following.pulses(now))
        wrong = self._liveness.trouble(pulses, now, self._desk.settings.liveness)
        reason = wrong
        ended = following is not None and following.stream.drained and following.idle
        if reason is None and (self.drained or ended):
            reason = "the table's stream is off and read to its end; waiting for another"
        elif reason is None and following is None:
            failing = "; ".join(f"{what}: {fault.error}" for what, fault in faults.items())
            reason = f"opening: {failing}" if failing else "opening"
        state = State.ERROR if wrong is not None else State.LOADING if following is None else State.READY
        watermark = following.stream.watermark() if following is not None else None
        status = MappingStatusChanged(
            self._desk.dataset,
            state,
            live=following is not None and wrong is None,
            lag=lag(watermark, service_now),
            ages=following.ages(service_now) if following is not None else {},
            parked=parked,
            failures=failures,
            reason=reason,
        )
        last = self._last
        if last is not None and now - self._told_at < REPEAT:
            same = replace(status, lag=last.lag, ages=last.ages, reason=last.reason)
            if same == last:
                return
        self._last, self._told_at = status, now
        self._post.report(status)
