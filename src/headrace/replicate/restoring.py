"""A dataset without a copy begins with the newest snapshot that fits."""

from __future__ import annotations

from collections import deque
from functools import partial

from headrace.accelerator import Stored
from headrace.dataset import Engine, RestoreFailure, Snapshots
from headrace.errors import HeadraceError, SnapshotGone, SnapshotRefused
from headrace.observe import SnapshotPassedOver, SnapshotRestored, SnapshotsUnanswered
from headrace.replicate.commands import ListSnapshots, RestoreSnapshot
from headrace.replicate.desk import Desk
from headrace.replicate.entry import unfit_checkpoint
from headrace.replicate.errands import Errands
from headrace.snapshot import Listed, Manifest
from headrace.source import SourceTable

TRIES = 3
"""How often what does not answer is asked, where the settings do not say to go on."""


class Restoring:
    """Finds, proves and restores, one snapshot after the other, newest first; what is passed over is told.

    ``settings`` None, or a mode that does not restore: there is never anything to do. A snapshot that does not fit
    is passed over whatever the settings; they decide what follows where the place of snapshots does not answer, or the
    engine cannot take one that is whole.
    """

    def __init__(
        self, desk: Desk, errands: Errands, engine: Engine | None, settings: Snapshots | None
    ) -> None:
        self._desk = desk
        self._errands = errands
        self._engine = engine
        self._settings = settings if settings is not None and settings.mode.restores else None
        self._offers: deque[Manifest] | None = None
        self._current: Manifest | None = None
        self._since = 0.0
        self._tries = 0
        self._lists = 0
        self._over = False

    def begin_again(self) -> None:
        """The dataset is opened anew; a snapshot that is being restored is waited for all the same."""
        self._offers = None
        self._tries = self._lists = 0
        self._over = False

    @property
    def reason(self) -> str | None:
        """What is being done, None if nothing is."""
        if self._current is not None:
            size = self._current.size_bytes / 2**20
            return f"restoring snapshot {self._current.id} ({self._current.rows:,} rows, {size:,.1f} MiB)"
        if self._lists and not self._over and self._offers is None:
            return "looking for a snapshot"
        return None

    def begin(self, stored: Stored, table: SourceTable, service_now: float, now: float) -> bool:
        """Ask for what is needed next; false if the dataset must begin without a snapshot, or has a copy."""
        if self._settings is None or self._over:
            return False
        if stored.live is not None or stored.building is not None:
            return False
        if self._current is None and self._offers is None:
            self._lists = max(1, self._lists)
            self._errands.ask(ListSnapshots, ListSnapshots, now)
            return True
        if self._current is None:
            self._current = self._next(table, service_now)
            self._since = now
        if self._current is None:
            self._over = True
            return False
        self._errands.ask(RestoreSnapshot, partial(RestoreSnapshot, manifest=self._current), now)
        return True

    def listed(self, request: ListSnapshots, answer: Listed) -> None:
        """These are there."""
        self._errands.answered(request)
        self._tries = 0
        self._offers = deque(answer.manifests)
        for one in answer.unreadable:
            self._pass_over(one.id, one.reason)

    def restored(self, request: RestoreSnapshot, service_now: float, now: float) -> None:
        """The copy is there: it must be opened."""
        self._errands.answered(request)
        self._current = None
        manifest = request.manifest
        self._desk.outbox.tell(
            SnapshotRestored(
                self._desk.dataset,
                manifest.id,
                manifest.rows,
                manifest.size_bytes,
                now - self._since,
                max(0.0, service_now - manifest.current_to),
            )
        )

    def failed(self, request: ListSnapshots | RestoreSnapshot, error: HeadraceError, now: float) -> None:
        """Try again, an older one, or do without."""
        assert self._settings is not None
        behavior = self._settings.on_failure
        if isinstance(request, ListSnapshots):
            self._errands.failed(request, error, now)
            self._tries += 1
            if self._tries >= TRIES and behavior is not RestoreFailure.RETRY:
                self._do_without(request, error)
            return
        again = self._lists < TRIES or behavior is RestoreFailure.RETRY
        if isinstance(error, SnapshotGone) and again:
            # Somebody has just removed old ones: there are newer ones then.
            self._current = self._offers = None
            if self._lists < TRIES:
                self._errands.answered(request)
            else:
                self._errands.failed(request, error, now)
            self._lists += 1
        elif isinstance(error, SnapshotRefused):
            self._errands.answered(request)
            self._current = None
            self._pass_over(request.manifest.id, str(error))
        else:
            self._errands.failed(request, error, now)
            self._tries += 1
            if self._tries >= TRIES and behavior is RestoreFailure.FALLBACK:
                self._errands.answered(request)
                self._tries, self._current = 0, None
                self._pass_over(request.manifest.id, str(error))
            elif self._tries >= TRIES and behavior is RestoreFailure.WARN:
                self._current = None
                self._do_without(request, error)

    def _do_without(self, request: ListSnapshots | RestoreSnapshot, error: HeadraceError) -> None:
        self._errands.answered(request)
        self._over = True
        self._desk.outbox.tell(SnapshotsUnanswered(self._desk.dataset, str(error)))

    def _next(self, table: SourceTable, service_now: float) -> Manifest | None:
        while self._offers:
            manifest = self._offers.popleft()
            why = self._unfit(manifest, table, service_now)
            if why is None:
                return manifest
            self._pass_over(manifest.id, why)
        return None

    def _unfit(self, manifest: Manifest, table: SourceTable, service_now: float) -> str | None:
        """Why the copy in a snapshot cannot be gone on with; None if it can."""
        if manifest.dataset != self._desk.dataset:
            return f"it is one of dataset {manifest.dataset}"
        if self._engine is not None and manifest.engine != self._engine:
            return f"it was written by engine {manifest.engine}, and this dataset has engine {self._engine}"
        return unfit_checkpoint(manifest.checkpoint, table, manifest.current_to, service_now)

    def _pass_over(self, snapshot: str, reason: str) -> None:
        self._desk.outbox.tell(SnapshotPassedOver(self._desk.dataset, snapshot, reason))
