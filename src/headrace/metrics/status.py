"""The latest status of each dataset, for whoever asks or waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from headrace.column_reference import format_reference, is_there
from headrace.dataset import Dataset, ReadyState
from headrace.errors import HeadraceError
from headrace.observe import (
    ColumnsKnown,
    DeadLettersStored,
    Observation,
    SchemaEvolved,
    SnapshotFailed,
    SnapshotRestored,
    SnapshotSaved,
    StatusChanged,
)
from headrace.status import SILENCE, DatasetStatus, LastChange, LastSnapshot, State

REMOTE = "answered from DynamoDB until the copy is complete"

Rows = Callable[[], int | None]
"""Counts a dataset's rows now; None, or a HeadraceError, where that is not known."""


@dataclass(frozen=True, slots=True)
class _Latest:
    """The last StatusChanged, the clock's moment of it and of the watermark in it."""

    told_at: float

    state: State = State.LOADING
    ready: bool = False
    live: bool = False
    fresh: bool = False
    reason: str | None = "the dataset has not been opened yet"
    watermark_at: float | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """What is known of a dataset's columns."""

    count: int | None = None
    changes: int = 0
    last: LastChange | None = None
    waiting: tuple[str, ...] = ()


class StatusBoard:
    """An Observer that keeps the latest status of each dataset, in their order.

    Any thread may tell, ask and wait. ``rows`` counts a dataset's rows, by name, when ``statuses`` is
    asked. ``clock`` gives seconds, only ever goes forward, and is what deadlines are measured on; ``wall`` gives
    epoch seconds.
    """

    def __init__(
        self,
        datasets: Iterable[Dataset],
        rows: Mapping[str, Rows] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._datasets = {dataset.name: dataset for dataset in datasets}
        self._rows = dict(rows or {})
        self._clock = clock
        self._wall = wall
        self._changed = threading.Condition()
        self._latest = {name: _Latest(clock()) for name in self._datasets}
        self._letters = dict.fromkeys(self._datasets, 0)
        self._columns = {name: _Columns() for name in self._datasets}
        self._snapshots: dict[str, LastSnapshot] = {}

    def __call__(self, observation: Observation, /) -> None:
        """Take note of a status, of letters, columns and snapshots; other facts and datasets do not matter here."""
        if observation.dataset not in self._datasets:
            return
        match observation:
            case StatusChanged():
                self._take(observation)
            case DeadLettersStored(dataset, waiting=waiting):
                with self._changed:
                    self._letters[dataset] = waiting
            case ColumnsKnown(dataset, columns):
                lacking = _waiting_indexes(self._datasets[dataset], observation)
                with self._changed:
                    known = self._columns[dataset]
                    self._columns[dataset] = replace(known, count=len(columns), waiting=lacking)
            case SchemaEvolved(dataset, changes) if changes:
                with self._changed:
                    known, last = self._columns[dataset], LastChange(changes[-1].text, self._wall())
                    self._columns[dataset] = replace(known, changes=known.changes + len(changes), last=last)
            case SnapshotSaved(dataset, id_, age=age) | SnapshotRestored(dataset, id_, age=age):
                with self._changed:
                    self._snapshots[dataset] = LastSnapshot(id_, self._wall() - age)
            case SnapshotFailed(dataset, error):
                with self._changed:
                    newest = self._snapshots.get(dataset, LastSnapshot())
                    self._snapshots[dataset] = replace(newest, failure=error)
            case _:
                pass

    def _take(self, observation: StatusChanged) -> None:
        lag = observation.lag
        now = self._clock()
        latest = _Latest(
            now,
            state=observation.status,
            ready=observation.ready,
            live=observation.live,
            fresh=observation.fresh,
            reason=observation.reason,
            watermark_at=None if lag is None else now - lag,
        )
        with self._changed:
            self._latest[observation.dataset] = latest
            self._changed.notify_all()

    def statuses(self, *, rows: bool = True) -> tuple[DatasetStatus, ...]:
        """Every dataset now: the lag has grown since it was last told, and with ``rows`` they are counted.

        A dataset of which nothing was heard for SILENCE is not live, whatever was told last: the thread that
        replicates it has died, or hangs. One that a target writes is told of when it is opened, and never again
        while all is well: whether it moves is its mapping's to tell. Without ``rows`` no engine is asked, so that one that hangs cannot
        keep the answer from coming.
        """
        with self._changed:
            latest = dict(self._latest)
        return tuple(
            self._status(name, told, self._count(name) if rows else None) for name, told in latest.items()
        )

    def wait(self, predicate: Callable[[tuple[DatasetStatus, ...]], bool], deadline: float) -> bool:
        """Wait until ``predicate`` holds for the statuses or the clock reaches ``deadline``; say which.

        The predicate is asked whenever a status changes. Its statuses have no rows: counting may be slow.
        """
        with self._changed:
            while True:
                statuses = tuple(self._status(name, told, None) for name, told in self._latest.items())
                if predicate(statuses):
                    return True
                remaining = deadline - self._clock()
                if remaining <= 0:
                    return False
                self._changed.wait(remaining)

    def _count(self, name: str) -> int | None:
        count = self._rows.get(name)
        try:
            return None if count is None else count()
        except HeadraceError:
            return None

    def _status(self, name: str, told: _Latest, rows: int | None) -> DatasetStatus:
        dataset = self._datasets[name]
        since = told.watermark_at
        now = self._clock()
        remote = dataset.ready_state is ReadyState.ON_REGISTRATION and not told.ready
        # What a target writes has no thread that tells while nothing changes: its mapping's liveness is told.
        heard_of = dataset.fed_by is None
        silent = heard_of and told.state is not State.ERROR and now - told.told_at > SILENCE
        reason, columns = told.reason, self._columns[name]
        if silent:
            reason = (
                f"nothing was heard from the replication of {name} for {now - told.told_at:.0f} s: its thread has "
                "died or hangs; restart headrace, and report this with its log"
            )
        if remote:
            reason = REMOTE if reason is None else f"{REMOTE}; {reason}"
        return DatasetStatus(
            name=name,
            source=dataset.source,
            engine=None if dataset.acceleration is None else str(dataset.acceleration.engine),
            status=State.ERROR if silent else told.state,
            ready=told.ready or remote,
            live=told.live and not silent,
            fresh=told.fresh and not silent,
            lag_ms=None if since is None else round((now - since) * 1000),
            rows=rows,
            reason=reason,
            dead_letters=self._letters[name],
            columns=columns.count,
            schema_changes=columns.changes,
            last_schema_change=columns.last,
            waiting_indexes=columns.waiting,
            remote=remote,
            snapshot=self._snapshots.get(name),
        )


def _waiting_indexes(dataset: Dataset, known: ColumnsKnown) -> tuple[str, ...]:
    """The indexes that the dataset asks for and of which a column is not there."""
    asked = dataset.acceleration.indexes if dataset.acceleration is not None else ()
    columns = [name for name, _ in known.columns]
    return tuple(
        format_reference(index.columns)
        for index in asked
        if not all(is_there(name, known.attributes, columns) for name in index.columns)
    )
