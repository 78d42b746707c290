"""Which rows of a dataset are kept, by which time, and who answers before they are there: put together and checked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headrace.config.acceleration_model import AccelerationEntry
from headrace.config.document import Document
from headrace.config.model import DatasetEntry
from headrace.config.problem import KeyPath, Problem
from headrace.config.quantity import SECOND
from headrace.dataset import Acceleration, ReadyState, RefreshMode, Retention, TimeColumn, TimeFormat

_STREAM_DECIDES = "no effect with refresh_mode: changes: the copy follows the table, and rows go when DynamoDB deletes their items"


@dataclass(slots=True)
class Selecting:
    """The selection of one dataset in the making.

    ``path`` is the dataset's in the document. ``problems`` and ``warnings`` grow while the methods run.
    """

    document: Document
    path: KeyPath
    entry: DatasetEntry
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def time_column(self) -> TimeColumn | None:
        """The column of time; it holds only if ``problems`` stays empty."""
        name, format_ = self.entry.time_column, self.entry.time_format
        if name is None:
            if format_ is not None:
                self._refuse(
                    (*self.path, "time_format"), "says how time_column is read; add time_column: COLUMN"
                )
            return None
        return TimeColumn(name, format_ or TimeFormat.AUTO)

    def ready_state(self) -> ReadyState:
        """When queries are answered, wherever the Spicepod says so."""
        own, nested = self.entry.ready_state, self._acceleration and self._acceleration.ready_state
        if own is not None and nested is not None:
            place = self.document.key_place((*self.path, "ready_state"))
            self.problems.append(
                self.document.at_key(
                    (*self._below, "ready_state"),
                    f"'ready_state' stands under the dataset too ({place}); keep one of them",
                )
            )
        return ReadyState(own or nested or ReadyState.ON_LOAD)

    def selected(self, acceleration: Acceleration) -> Acceleration:
        """``acceleration`` with what it keeps of the table and for how long; it holds only if ``problems`` stays empty."""
        entry = self._acceleration
        assert entry is not None, "who has an acceleration has an entry of it"
        if acceleration.refresh_mode is RefreshMode.CHANGES:
            self._expect_nothing(entry)
            return acceleration
        window = entry.refresh_data_window
        if acceleration.refresh_mode is RefreshMode.APPEND:
            self._expect_time("refresh_mode", "append adds the rows that are newer than those it has")
        if window is not None:
            self._expect_time("refresh_data_window", "a window is one of time")
        refresh = replace(
            acceleration.refresh, sql=entry.refresh_sql, window=None if window is None else window / SECOND
        )
        return replace(acceleration, refresh=refresh, retention=self._retention(entry))

    @property
    def _acceleration(self) -> AccelerationEntry | None:
        return self.entry.acceleration

    @property
    def _below(self) -> KeyPath:
        return (*self.path, "acceleration")

    def _expect_nothing(self, entry: AccelerationEntry) -> None:
        if entry.refresh_sql is not None:
            self._refuse(
                (*self._below, "refresh_sql"),
                "refresh_sql is not supported with refresh_mode: changes; remove it, or choose full or append",
            )
        idle = {
            "refresh_data_window": entry.refresh_data_window is not None,
            "retention_check_enabled": bool(entry.retention_check_enabled),
            "retention_period": entry.retention_period is not None,
            "retention_check_interval": entry.retention_check_interval is not None,
            "retention_sql": entry.retention_sql is not None,
        }
        for key, given in idle.items():
            if given:
                self._warn((*self._below, key), _STREAM_DECIDES)

    def _retention(self, entry: AccelerationEntry) -> Retention | None:
        given = {
            "retention_period": entry.retention_period,
            "retention_check_interval": entry.retention_check_interval,
            "retention_sql": entry.retention_sql,
        }
        if not entry.retention_check_enabled:
            for key in (key for key, value in given.items() if value is not None):
                self._warn((*self._below, key), "no effect without retention_check_enabled: true")
            return None
        at = (*self._below, "retention_check_enabled")
        period, interval = entry.retention_period, entry.retention_check_interval
        if period is not None:
            self._expect_time("retention_period", "rows are old by a time")
        if period is None and entry.retention_sql is None:
            self._refuse(
                at, "says that old rows go, and nothing says which; add retention_period or retention_sql"
            )
        if interval is None:
            self._refuse(at, "says that old rows go, and nothing says when; add retention_check_interval")
            return None
        return Retention(interval / SECOND, None if period is None else period / SECOND, entry.retention_sql)

    def _expect_time(self, key: str, why: str) -> None:
        if self.entry.time_column is None:
            self._refuse((*self._below, key), f"{why}; add time_column: COLUMN to the dataset")

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.document.at_value(path, message))

    def _warn(self, path: KeyPath, message: str) -> None:
        self.warnings.append(self.document.at_value(path, message))
