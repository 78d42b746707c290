"""The leaves that one statement reads: opened once, scanned from DuckDB's threads, closed with the statement."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pyarrow as pa

from headrace.errors import HeadraceError, InternalError
from headrace.leaf import Condition, Leaf, LeafReading, RemoteReading


class Readings:
    """One reading of each of ``leaves``, from ``begin`` to ``close``; all scans of a leaf see one commit.

    DuckDB's threads scan, the statement's thread begins and closes, any thread cancels. A reading is used by one
    thread at a time, and nothing of DuckDB is called meanwhile.
    """

    def __init__(self, leaves: Mapping[str, Leaf]) -> None:
        self._leaves = leaves
        self._open: dict[str, LeafReading] = {}
        self._turns = {name: threading.RLock() for name in leaves}
        self._scans: dict[int, Iterator[pa.RecordBatch]] = {}
        self._failure: HeadraceError | None = None
        self._cancelled = False

    @property
    def far_away(self) -> bool:
        """Whether some leaf is, so that its columns may turn out to be others than its reading says."""
        return any(isinstance(reading, RemoteReading) for reading in self._open.values())

    def begin(self) -> Mapping[str, LeafReading]:
        """Open them all. Raises AcceleratorError, QueryError; ``close`` is due also then."""
        for name, leaf in self._leaves.items():
            reading = self._open[name] = leaf.begin()
            if self._cancelled:
                reading.cancel()
        return self._open

    def told(
        self, name: str, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None
    ) -> str | None:
        """What a leaf says of such a scan, if it is far away. Raises QueryError."""
        reading = self._open[name]
        return reading.told(columns, conditions, limit) if isinstance(reading, RemoteReading) else None

    def scan(
        self, name: str, columns: Sequence[str], conditions: Sequence[Condition], limit: int | None
    ) -> Iterator[pa.RecordBatch]:
        """Rows of one leaf; see LeafReading.scan. What it raises is kept for ``raise_failure``."""
        reading, scan = self._open[name], None
        try:
            while True:
                with self._turns[name], self._kept():
                    if scan is None:
                        scan = reading.scan(columns, conditions, limit)
                        self._scans[id(scan)] = scan
                    batch = next(scan, None)
                if batch is None:
                    return
                yield batch
        finally:
            if scan is not None and self._scans.pop(id(scan), None) is not None:
                with self._turns[name]:
                    _close(scan)

    def raise_failure(self, seen: BaseException) -> None:
        """Raise what a scan has raised, if one has: DuckDB tells it in words of its own, as ``seen``."""
        if self._failure is not None and self._failure is not seen:
            raise self._failure from seen

    def cancel(self) -> None:
        """Let every scan fail soon."""
        self._cancelled = True
        for reading in tuple(self._open.values()):
            with suppress(HeadraceError):
                reading.cancel()

    def close(self) -> None:
        """Close what is open, once DuckDB scans no more. Safe to call twice."""
        while self._scans:
            _close(self._scans.popitem()[1])
        while self._open:
            with suppress(HeadraceError):
                self._open.popitem()[1].close()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except HeadraceError as error:
            self._failure = self._failure or error
            raise
        except Exception as error:
            self._failure = self._failure or InternalError(f"a leaf failed in its own words: {error}")
            self._failure.__cause__ = self._failure.__cause__ or error
            raise


def _close(scan: Iterator[pa.RecordBatch]) -> None:
    close = getattr(scan, "close", None)
    if close is not None:
        with suppress(HeadraceError):
            close()
