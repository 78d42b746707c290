"""The statements whose rows are on their way to clients: bounded in number, ended by whoever asks for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from headrace.errors import QueryError, QueryFault
from headrace.serve.running import Answer

MOST: Final = 128
"""Calls that run or read statements at once. Each has a thread, though few of them have a place in the engine."""


class Run:
    """One statement that is run for a client."""

    def __init__(self, number: bytes, answer: Answer) -> None:
        self.number = number
        self.answer = answer
        self.cancelled = False


class Runs:
    """Those that are under way. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: set[Run] = set()

    @contextmanager
    def running(self, number: bytes, answer: Answer) -> Iterator[Run]:
        """One more, until the block ends. Raises QueryError BUSY where there are too many."""
        run = Run(number, answer)
        with self._lock:
            if len(self._runs) >= MOST:
                raise QueryError(
                    QueryFault.BUSY, f"{MOST} statements are under way already; try again when one has ended"
                )
            self._runs.add(run)
        try:
            yield run
        finally:
            with self._lock:
                self._runs.remove(run)

    def cancel(self, number: bytes) -> bool:
        """End the statements of this number; whether there are any."""
        with self._lock:
            found = [run for run in self._runs if run.number == number]
            for run in found:
                run.cancelled = True
                run.answer.cancel()
        return bool(found)

    def __len__(self) -> int:
        with self._lock:
            return len(self._runs)
