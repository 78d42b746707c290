"""When a dataset is refreshed. All times are the service's, epoch seconds."""

from __future__ import annotations

import zlib

from headrace.checkpoint import LastRefresh
from headrace.cron import Cron
from headrace.dataset import Refresh

SLACK = 30.0
"""Seconds that a refresh may be late, beside what it takes, before the copy counts as old."""


class Schedule:
    """The times that ``refresh`` names. ``salt`` spreads the jitter of datasets and processes."""

    def __init__(self, refresh: Refresh, salt: str) -> None:
        self._refresh = refresh
        self._cron = Cron.parse(refresh.cron) if refresh.cron is not None else None
        self._salt = salt

    @property
    def start_delay(self) -> float:
        """How long a process waits before it asks its table anything (seconds)."""
        return self.spread(self._refresh.jitter, "start")

    def after(self, ended_at: float) -> float | None:
        """When the refresh begins that follows one that ended, or failed, at this time; None if none does by itself.

        An interval counts from the end. Times of a cron schedule that pass while a refresh runs are left out. The
        jitter comes before or after an interval, and after a time of a cron schedule, so that none is met twice.
        """
        due, jitter = self._due(ended_at), self._refresh.jitter
        if due is None:
            return None
        if self._cron is not None:
            return due + self.spread(jitter, str(ended_at))
        return max(ended_at, due - jitter + self.spread(2 * jitter, str(ended_at)))

    def fresh_until(self, last: LastRefresh) -> float | None:
        """Until when a copy is as new as its schedule promises, None for ever: the next refresh is due, and is done.

        It may take twice as long as the last one did.
        """
        due = self._due(last.ended_at)
        took = last.ended_at - last.started_at
        return None if due is None else due + self._refresh.jitter + 2 * took + SLACK

    def spread(self, most: float, what: str) -> float:
        """Seconds from 0 to ``most``: a checksum of ``what``, the same whenever the same run is replayed."""
        return most * zlib.crc32(f"{self._salt}/{what}".encode()) / 2**32

    def _due(self, ended_at: float) -> float | None:
        if self._cron is not None:
            return self._cron.after(ended_at)
        return None if self._refresh.interval is None else ended_at + self._refresh.interval
