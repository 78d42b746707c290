"""A PostgreSQL server for the benches, and the yardstick of its engine."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from changes import Changes
from headrace.dataset import PostgresAccess

SETTINGS = ("shared_buffers=512MB", "max_wal_size=4GB")
"""What anybody sets for a database of some size; all else is as PostgreSQL comes, its log synced at each commit."""

_SCHEMAS = count()


@cache
def server() -> Any:
    """The server that the tests use too; it ends with this process."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    one = importlib.import_module("support.postgres_server").PostgresServer(durable=True)
    one.start(*SETTINGS)
    return one


def access() -> PostgresAccess:
    """A schema of its own."""
    schema = f"bench_{next(_SCHEMAS)}"
    with server().connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return server().access(schema)


class PostgresPrimaryKey:
    """A table with a primary key, by psycopg's ``executemany``, given ready tuples."""

    def __init__(self, key: str) -> None:
        self._schema = access().schema
        self._connection = server().connect()
        type_ = 'text COLLATE "C"' if key == "text" else "bigint"
        self._connection.execute(f"SET search_path = {self._schema}")
        self._connection.execute(
            f"CREATE TABLE orders (id {type_} PRIMARY KEY, name text, city text, note text, state text, "
            "qty bigint, cents bigint, weight double precision, visits bigint, active boolean)"
        )

    def load(self, pages: Iterable[pa.RecordBatch]) -> None:
        for rows in pages:
            with self._connection.cursor().copy("COPY orders FROM STDIN") as copy:
                for row in _tuples(pa.table(rows)):
                    copy.write_row(row)

    def ready(self, changes: Changes) -> Callable[[], None]:
        given = pa.table(changes.rows)
        kept = _tuples(given.filter(pc.invert(changes.gone)))
        gone = _tuples(given.filter(changes.gone).select(["id"]))
        return lambda: self._apply(kept, gone)

    def totals(self) -> tuple[int, int]:
        rows, qty = self._connection.execute("SELECT count(*), sum(qty)::bigint FROM orders").fetchone()
        return rows, qty

    def close(self) -> None:
        if not self._connection.closed:
            self._connection.execute(f"DROP SCHEMA {self._schema} CASCADE")
            self._connection.close()

    def _apply(self, kept: Sequence[tuple[Any, ...]], gone: Sequence[tuple[Any, ...]]) -> None:
        changed = ("name", "city", "note", "state", "qty", "cents", "weight", "visits", "active")
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO orders VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET "
                + ", ".join(f"{name} = excluded.{name}" for name in changed),
                kept,
            )
            cursor.executemany("DELETE FROM orders WHERE id = %s", gone)


def _tuples(rows: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
