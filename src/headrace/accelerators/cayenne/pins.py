"""Files that no copy has any more, kept until nobody reads them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

_log = structlog.get_logger()

Readers = Callable[[], Iterable[Any]]
"""The connections through which someone may be reading now; they can be referred to weakly."""


@dataclass(frozen=True, slots=True)
class _Pinned:
    """Files, and the connections that were open when they were given up: a later one does not see them."""

    files: tuple[Path, ...]
    readers: weakref.WeakSet[Any]


class Pins:
    """Files to remove once the connections that may read them are gone."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._pinned: list[_Pinned] = []
        self._lock = threading.Lock()

    def give_up(self, files: Collection[Path]) -> None:
        """Remove files as soon as whoever reads now has ended; new readers do not see them."""
        if files:
            pinned = _Pinned(tuple(files), weakref.WeakSet(self._readers()))
            with self._lock:
                self._pinned.append(pinned)
        self.sweep()

    def sweep(self) -> None:
        """Remove what nobody reads any more. What cannot be removed is tried again at the next sweep."""
        with self._lock:
            left = []
            for one in self._pinned:
                files = one.files if one.readers else tuple(file for file in one.files if not _removed(file))
                if files:
                    left.append(replace(one, files=files))
            self._pinned = left

    @property
    def files(self) -> set[Path]:
        """The files that are still kept."""
        with self._lock:
            return {file for one in self._pinned for file in one.files}


def _removed(file: Path) -> bool:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("cayenne_file_not_removed", file=str(file), error=str(error))
        return False
    return True
