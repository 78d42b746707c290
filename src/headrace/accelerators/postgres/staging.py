"""Batches of rows in temporary tables of the writing session, empty again after each transaction."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headrace.accelerators.postgres.bulk import copy_in
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.session import Session

ROWS = "pg_temp.headrace_rows"
"""Rows with all columns of a table."""

KEYS = "pg_temp.headrace_keys"
"""Rows with the key columns alone, numbered."""

NUMBER = "headrace_number"
"""The number of a row of KEYS."""


class Staging:
    """The temporary tables inside one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._used: set[str] = set()

    def rows(self, layout: Layout, rows: pa.Table) -> None:
        """Have ROWS hold these, which have the columns of the layout's schema."""
        self._hold(ROWS, layout.definitions, layout.names, layout.sent(rows))

    def keys(self, layout: Layout, keys: pa.Table) -> None:
        """Have KEYS hold these, which have the layout's key columns."""
        numbers = pa.chunked_array([pa.arange(0, keys.num_rows)])
        self._hold(
            KEYS,
            (*(place.defined for place in layout.keys), f"{NUMBER} bigint"),
            (*(place.sql for place in layout.keys), NUMBER),
            layout.sent_keys(keys).append_column(NUMBER, numbers),
        )

    def _hold(self, table: str, definitions: Sequence[str], names: Sequence[str], rows: pa.Table) -> None:
        connection = self._session.connection
        definition = ", ".join(definitions)
        if self._session.staged.get(table) != definition:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(f"CREATE TEMPORARY TABLE {table} ({definition}) ON COMMIT DELETE ROWS")
            self._session.staged[table] = definition
        elif table in self._used:
            connection.execute(f"TRUNCATE {table}")
        self._used.add(table)
        copy_in(connection, rows, table, names)
