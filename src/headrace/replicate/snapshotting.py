"""When a snapshot is taken: by time or by batches, of a dataset that is healthy, one at a time."""

from __future__ import annotations

import math
from collections import deque
from functools import partial

from headrace.backoff import delay
from headrace.dataset import Snapshots
from headrace.errors import HeadraceError
from headrace.observe import SnapshotFailed, SnapshotSaved, StatusChanged
from headrace.replicate.commands import Reply, SaveSnapshot, TakeSnapshot
from headrace.replicate.desk import Desk
from headrace.replicate.plan import Plan
from headrace.snapshot import Manifest
from headrace.status import State

CURRENT = 300.0
"""Seconds of lag up to which a copy is worth a snapshot, if ``ready_lag`` does not allow more."""

REST = 4.0
"""How many times as long as the last snapshot took the next one waits: they take at most a fifth of the time."""

RENEW = 6 * 3600.0
"""Seconds after which one is taken although nothing has changed: before the stream forgets what follows the last."""


class Snapshotting:
    """Counts what is committed, and asks for snapshots. ``settings`` None: for none, whoever asks.

    A snapshot is taken only of a copy that is Ready, live and close to its source: no other is worth restoring, and
    one that is behind for good would take the place of a better one. ``follows`` says that it follows a stream, which
    forgets.
    """

    def __init__(self, desk: Desk, settings: Snapshots | None, *, follows: bool) -> None:
        self._desk = desk
        self._settings = settings
        self._renew = RENEW if follows else math.inf
        self._asked: deque[TakeSnapshot] = deque()
        self._answering: tuple[TakeSnapshot, ...] = ()
        self._began_at: float | None = None
        self._batches = 0
        self._changes = 0
        self._last_at = -math.inf
        self._rests_until = -math.inf
        self._failures = 0

    def take(self, asked: TakeSnapshot) -> None:
        """An operator wants one; a Reply follows in every case but the end of the process."""
        self._asked.append(asked)

    def resumed(self, now: float) -> None:
        """A complete copy is gone on with: the first snapshot is due as if one had just been taken."""
        self._last_at = now

    def copied(self) -> None:
        """The table was copied anew: that is worth a snapshot at once."""
        self._last_at = -math.inf
        self._changes += 1

    def committed(self, plan: Plan) -> None:
        """Account for a durable transaction."""
        self._batches += plan.records > 0
        self._changes += bool(plan.records or plan.scanned or plan.settles_letters or plan.makes_ready)

    def advance(self, status: StatusChanged, watermark: float | None, now: float) -> None:
        """Ask for a snapshot if one is due; ``watermark`` is the time up to which every change is durable."""
        if self._began_at is not None:
            return
        unfit = self._unfit(status, watermark)
        if self._asked and unfit is not None:
            self._refuse(unfit)
        elif watermark is not None and unfit is None and (self._asked or self._due(now)):
            self._answering, self._asked = tuple(self._asked), deque()
            self._began_at = now
            self._batches = self._changes = 0
            service_now = self._desk.clock.at(now)
            self._desk.outbox.send(partial(SaveSnapshot, taken_at=service_now, current_to=watermark))

    def saved(self, manifest: Manifest, now: float) -> None:
        """It is stored."""
        seconds = self._end(now)
        age = max(0.0, self._desk.clock.at(now) - manifest.current_to)
        self._failures = 0
        self._desk.outbox.tell(
            SnapshotSaved(
                self._desk.dataset,
                manifest.id,
                manifest.rows,
                manifest.size_bytes,
                seconds,
                age,
            )
        )
        self._answer(manifest, None)

    def failed(self, error: HeadraceError, now: float) -> None:
        """It could not be stored: the dataset goes on, and the next try waits."""
        self._end(now)
        self._failures += 1
        self._changes += 1
        self._last_at = -math.inf
        wait = delay(error, self._failures, f"{self._desk.dataset}/snapshot")
        self._rests_until = max(self._rests_until, now + wait)
        self._desk.outbox.tell(SnapshotFailed(self._desk.dataset, str(error), self._rests_until - now))
        self._answer(None, str(error))

    def _due(self, now: float) -> bool:
        settings = self._settings
        if settings is None or now < self._rests_until:
            return False
        since = now - self._last_at
        if since >= self._renew:
            # Infinite after a copy, and after a failure.
            return True
        if not self._changes and not settings.always:
            return False
        if settings.batches is not None:
            return self._batches >= settings.batches
        return settings.interval is not None and since >= settings.interval

    def _unfit(self, status: StatusChanged, watermark: float | None) -> str | None:
        """Why no snapshot may be taken now; None if one may."""
        if self._settings is None or not self._settings.mode.writes:
            asked = "none" if self._settings is None else self._settings.mode
            return f"this dataset writes no snapshots (snapshots: {asked}); write snapshots: enabled under its acceleration"
        if status.status is not State.READY or not status.live or watermark is None:
            return f"the dataset is not healthy ({status.reason or status.status}); ask again once it is"
        limit = max(CURRENT, self._desk.settings.ready_lag)
        if status.lag is None or status.lag > limit:
            return (
                f"the dataset is {status.lag or 0:.0f} s behind its stream; ask again once it has caught up"
            )
        return None

    def _end(self, now: float) -> float:
        assert self._began_at is not None, "none was asked for"
        seconds = now - self._began_at
        self._last_at, self._began_at = self._began_at, None
        self._rests_until = now + REST * seconds
        return seconds

    def _refuse(self, why: str) -> None:
        for asked in self._asked:
            self._desk.outbox.reply(Reply(asked.ticket, None, why))
        self._asked.clear()

    def _answer(self, manifest: Manifest | None, refusal: str | None) -> None:
        for asked in self._answering:
            self._desk.outbox.reply(Reply(asked.ticket, manifest, refusal))
        self._answering = ()
