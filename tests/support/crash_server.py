"""What a crash world has in place of files where the engine is a server."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.accelerator import Stored, Target
from headrace.accelerators.postgres import copies
from headrace.accelerators.postgres.access import PostgresServer
from headrace.accelerators.postgres.names import Names
from support.postgres_server import SUPERUSER, new_schema, shared_server


class CrashServer:
    """PostgreSQL, which outlives every life of the process, and one schema in it."""

    def __init__(self) -> None:
        self._schema = new_schema()
        self._access = shared_server().access(self._schema)

    @property
    def acceleration(self) -> str:
        """Where the server is, as the Spicepod says it."""
        access = self._access
        return (
            f", params: {{pg_host: {access.host}, pg_port: {access.port}, pg_db: {access.database}, "
            f"pg_user: {SUPERUSER}, pg_schema: {self._schema}}}"
        )

    def checkpoint(self) -> None:
        """Have the server write all that it has in memory to its files."""
        with shared_server().connect() as connection:
            connection.execute("CHECKPOINT")

    def stored(self, datasets: Iterable[str]) -> dict[str, Stored]:
        """What is there by dataset, read beside whoever holds it."""
        return {name: self._stored(name) for name in datasets}

    def _stored(self, dataset: str) -> Stored:
        names = Names(self._schema, dataset)
        with PostgresServer(self._access, dataset).connect() as connection:
            if not copies.exists(connection, names.checkpoint):
                return Stored(None, None)
            return Stored(*(copies.stored_copy(connection, names, target) for target in Target))
