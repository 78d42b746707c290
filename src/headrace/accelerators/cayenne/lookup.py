"""What a dataset in Cayenne holds of one key."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.cayenne.key_hash import hash_keys
from headrace.accelerators.cayenne.transaction import CopyState
from headrace.accelerators.lookup import KeyValues
from headrace.accelerators.sqlite.lookup import SQLiteKeyReader
from headrace.accelerators.widen import widen_rows
from headrace.schema import TableSchema


class CayenneKeyReader(SQLiteKeyReader):
    """A KeyReader over a connection to the metastore and the copies of the same commit."""

    def __init__(
        self, connection: sqlite3.Connection, dataset: str, copies: Mapping[Target, CopyState]
    ) -> None:
        super().__init__(connection, dataset)
        self._copies = copies

    def row(self, target: Target, schema: TableSchema, key: KeyValues) -> pa.RecordBatch | None:
        """The key's row in a copy of this schema."""
        state = self._copies.get(target)
        if state is None:
            return None
        fields = [(field, value) for field, value in zip(TableSchema(schema.keys).arrow(), key, strict=True)]
        keys = pa.table({field.name: pa.array([value], field.type) for field, value in fields})
        found = _found(state, keys)
        return None if found is None else found.combine_chunks().to_batches()[0]


def _found(state: CopyState, keys: pa.Table) -> pa.Table | None:
    hashes = hash_keys(keys)
    for recent in state.recent:
        positions = recent.find(keys, hashes)
        if len(positions):
            return recent.source.table.take(pa.array(positions))
    for part in state.files.values():
        positions = part.find(keys, hashes)
        if len(positions):
            file = part.source
            return widen_rows(file.rows_at(np.asarray(positions)), file.schema, state.schema)
    return None
