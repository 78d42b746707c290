"""All that answers the outside, each at an address of its own, or at none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from headrace.access import Access
from headrace.address import Address
from headrace.errors import HeadraceError
from headrace.serve.flight.server import FlightServer
from headrace.serve.http import app, metrics_app
from headrace.serve.listening import expect_guarded
from headrace.serve.running import Running
from headrace.serve.server import Server


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where to answer; None is nowhere."""

    http: Address | None = None
    flight: Address | None = None
    metrics: Address | None = None


class _Listening(Protocol):
    """One server."""

    scheme: str

    def start(self, host: str, port: int) -> Address: ...

    def stop(self) -> None: ...


class Servers:
    """The servers of ``running``, which ``access`` admits to; ``render`` gives the metrics, as ``metrics_app`` takes them.

    Raises ConfigError for an address that must not be listened on, or a certificate that cannot be used.
    """

    def __init__(
        self, running: Running, access: Access, render: Callable[[], tuple[bytes, str]], at: Addresses
    ) -> None:
        self._at: dict[str, Address] = {}
        self._servers: dict[str, _Listening] = {}
        if at.http is not None:
            expect_guarded("--http", at.http[0], access)
            self._add("http", Server(app(running, access), "--http", access.tls), at.http)
        if at.flight is not None:
            expect_guarded("--flight", at.flight[0], access)
            self._add("flight", FlightServer(running, access, "--flight"), at.flight)
        if at.metrics is not None:
            self._add("metrics", Server(metrics_app(render), "--metrics", access.tls), at.metrics)

    def _add(self, name: str, server: _Listening, address: Address) -> None:
        self._servers[name] = server
        self._at[name] = address

    def start(self) -> None:
        """Listen everywhere. Raises ConfigError, with everything closed again, where an address cannot be had."""
        try:
            for name, server in self._servers.items():
                self._at[name] = server.start(*self._at[name])
        except HeadraceError:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop answering, once what is being answered has ended or been broken off. Safe to call twice."""
        for server in self._servers.values():
            server.stop()

    def url(self, name: str) -> str:
        """Where ``name`` (http, flight, metrics) is answered, once started; empty if nowhere."""
        if name not in self._servers:
            return ""
        host, port = self._at[name]
        return f"{self._servers[name].scheme}://{f'[{host}]' if ':' in host else host}:{port}"
