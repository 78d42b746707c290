"""Facts -> named log events."""

from __future__ import annotations

import dataclasses
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

from structlog.typing import FilteringBoundLogger

from headrace.dataset import GapBehavior
from headrace.evolution import ColumnChange
from headrace.mapping_facts import (
    Audited,
    BatchBisected,
    DocumentRefused,
    EventsSent,
    FailureSent,
    FailuresRedriven,
    FillFailed,
    FillFinished,
    FillProgressed,
    FillStarted,
    FiltersUnmet,
    FunctionOutput,
    FunctionProcess,
    Indexed,
    Invoked,
    ItemsFetched,
    KeyParked,
    KeyReleased,
    MappingFact,
    MappingStarted,
    MappingStatusChanged,
    RecordsFiltered,
    RecordsGivenUp,
    Replicated,
    ViewFaults,
    ViewUpdated,
)
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

MAPPING_EVENTS: dict[type[MappingFact], tuple[str, LogLevel]] = {
    MappingStarted: ("mapping_started", LogLevel.INFO),
    RecordsFiltered: ("records_filtered", LogLevel.DEBUG),
    Invoked: ("invoked", LogLevel.DEBUG),
    BatchBisected: ("batch_bisected", LogLevel.INFO),
    RecordsGivenUp: ("records_given_up", LogLevel.ERROR),
    FailureSent: ("failure_sent", LogLevel.INFO),
    FailuresRedriven: ("failures_redriven", LogLevel.INFO),
    KeyParked: ("key_parked", LogLevel.WARNING),
    KeyReleased: ("key_released", LogLevel.INFO),
    FunctionOutput: ("function_output", LogLevel.INFO),
    FunctionProcess: ("function_process", LogLevel.INFO),
    Replicated: ("replicated", LogLevel.DEBUG),
    Audited: ("audited", LogLevel.DEBUG),
    EventsSent: ("events_sent", LogLevel.DEBUG),
    Indexed: ("indexed", LogLevel.DEBUG),
    DocumentRefused: ("document_refused", LogLevel.WARNING),
    ItemsFetched: ("items_fetched", LogLevel.INFO),
    FillStarted: ("fill_started", LogLevel.INFO),
    FillProgressed: ("fill_progressed", LogLevel.DEBUG),
    FillFinished: ("fill_finished", LogLevel.INFO),
    FillFailed: ("fill_failed", LogLevel.WARNING),
    ViewUpdated: ("view_updated", LogLevel.DEBUG),
    ViewFaults: ("view_faults", LogLevel.WARNING),
    FiltersUnmet: ("filters_unmet", LogLevel.WARNING),
    MappingStatusChanged: ("mapping_status_changed", LogLevel.INFO),
}
"""The same for event source mappings."""

FAULT_EVERY = 30.0
"""Seconds between two lines about one kind of transient fault, or one error of a function."""

CHANGES_TOLD = 20
"""Changes of columns that one line tells; of more, it tells the number."""

_REPEATING_KEPT = 1000

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class LogObserver:
    """Writes each fact as one event, at the level that it deserves.

    A transient fault that repeats is written at most every FAULT_EVERY seconds, with the number of those
    left out; so is an invocation that fails with one error. A status is written when it differs from the last by more
    than its lag, ages and counts, and the figures in its reason. Of the changes of columns that come at once, the first CHANGES_TOLD are
    written. ``clock`` gives seconds and only ever goes forward.
    """

    def __init__(self, logger: FilteringBoundLogger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock = clock
        self._lock = threading.Lock()
        self._repeating: OrderedDict[tuple[str, ...], _Repeating] = OrderedDict()
        self._statuses: dict[str, tuple[object, ...]] = {}

    def __call__(self, fact: Observation | MappingFact, /) -> None:
        """Write one fact."""
        self._write(fact, {})

    def _write(self, fact: Observation | MappingFact, more: dict[str, object]) -> None:
        key = _repeats(fact)
        if key is not None:
            left_out = self._left_out(key)
            if left_out is None:
                return
            if left_out:
                more["repeated"] = left_out
        elif isinstance(fact, StatusChanged | MappingStatusChanged) and self._is_known(fact):
            return
        elif isinstance(fact, SchemaEvolved) and len(fact.changes) > CHANGES_TOLD:
            more["more"] = len(fact.changes) - CHANGES_TOLD
            fact = dataclasses.replace(fact, changes=fact.changes[:CHANGES_TOLD])
        getattr(self._logger, level_of(fact))(_EVENTS_OF_ALL[type(fact)][0], **self._fields(fact), **more)

    def _fields(self, fact: Observation | MappingFact) -> dict[str, object]:
        return fields_of(fact)

    def _left_out(self, key: tuple[str, ...]) -> int | None:
        """How many facts of this kind were not written since the last that was; None: nor is this one."""
        now = self._clock()
        with self._lock:
            last = self._repeating.get(key)
            if last is not None and now - last.written_at < FAULT_EVERY:
                last.left_out += 1
                return None
            self._repeating[key] = _Repeating(now)
            self._repeating.move_to_end(key)
            if len(self._repeating) > _REPEATING_KEPT:
                self._repeating.popitem(last=False)
            return 0 if last is None else last.left_out

    def _is_known(self, status: StatusChanged | MappingStatusChanged) -> bool:
        reason = _NUMBER.sub("#", status.reason or "")
        told: tuple[object, ...] = (status.status, status.live, reason)
        if isinstance(status, StatusChanged):
            name, told = status.dataset, (*told, status.ready, status.fresh)
        else:
            name = status.mapping
        with self._lock:
            known = self._statuses.get(name) == told
            self._statuses[name] = told
        return known


class MappingLogObserver(LogObserver):
    """The same for what is told of mappings: facts in the words of datasets name the mapping as what it is."""

    def _fields(self, fact: Observation | MappingFact) -> dict[str, object]:
        fields = super()._fields(fact)
        return {"mapping" if name == "dataset" else name: value for name, value in fields.items()}


@dataclasses.dataclass(slots=True)
class _Repeating:
    written_at: float
    left_out: int = 0


_EVENTS_OF_ALL: Mapping[type[Observation | MappingFact], tuple[str, LogLevel]] = dict(
    chain(EVENTS.items(), MAPPING_EVENTS.items())
)


def _repeats(fact: Observation | MappingFact) -> tuple[str, ...] | None:
    """What is alike in facts that would fill the log if each were written; None for all others."""
    match fact:
        case TransientFault(dataset, what):
            return dataset, what
        case Invoked(mapping, shard, error=str(error)):
            return mapping, shard, error
        case _:
            return None


def level_of(fact: Observation | MappingFact) -> LogLevel:
    """How severe a fact is, by its kind and what it says."""
    match fact:
        case GapFound(behavior=GapBehavior.ERROR):
            return LogLevel.ERROR
        case StatusChanged(status=State.ERROR) | MappingStatusChanged(status=State.ERROR):
            return LogLevel.ERROR
        case StatusChanged(ready=True, live=False) | MappingStatusChanged(status=State.READY, live=False):
            return LogLevel.WARNING
        case Invoked(error=str()) | FunctionProcess(event="timed_out" | "out_of_memory" | "import_failed"):
            return LogLevel.WARNING
        case _:
            return _EVENTS_OF_ALL[type(fact)][1]


def fields_of(fact: Observation | MappingFact) -> dict[str, object]:
    """The fact's fields; times to the millisecond, words as plain text, of ages the largest, what is None left out."""
    fields: dict[str, object] = {}
    for field in dataclasses.fields(fact):
        value = getattr(fact, field.name)
        if isinstance(value, Mapping):
            value = max(value.values(), default=None)
        if isinstance(value, float):
            value = round(value, 3)
        elif isinstance(value, State):
            value = value.value
        elif isinstance(value, tuple):
            value = [one.text if isinstance(one, ColumnChange) else one for one in value]
        if value is not None:
            fields[name_of(field)] = value
    return fields


def name_of(field: dataclasses.Field[Any]) -> str:
    """How a field of a fact is called in the log, where ``event`` is the name of the whole."""
    return "what" if field.name == "event" else field.name
