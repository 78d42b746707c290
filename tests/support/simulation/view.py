"""What a reader sees of a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from headrace.accelerator import Target
from headrace.accelerators.duckdb.casts import restored
from headrace.accelerators.plain import plain_rows
from headrace.checkpoint import Checkpoint
from headrace.schema import TableSchema
from support.simulation.model import Broken, Key, Row


@dataclass(frozen=True)
class View:
    """One copy as a reader sees it now."""

    checkpoint: Checkpoint
    schema: TableSchema
    rows: Mapping[Key, Row]


def view_of(target: Target, checkpoint: Checkpoint, schema: TableSchema, found: pa.Table) -> View:
    """What a reader sees of a copy of these rows."""
    if found.column_names != [column.name for column in schema.columns]:
        raise Broken("agreement", f"the {target} copy has other columns than its schema")
    listed = plain_rows(restored(found, schema.arrow()))
    keys = [column.name for column in schema.keys]
    rows = {tuple(row[key] for key in keys): row for row in listed}
    if len(rows) != len(listed):
        raise Broken("agreement", f"a key is in the {target} copy twice")
    return View(checkpoint, schema, rows)
