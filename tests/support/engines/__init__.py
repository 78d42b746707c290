"""The engines that the contract suite runs over, each in each mode, behind one face."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support.engines.cayenne import CayenneHarness
from support.engines.duckdb import DuckDBHarness
from support.engines.harness import Harness
from support.engines.memory import MemoryHarness
from support.engines.postgres import PostgresHarness
from support.engines.sqlite import SQLiteHarness

HARNESSES: dict[str, Callable[[Path | None], Harness]] = {
    "memory": MemoryHarness,
    "cayenne": lambda folder: CayenneHarness(folder / "data"),
    "cayenne-files": lambda folder: CayenneHarness(folder / "data", eager=True),
    "duckdb-memory": lambda _: DuckDBHarness(None),
    "duckdb-file": lambda folder: DuckDBHarness(folder / "data" / "orders.duckdb"),
    "postgres": PostgresHarness,
    "sqlite-memory": lambda _: SQLiteHarness(None),
    "sqlite-file": lambda folder: SQLiteHarness(folder / "data" / "orders.sqlite"),
}
"""Each makes a harness whose files, if it has any, are in a folder."""

ENGINES = tuple(HARNESSES)

REAL = ("duckdb-memory", "sqlite-memory", "postgres")
"""Each engine once, but the yardstick."""

IN_FILES = ("cayenne", "cayenne-files", "duckdb-file", "sqlite-file")
"""Those of which a process that is gone leaves files; their harnesses are FileHarnesses."""


def harness_of(engine: str, folder: Path | None) -> Harness:
    """One engine under test."""
    return HARNESSES[engine](folder)
