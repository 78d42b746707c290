"""How far each bootstrap is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text
from structlog.typing import FilteringBoundLogger

from headrace.observe import (
    BootstrapFinished,
    BootstrapProgressed,
    BootstrapResumed,
    BootstrapStarted,
    Observation,
)

LINE_EVERY = 5.0
"""Seconds between two lines about one dataset."""

_WINDOW = 30.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """One bootstrap at one moment.

    ``items`` is the service's estimate, None where it gave none or the Scan has passed it: it may be six
    hours old. ``rate`` is rows a second over the last 30 s; ``left`` is seconds, None where not known.
    """

    rows: int
    items: int | None
    rate: float
    left: float | None


class Pace:
    """The rows of one bootstrap against time, from which its rate and end are told."""

    def __init__(self, now: float, rows: int = 0, items: int = 0) -> None:
        self._samples = deque([(now, rows)])
        self._items = items

    def progressed(self, now: float, rows: int, items: int) -> None:
        """More rows are durable: ``rows`` since the Scan's beginning."""
        self._items = items
        self._samples.append((now, rows))
        while len(self._samples) > 2 and now - self._samples[1][0] >= _WINDOW:  # noqa: PLR2004 - a line needs two
            self._samples.popleft()

    def estimate(self, now: float) -> Estimate:
        """The state at ``now``: a stalled Scan's rate falls although nothing new is told."""
        since, first = self._samples[0]
        rows = self._samples[-1][1]
        elapsed = now - since
        rate = (rows - first) / elapsed if elapsed > 0 else 0.0
        items = self._items if self._items >= max(rows, 1) else None
        left = (items - rows) / rate if items is not None and rate > 0 else None
        return Estimate(rows, items, rate, left)


class ProgressLines:
    """An Observer that logs ``bootstrap_progress`` every few seconds of each bootstrap."""

    def __init__(
        self,
        logger: FilteringBoundLogger,
        clock: Callable[[], float] = time.monotonic,
        every: float = LINE_EVERY,
    ) -> None:
        self._logger = logger
        self._clock = clock
        self._every = every
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}
        self._due: dict[str, float] = {}

    def __call__(self, observation: Observation, /) -> None:
        """Log a line where one is due."""
        with self._lock:
            now = self._clock()
            _follow(self._paces, observation, now)
            if isinstance(observation, BootstrapStarted | BootstrapResumed):
                self._due[observation.dataset] = now + self._every
            if not isinstance(observation, BootstrapProgressed):
                return
            if now < self._due.setdefault(observation.dataset, now + self._every):
                return
            self._due[observation.dataset] = now + self._every
            estimate = self._paces[observation.dataset].estimate(now)
        known = {"items": estimate.items, "seconds_left": estimate.left}
        self._logger.info(
            "bootstrap_progress",
            dataset=observation.dataset,
            rows=estimate.rows,
            rows_per_second=round(estimate.rate),
            segments=f"{observation.segments_done}/{observation.segments}",
            **{name: round(value) for name, value in known.items() if value is not None},
        )


class ProgressBars:
    """An Observer that draws a bar for each bootstrap under way, and nothing while there is none.

    ``close`` takes the bars off the terminal. ``refresh_per_second`` 0 draws only when a fact arrives.
    """

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        refresh_per_second: float = 5,
    ) -> None:
        self._console = console
        self._clock = clock
        self._refresh_per_second = refresh_per_second
        self._lock = threading.RLock()
        self._paces: dict[str, Pace] = {}
        self._tasks: dict[str, TaskID] = {}
        self._progress: Progress | None = None

    def __call__(self, observation: Observation, /) -> None:
        """Draw what has changed."""
        if not isinstance(
            observation, BootstrapStarted | BootstrapResumed | BootstrapProgressed | BootstrapFinished
        ):
            return
        with self._lock:
            _follow(self._paces, observation, self._clock())
            self._draw(observation.dataset)

    def close(self) -> None:
        """Remove the bars. Safe to call twice."""
        with self._lock:
            if self._progress is not None:
                self._progress.stop()
            self._progress = None
            self._tasks.clear()
            self._paces.clear()

    def _draw(self, dataset: str) -> None:
        if not self._paces:
            self.close()
            return
        if self._progress is None:
            self._progress = self._started()
        pace = self._paces.get(dataset)
        if pace is None:
            if dataset in self._tasks:
                self._progress.remove_task(self._tasks.pop(dataset))
            return
        if dataset not in self._tasks:
            self._tasks[dataset] = self._progress.add_task(dataset, total=None)
        estimate = pace.estimate(self._clock())
        self._progress.update(self._tasks[dataset], completed=estimate.rows, total=estimate.items)
        if not self._refresh_per_second:
            self._progress.refresh()

    def _started(self) -> Progress:
        columns: tuple[ProgressColumn | str, ...] = (
            TextColumn("{task.description}", style="bold"),
            BarColumn(bar_width=30),
            _PaceColumn(self._paces, self._clock),
        )
        progress = Progress(
            *columns,
            console=self._console,
            auto_refresh=self._refresh_per_second > 0,
            refresh_per_second=self._refresh_per_second or 1,
            transient=True,
            get_time=self._clock,
        )
        progress.start()
        return progress


class _PaceColumn(ProgressColumn):
    """``12,000 of about 20,000 rows, 4,512 rows/s, 0:12 left``."""

    def __init__(self, paces: dict[str, Pace], clock: Callable[[], float]) -> None:
        self._paces = paces
        self._clock = clock
        super().__init__()

    def render(self, task: Task) -> Text:
        pace = self._paces.get(task.description)
        return Text("" if pace is None else pace_text(pace.estimate(self._clock())))


def pace_text(estimate: Estimate) -> str:
    """One line for people: rows, of how many, rate, time left; what is not known is left out."""
    rows = f"{estimate.rows:,}"
    if estimate.items is not None:
        rows += f" of about {estimate.items:,}"
    parts = [f"{rows} rows", f"{estimate.rate:,.0f} rows/s"]
    if estimate.left is not None:
        minutes, seconds = divmod(round(estimate.left), 60)
        hours, minutes = divmod(minutes, 60)
        parts.append(f"{hours}:{minutes:02}:{seconds:02} left" if hours else f"{minutes}:{seconds:02} left")
    return ", ".join(parts)


def _follow(paces: dict[str, Pace], observation: Observation, now: float) -> None:
    """Keep the pace of each bootstrap that is under way."""
    match observation:
        case BootstrapStarted(dataset=dataset, items=items):
            paces[dataset] = Pace(now, items=items)
        case BootstrapResumed(dataset=dataset, rows_scanned=rows):
            paces[dataset] = Pace(now, rows)
        case BootstrapProgressed(dataset=dataset, rows=rows, items=items):
            paces.setdefault(dataset, Pace(now, rows, items)).progressed(now, rows, items)
        case BootstrapFinished(dataset=dataset):
            paces.pop(dataset, None)
        case _:
            pass
