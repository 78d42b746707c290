"""The stored rows of a view: a table of their own in memory, replaced as a whole."""
# ruff: noqa: S608 - names are quoted

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing, suppress

import duckdb
import pyarrow as pa

from headrace.accelerators.duckdb.door import quoted, translated
from headrace.accelerators.duckdb.instance import DuckDBInstance
from headrace.accelerators.duckdb.rows import BATCH, registered


class StoredRows:
    """One table of a DuckDBInstance. One thread at a time calls ``replace``, any thread the others."""

    def __init__(self, instance: DuckDBInstance, name: str) -> None:
        self._instance = instance
        self._name = name

    def replace(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Have these rows in place of all that there are, in one transaction; their number.

        Raises AcceleratorError or a kind of it, and what ``batches`` raises; then the rows are those of before.
        """
        self._instance.writer(self._name)
        doing = f"cannot store the rows of the view {self._name}"
        with self._instance.lane(self._name) as connection:
            with translated(doing):
                connection.execute("BEGIN")
            try:
                with translated(doing):
                    self._put(
                        connection,
                        schema.empty_table(),
                        f"CREATE OR REPLACE TABLE {self._table} AS FROM {BATCH}",
                    )
                count = 0
                for batch in batches:
                    with translated(doing):
                        self._put(connection, pa.table(batch), f"INSERT INTO {self._table} FROM {BATCH}")
                    count += batch.num_rows
                with translated(doing):
                    connection.execute("COMMIT")
            except BaseException:
                with suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise
        return count

    def rows(self) -> int:
        """How many there are. Raises AcceleratorError where the table is not there, or not any more."""
        with (
            closing(self._instance.cursor()) as cursor,
            translated(f"the rows of the view {self._name} are lost"),
        ):
            ((count,),) = cursor.execute(
                f"SELECT count(*) FROM {self._instance.qualified(self._name)}"
            ).fetchall()
            return int(count)

    @property
    def _table(self) -> str:
        return quoted(self._name)

    @staticmethod
    def _put(connection: duckdb.DuckDBPyConnection, rows: pa.Table, sql: str) -> None:
        with registered(connection, rows):
            connection.execute(sql)
