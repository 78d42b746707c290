"""A local HTTP server that answers as it is told, byte by byte."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Canned:
    """One answer. ``announced`` overrides the true Content-Length; ``silent`` closes without an answer."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    silent: bool = False


@dataclass
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class CannedServer:
    """Answers each request with what ``answer`` gives, and keeps what it received."""

    def __init__(self, answer: Callable[[Received], Canned]) -> None:
        self.answer = answer
        self.received: list[Received] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.command, self.path, headers, self.rfile.read(length))
                outer.received.append(request)
                canned = outer.answer(request)
                self.close_connection = canned.silent or canned.announced is not None
                if canned.silent:
                    return
                self.send_response_only(canned.status)
                size = len(canned.body) if canned.announced is None else canned.announced
                for name, value in {"Content-Length": str(size), **canned.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(canned.body)

            do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815 - the names that http.server calls

            def log_message(self, *_: Any) -> None:
                """Be quiet."""

        class Server(ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:
                """Clients that hang up are no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
