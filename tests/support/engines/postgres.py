"""PostgreSQL: each harness in a schema of its own of one server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
from psycopg.errors import InvalidTextRepresentation

from headrace.accelerator import Target
from headrace.accelerators.postgres import PostgresAccelerator
from headrace.accelerators.postgres.bulk import copy_out
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.lookup import reading
from headrace.accelerators.postgres.staging import Staging
from headrace.accelerators.stored_schema import decode_schema
from support.engines.harness import Harness
from support.postgres_server import shared_server

_NUMBERS = count()


class PostgresHarness(Harness):
    """``indexes`` are those of the Spicepod."""

    survives = remembers = True
    holds_nul = False

    def __init__(self, _folder: Path | None = None, indexes: tuple[Any, ...] = ()) -> None:
        self.indexes = indexes
        self.server = shared_server()
        self.schema = f"harness {next(_NUMBERS)} %s"
        with self.server.connect() as connection:
            connection.execute(f'CREATE SCHEMA "{self.schema}"')
        super().__init__()

    @contextmanager
    def refusing(self, value: object) -> Iterator[None]:
        true = Staging.rows

        def rows(self: Staging, layout: Layout, rows: pa.Table) -> None:
            if "n" in rows.column_names and value in rows.column("n").to_pylist():
                raise InvalidTextRepresentation("Conversion Error: planted")
            true(self, layout, rows)

        with mock.patch.object(Staging, "rows", rows):
            yield

    def plant(self, fault: Callable[..., Any]) -> None:
        self.sink._write = fault

    def close(self) -> None:
        super().close()

    def drop(self) -> None:
        """Remove the schema and all that is in it."""
        with self.server.connect() as connection:
            connection.execute(f'DROP SCHEMA "{self.schema}" CASCADE')

    def _new_sink(self) -> PostgresAccelerator:
        return PostgresAccelerator(self.dataset, self.server.access(self.schema), self.indexes)

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        with (
            self.sink._readers.reader("cannot read") as reader,
            reading(reader.connection, reader.names) as known,
        ):
            layout = Layout.of(decode_schema(known[target].row.schema))
            columns = layout.schema.columns
            selected = layout.selected(columns)
            table = reader.names.qualified(reader.names.rows(target))
            query = f"SELECT {', '.join(sql for sql, _ in selected)} FROM {table}"
            parts = [
                layout.restored(part, columns)
                for part in copy_out(reader.connection, query, [type_ for _, type_ in selected])
            ]
            assert self.sink.rows() == sum(part.num_rows for part in parts) or target is Target.BUILDING
            return pa.Table.from_batches(parts, schema=schema)
