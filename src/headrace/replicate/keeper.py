"""A dataset's snapshots, as its machine uses them: one is restored at the beginning, others are taken later."""

from __future__ import annotations

from headrace.accelerator import Stored
from headrace.dataset import Engine, Snapshots
from headrace.observe import StatusChanged
from headrace.replicate.commands import (
    Done,
    Failed,
    ListSnapshots,
    Restored,
    RestoreSnapshot,
    SaveSnapshot,
    ShelfRequest,
    TakeSnapshot,
)
from headrace.replicate.desk import Desk
from headrace.replicate.errands import Errands
from headrace.replicate.plan import Plan
from headrace.replicate.restoring import Restoring
from headrace.replicate.snapshotting import Snapshotting
from headrace.snapshot import Listed, Manifest
from headrace.source import SourceTable


class Keeper:
    """Hands each answer to whoever asked.

    ``engine`` None: snapshots of any are restored. ``follows`` says that the dataset follows a stream.
    """

    def __init__(
        self,
        desk: Desk,
        errands: Errands,
        engine: Engine | None,
        settings: Snapshots | None,
        *,
        follows: bool = True,
    ) -> None:
        self._desk = desk
        self._restoring = Restoring(desk, errands, engine, settings)
        self._taking = Snapshotting(desk, settings, follows=follows)

    @property
    def reason(self) -> str | None:
        """What is being done before anything is replicated, None if nothing is."""
        return self._restoring.reason

    def begin(self, stored: Stored, table: SourceTable, now: float) -> bool:
        """Restore a snapshot where there is no copy; false where there is none that fits, or nothing to restore."""
        return self._restoring.begin(stored, table, self._desk.clock.at(now), now)

    def begin_again(self) -> None:
        """The dataset is opened anew."""
        self._restoring.begin_again()

    def resumed(self, now: float) -> None:
        """A copy is gone on with."""
        self._taking.resumed(now)

    def committed(self, plan: Plan, *, anew: bool) -> None:
        """A transaction is durable; ``anew`` says that by it a copy of the table is the one that is served."""
        self._taking.committed(plan)
        if anew:
            self._taking.copied()

    def take(self, asked: TakeSnapshot) -> None:
        """An operator wants a snapshot."""
        self._taking.take(asked)

    def advance(self, status: StatusChanged, watermark: float | None, now: float) -> None:
        """Take a snapshot if one is due; see Snapshotting."""
        self._taking.advance(status, watermark, now)

    def heard(self, request: ShelfRequest, event: Done | Failed, now: float) -> bool:
        """Take in what came of a request; whether the store must be opened anew, for a restore has touched it."""
        answer = event.answer if isinstance(event, Done) else None
        match request, answer:
            case SaveSnapshot(), None if isinstance(event, Failed):
                self._taking.failed(event.error, now)
            case ((ListSnapshots() | RestoreSnapshot()), None) if isinstance(event, Failed):
                self._restoring.failed(request, event.error, now)
            case ListSnapshots(), Listed():
                self._restoring.listed(request, answer)
            case RestoreSnapshot(), Restored():
                self._restoring.restored(request, self._desk.clock.at(now), now)
            case SaveSnapshot(), Manifest():
                self._taking.saved(answer, now)
            case _:
                raise TypeError(f"{request} was answered with {event}")
        return isinstance(request, RestoreSnapshot)
