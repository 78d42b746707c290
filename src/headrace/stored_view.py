"""A view whose rows are stored: made once what it reads is ready, refreshed when it is due or somebody asks."""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, Protocol

import pyarrow as pa

from headrace.backoff import delay
from headrace.errors import ConfigError, HeadraceError, InternalError
from headrace.query.statement import Statement
from headrace.refresh import RefreshOutcome, RefreshState
from headrace.replicate.schedule import Schedule
from headrace.status import DatasetStatus, State
from headrace.versions import Versions
from headrace.view import View

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at whether a refresh is due, what the view reads is ready, and its rows are still there."""

KEPT: Final = 100
"""Refreshes that are remembered."""


class Rows(Protocol):
    """Where they are stored."""

    def replace(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Have these in place of all that there are, at once; their number. Raises HeadraceError."""
        ...

    def rows(self) -> int:
        """How many there are. Raises AcceleratorError where there are none any more."""
        ...


class StoredView:
    """Keeps the rows of ``view`` in ``rows``, by a thread from ``start`` to ``stop``.

    ``query`` gives its query as a statement; ``waits_for`` says why that cannot be read now, None where it can. Rows that
    a refresh could not replace stay, and answer. Any thread may ask.
    """

    def __init__(
        self,
        view: View,
        query: Callable[[], Statement],
        rows: Rows,
        waits_for: Callable[[], str | None],
        versions: Versions,
        salt: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        assert view.refresh is not None, "its rows are stored"
        self._view = view
        self._query = query
        self._rows = rows
        self._waits_for = waits_for
        self._versions = versions
        self._salt = f"{salt}/{view.name}"
        self._schedule = Schedule(view.refresh, self._salt)
        self._clock = clock
        self._changed = threading.Condition()
        self._stopping = False
        self._running: Statement | None = None
        self._numbers = itertools.count(1)
        self._asked: list[int] = []
        self._outcomes: OrderedDict[int, RefreshOutcome] = OrderedDict()
        self._failures = 0
        self._due: float | None = 0.0
        self._status = DatasetStatus(
            name=view.name,
            source="view",
            engine="duckdb",
            status=State.LOADING,
            ready=False,
            live=True,
            fresh=False,
            lag_ms=None,
            rows=None,
            reason="its rows have not been made yet",
        )
        self._thread = threading.Thread(target=self._run, name=f"headrace-view-{view.name}", daemon=True)

    def start(self) -> None:
        """Make the rows as soon as may be."""
        self._thread.start()

    def stop(self) -> None:
        """End, with a refresh that runs given up. Safe to call twice, and without ``start``."""
        with self._changed:
            self._stopping = True
            running = self._running
            self._changed.notify_all()
        if running is not None:
            running.cancel()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def status(self) -> DatasetStatus:
        """As of a dataset; ``fresh``: the last refresh has not failed."""
        with self._changed:
            status = self._status
        started = self._thread.ident is not None
        return replace(status, live=self._thread.is_alive() or not started)

    def refresh(self) -> int:
        """Ask for a refresh; its number."""
        with self._changed:
            number = next(self._numbers)
            self._asked.append(number)
            self._note(number, RefreshOutcome(RefreshState.RUNNING))
            self._changed.notify_all()
        return number

    def outcome(self, number: int) -> RefreshOutcome | None:
        """What became of it; None if there was none, or it is forgotten."""
        with self._changed:
            return self._outcomes.get(number)

    def _run(self) -> None:
        waiting: str | None = None
        while self._goes_on(at_once=waiting is None):
            is_due = bool(self._asked) or (self._due is not None and self._clock() >= self._due)
            if not is_due and self._are_there():
                continue
            waiting = self._waits_for()
            if waiting is None:
                self._refresh()
            else:
                self._tell(reason=f"it waits for {waiting}")

    def _goes_on(self, *, at_once: bool) -> bool:
        """Wait until the next look, or with ``at_once`` until somebody asks; whether there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or (at_once and self._asked), LOOK_EVERY)
            return not self._stopping

    def _are_there(self) -> bool:
        """Whether rows that were made are still there: in memory, a database that fails takes them along."""
        if not self._status.ready:
            return True
        try:
            self._rows.rows()
        except HeadraceError:
            self._tell(ready=False, status=State.LOADING, reason="its rows were lost, and are made anew")
            return False
        return True

    def _refresh(self) -> None:
        with self._changed:
            asked, self._asked = self._asked, []
        self._tell(status=State.REFRESHING if self._status.ready else State.LOADING)
        began = self._clock()
        try:
            count = self._made()
        except Exception as error:  # noqa: BLE001  # The thread goes on, and the status tells it.
            known = error if isinstance(error, HeadraceError) else InternalError(str(error))
            self._fail(known, asked)
        else:
            self._failures = 0
            ended = self._clock()
            self._due = self._schedule.after(ended)
            self._tell(status=State.READY, ready=True, fresh=True, reason=None, rows=count)
            self._answer(asked, RefreshOutcome(RefreshState.DONE, count, ended - began))

    def _made(self) -> int:
        with self._query() as statement:
            with self._changed:
                self._running = statement
                if self._stopping:
                    statement.cancel()
            try:
                schema = statement.run()
                with self._versions.changed(self._view.name):
                    return self._rows.replace(schema, statement.batches())
            finally:
                with self._changed:
                    self._running = None

    def _fail(self, error: HeadraceError, asked: list[int]) -> None:
        self._failures += 1
        # It costs as much as a refresh that is done: tried again slowly, and not before the next one is due by itself.
        again = self._clock() + delay(ConfigError(str(error)), self._failures, self._salt)
        due = self._schedule.after(self._clock())
        self._due = again if due is None or not self._status.ready else min(again, due)
        self._tell(status=State.ERROR, fresh=False, reason=f"its rows could not be made: {error}")
        self._answer(asked, RefreshOutcome(RefreshState.FAILED, reason=str(error)))

    def _tell(self, **changes: Any) -> None:
        with self._changed:
            self._status = replace(self._status, **changes)

    def _answer(self, asked: list[int], outcome: RefreshOutcome) -> None:
        with self._changed:
            for number in asked:
                self._note(number, outcome)

    def _note(self, number: int, outcome: RefreshOutcome) -> None:
        self._outcomes[number] = outcome
        if len(self._outcomes) > KEPT:
            self._outcomes.popitem(last=False)
