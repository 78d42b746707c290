"""A DuckDB that holds no data and reaches nothing: for parsing, and for computing over rows that are handed in."""

from __future__ import annotations

from typing import Any, Final

import duckdb

from headrace.duckdb_lock import LOCK

_SETTINGS: Final[dict[str, Any]] = {"threads": 1}


class Sandbox:
    """One instance. Any thread may ask for connections; each connection is one thread's at a time."""

    def __init__(self) -> None:
        self._duckdb = duckdb.connect(":memory:", config=_SETTINGS)
        for setting, value in LOCK.items():
            self._duckdb.execute(f"SET GLOBAL {setting} = {value}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A fresh connection."""
        return self._duckdb.cursor()

    def statements(self, sql: str) -> list[duckdb.Statement]:
        """The statements in a text, parsed and nothing more. Raises duckdb.Error."""
        return self._duckdb.extract_statements(sql)

    def close(self) -> None:
        """Let go of the instance. Safe to call twice."""
        self._duckdb.close()
