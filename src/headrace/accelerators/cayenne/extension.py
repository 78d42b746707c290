"""DuckDB's extension that reads Vortex files: where it is, and connections that have it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import duckdb

from headrace.accelerators.duckdb.door import literal
from headrace.errors import ConfigError

_MEMORY: Final = 512 * 2**20
"""Bytes that sorting takes of a compaction before it writes to the disk."""


def extension() -> Path:
    """The extension's file. Raises ConfigError where it is not installed for this DuckDB.

    The package ``duckdb-extension-vortex`` brings one file for one version of DuckDB
    (https://pypi.org/project/duckdb-extension-vortex/).
    """
    try:
        import duckdb_extension_vortex
        import vortex  # noqa: F401  # It writes what the extension reads.
    except ImportError as error:
        raise ConfigError(
            f"engine cayenne needs what writes and reads its files ({error}); pip install 'headrace[cayenne]'"
        ) from error
    folder = Path(str(duckdb_extension_vortex.__file__)).parent / "extensions"
    file = folder / f"v{duckdb.__version__}" / "vortex.duckdb_extension"
    if not file.is_file():
        known = sorted(path.name.removeprefix("v") for path in folder.iterdir() if path.is_dir())
        raise ConfigError(
            f"engine cayenne needs DuckDB {' or '.join(known)}, for which there is an extension that reads its files; this "
            f"is DuckDB {duckdb.__version__}; pip install 'headrace[cayenne]'"
        )
    return file


def load(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extension into an instance of DuckDB. Raises ConfigError."""
    connection.execute(f"LOAD {literal(str(extension()))}")
    # Its own aggregates over whole files are wrong (vortex-data 0.91, DuckDB 1.5.5).
    connection.execute("SET GLOBAL disabled_optimizers = 'extension'")


class Workshop:
    """An instance of DuckDB beside the one that answers queries, which takes no more than some memory.

    What does not fit goes to a folder in ``folder``, which nobody else uses by the time of the first cursor. It is made
    then: to load the extension takes a moment.
    """

    def __init__(self, folder: Path) -> None:
        self._spill = folder / ".spill"
        self._connection: duckdb.DuckDBPyConnection | None = None

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection, the caller's to close."""
        if self._connection is None:
            # DuckDB leaves there what a process had that was killed.
            shutil.rmtree(self._spill, ignore_errors=True)
            connection = duckdb.connect(":memory:")
            load(connection)
            connection.execute(f"SET GLOBAL memory_limit = '{_MEMORY // 2**20}MiB'")
            connection.execute(f"SET GLOBAL temp_directory = {literal(str(self._spill))}")
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            self._connection = connection
        return self._connection.cursor()

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
