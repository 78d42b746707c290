"""Every accelerated dataset's accelerator, and the SQL engine that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import duckdb

from headrace.accelerator import ChangeSink
from headrace.accelerators.duckdb import DuckDBAccelerator, DuckDBInstance, Limits
from headrace.dataset import Acceleration, Dataset, Engine, Mode, PostgresAccess
from headrace.errors import ConfigError
from headrace.explanation import ItemKey, StoredKey
from headrace.leaf import Leaf

if TYPE_CHECKING:
    from headrace.accelerators.postgres import PostgresAccelerator


class Accelerator(ChangeSink, Protocol):
    """A ChangeSink that also tells what it holds. Any thread may ask."""

    def rows(self) -> int:
        """The number of live rows, 0 where there is no live copy. Raises AcceleratorError."""
        ...

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key, as one commit left it. Raises AcceleratorError."""
        ...


class Engines:
    """The accelerators of a runtime's datasets, by name.

    Nothing is opened here but the SQL engine: each dataset's database is opened by its accelerator's
    ``open``. Datasets without acceleration have no accelerator. Raises ConfigError for an engine that is
    not built or lacks what it needs, AcceleratorError for two datasets in one file.
    """

    def __init__(self, datasets: Sequence[Dataset], limits: Limits | None = None) -> None:
        accelerated = {one.name: one.acceleration for one in datasets if one.acceleration is not None}
        native = {name: one for name, one in accelerated.items() if one.engine is Engine.DUCKDB}
        files = {name: _file(name, one) for name, one in native.items()}
        self._instance = DuckDBInstance(files, limits or Limits(memory=_largest_limit(native)))
        self._sinks: dict[str, Accelerator] = {}
        self._leaves: dict[str, Leaf] = {}
        for name, acceleration in accelerated.items():
            self._add(name, acceleration)

    def sink(self, dataset: str) -> Accelerator:
        """The dataset's accelerator; KeyError where it has none."""
        return self._sinks[dataset]

    @property
    def leaves(self) -> Mapping[str, Leaf]:
        """The datasets that are not tables of the SQL engine, by name: how statements read them."""
        return self._leaves

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A fresh connection for one reader; see DuckDBInstance.cursor."""
        return self._instance.cursor()

    def close(self) -> None:
        """Let go of every file. Safe to call twice."""
        for sink in self._sinks.values():
            sink.close()
        self._instance.close()

    def _add(self, name: str, acceleration: Acceleration) -> None:
        match acceleration.engine:
            case Engine.DUCKDB:
                self._sinks[name] = DuckDBAccelerator(self._instance, name)
            case Engine.POSTGRES:
                postgres = _postgres(name, acceleration)
                self._sinks[name], self._leaves[name] = postgres, postgres.leaf()
            case Engine.SQLITE:
                self._add_sqlite(name, acceleration)
            case engine:
                raise ConfigError(
                    f"dataset {name}: engine {engine} is not built yet; use duckdb, sqlite or postgres"
                )

    def _add_sqlite(self, name: str, acceleration: Acceleration) -> None:
        from headrace.accelerators.sqlite import SQLiteAccelerator

        _file(name, acceleration)
        sqlite = SQLiteAccelerator(name, acceleration)
        self._sinks[name] = sqlite
        self._leaves[name] = sqlite.leaf()


def _postgres(name: str, acceleration: Acceleration) -> PostgresAccelerator:
    """Raises ConfigError where the driver is missing."""
    try:
        from headrace.accelerators.postgres import PostgresAccelerator
    except ImportError as error:
        if not (error.name or "").startswith("psycopg"):
            raise
        raise ConfigError(
            f"dataset {name}: engine postgres needs its driver ({error}); pip install 'headrace[postgres]'"
        ) from error
    access = acceleration.postgres or PostgresAccess()
    return PostgresAccelerator(name, access, acceleration.indexes)


def _file(name: str, acceleration: Acceleration) -> Path | None:
    """Where the copy is kept, None in memory."""
    if acceleration.mode is Mode.FILE and acceleration.path is None:
        raise ConfigError(f"dataset {name}: mode file needs a path")
    return acceleration.path if acceleration.mode is Mode.FILE else None


def _largest_limit(native: Mapping[str, Acceleration]) -> int | None:
    """They share one engine, so the one that needs most decides."""
    named = [one.memory_limit for one in native.values()]
    return max((limit for limit in named if limit is not None), default=None)
