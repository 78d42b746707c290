"""PostgreSQL: each harness in a schema of its own of one server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import pyarrow as pa
from psycopg.errors import InvalidTextRepresentation

from headrace.accelerator import StoredCopy, Target
from headrace.accelerators.postgres import PostgresAccelerator
from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.bulk import copy_out
from headrace.accelerators.postgres.layout import Layout
from headrace.accelerators.postgres.lookup import reading
from headrace.accelerators.postgres.names import Names
from headrace.accelerators.postgres.staging import Staging
from headrace.dataset import Index
from support.engines.harness import Harness
from support.postgres_server import shared_server

_NUMBERS = count()


class PostgresHarness(Harness):
    """``indexes`` are those of the Spicepod."""

    survives = remembers = True
    holds_nul = False
    share = 0.2

    def __init__(
        self, _folder: Path | None = None, indexes: tuple[Index, ...] = (), dataset: str = "orders"
    ) -> None:
        self.indexes = indexes
        self.dataset = dataset
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

    def empty(self) -> None:
        """Lose every table, as a server does that is set up anew."""
        with self.server.connect() as connection:
            connection.execute(f'DROP SCHEMA "{self.schema}" CASCADE')
            connection.execute(f'CREATE SCHEMA "{self.schema}"')

    def drop(self) -> None:
        """Remove the schema and all that is in it."""
        with self.server.connect() as connection:
            connection.execute(f'DROP SCHEMA "{self.schema}" CASCADE')

    def _new_sink(self) -> PostgresAccelerator:
        return PostgresAccelerator(self.dataset, self.server.access(self.schema), self.indexes)

    def _table(self, target: Target, schema: pa.Schema) -> pa.Table:
        with closing(PostgresServer(self.server.access(self.schema), self.dataset).connect()) as connection:
            found = stored_in(connection, Names(self.schema, self.dataset), target)
        assert found is not None
        assert target is Target.BUILDING or found.rows.num_rows == self.sink.rows()
        return found.rows


@dataclass(frozen=True)
class Stored:
    """A copy as the server has it."""

    copy: StoredCopy
    rows: pa.Table


def stored_in(connection: psycopg.Connection, names: Names, target: Target) -> Stored | None:
    """A copy as one commit left it, read without its accelerator."""
    with reading(connection, names) as known:
        if target not in known:
            return None
        copy = known[target].row.decoded()
        layout = Layout.of(copy.schema)
        columns = copy.schema.columns
        selected = layout.selected(columns)
        query = f"SELECT {', '.join(sql for sql, _ in selected)} FROM {names.qualified(names.rows(target))}"
        parts = [
            layout.restored(part, columns)
            for part in copy_out(connection, query, [type_ for _, type_ in selected])
        ]
        table = pa.Table.from_batches(parts, copy.schema.arrow())
        assert table.num_rows == known[target].rows, "rows are counted as they are stored"
        return Stored(copy, table)
