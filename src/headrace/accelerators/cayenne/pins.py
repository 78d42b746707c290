"""Files that no copy has any more, kept until nobody reads them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Given:
    """Files that were given up, and the readers who may have them: those who came before."""

    files: tuple[Path, ...]
    readers: set[int]


class Pins:
    """Files to remove once those who may read them have ended. Any thread may call any method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._readers: set[int] = set()
        self._given: list[_Given] = []

    def enter(self) -> int:
        """Begin to read: whatever files there are now stay until ``leave`` is called with this number."""
        with self._lock:
            number = next(self._numbers)
            self._readers.add(number)
            return number

    def leave(self, number: int) -> None:
        """End reading, and remove what nobody reads any more. Safe to call twice."""
        with self._lock:
            self._readers.discard(number)
            for given in self._given:
                given.readers.discard(number)
        self.sweep()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Whatever files there are at its beginning stay to its end."""
        number = self.enter()
        try:
            yield
        finally:
            self.leave(number)

    def give_up(self, files: Collection[Path]) -> None:
        """Remove files as soon as whoever reads now has ended; new readers do not see them."""
        if files:
            with self._lock:
                self._given.append(_Given(tuple(files), set(self._readers)))
        self.sweep()

    @property
    def files(self) -> set[Path]:
        """The files that are still kept."""
        with self._lock:
            return {file for given in self._given for file in given.files}

    def sweep(self) -> None:
        """Remove what nobody reads any more. What cannot be removed is tried again at the next sweep."""
        with self._lock:
            left = []
            for given in self._given:
                files = tuple(file for file in given.files if given.readers or not _removed(file))
                if files:
                    left.append(replace(given, files=files))
            self._given = left


def _removed(file: Path) -> bool:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("cayenne_file_not_removed", file=str(file), error=str(error))
        return False
    return True
