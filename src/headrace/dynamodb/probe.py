"""Whether a table that is read without a copy can be read now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Protocol

from headrace.backoff import delay
from headrace.errors import HeadraceError
from headrace.observe import StatusChanged
from headrace.source import SourceTable
from headrace.status import State

EVERY: Final = 15.0
"""Seconds between two looks, within which SILENCE ends. A DescribeTable costs no read units."""


class Described(Protocol):
    """A table that can be described."""

    def describe(self) -> SourceTable:
        """DescribeTable. Raises SourceErrors."""
        ...


class Probe:
    """Describes the table of ``dataset`` in a thread of its own, again and again, and tells ``observe`` its status.

    Ready once the table has been described; an Error with its reason while it cannot be, tried again as all failures are.
    ``salt`` spreads the retries of several processes.
    """

    def __init__(
        self, dataset: str, source: Described, observe: Callable[[StatusChanged], None], salt: str
    ) -> None:
        self._dataset = dataset
        self._source = source
        self._observe = observe
        self._salt = salt
        self._stopped = threading.Event()
        # A request may hang for as long as the network lets it: the end waits for none.
        self._thread = threading.Thread(target=self._look, name=f"headrace-probe {dataset}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Tell nothing more. Safe to call twice, and without a start."""
        self._stopped.set()

    def _look(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                self._source.describe()
            except HeadraceError as error:
                failures += 1
                wait = delay(error, failures, f"{self._salt}/probe")
                self._tell(State.ERROR, str(error))
            else:
                failures, wait = 0, EVERY
                self._tell(State.READY, None)
            self._stopped.wait(wait)

    def _tell(self, state: State, reason: str | None) -> None:
        if not self._stopped.is_set():
            ready = state is State.READY
            self._observe(
                StatusChanged(
                    self._dataset, state, ready=ready, live=ready, fresh=ready, lag=None, reason=reason
                )
            )
