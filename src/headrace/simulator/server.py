"""The simulator over HTTP: DynamoDB and DynamoDB Streams on one port.

A shell without a thought of its own: it checks who asks and which service is meant, and hands the body on.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from headrace.errors import Unavailable
from headrace.simulator.answers import Refusal
from headrace.simulator.credentials import Doorkeeper
from headrace.simulator.faults import SlowResponse
from headrace.simulator.simulator import STREAM_OPERATIONS, Simulator
from headrace.wire import Response

if TYPE_CHECKING:
    from uvicorn import Server

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75
_TRICKLES = 8
_CONNECTION = "headrace.connection"


class SimulatorApp:
    """The ASGI application. It answers on the event loop, because the simulator never waits."""

    def __init__(self, simulator: Simulator, credentials: Mapping[str, str] | None = None) -> None:
        self._simulator = simulator
        self._doorkeeper = Doorkeeper(credentials)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Answer one request."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        try:
            response = self._answer(scope, body)
        except Unavailable:
            scope[_CONNECTION].abort()
            await receive()  # The disconnection, so that uvicorn knows there is nobody to answer.
            return
        headers = [(name.encode(), value.encode()) for name, value in response.headers.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        sent = await _trickle(response, send) if isinstance(response, SlowResponse) else 0
        if len(response.body) < int(response.headers["content-length"]):
            await send({"type": "http.response.body", "body": response.body[sent:], "more_body": True})
            scope[_CONNECTION].close()
            await receive()
            return
        await send({"type": "http.response.body", "body": response.body[sent:]})

    def _answer(self, scope: _Message, body: bytes) -> Response:
        if scope["method"] == "GET":
            # AWS's endpoints answer a plain GET in this way, and load balancers ask.
            healthy = f"healthy: dynamodb.{self._simulator.region}.amazonaws.com ".encode()
            return Response(200, {"content-type": "text/plain", "content-length": str(len(healthy))}, healthy)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            self._doorkeeper.check(
                scope["method"], scope["path"], scope["query_string"].decode("latin-1"), headers, body
            )
            operation = _operation(headers.get("x-amz-target", ""))
        except Refusal as refusal:
            return self._simulator.refuse(refusal)
        return self._simulator(operation, body)


class SimulatorServer:
    """A running server in a thread of its own, for as long as the ``with`` block lasts.

    Port 0 picks a free one. ``url`` is valid at once: what arrives before the thread is up waits in the
    socket. ``credentials`` maps access key ids to secret keys; None accepts any that are well formed.
    Raises OSError if the port is taken.
    """

    def __init__(
        self,
        simulator: Simulator,
        host: str = "127.0.0.1",
        port: int = 0,
        credentials: Mapping[str, str] | None = None,
    ) -> None:
        self._socket = _listen(host, port)
        self.host: str = host
        self.port: int = self._socket.getsockname()[1]
        self._server = _server(SimulatorApp(simulator, credentials))
        self._thread = Thread(
            target=self._server.run, args=([self._socket],), name="simulator-server", daemon=True
        )

    @property
    def url(self) -> str:
        """What to give as ``endpoint_url``."""
        return _url(self.host, self.port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


async def _trickle(response: SlowResponse, send: _Send) -> int:
    """Send the body little by little, but for its last piece; gives how many bytes were sent."""
    size = -(-len(response.body) // _TRICKLES)
    sent = 0
    while sent + size < len(response.body):
        piece = response.body[sent : sent + size]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(response.seconds / _TRICKLES)
        sent += size
    return sent


def _operation(target: str) -> str:
    service, _, operation = target.partition(".")
    served = "DynamoDBStreams_20120810" if operation in STREAM_OPERATIONS else "DynamoDB_20120810"
    if service != served:
        raise Refusal("UnknownOperationException", f"The simulator does not know the target {target!r}")
    return operation


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say they are TCP.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _server(app: SimulatorApp) -> Server:
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class Protocol(HttpToolsProtocol):
        """Lets the application end its connection, which ASGI has no word for."""

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self.scope[_CONNECTION] = self.transport  # type: ignore[literal-required]  # Ours, not ASGI's.

    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)
