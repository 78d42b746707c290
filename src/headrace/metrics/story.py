"""Facts -> named log events."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from headrace.dataset import GapBehavior
from headrace.evolution import ColumnChange
from headrace.metrics.log import LogLevel
from headrace.observe import (
    BatchApplied,
    BootstrapFinished,
    BootstrapProgressed,
    BootstrapResumed,
    BootstrapStarted,
    ColumnsKnown,
    CopyResumed,
    DeadLetters,
    DeadLettersDiscarded,
    DeadLettersRetried,
    DeadLettersStored,
    DeadLettersSuperseded,
    GapFound,
    ItemsLeftOut,
    LateRecordsHeld,
    Observation,
    RecordsRead,
    RefreshFailed,
    RefreshFinished,
    RefreshStarted,
    Reinitialized,
    SchemaEvolved,
    ShardsChanged,
    SnapshotFailed,
    SnapshotPassedOver,
    SnapshotRestored,
    SnapshotSaved,
    SnapshotsUnanswered,
    Stalled,
    StatusChanged,
    StreamResumed,
    TableAsked,
    TransientFault,
)
from headrace.status import State

EVENTS: dict[type[Observation], tuple[str, LogLevel]] = {
    BootstrapStarted: ("bootstrap_started", LogLevel.INFO),
    BootstrapResumed: ("bootstrap_resumed", LogLevel.INFO),
    # The lines that people read of it come every few seconds, from the progress observer.
    BootstrapProgressed: ("bootstrap_progressed", LogLevel.DEBUG),
    BootstrapFinished: ("bootstrap_finished", LogLevel.INFO),
    CopyResumed: ("copy_resumed", LogLevel.INFO),
    RefreshStarted: ("refresh_started", LogLevel.INFO),
    RefreshFinished: ("refresh_finished", LogLevel.INFO),
    RefreshFailed: ("refresh_failed", LogLevel.ERROR),
    StreamResumed: ("stream_resumed", LogLevel.INFO),
    RecordsRead: ("records_read", LogLevel.DEBUG),
    TableAsked: ("table_asked", LogLevel.DEBUG),
    ItemsLeftOut: ("items_left_out", LogLevel.WARNING),
    BatchApplied: ("batch_applied", LogLevel.DEBUG),
    SchemaEvolved: ("schema_evolved", LogLevel.INFO),
    ColumnsKnown: ("columns_known", LogLevel.DEBUG),
    ShardsChanged: ("shards_changed", LogLevel.INFO),
    TransientFault: ("transient_fault", LogLevel.WARNING),
    Stalled: ("stalled", LogLevel.WARNING),
    GapFound: ("gap_found", LogLevel.WARNING),
    Reinitialized: ("reinitialized", LogLevel.WARNING),
    LateRecordsHeld: ("late_records_held", LogLevel.INFO),
    DeadLetters: ("dead_letters", LogLevel.WARNING),
    DeadLettersSuperseded: ("dead_letters_superseded", LogLevel.INFO),
    DeadLettersRetried: ("dead_letters_retried", LogLevel.INFO),
    DeadLettersDiscarded: ("dead_letters_discarded", LogLevel.INFO),
    DeadLettersStored: ("dead_letters_stored", LogLevel.DEBUG),
    SnapshotSaved: ("snapshot_saved", LogLevel.INFO),
    SnapshotFailed: ("snapshot_failed", LogLevel.WARNING),
    SnapshotRestored: ("snapshot_restored", LogLevel.INFO),
    SnapshotPassedOver: ("snapshot_passed_over", LogLevel.WARNING),
    SnapshotsUnanswered: ("snapshots_unanswered", LogLevel.WARNING),
    StatusChanged: ("status_changed", LogLevel.INFO),
}
"""The name and the usual level of each fact in the log."""

FAULT_EVERY = 30.0
"""Seconds between two lines about one kind of transient fault of one dataset."""

CHANGES_TOLD = 20
"""Changes of columns that one line tells; of more, it tells the number."""

_FAULTS_KEPT = 1000

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class LogObserver:
    """Writes each fact as one event, at the level that it deserves.

    A transient fault that repeats is written at most every FAULT_EVERY seconds, with the number of those
    left out. A status is written when it differs from the last by more than its lag and the figures in
    its reason. Of the changes of columns that come at once, the first CHANGES_TOLD are written. ``clock`` gives
    seconds and only ever goes forward.
    """

    def __init__(self, logger: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._faults: OrderedDict[tuple[str, str], _Fault] = OrderedDict()
        self._statuses: dict[str, tuple[object, ...]] = {}

    def __call__(self, observation: Observation, /) -> None:
        """Write one fact."""
        more: dict[str, object] = {}
        if isinstance(observation, TransientFault):
            left_out = self._left_out(observation)
            if left_out is None:
                return
            if left_out:
                more["repeated"] = left_out
        elif isinstance(observation, StatusChanged) and self._is_known(observation):
            return
        elif isinstance(observation, SchemaEvolved) and len(observation.changes) > CHANGES_TOLD:
            more["more"] = len(observation.changes) - CHANGES_TOLD
            observation = dataclasses.replace(observation, changes=observation.changes[:CHANGES_TOLD])
        name, _ = EVENTS[type(observation)]
        getattr(self._logger, level_of(observation))(name, **_fields(observation), **more)

    def _left_out(self, fault: TransientFault) -> int | None:
        """How many faults of this kind were not written since the last that was; None: nor is this one."""
        key = (fault.dataset, fault.what)
        now = self._clock()
        with self._lock:
            last = self._faults.get(key)
            if last is not None and now - last.written_at < FAULT_EVERY:
                last.left_out += 1
                return None
            self._faults[key] = _Fault(now)
            self._faults.move_to_end(key)
            if len(self._faults) > _FAULTS_KEPT:
                self._faults.popitem(last=False)
            return 0 if last is None else last.left_out

    def _is_known(self, status: StatusChanged) -> bool:
        reason = _NUMBER.sub("#", status.reason or "")
        told = (status.status, status.ready, status.live, status.fresh, reason)
        with self._lock:
            known = self._statuses.get(status.dataset) == told
            self._statuses[status.dataset] = told
        return known


@dataclasses.dataclass(slots=True)
class _Fault:
    written_at: float
    left_out: int = 0


def level_of(observation: Observation) -> LogLevel:
    """How severe a fact is, by its kind and what it says."""
    match observation:
        case GapFound(behavior=GapBehavior.ERROR):
            return LogLevel.ERROR
        case StatusChanged(status=State.ERROR):
            return LogLevel.ERROR
        case StatusChanged(ready=True, live=False):
            return LogLevel.WARNING
        case _:
            return EVENTS[type(observation)][1]


def _fields(observation: Observation) -> dict[str, object]:
    """The fact's fields; times to the millisecond, words as plain text, what is None left out."""
    fields: dict[str, object] = {}
    for field in dataclasses.fields(observation):
        value = getattr(observation, field.name)
        if isinstance(value, float):
            value = round(value, 3)
        elif isinstance(value, State):
            value = value.value
        elif isinstance(value, tuple):
            value = [one.text if isinstance(one, ColumnChange) else one for one in value]
        if value is not None:
            fields[field.name] = value
    return fields
