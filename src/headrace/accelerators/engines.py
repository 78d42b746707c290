"""Every accelerated dataset's accelerator, and the SQL engine that they share."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.dataset import Dataset, Engine, Mode
from headrace.errors import ConfigError


class Engines:
    """The accelerators of a runtime's datasets, by name.

    Nothing is opened here but the SQL engine: each dataset's database is attached by its accelerator's
    ``open``. Datasets without acceleration have no accelerator. Raises ConfigError for an engine that is
    not built, AcceleratorError for two datasets in one file.
    """

    def __init__(self, datasets: Sequence[Dataset], limits: Limits | None = None) -> None:
        files = {}
        for dataset in datasets:
            acceleration = dataset.acceleration
            if acceleration is None:
                continue
            if acceleration.engine is not Engine.DUCKDB:
                raise ConfigError(
                    f"dataset {dataset.name}: engine {acceleration.engine} is not built yet; use duckdb"
                )
            if acceleration.mode is Mode.FILE and acceleration.path is None:
                raise ConfigError(f"dataset {dataset.name}: mode file needs a path")
            files[dataset.name] = acceleration.path if acceleration.mode is Mode.FILE else None
        self._instance = DuckDBInstance(files, limits or Limits(memory=_largest_limit(datasets)))
        self._sinks = {name: DuckDBAccelerator(self._instance, name) for name in files}

    def sink(self, dataset: str) -> DuckDBAccelerator:
        """The dataset's accelerator; KeyError where it has none."""
        return self._sinks[dataset]

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A fresh connection for one reader; see DuckDBInstance.cursor."""
        return self._instance.cursor()

    def close(self) -> None:
        """Let go of every file. Safe to call twice."""
        for sink in self._sinks.values():
            sink.close()
        self._instance.close()


def _largest_limit(datasets: Sequence[Dataset]) -> int | None:
    """They share one engine, so the one that needs most decides."""
    named = [dataset.acceleration.memory_limit for dataset in datasets if dataset.acceleration is not None]
    return max((limit for limit in named if limit is not None), default=None)
