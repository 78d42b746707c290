"""Work in the background: recent rows become files, files become fewer, and those that nobody reads are removed.

The rows are read and written while changes go on; only to choose the work, and to make it visible, the dataset is held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import structlog

from headrace.accelerator import Target
from headrace.accelerators.cayenne.file_record import Written, discard
from headrace.accelerators.cayenne.forms import has_same_keys
from headrace.accelerators.cayenne.key_index import Positions
from headrace.accelerators.cayenne.merging import merged_rows
from headrace.accelerators.cayenne.part import NONE, FilePart, RecentPart, live_table
from headrace.accelerators.cayenne.policy import FileSize, Policy
from headrace.accelerators.cayenne.table import CayenneTable
from headrace.accelerators.cayenne.transaction import CayenneCopy, CayenneTransaction, CopyState
from headrace.errors import CommitUnknown
from headrace.schema import TableSchema

_log = structlog.get_logger()

_IDLE_SHARE: Final = 20
"""How many times as long as a compaction took the thread rests after it where nothing changes: none is urgent then."""

_RETRY: Final = 5.0
"""Seconds after a failure until the work is tried again."""


@dataclass(frozen=True, slots=True)
class _Flush:
    """The recent rows of a copy as the commit ``until`` left them; ``number`` is their file's."""

    state: CopyState
    until: int
    number: int


@dataclass(frozen=True, slots=True)
class _Compaction:
    """Files of a copy, as they were when they were chosen, to become the file ``number``."""

    state: CopyState
    sources: tuple[FilePart, ...]
    number: int


class Upkeep:
    """Flushes and compactions of one dataset, one at a time, in a thread of its own or by ``step``.

    After a compaction the thread rests as long as it took, so that changes and queries keep half of a processor.
    """

    def __init__(
        self, table: CayenneTable, policy: Policy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._table = table
        self._policy = policy
        self._clock = clock
        self._working = threading.RLock()
        self._woken = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._rested = self._again = 0.0
        self._changed = clock()
        self._is_tidy = False

    def start(self) -> None:
        """Work in the background, until ``stop``."""
        if self._thread is None:
            self._stopped = False
            self._thread = threading.Thread(
                target=self._run, name=f"cayenne-{self._table.dataset}", daemon=True
            )
            self._thread.start()
        # It may have waited for the dataset to be opened again.
        self._woken.set()

    def stop(self) -> None:
        """End the thread, once it has ended what it does. Safe to call twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopped = True
            self._woken.set()
            thread.join()

    def wake(self) -> None:
        """Something has changed, and there may be something to do."""
        self._changed, self._is_tidy = self._clock(), False
        states = tuple(self._table.copies.values())
        if any(self._flush_is_due(state) or self._policy.merged(_sizes(state)) for state in states):
            self._woken.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is written meanwhile."""
        with self._working:
            yield

    def catch_up(self) -> None:
        """Flush what has grown far beyond what a file should have. Raises AcceleratorError."""
        policy = self._policy
        for state in tuple(self._table.copies.values()):
            if policy.must_wait(state.recent_rows, state.recent_bytes):
                with self._working:
                    self._flush_if_due()

    def step(self) -> bool:
        """Do one thing that is due; whether there was one. Raises AcceleratorError; nothing is lost then."""
        with self._working:
            return self._flush_if_due() or self._compact_if_due()

    def settle(self) -> None:
        """Make files of all recent rows, leave no dead row in any, and no room unused. Raises AcceleratorError."""
        with self._working:
            for state in tuple(self._table.copies.values()):
                self._flush(state.number)
            while self._compact_if_due(idle=True):
                pass
            self._table.metastore.shrink()

    def _run(self) -> None:
        while not self._stopped:
            waited = self._work()
            self._woken.wait(waited)
            self._woken.clear()

    def _work(self) -> float | None:
        """Do what is due; seconds until it should be looked again, None until woken."""
        if self._clock() < self._again:
            return self._again - self._clock()
        try:
            while not self._stopped and self._flush_if_due_alone():
                pass
            if self._stopped:
                return None
            rest = self._rested - self._clock()
            if rest <= 0 and self._timed_compaction():
                return 0.0
        except CommitUnknown:
            return None
        except Exception as error:  # noqa: BLE001  # Whatever it is, the work goes on, and it is told.
            if not self._stopped:
                _log.warning(
                    "cayenne_upkeep_failed", dataset=self._table.dataset, error=str(error), again_in_s=_RETRY
                )
            self._again = self._clock() + _RETRY
            return _RETRY
        return max(rest, 0.0) or self._until_idle()

    def _until_idle(self) -> float:
        """Seconds until nothing has changed for long enough."""
        return max(self._changed + self._policy.idle - self._clock(), self._policy.idle / 2)

    def _flush_if_due_alone(self) -> bool:
        with self._working:
            return self._flush_if_due()

    def _timed_compaction(self) -> bool:
        start = self._clock()
        idle = start - self._changed >= self._policy.idle
        with self._working:
            found = not self._stopped and self._compact_if_due(idle=idle)
            if idle and not found and not self._is_tidy:
                self._table.metastore.shrink()
                self._is_tidy = True
        if found:
            now = self._clock()
            self._rested = now + (now - start) * (_IDLE_SHARE if idle else 1)
        return found

    def _flush_is_due(self, state: CopyState) -> bool:
        return self._policy.flush_is_due(state.recent_rows, state.recent_bytes)

    def _flush_if_due(self) -> bool:
        for state in tuple(self._table.copies.values()):
            if self._flush_is_due(state):
                self._flush(state.number)
                return True
        return False

    def _flush(self, copy: int) -> None:
        sealed = self._table.seal(copy)
        if sealed is None or not sealed[0].recent_bytes:
            return
        work = _Flush(*sealed, self._table.next_number())
        self._make(work.number, lambda: self._flushed(work))

    def _flushed(self, work: _Flush) -> bool:
        rows, origins = _sorted(work.state)
        written = self._table.writer.write(work.number, work.state.schema, [rows])

        def change(copy: CayenneCopy) -> bool:
            _install_flush(work, written, origins, copy)
            return True

        return self._install(work.state, f"cannot flush {self._table.dataset}", change)

    def _compact_if_due(self, *, idle: bool = False) -> bool:
        # A copy may be dropped while its files are read.
        with self._table.pins.reading():
            work = self._chosen_compaction(idle=idle)
            if work is None:
                return False
            self._make(work.number, lambda: self._compacted(work))
            return True

    def _compacted(self, work: _Compaction) -> bool:
        rows = merged_rows(work.sources, work.state.schema)
        written = self._table.writer.write(work.number, work.state.schema, rows)

        def change(copy: CayenneCopy) -> bool:
            return _install_compaction(work, written, copy)

        return self._install(work.state, f"cannot compact {self._table.dataset}", change)

    def _chosen_compaction(self, *, idle: bool) -> _Compaction | None:
        for state in self._table.copies.values():
            chosen = self._policy.merged(_sizes(state), idle=idle)
            if chosen:
                sources = tuple(state.files[number] for number in chosen)
                return _Compaction(state, sources, self._table.next_number())
        return None

    def _install(self, state: CopyState, doing: str, change: Callable[[CayenneCopy], bool]) -> bool:
        """Let ``change`` make a file with rows of ``state`` part of its copy, unless that is gone or has other keys now.

        Whether it has become so; ``change`` may find that it must not.
        """
        with self._table.transaction(doing) as transaction:
            copy = _copy(transaction, state.number)
            if copy is None or not has_same_keys(state.schema, copy.state.schema) or not change(copy):
                return False
            self._table.commit(transaction)
            return True

    def _make(self, number: int, made: Callable[[], bool]) -> None:
        """``made`` writes the files of a number and says whether a copy has them now; if none has, they are removed."""
        try:
            kept = made()
        except CommitUnknown:
            # The metastore may name them.
            raise
        except BaseException:
            discard(self._table.files.folder, number)
            raise
        if not kept:
            discard(self._table.files.folder, number)


def _died_since(before: Sequence[RecentPart], state: CopyState) -> Positions:
    """The places of rows that have died, among the rows of all segments as they were, dead ones too."""
    now = {part.source.mark: part for part in state.recent}
    first, died = 0, [NONE]
    for part in before:
        died.append(now[part.source.mark].died_since(part) + first)
        first += part.source.rows
    return np.concatenate(died)


def _install_flush(work: _Flush, written: Written | None, origins: Positions, copy: CayenneCopy) -> None:
    segments = {part.source.mark for part in work.state.recent}
    died = np.flatnonzero(np.isin(origins, _died_since(work.state.recent, copy.state)))
    copy.flushed(segments, written, work.state.schema, died, work.until)


def _install_compaction(work: _Compaction, written: Written | None, copy: CayenneCopy) -> bool:
    now = copy.state.files
    sources = [part.source for part in work.sources]
    if any(file.record.number not in now for file in sources):
        # Keys of another form have had one of them written anew meanwhile.
        return False
    died = [TableSchema(work.state.schema.keys).arrow().empty_table()]
    for part in work.sources:
        places = now[part.source.record.number].died_since(part)
        if len(places):
            died.append(part.source.keys_at(places))
    copy.compacted(sources, written, work.state.schema, pa.concat_tables(died))
    return True


def _sorted(state: CopyState) -> tuple[pa.Table, Positions]:
    """The recent rows ordered by key, and of each its place among the rows of all segments, dead ones too."""
    rows = pa.concat_tables([state.schema.arrow().empty_table(), *map(live_table, state.recent)])
    first, origins = 0, [NONE]
    for part in state.recent:
        origins.append(part.live_positions() + first)
        first += part.source.rows
    keys = [(column.name, "ascending") for column in state.schema.keys]
    order = pc.sort_indices(rows, sort_keys=keys)
    return rows.take(order), np.concatenate(origins)[order.to_numpy()]


def _sizes(state: CopyState) -> list[FileSize]:
    return [
        FileSize(number, part.source.rows, part.dead_rows, part.source.record.size)
        for number, part in state.files.items()
    ]


def _copy(transaction: CayenneTransaction, number: int) -> CayenneCopy | None:
    copies: Iterable[CayenneCopy] = (transaction.copy(target) for target in Target)
    return next((copy for copy in copies if copy.found is not None and copy.found.number == number), None)
