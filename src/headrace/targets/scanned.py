"""Keys and digests of both sides of a comparison, in a file on its way: sorted there, so that memory does not grow with the tables."""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from headrace.errors import HeadraceError

Row = tuple[str, bytes]
"""The text of a key, and its item's digest."""

SIDES: Final = ("source", "replica")
_PAGES: Final = -64 * 1024
"""What SQLite may keep in memory, in KiB."""


class Scanned:
    """A SQLite file in a folder of its own, gone with it. Any thread may add.

    Rows are only added, and sorted once, by an external merge sort: no index grows in random order.
    Every method raises HeadraceError where there is no room.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="headrace-verify-")
        self._path = Path(self._folder.name) / "scanned.sqlite"
        self._lock = threading.Lock()
        self.counts = dict.fromkeys(SIDES, 0)
        self._connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA temp_store = FILE",
            f"PRAGMA cache_size = {_PAGES}",
            *(f"CREATE TABLE {side} (key TEXT NOT NULL, digest BLOB NOT NULL) STRICT" for side in SIDES),
        ):
            self._connection.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._folder.cleanup()

    def add(self, side: str, rows: Iterable[Row]) -> None:
        """Rows of one side, in any order."""
        with self._lock, self._translated():
            self._connection.execute("BEGIN")
            count = self._connection.executemany(f"INSERT INTO {side} VALUES (?, ?)", rows).rowcount  # noqa: S608 - of SIDES
            self._connection.execute("COMMIT")
            self.counts[side] += max(0, count)

    def differing(self) -> Iterator[str]:
        """The keys that one side alone has, or has with another digest, in their order. Nothing may be added meanwhile."""
        with self._translated():
            ours, theirs = (self._sorted(side) for side in SIDES)
            one, other = next(ours, None), next(theirs, None)
            while one is not None or other is not None:
                if other is None or (one is not None and one[0] < other[0]):
                    assert one is not None
                    yield one[0]
                    one = next(ours, None)
                elif one is None or other[0] < one[0]:
                    yield other[0]
                    other = next(theirs, None)
                else:
                    if one[1] != other[1]:
                        yield one[0]
                    one, other = next(ours, None), next(theirs, None)

    def _sorted(self, side: str) -> Iterator[Row]:
        # By bytes, as Python compares texts too: both are in the order of code points.
        yield from self._connection.execute(f"SELECT key, digest FROM {side} ORDER BY key")  # noqa: S608 - of SIDES

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise HeadraceError(
                f"what was read cannot be kept in {self._folder.name}: {error}; make room there, or set TMPDIR to another folder"
            ) from error
