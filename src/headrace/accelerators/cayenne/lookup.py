"""What a dataset in Cayenne holds of one key."""

from __future__ import annotations

import sqlite3

import duckdb
import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.cayenne.face import Face
from headrace.accelerators.lookup import KeyValues
from headrace.accelerators.sqlite.lookup import SQLiteKeyReader
from headrace.schema import TableSchema


class CayenneKeyReader(SQLiteKeyReader):
    """A KeyReader over a connection to the metastore and a cursor on the face, both of one commit."""

    def __init__(
        self, connection: sqlite3.Connection, cursor: duckdb.DuckDBPyConnection, dataset: str
    ) -> None:
        super().__init__(connection, dataset)
        self._face = Face(cursor, dataset)

    def row(self, target: Target, schema: TableSchema, key: KeyValues) -> pa.RecordBatch | None:
        """The key's row in a copy of this schema."""
        found = self._face.row(target, schema, key)
        return found.combine_chunks().to_batches()[0] if found.num_rows else None
