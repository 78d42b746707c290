"""The Flight SQL server: begins, ends, and leaves no connection open."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from headrace.access import Access
from headrace.errors import ConfigError
from headrace.serve.listener import listen
from headrace.serve.running import Running
from headrace.tls import server_context

if TYPE_CHECKING:
    from headrace.serve.flight.service import Service

GRACE_SECONDS: Final = 3.0
"""What calls that are under way get when the server stops; then their connections are cut."""

_VERBOSITY: Final = "GRPC_VERBOSITY"
"""https://grpc.github.io/grpc/core/md_doc_environment_variables.html."""

_OPEN_FILES: Final = "/dev/fd"


class FlightServer:
    """Serves ``running`` to whom ``access`` admits. ``flag`` is the command's option for the address, for messages.

    ``grace`` is how many seconds calls under way get when it stops. Raises ConfigError for a certificate that cannot be used.
    """

    def __init__(self, running: Running, access: Access, flag: str, grace: float = GRACE_SECONDS) -> None:
        self._grace = grace
        self._running = running
        self._access = access
        self._flag = flag
        self.scheme = "grpc" if access.tls is None else "grpc+tls"
        if access.tls is not None:
            # gRPC says of a certificate that it cannot use on standard error alone.
            server_context(access.tls)
        self._service: Service | None = None
        self._address = ("", 0)

    def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and serve from now on; the address, with the port that was picked where ``port`` is 0.

        Raises ConfigError, and has started nothing, if the address cannot be listened on.
        """
        # gRPC's own library would only say on standard error why it cannot listen.
        with listen(self._flag, host, port) as free:
            numeric = str(free.getsockname()[0])
        named = f"[{numeric}]" if ":" in numeric else numeric
        try:
            with _grpc_silent():
                # gRPC and Google's library for its messages take 60 ms to import.
                from headrace.serve.flight.service import Service

                self._service = Service(f"{self.scheme}://{named}:{port}", self._running, self._access)
        except pa.ArrowException as error:
            raise ConfigError(f"{self._flag} {host}:{port}: the server did not start: {error}") from error
        self._address = (numeric, self._service.port)
        return self._address

    def stop(self) -> None:
        """Stop listening, and wait until every call has ended or been broken off. Safe to call twice."""
        service, self._service = self._service, None
        if service is None:
            return
        stopping = threading.Thread(target=service.shutdown, name="headrace-flight-stop", daemon=True)
        stopping.start()
        stopping.join(self._grace)
        if stopping.is_alive():
            _cut_off(self._address[1])
            stopping.join()
        service.statements.close()


@contextmanager
def _grpc_silent() -> Iterator[None]:
    """Keep gRPC, which reads this when it begins, from writing to standard error whatever strangers send to its port."""
    if _VERBOSITY in os.environ:
        yield
        return
    os.environ[_VERBOSITY] = "NONE"
    try:
        yield
    finally:
        del os.environ[_VERBOSITY]


def _cut_off(port: int) -> None:
    """Break off the connections of this process to its own ``port``.

    gRPC waits for clients that do not read what they were sent, and pyarrow gives no way to end their calls.
    """
    for file in Path(_OPEN_FILES).iterdir():
        with suppress(OSError, ValueError):
            # A copy, for the file of this number may be another at any moment.
            copy = os.dup(int(file.name))
            try:
                connection = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            with connection:
                if _port(connection) == port:
                    connection.shutdown(socket.SHUT_RDWR)


def _port(connection: socket.socket) -> int | None:
    """The port of this end; None where there are no ports."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    return int(connection.getsockname()[1])
