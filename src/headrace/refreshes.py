"""Refreshes that somebody asks for: of datasets that follow no stream, and of stored views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from headrace.config.problem import BadValueError
from headrace.config.quantity import SECOND, parse_duration
from headrace.dataset import Dataset, RefreshMode
from headrace.errors import ConfigError
from headrace.kept_rows import KeptDatasets
from headrace.query.parser import Parser
from headrace.query.selection import SqlSelection
from headrace.refresh import RefreshAsked, RefreshOutcome
from headrace.replicate.asked import AskedRefreshes
from headrace.replicate.runner import ThreadRunner
from headrace.selection import Selection
from headrace.views import Views


class Refreshes:
    """Those of ``datasets`` and ``views``; ``runners`` have the copies, by name. Every method raises ConfigError and QueryError."""

    def __init__(
        self,
        datasets: Iterable[Dataset],
        views: Views,
        kept: KeptDatasets,
        runners: Mapping[str, ThreadRunner],
        parser: Parser,
    ) -> None:
        self._datasets = {dataset.name: dataset for dataset in datasets}
        self._views = views
        self._kept = kept
        self._runners = runners
        self._parser = parser
        self._asked = {
            name: AskedRefreshes() for name, one in self._datasets.items() if one.acceleration is not None
        }

    def ask(self, name: str, asked: RefreshAsked) -> int:
        """Begin a refresh of a dataset or stored view; its number."""
        number = self._views.refresh(name, asked)
        if number is not None:
            return number
        dataset = self._refreshed(name)
        if asked.mode not in (None, RefreshMode.FULL, RefreshMode.APPEND):
            raise ConfigError(f"refresh_mode: {asked.mode!r} is not one of full, append")
        if asked.mode == RefreshMode.APPEND and dataset.time_column is None:
            raise ConfigError(f"an append adds what is newer; add time_column: COLUMN to {dataset.name}")
        whole = None if asked.mode is None else asked.mode == RefreshMode.FULL
        selection = None if asked.sql is None else self.selection(dataset, asked.sql)
        jitter = _seconds("refresh_jitter_max", asked.jitter) if asked.jitter is not None else 0.0
        return self._asked[name].add(self._runners[name].refresh(selection, whole=whole, jitter=jitter))

    def outcome(self, name: str, number: int) -> RefreshOutcome | None:
        """What became of it; None if nothing is known of one."""
        if name in self._views:
            return self._views.outcome(name, number)
        self._refreshed(name)
        return self._asked[name].outcome(number)

    def reselect(self, name: str, sql: str) -> None:
        """Have another ``refresh_sql`` until the process ends."""
        dataset = self._refreshed(name)
        self._runners[name].reselect(self.selection(dataset, sql))

    def selection(self, dataset: Dataset, sql: str | None = None) -> Selection:
        """What a dataset's refreshes keep; of this ``refresh_sql``, if one is given."""
        assert dataset.acceleration is not None, "only a copy is refreshed"
        refresh = dataset.acceleration.refresh
        asked = refresh if sql is None else replace(refresh, sql=sql)
        return SqlSelection(dataset.name, asked, dataset.time_column, dataset.mapping, self._parser)

    def _refreshed(self, name: str) -> Dataset:
        """The dataset, if it is made by refreshes: one that follows its stream is always current."""
        if name in self._views:
            raise ConfigError(f"{name} is a view: what it holds is said by its query, in the Spicepod")
        if name in self._kept:
            raise ConfigError(self._kept.why(name))
        dataset = self._datasets[name]
        if dataset.acceleration is None:
            raise ConfigError(
                f"{name} has no copy to refresh: it has no acceleration, and statements read DynamoDB itself"
            )
        if dataset.follows:
            snapshots = dataset.acceleration.snapshots
            restored = snapshots is not None and snapshots.mode.restores
            raise ConfigError(
                f"{dataset.name} follows its stream (refresh_mode: changes), so there is nothing to refresh; to copy the "
                "table anew, stop headrace and remove its copy: the dataset's file, or its tables in PostgreSQL"
                + (
                    ", and start with snapshots: create_only, or it begins with the newest snapshot"
                    if restored
                    else ""
                )
            )
        return dataset


def _seconds(key: str, text: str) -> float:
    try:
        return parse_duration(text) / SECOND
    except BadValueError as error:
        raise ConfigError(f"{key}: {error}") from None
