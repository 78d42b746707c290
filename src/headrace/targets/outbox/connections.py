"""The connections of a pool: every answer comes within its time, and those that are no answer yet are passed over.

Source: RFC 9110, 15.2 "Informational 1xx": any number of them may come before the answer, although nobody has asked for them.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
import weakref
from contextlib import suppress
from typing import Any, Final

import urllib3

_FINAL: Final = 200
_SWITCHING: Final = 101
"""Behind it comes no answer of HTTP."""


class Connections:
    """The connections of ``pool`` that are open, so that whoever waits for an answer can be told not to.

    The pool's timeout for reading is for an answer as a whole, however many pieces it comes in.
    """

    def __init__(self, pool: urllib3.HTTPConnectionPool) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        class_: Any = pool.ConnectionCls
        connected = self._connected

        class Connection(class_):  # type: ignore[misc]
            response_class = _Answer

            def connect(self) -> None:
                super().connect()
                connected(self)

        pool.ConnectionCls = Connection

    def hang_up(self) -> None:
        """End every request that is under way."""
        with self._lock:
            sockets = [connection.sock for connection in self._open]
        for each in sockets:
            if each is not None:
                with suppress(OSError):
                    # Not the method of a socket of TLS, which another thread is reading from.
                    socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _connected(self, connection: Any) -> None:
        with self._lock:
            self._open.add(connection)


class _Answer(http.client.HTTPResponse):
    """The answer to a request, all of which comes within the socket's timeout from now on."""

    def __init__(self, sock: socket.socket, *more: Any, **named: Any) -> None:
        super().__init__(sock, *more, **named)
        file: Any = self.fp
        self.fp = io.BufferedReader(_Within(file.detach(), sock))

    def begin(self) -> None:
        """Read status and headers."""
        # The library passes over 100 alone. Behind another one, the answer would be taken for that of the next request.
        super().begin()
        answer: Any = self
        while self.status < _FINAL and self.status != _SWITCHING:
            answer.headers = answer.msg = None
            super().begin()
        self.will_close = self.will_close or self.status == _SWITCHING


class _Within(io.RawIOBase):
    """Reads from ``raw``, the file of ``sock``, until the socket's timeout is over."""

    def __init__(self, raw: Any, sock: socket.socket) -> None:
        self._raw = raw
        self._socket = sock
        timeout = sock.gettimeout()
        self._until = None if timeout is None else time.monotonic() + timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._until is not None:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self._socket.settimeout(left)
        found: int | None = self._raw.readinto(buffer)
        return found

    def close(self) -> None:
        self._raw.close()
        super().close()
