"""DuckDB: the SQL engine of every dataset, and the accelerator that keeps their rows."""

from headrace.accelerators.duckdb.accelerator import DuckDBAccelerator
from headrace.accelerators.duckdb.instance import ALL_LETTERS, DuckDBInstance
from headrace.accelerators.duckdb.limits import Limits
from headrace.accelerators.duckdb.stored_rows import StoredRows

__all__ = ["ALL_LETTERS", "DuckDBAccelerator", "DuckDBInstance", "Limits", "StoredRows"]
