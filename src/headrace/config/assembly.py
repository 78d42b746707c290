"""Puts one dataset together from its entry and its parameters, and checks what they say together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from headrace.config import acceleration as accelerating
from headrace.config import connector
from headrace.config.accelerated import UNINDEXED, Accelerated
from headrace.config.acceleration_model import AccelerationEntry
from headrace.config.aws_access import Reaching
from headrace.config.columns import Columns
from headrace.config.document import Document
from headrace.config.model import ColumnEntry, DatasetEntry
from headrace.config.parameter import Parameter, Settings
from headrace.config.problem import KeyPath, Problem
from headrace.config.quantity import SECOND, format_duration
from headrace.config.refreshing import Refreshing
from headrace.config.selecting import Selecting
from headrace.config.shape import unbuilt_sentences
from headrace.config.snapshots import Placed, Snapshotted
from headrace.dataset import (
    Acceleration,
    AwsAccess,
    Dataset,
    GapBehavior,
    Reads,
    Replication,
)
from headrace.mapping import Mapping, NumberType

T = TypeVar("T")

POLLS_TO_BE_FRESH = 5
"""So many successive empty polls show that a shard is at its end."""

_NO_INDEXES = (
    "has none; queries scan the columns they read, in parallel and past what cannot match; "
    "where single rows are asked for by other columns than the key, choose engine: sqlite or engine: postgres"
)


@dataclass(slots=True)
class Assembly:
    """One dataset in the making.

    ``path`` is the dataset's in the document, ``folder`` the Spicepod's, ``snapshots`` what that says of all datasets'. ``problems`` and ``warnings``
    grow while ``dataset`` runs.
    """

    document: Document
    path: KeyPath
    folder: Path
    entry: DatasetEntry
    connection: Settings
    engine: Settings
    snapshots: Placed
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def dataset(self) -> Dataset:
        """The dataset; it holds only if ``problems`` stays empty."""
        selecting = Selecting(self.document, self.path, self.entry)
        acceleration = self._acceleration()
        if acceleration is not None:
            acceleration = selecting.selected(acceleration)
        time_column, ready_state = selecting.time_column(), selecting.ready_state()
        self.problems += selecting.problems
        self.warnings += selecting.warnings
        return Dataset(
            name=self.entry.name,
            table=self.entry.from_.table,
            access=self._access(),
            acceleration=acceleration,
            replication=self._replication(),
            reads=self._reads(),
            mapping=self._mapping(),
            metrics=self._metrics(),
            time_column=time_column,
            ready_state=ready_state,
            fed_by=self.entry.from_.mapping,
            unbuilt=tuple(self._unbuilt(acceleration)),
        )

    def _access(self) -> AwsAccess:
        reaching = Reaching(self.document, (*self.path, "params"), self.connection)
        access = reaching.access()
        self.problems += reaching.problems
        self.warnings += reaching.warnings
        return access

    def _replication(self) -> Replication:
        interval = _required(self.connection, connector.SCAN_INTERVAL)
        ready_lag = _required(self.connection, connector.READY_LAG)
        if POLLS_TO_BE_FRESH * interval > ready_lag:
            least = format_duration(POLLS_TO_BE_FRESH * interval)
            self._warn(
                (*self.path, "params", self.connection.key(connector.SCAN_INTERVAL)),
                f"{POLLS_TO_BE_FRESH} polls, which prove that a shard is read to its end, take {least}: longer than "
                f"ready_lag ({format_duration(ready_lag)}); raise ready_lag to {least} or poll more often",
            )
        behavior = _required(self.connection, connector.GAP_BEHAVIOR)
        return Replication(
            scan_segments=self.connection.get(connector.SCAN_SEGMENTS),
            scan_interval=interval / SECOND,
            ready_lag=ready_lag / SECOND,
            gap_behavior=GapBehavior.READY_AFTER_LOAD if behavior == "restart" else GapBehavior(behavior),
            consistent_read=_required(self.connection, connector.CONSISTENT_READ),
            buffer_bytes=_required(self.connection, connector.BUFFER_SIZE),
            history_bytes=_required(self.connection, connector.HISTORY_SIZE),
        )

    def _reads(self) -> Reads:
        given = connector.CONSISTENT_READ.name in self.connection.given
        return Reads(
            consistent_queries=given and _required(self.connection, connector.CONSISTENT_READ),
            units_per_second=self.connection.get(connector.MAX_READ_CAPACITY_UNITS),
        )

    def _mapping(self) -> Mapping:
        columns = Columns(self.document, self.path, self.entry, self.connection)
        mapping = columns.mapping()
        self.problems += columns.problems
        self.warnings += columns.warnings
        if self.entry.from_.mapping is not None:
            # Sums are exact, and a column of doubles does not show it.
            mapping = replace(mapping, number_type=NumberType.DECIMAL)
        return mapping

    def _metrics(self) -> frozenset[str] | None:
        if self.entry.metrics is None:
            return None
        seen: set[str] = set()
        for index, metric in enumerate(self.entry.metrics):
            if metric.name in seen:
                self._refuse(
                    (*self.path, "metrics", index, "name"), f"'{metric.name}' is listed twice; keep one"
                )
            seen.add(metric.name)
        return frozenset(metric.name for metric in self.entry.metrics if metric.enabled)

    def _acceleration(self) -> Acceleration | None:
        entry = self.entry.acceleration
        if entry is None or not entry.enabled:
            return None
        path = (*self.path, "acceleration")
        snapshots = Snapshotted(
            self.document, path, entry, self.engine, self.snapshots.entry, self.snapshots.place
        )
        accelerated = Accelerated(
            self.document, path, self.folder, self.entry.name, entry, self.engine, snapshots
        )
        acceleration = accelerated.acceleration()
        refreshing = Refreshing(self.document, path, entry)
        acceleration = replace(acceleration, refresh=refreshing.refresh())
        self.problems += (*accelerated.problems, *refreshing.problems)
        self.warnings += (*accelerated.warnings, *refreshing.warnings)
        return acceleration

    def _unbuilt(self, acceleration: Acceleration | None) -> list[str]:
        raw = self.document.at(self.path)
        sentences = [
            *self.connection.unbuilt(connector.CONNECTOR, "params"),
            *unbuilt_sentences(DatasetEntry, raw),
        ]
        for index in range(len(self.entry.columns or ())):
            block = self.document.at((*self.path, "columns", index))
            sentences += unbuilt_sentences(ColumnEntry, block, f"columns[{index}].")
        entry = self.entry.acceleration
        if entry is not None and acceleration is not None:
            block = self.document.at((*self.path, "acceleration"))
            sentences += unbuilt_sentences(AccelerationEntry, block, "acceleration.")
            sentences += self.engine.unbuilt(accelerating.ACCELERATION, "acceleration.params")
            if entry.indexes and acceleration.engine in UNINDEXED:
                sentences.append(f"acceleration.indexes: engine {acceleration.engine} {_NO_INDEXES}")
        return sentences

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))

    def _warn(self, path: KeyPath, message: str) -> None:
        self.warnings.append(self.document.at_value(path, message))


def doubled_snapshot_keys(document: Document, path: KeyPath) -> list[Problem]:
    """Snapshot keys that stand under ``acceleration``, at ``path``, and under its ``params`` as well."""
    block = document.at(path)
    params = document.at((*path, "params"))
    if not isinstance(block, dict) or not isinstance(params, dict):
        return []
    problems = []
    for parameter in accelerating.SNAPSHOT_PARAMETERS:
        if parameter.name in block and parameter.name in params:
            place = document.key_place((*path, parameter.name))
            message = f"'{parameter.name}' stands under acceleration too ({place}); keep one of them"
            problems.append(document.at_key((*path, "params", parameter.name), message))
    return problems


def _required(settings: Settings, parameter: Parameter[T]) -> T:
    """The value of a parameter that has a default."""
    value = settings.get(parameter)
    assert value is not None, parameter.name
    return value
