"""Where the rows of a target may be kept: each engine, as a Spicepod says it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support.postgres_server import SUPERUSER, shared_server


@contextmanager
def fed_acceleration(engine: str) -> Iterator[dict[str, Any]]:
    """The acceleration of a dataset that is fed, whose place is its own and outlives the process."""
    if engine != "postgres":
        yield {"engine": engine, "mode": "file"}
        return
    server, schema = shared_server(), f"kept_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    params = {
        "pg_host": "127.0.0.1",
        "pg_port": str(server.port),
        "pg_db": "postgres",
        "pg_user": SUPERUSER,
        "pg_pass": "x",
        "pg_schema": schema,
    }
    yield {"engine": engine, "params": params}
    with server.connect() as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")
