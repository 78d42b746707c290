"""A Flight SQL server of ours over a real DuckDB, and clients for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import adbc_driver_flightsql.dbapi as adbc
import pyarrow as pa
from pyarrow import flight

from headrace.access import Access
from headrace.serve.flight.messages import CommandStatementQuery, Value, unwrap, wrap
from headrace.serve.flight.server import FlightServer
from headrace.serve.flight.statements import Statements
from support.serving import SmallSystem


class Flying:
    """Calls the server at ``uri``, as ADBC's driver or with pyarrow's plain client."""

    def __init__(self, uri: str, server: FlightServer) -> None:
        self.uri = uri
        self._server = server

    @property
    def statements(self) -> Statements:
        return self._server._service.statements

    def stop(self) -> None:
        self._server.stop()

    def adbc(self, **options: str) -> adbc.Connection:
        return adbc.connect(self.uri, db_kwargs=options, autocommit=True)

    def plain(self, **arguments: Any) -> flight.FlightClient:
        return flight.connect(self.uri, **arguments)

    def info(self, command: Value | str) -> flight.FlightInfo:
        with self.plain() as client:
            return client.get_flight_info(described(command))

    def table(self, command: Value | str) -> pa.Table:
        """Everything that a command gives: what it is told to be, and what comes."""
        with self.plain() as client:
            info = client.get_flight_info(described(command))
            table = client.do_get(info.endpoints[0].ticket).read_all()
        assert info.schema is None or info.schema.equals(table.schema, check_metadata=True)
        return table

    def act(self, type_: str, body: Value | bytes) -> list[Value | None]:
        with self.plain() as client:
            encoded = body if isinstance(body, bytes) else wrap(body)
            return [unwrap(result.body.to_pybytes()) for result in client.do_action((type_, encoded))]


def described(command: Value | str) -> flight.FlightDescriptor:
    """A statement's text, as Spice's clients send it, or a command of Flight SQL."""
    return flight.FlightDescriptor.for_command(command if isinstance(command, str) else wrap(command))


def query(sql: str) -> CommandStatementQuery:
    return CommandStatementQuery(sql)


OWN_THREADS = ("headrace-leaving", "headrace-flight-stop")


@contextmanager
def flown(system: SmallSystem, access: Access | None = None) -> Iterator[Flying]:
    """The system, served over Flight on a free port until the context ends."""
    before = set(threading.enumerate())
    server = FlightServer(system, access or Access(), "--flight", grace=0.2)
    try:
        host, port = server.start("127.0.0.1", 0)
        yield Flying(f"{server.scheme}://{host}:{port}", server)
    finally:
        server.stop()
        system.close()
        assert not [t for t in set(threading.enumerate()) - before if t.name in OWN_THREADS]
