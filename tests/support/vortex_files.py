"""Vortex files, and a DuckDB that reads them."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import duckdb
import duckdb_extension_vortex
import pyarrow as pa
import vortex

from headrace.accelerators.cayenne.forms import in_file, select_list
from headrace.accelerators.duckdb.casts import sql_type, storable
from headrace.accelerators.duckdb.door import literal, quoted
from headrace.schema import TableSchema


def reader() -> duckdb.DuckDBPyConnection:
    """A DuckDB with the extension, set up as Headrace does."""
    connection = duckdb.connect(":memory:")
    folder = Path(duckdb_extension_vortex.__file__).parent / "extensions" / f"v{duckdb.__version__}"
    connection.execute(f"LOAD {literal(str(folder / 'vortex.duckdb_extension'))}")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET disabled_optimizers = 'extension'")
    return connection


class Files:
    """Files of a folder, one at a time, each under a name of its own: the extension remembers files by their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._last: Path | None = None

    def write(self, rows: pa.Table, schema: TableSchema) -> Path:
        """Rows of a schema as a file, in place of the one before."""
        if self._last is not None:
            self._last.unlink()
        self._last = self._folder / f"{next(self._numbers)}.vortex"
        vortex.io.write(in_file(rows, schema), str(self._last))
        return self._last


def scan(path: Path, old: TableSchema, new: TableSchema, *conditions: str | None) -> str:
    """A query for the rows of a file of ``old`` as ``new``."""
    asked = [condition for condition in conditions if condition]
    where = f" WHERE {' AND '.join(asked)}" if asked else ""
    return f"SELECT {', '.join(select_list(old, new))} FROM read_vortex({literal(str(path))}){where}"


def create_plain(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """A table of DuckDB's own with the same rows, as the DuckDB engine would have it."""
    columns = ", ".join(f"{quoted(field.name)} {sql_type(field.type)}" for field in rows.schema)
    connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
    connection.register("given", storable(rows))
    connection.execute(f"INSERT INTO {name} SELECT * FROM given")
    connection.unregister("given")
