"""An HTTP server in a thread of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from headrace.access import Tls
from headrace.serve.listener import listen
from headrace.tls import server_context

_GRACE_SECONDS: Final = 3
"""What answers that are under way get when the server stops; then they are broken off."""

MOST_CONNECTIONS: Final = 1000
"""Connections that are open at once, idle ones included; beyond, the answer is 503."""

LARGEST_HEAD: Final = 2**16
"""Bytes of a request's first line and headers, after which no more of them is read."""


class Server:
    """Serves one application. ``flag`` is the command's option for the address, for messages.

    With ``tls`` it speaks HTTPS alone. Raises ConfigError where that cannot be used.
    """

    def __init__(self, application: ASGIApp, flag: str, tls: Tls | None = None) -> None:
        self._flag = flag
        self.scheme = "http" if tls is None else "https"
        config = uvicorn.Config(
            application,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            limit_concurrency=MOST_CONNECTIONS,
            http=_Protocol,
        )
        if tls is not None:
            # uvicorn loads certificates from files alone.
            config.load()
            config.ssl = server_context(tls)
        self._shell = _Shell(config)
        self._thread: threading.Thread | None = None

    def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and serve from now on; the address, with the port that was picked where ``port`` is 0.

        Raises ConfigError, and has started nothing, if the address cannot be listened on.
        """
        listener = listen(self._flag, host, port)
        address = listener.getsockname()
        self._thread = threading.Thread(
            target=self._shell.run, kwargs={"sockets": [listener]}, name=f"headrace{self._flag}", daemon=True
        )
        self._thread.start()
        self._shell.serving.wait()
        return str(address[0]), int(address[1])

    def stop(self) -> None:
        """Stop listening, and wait until every answer has ended or been broken off. Safe to call twice."""
        if self._thread is None:
            return
        self._shell.should_exit = True
        self._thread.join()
        self._thread = None


class _Protocol(HttpToolsProtocol):
    """HTTP on one connection. httptools itself takes a head of any length."""

    _head: int | None = None

    def data_received(self, data: bytes) -> None:
        """As uvicorn, but an endless head is given up."""
        if self._head is not None and self._head > LARGEST_HEAD:
            self.send_400_response("the request's head is too long")
            return
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)

    def on_message_begin(self) -> None:
        """A request's first byte is there."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The rest is its body."""
        self._head = None
        super().on_headers_complete()


class _Shell(uvicorn.Server):
    """uvicorn, telling when it serves, and leaving no connection open when it has stopped."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn; then say so."""
        try:
            await super().startup(sockets)
        finally:
            self.serving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn; then cut off the clients that have not read what they were sent."""
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        # The event loop closes their sockets in its next round.
        await asyncio.sleep(0)
