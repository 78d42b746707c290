"""Work in the background: recent rows become files, files become fewer, and those that nobody reads are removed.

The rows are read and written while changes go on; only to choose the work, and to make it visible, the dataset is held.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import structlog

from headrace.accelerator import Target
from headrace.accelerators.cayenne.data_file import DataFile
from headrace.accelerators.cayenne.extension import Workshop
from headrace.accelerators.cayenne.face import sorted_live
from headrace.accelerators.cayenne.file_record import ROW_BITS, Written, discard
from headrace.accelerators.cayenne.forms import is_lazy
from headrace.accelerators.cayenne.key_index import Positions
from headrace.accelerators.cayenne.metastore import Metastore
from headrace.accelerators.cayenne.policy import FileSize, Policy
from headrace.accelerators.cayenne.table import CayenneTable
from headrace.accelerators.cayenne.transaction import CayenneCopy, CayenneTransaction, CopyState
from headrace.errors import AcceleratorError, CommitUnknown
from headrace.schema import TableSchema

_log = structlog.get_logger()

_SWEEP: Final = 0.5
"""Seconds between looks at files that readers keep."""

_IDLE_SHARE: Final = 20
"""How many times as long as a compaction took the thread rests after it where nothing changes: none is urgent then."""

_RETRY: Final = 5.0
"""Seconds after a failure until the work is tried again."""


@dataclass(frozen=True, slots=True)
class _Flush:
    """Recent rows of a copy, with their numbers, as the commit ``until`` left them; ``number`` is their file's."""

    copy: int
    schema: TableSchema
    rows: pa.Table
    numbers: Positions
    until: int
    number: int


@dataclass(frozen=True, slots=True)
class _Compaction:
    """Files of a copy to become the file ``number``, and which of their rows were dead when they were chosen."""

    copy: int
    schema: TableSchema
    sources: tuple[DataFile, ...]
    dead: dict[int, Positions]
    number: int

    def dead_rows(self) -> Positions:
        """The dead rows of all files."""
        return np.concatenate([positions + (file << ROW_BITS) for file, positions in self.dead.items()])


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
        self._workshop = Workshop(table.files.folder)

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
        self._workshop.close()
        self._table.pins.sweep()

    def wake(self) -> None:
        """Something has changed, and there may be something to do."""
        self._changed = self._clock()
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
        """Make files of all recent rows, and leave no dead row in any. Raises AcceleratorError."""
        with self._working:
            for state in tuple(self._table.copies.values()):
                self._flush(state.number)
            while self._compact_if_due(idle=True):
                pass

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
            self._table.pins.sweep()
        except CommitUnknown:
            return None
        except Exception as error:  # noqa: BLE001  # Whatever it is, the work goes on, and it is told.
            if not self._stopped:
                _log.warning(
                    "cayenne_upkeep_failed", dataset=self._table.dataset, error=str(error), again_in_s=_RETRY
                )
            self._again = self._clock() + _RETRY
            return _RETRY
        pending = [max(rest, 0.0) or self._until_idle()]
        if self._table.pins.files:
            pending.append(_SWEEP)
        return min(pending)

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
        work = self._chosen_flush(copy)
        if work is not None:
            self._make(work.number, lambda: self._flushed(work))

    def _flushed(self, work: _Flush) -> bool:
        with closing(self._workshop.cursor()) as connection:
            written = self._table.writer(connection).write(work.number, work.schema, [work.rows])

        def change(copy: CayenneCopy) -> bool:
            copy.flushed(written, work.schema, work.numbers, work.until)
            return True

        return self._install(work.copy, work.schema, f"cannot flush {self._table.dataset}", change)

    def _chosen_flush(self, copy: int) -> _Flush | None:
        with self._table.reading() as snapshot:
            with self._table.both() as (connection, _):
                self._table.expect_loaded()
                state = self._state(copy)
                if state is None or not state.recent_bytes:
                    return None
                # DuckDB takes its snapshot when it first reads.
                snapshot.recent_rows(copy)
                until = Metastore(connection).last_commit()
            rows, numbers = snapshot.sorted_recent(copy, state.schema, state.next_row)
        return _Flush(copy, state.schema, rows, numbers, until, self._table.next_number())

    def _compact_if_due(self, *, idle: bool = False) -> bool:
        work = self._chosen_compaction(idle=idle)
        if work is None:
            return False
        self._make(work.number, lambda: self._compacted(work))
        return True

    def _compacted(self, work: _Compaction) -> bool:
        written = self._merged(work)

        def change(copy: CayenneCopy) -> bool:
            return self._replace_sources(work, written, copy)

        return self._install(work.copy, work.schema, f"cannot compact {self._table.dataset}", change)

    def _chosen_compaction(self, *, idle: bool) -> _Compaction | None:
        with self._table.both():
            self._table.expect_loaded()
            for state in self._table.copies.values():
                chosen = self._policy.merged(_sizes(state), idle=idle)
                if chosen:
                    sources = tuple(state.files[number] for number in chosen)
                    dead = {file.number: np.flatnonzero(file.dead) for file in sources}
                    number = self._table.next_number()
                    return _Compaction(state.number, state.schema, sources, dead, number)
        return None

    def _merged(self, work: _Compaction) -> Written | None:
        workshop = self._workshop
        with (
            closing(workshop.cursor()) as connection,
            closing(workshop.cursor()) as hashing,
            # Closed before its connection, should not all be read.
            closing(sorted_live(connection, work.sources, work.dead_rows(), work.schema)) as rows,
        ):
            try:
                return self._table.writer(hashing).write(work.number, work.schema, rows)
            except duckdb.Error as error:
                raise AcceleratorError(f"cannot compact {self._table.dataset}: {error}") from error

    def _replace_sources(self, work: _Compaction, written: Written | None, copy: CayenneCopy) -> bool:
        if any(copy.state.files.get(file.number) is not file for file in work.sources):
            # Wider columns have had one of them written anew meanwhile.
            return False
        died = [TableSchema(work.schema.keys).arrow().empty_table()]
        for file in work.sources:
            alive = np.ones(file.record.rows, np.bool_)
            alive[work.dead[file.number]] = False
            places = np.flatnonzero(file.dead & alive)
            if len(places):
                died.append(file.keys_at(places))
        copy.compacted(work.sources, written, work.schema, pa.concat_tables(died))
        return True

    def _install(
        self, number: int, schema: TableSchema, doing: str, change: Callable[[CayenneCopy], bool]
    ) -> bool:
        """Let ``change`` make a file of ``schema`` part of a copy, unless that is gone, or can no longer read it.

        Whether it has become so; ``change`` may find that it must not.
        """
        with self._table.transaction(doing) as transaction:
            copy = _copy(transaction, number)
            if copy is None or not is_lazy(schema, copy.state.schema) or not change(copy):
                return False
            transaction.finish()
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

    def _state(self, number: int) -> CopyState | None:
        return next((state for state in self._table.copies.values() if state.number == number), None)


def _sizes(state: CopyState) -> list[FileSize]:
    return [
        FileSize(file.number, file.record.rows, file.dead_rows, file.record.size)
        for file in state.files.values()
    ]


def _copy(transaction: CayenneTransaction, number: int) -> CayenneCopy | None:
    copies: Iterable[CayenneCopy] = (transaction.copy(target) for target in Target)
    return next((copy for copy in copies if copy.number == number), None)
