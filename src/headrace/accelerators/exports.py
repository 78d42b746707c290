"""The export of one dataset: one at a time, ended by whoever closes the dataset."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from headrace.errors import AcceleratorError, SnapshotRefused

_PATIENCE: Final = 10.0
"""Seconds that an export gets to end once it was interrupted."""

_AGAIN: Final = 0.01
"""Seconds until it is interrupted again: an engine forgets what comes between two statements."""


_CLOSED: Final = "it is being closed, or not open"
_CHANGED: Final = "its table is being changed; try again soon"


class Exports:
    """Knows whether an export runs, and ends it. Any thread may call any method."""

    def __init__(self, dataset: str) -> None:
        self._dataset = dataset
        self._changed = threading.Condition()
        self._forbidden = _CLOSED
        """Why none may run; empty if one may."""
        self._running = False
        self._interrupt: Callable[[], object] | None = None

    def allow(self) -> None:
        """The dataset is open: exports may begin."""
        with self._changed:
            self._forbidden = ""

    def stop(self) -> None:
        """Let none begin, end the one that runs, and wait until it has ended; after a while no longer."""
        with self._changed:
            self._forbidden = _CLOSED
            self._wait_for_end()

    def give_way(self) -> None:
        """End the one that runs: the table must be changed, and its reading keeps others from that."""
        with self._changed:
            if self._running:
                self._forbidden = self._forbidden or _CHANGED
                self._wait_for_end()

    @contextmanager
    def running(self) -> Iterator[None]:
        """One export. Raises AcceleratorError where there is one already, or where ``stop`` was called."""
        with self._changed:
            self.expect_going()
            if self._running:
                raise AcceleratorError(
                    f"{self._dataset} is being exported already; ask again once that is done"
                )
            self._running = True
        try:
            yield
        except AcceleratorError:
            # Whatever the engine said then, this is why.
            self.expect_going()
            raise
        finally:
            with self._changed:
                self._running = False
                if self._forbidden == _CHANGED:
                    self._forbidden = ""
                self._changed.notify_all()

    @contextmanager
    def interruptible(self, interrupt: Callable[[], object]) -> Iterator[None]:
        """What is done inside fails soon once ``interrupt`` is called, which raises nothing."""
        with self._changed:
            self._interrupt = interrupt
        try:
            self.expect_going()
            yield
        finally:
            with self._changed:
                self._interrupt = None

    def expect_going(self) -> None:
        """Raise AcceleratorError where the export is to end."""
        if self._forbidden:
            raise AcceleratorError(f"{self._dataset} cannot be exported: {self._forbidden}")

    def _wait_for_end(self) -> None:
        until = time.monotonic() + _PATIENCE
        while self._running and time.monotonic() < until:
            if self._interrupt is not None:
                self._interrupt()
            self._changed.wait(_AGAIN)


def unusable(dataset: str, why: str) -> SnapshotRefused:
    """What is raised where exported files are not what ``dataset`` can be restored from."""
    return SnapshotRefused(f"the snapshot cannot be restored as {dataset}: {why}; choose another one")


def expect_dataset(dataset: str, found: str | None) -> None:
    """Raise SnapshotRefused unless the files are those of ``dataset``: tables bear its name. None: of none."""
    if found is None:
        raise unusable(dataset, "it holds no copy of a dataset")
    if found != dataset:
        raise unusable(dataset, f"it holds the dataset {found}")


def expect_format(dataset: str, found: int, oldest: int, newest: int) -> None:
    """Raise SnapshotRefused unless files of the format ``found`` can be read."""
    if found > newest:
        raise unusable(
            dataset, f"a newer Headrace made it (format {found}, and this one knows up to {newest})"
        )
    if found < oldest:
        raise unusable(
            dataset, f"an earlier Headrace made it (format {found}, and this one knows {oldest} and later)"
        )
