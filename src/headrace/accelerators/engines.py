"""Every accelerated dataset's accelerator, and the SQL engine that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import duckdb

from headrace.accelerator import ChangeSink
from headrace.accelerators.duckdb import ALL_LETTERS, DuckDBAccelerator, DuckDBInstance, Limits, StoredRows
from headrace.dataset import Acceleration, Dataset, Engine, Mode, PostgresAccess
from headrace.errors import ConfigError
from headrace.explanation import ItemKey, StoredKey
from headrace.leaf import Leaf
from headrace.schema import TableSchema
from headrace.snapshot import Exporter

if TYPE_CHECKING:
    from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
    from headrace.accelerators.postgres import PostgresAccelerator
    from headrace.accelerators.sqlite import SQLiteAccelerator


class Accelerator(ChangeSink, Exporter, Protocol):
    """A ChangeSink that also tells what it holds, which any thread may ask, and whose copy travels."""

    def rows(self) -> int:
        """The number of live rows, 0 where there is no live copy. Raises AcceleratorError."""
        ...

    def schema(self) -> TableSchema | None:
        """The columns of the live copy as one commit left it, None where there is none. Raises AcceleratorError."""
        ...

    def look_up(self, key: ItemKey) -> StoredKey:
        """What is stored of one key, as one commit left it. Raises AcceleratorError."""
        ...


class Engines:
    """The accelerators of a runtime's datasets, by name.

    Nothing is opened here but the SQL engine: each dataset's database is opened by its accelerator's
    ``open``. Datasets without acceleration have no accelerator. Raises ConfigError for an engine that
    lacks what it needs, AcceleratorError for two datasets in one file. ``scratch`` is a folder of this process,
    absolute, in which all folders lie that copies are exported to and restored from; None: none is. ``stored`` are views
    whose rows the SQL engine holds in memory.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        limits: Limits | None = None,
        scratch: Path | None = None,
        stored: Iterable[str] = (),
    ) -> None:
        accelerated = {one.name: one.acceleration for one in datasets if one.acceleration is not None}
        native = {name: one for name, one in accelerated.items() if one.engine is Engine.DUCKDB}
        files = {name: _file(name, one) for name, one in native.items()} | dict.fromkeys(stored)
        limits = limits or Limits()
        memory = limits.memory or _largest_limit(native)
        self._instance = DuckDBInstance(files, replace(limits, memory=memory), scratch)
        self._sinks: dict[str, Accelerator] = {}
        self._leaves: dict[str, Leaf] = {}
        self._letters: list[Callable[[], Leaf | None]] = []
        for name, acceleration in accelerated.items():
            self._add(name, acceleration)

    def sink(self, dataset: str) -> Accelerator:
        """The dataset's accelerator; KeyError where it has none."""
        return self._sinks[dataset]

    def stored_rows(self, view: str) -> StoredRows:
        """Where the rows of a stored view are."""
        return StoredRows(self._instance, view)

    @property
    def leaves(self) -> Mapping[str, Leaf]:
        """The datasets that are not tables of the SQL engine, by name: how statements read them."""
        return self._leaves

    @property
    def letters(self) -> tuple[str, tuple[Leaf, ...]]:
        """The table of dead letters: SQL's full name of the part that the SQL engine holds, and leaves with the others.

        Datasets that are not open have no letters there.
        """
        asked = (letters_leaf() for letters_leaf in self._letters)
        return ALL_LETTERS, tuple(leaf for leaf in asked if leaf is not None)

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
            case Engine.CAYENNE:
                self._add_beside(name, _cayenne(name, acceleration))
            case Engine.POSTGRES:
                self._add_beside(name, _postgres(name, acceleration))
            case Engine.SQLITE:
                self._add_beside(name, _sqlite(name, acceleration))

    def _add_beside(
        self, name: str, accelerator: CayenneAccelerator | PostgresAccelerator | SQLiteAccelerator
    ) -> None:
        """An engine beside the one that answers SQL."""
        self._sinks[name] = accelerator
        self._leaves[name] = accelerator.leaf()
        self._letters.append(accelerator.letters_leaf)


def _cayenne(name: str, acceleration: Acceleration) -> CayenneAccelerator:
    """Raises ConfigError where what writes and reads its files is missing."""
    try:
        from headrace.accelerators.cayenne.accelerator import CayenneAccelerator
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("numpy", "vortex"):
            raise
        raise ConfigError(
            f"dataset {name}: engine cayenne needs what writes and reads its files ({error}); pip install "
            "'headrace[cayenne]'"
        ) from error
    return CayenneAccelerator(name, acceleration)


def _sqlite(name: str, acceleration: Acceleration) -> SQLiteAccelerator:
    from headrace.accelerators.sqlite import SQLiteAccelerator

    _file(name, acceleration)
    return SQLiteAccelerator(name, acceleration)


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
