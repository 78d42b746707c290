"""Gives a target all items of its table, beside the records of the stream.

A fill is due when the stream is followed for the first time, or without what is known of earlier deliveries; when another stream
of the table is followed, as nobody knows what was written between the two; when the stream has forgotten records before they
were read; when the target says that it lacks what a fill has brought; and when somebody asks. It begins once the stream is
followed, so that what changes from then on comes as a record.

How far it is stands in a file, and that another one is due: an interrupted fill goes on, after a crash too. The target hears of it
(``begin_fill``) before any further record in the new process, unless it says by then that it lacks what an earlier part of it
has brought.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from headrace.attribute import Image
from headrace.backoff import delay
from headrace.batch import Batch, Consumer
from headrace.errors import ConsumerUnavailable, HeadraceError, InternalError, LedgerError, Unavailable
from headrace.fill import Fillable, Lacking, Watching
from headrace.fill_progress import Progress, read_progress, write_progress
from headrace.mapping_facts import (
    FillFailed,
    FillFinished,
    FillProgressed,
    FillStarted,
    MappingFact,
    MappingObserver,
    MappingStarted,
)
from headrace.observe import GapFound, Observation
from headrace.replicate.scan import choose_segments
from headrace.targets.table import PAGE_UNITS, Table

MOST_SEGMENTS: Final = 8
"""Parts of a table that are read at once."""

STOP_PATIENCE: Final = 1.0
"""Seconds in which a page that is being taken may be finished, before the target is closed."""

FIRST: Final = "the table was not read before"
ANOTHER: Final = "another stream of the table is followed"
ASKED: Final = "somebody asked for it"


class FilledTarget(Consumer, Fillable, Protocol):
    """A target that is filled."""


class Filling(Consumer):
    """``target``, filled from ``table``. ``path`` is where its progress is durable, None: in memory.

    Without ``wanted`` it is filled only when somebody asks. ``salt`` spreads tries; ``clock`` gives epoch seconds.
    """

    def __init__(
        self,
        mapping: str,
        target: FilledTarget,
        table: Table,
        path: Path | None,
        observe: MappingObserver,
        salt: str,
        *,
        wanted: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._mapping = mapping
        self._target = target
        self._table = table
        self._path = path
        self._observe = observe
        self._salt = f"{salt}/{mapping}/fill"
        self._wanted = wanted
        self._clock = clock
        self._progress: Progress | None = None
        self._begun: float | None = None
        self._beginning = threading.Lock()
        self._noting = threading.Lock()
        self._interrupted: float | None = None
        self._changed = threading.Condition()
        self._due: str | None = None
        self._asks = False
        self._stream: str | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"headrace-fill {mapping}", daemon=True)

    def start(self) -> None:
        """Go on where an earlier process was. Raises LedgerError where that cannot be read."""
        self._progress = read_progress(self._path)
        if self._progress is not None:
            self._due = self._progress.due
            self._interrupted = self._progress.at
        self._thread.start()

    def consume(self, batch: Batch) -> object:
        """As the target, which hears of an interrupted fill first."""
        with self._changed:
            progress = self._progress
        if progress is not None and not progress.done:
            self._begin(progress.at)
        return self._target.consume(batch)

    def close(self) -> None:
        """End the fill, to go on another time, and give the target back."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(STOP_PATIENCE)
        # It gives up what is under way, which may wait for a service.
        self._target.close()
        if self._thread.ident is not None:
            self._thread.join()

    def ask(self) -> None:
        """Begin a fill as soon as the stream is followed; one that runs begins anew."""
        self._want(ASKED)

    def pause(self, seconds: float) -> None:
        """Wait, as a page of the fill does. Raises Unavailable once the fill is over, or another one is due."""
        with self._changed:
            if self._changed.wait_for(self._is_over, seconds):
                raise Unavailable(f"{self._mapping}: its fill has ended")

    def hear(self, fact: MappingFact | Observation) -> None:
        """Take note of what happens to the mapping."""
        match fact:
            case MappingStarted(resumed=resumed, stream=stream):
                self._follow(stream, resumed=resumed)
            case GapFound(reason=reason) if self._wanted:
                self._want(f"records were lost: {reason}")
            case _:
                pass

    def _follow(self, stream: str, *, resumed: bool) -> None:
        why = None
        # All at once: else an interrupted fill might go on, and end, before the target is asked what it lacks.
        with self._changed:
            self._stream = stream
            if self._wanted:
                last = self._progress
                if last is None or not resumed:
                    why = FIRST
                elif last.stream != stream:
                    why = ANOTHER
                else:
                    self._asks = isinstance(self._target, Lacking)
            self._due = why or self._due
            self._changed.notify_all()
        if why is not None:
            self._note_due()

    def _want(self, why: str) -> None:
        with self._changed:
            self._due = why
            self._changed.notify_all()
        self._note_due()

    def _note_due(self) -> None:
        """A process that is killed must not forget it. The thread that fills meets a file that cannot be written, and says so."""
        with self._noting, suppress(LedgerError):
            with self._changed:
                last = self._progress
            # Without one the next process finds by itself that nothing was read.
            if last is not None:
                self._write(last, durable=True)

    def _run(self) -> None:
        failures = 0
        while self._waits():
            try:
                self._look()
                if self._is_due():
                    self._fill()
            except Exception as error:  # noqa: BLE001 - the thread goes on, and says so.
                known = (
                    error
                    if isinstance(error, HeadraceError)
                    else InternalError(f"{type(error).__name__}: {error}")
                )
                if self._stopping:
                    return
                failures += 1
                self._observe(FillFailed(self._mapping, str(known)))
                self._rest(delay(known, failures, self._salt))
            else:
                failures = 0

    def _waits(self) -> bool:
        """Until there is something to do; whether there is."""
        target: object = self._target
        seconds = target.look_again if self._wanted and isinstance(target, Watching) else None
        with self._changed:
            while not self._changed.wait_for(
                lambda: self._stopping or (self._stream is not None and (self._asks or self._is_due())),
                seconds,
            ):
                self._asks = True
            return not self._stopping

    def _look(self) -> None:
        """Whether the target itself says that it must be filled, where that is not known yet."""
        if not self._asks:
            return
        assert isinstance(self._target, Lacking), "it is asked"
        self._asks = False
        try:
            lacking = self._target.lacks()
        except HeadraceError:
            self._asks = True
            raise
        if lacking is not None:
            self._want(lacking)

    def _is_due(self) -> bool:
        return self._due is not None or (self._progress is not None and not self._progress.done)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._due is not None, seconds)

    def _fill(self) -> None:
        began = time.monotonic()
        progress, resumed = self._next()
        self._begin(progress.at)
        if self._is_over():
            return
        self._observe(FillStarted(self._mapping, progress.why, resumed))
        if not progress.cursors:
            progress = self._kept(replace(progress, cursors=("",) * self._segments()))
        with ThreadPoolExecutor(len(progress.cursors), f"headrace-fill {self._mapping}") as readers:
            done = self._read_all(progress, readers)
        if done is None:
            return
        self._target.end_fill()
        self._kept(replace(done, done=True), durable=True)
        self._observe(FillFinished(self._mapping, done.items, time.monotonic() - began))

    def _next(self) -> tuple[Progress, bool]:
        """The fill that is due, durable, and whether it goes on with one that was begun before."""
        with self._changed:
            last, why, stream = self._progress, self._due, self._stream or ""
            self._due = None
        if why is None:
            assert last is not None, "something is due"
            return last, True
        # A clock that was set back must not make two fills look like one.
        at = max(self._clock(), last.at + 1e-3 if last is not None else 0.0)
        try:
            progress = self._kept(Progress(at, stream, why), durable=True)
        except LedgerError:
            self._still_want(why)
            raise
        return progress, False

    def _still_want(self, why: str) -> None:
        with self._changed:
            self._due = self._due or why

    def _begin(self, at: float) -> None:
        with self._beginning:
            # Whoever asks for an earlier one has been overtaken.
            if self._begun is not None and at <= self._begun:
                return
            try:
                lacking = self._lost(at)
                if lacking is None:
                    self._target.begin_fill(at)
            except HeadraceError as error:
                raise ConsumerUnavailable(f"{self._mapping}: its fill cannot begin: {error}") from error
            self._begun = at
        if lacking is not None:
            self._want(lacking)

    def _lost(self, at: float) -> str | None:
        """Why the interrupted fill cannot go on: the target lacks what its first part has brought."""
        if self._wanted and at == self._interrupted and isinstance(self._target, Lacking):
            return self._target.lacks()
        return None

    def _segments(self) -> int:
        described = self._table.describe()
        chosen = choose_segments(described.get("ItemCount", 0), described.get("TableSizeBytes", 0))
        units = self._table.read_units
        # Their first pages are asked for at once, before anything is known to be spent.
        within = MOST_SEGMENTS if units is None else max(1, units // PAGE_UNITS)
        return min(chosen, within, MOST_SEGMENTS)

    def _read_all(self, progress: Progress, readers: ThreadPoolExecutor) -> Progress | None:
        """Every page that is left; None where the fill was ended, or another one is due."""
        segments = len(progress.cursors)
        pages: dict[Future[tuple[list[Image], str | None]], int] = {}

        def ask(segment: int, cursor: str) -> None:
            pages[readers.submit(self._table.page, segment, segments, cursor or None)] = segment

        for segment, cursor in enumerate(progress.cursors):
            if cursor is not None:
                ask(segment, cursor)
        while pages:
            done, _ = wait(pages, return_when=FIRST_COMPLETED)
            for page in done:
                if self._is_over():
                    return None
                segment = pages.pop(page)
                items, cursor = page.result()
                if cursor is not None:
                    ask(segment, cursor)
                if items:
                    self._target.fill(items)
                cursors = (*progress.cursors[:segment], cursor, *progress.cursors[segment + 1 :])
                progress = self._kept(replace(progress, cursors=cursors, items=progress.items + len(items)))
                self._observe(FillProgressed(self._mapping, progress.items))
        return None if self._is_over() else progress

    def _is_over(self) -> bool:
        with self._changed:
            return self._stopping or self._due is not None

    def _kept(self, progress: Progress, *, durable: bool = False) -> Progress:
        """Note how far it is. What is not ``durable`` may be forgotten in a loss of power: those items come again."""
        with self._noting:
            return self._write(progress, durable=durable)

    def _write(self, progress: Progress, *, durable: bool) -> Progress:
        with self._changed:
            progress = replace(progress, due=self._due)
        write_progress(self._path, progress, durable=durable)
        with self._changed:
            self._progress = progress
        return progress
