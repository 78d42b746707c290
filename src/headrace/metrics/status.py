"""The latest status of each dataset, for whoever asks or waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from headrace.dataset import Dataset
from headrace.errors import HeadraceError
from headrace.observe import Observation, StatusChanged
from headrace.status import DatasetStatus, State

Rows = Callable[[], int | None]
"""Counts a dataset's rows now; None, or a HeadraceError, where that is not known."""


@dataclass(frozen=True, slots=True)
class _Latest:
    """The last StatusChanged, and the clock's moment of the watermark in it."""

    state: State = State.LOADING
    ready: bool = False
    live: bool = False
    fresh: bool = False
    reason: str | None = "the dataset has not been opened yet"
    watermark_at: float | None = None


class StatusBoard:
    """An Observer that keeps the latest status of each dataset, in their order.

    Any thread may tell, ask and wait. ``rows`` counts a dataset's rows, by name, when ``statuses`` is
    asked. ``clock`` gives seconds, only ever goes forward, and is what deadlines are measured on.
    """

    def __init__(
        self,
        datasets: Iterable[Dataset],
        rows: Mapping[str, Rows] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._datasets = {dataset.name: dataset for dataset in datasets}
        self._rows = dict(rows or {})
        self._clock = clock
        self._changed = threading.Condition()
        self._latest = {name: _Latest() for name in self._datasets}

    def __call__(self, observation: Observation, /) -> None:
        """Take note of a StatusChanged; other facts, and other datasets, do not matter here."""
        if not isinstance(observation, StatusChanged) or observation.dataset not in self._datasets:
            return
        lag = observation.lag
        latest = _Latest(
            state=observation.status,
            ready=observation.ready,
            live=observation.live,
            fresh=observation.fresh,
            reason=observation.reason,
            watermark_at=None if lag is None else self._clock() - lag,
        )
        with self._changed:
            self._latest[observation.dataset] = latest
            self._changed.notify_all()

    def statuses(self) -> tuple[DatasetStatus, ...]:
        """Every dataset now: the lag has grown since it was last told, and the rows are counted."""
        with self._changed:
            latest = dict(self._latest)
        return tuple(self._status(name, told, self._count(name)) for name, told in latest.items())

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
        return DatasetStatus(
            name=name,
            source=f"dynamodb:{dataset.table}",
            engine=None if dataset.acceleration is None else str(dataset.acceleration.engine),
            status=told.state,
            ready=told.ready,
            live=told.live,
            fresh=told.fresh,
            lag_ms=None if since is None else round((self._clock() - since) * 1000),
            rows=rows,
            reason=told.reason,
        )
