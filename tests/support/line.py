"""A line to a server that can be cut, at once or just when a certain text passes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Line:
    """Listens on ``port`` and passes everything on to ``to``, another port of this machine.

    ``cut_before`` a text: as soon as a client sends it, every connection ends and the text does not arrive.
    ``cut_after``: it arrives, and no answer comes back. Both hold once.
    """

    def __init__(self, to: int) -> None:
        self.cut_before: bytes | None = None
        self.cut_after: bytes | None = None
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._deaf = self._muted = False
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection, at both ends."""
        pairs, self._pairs = self._pairs, []
        for ends in pairs:
            for end in ends:
                _close(end)

    def drop_clients(self) -> None:
        """End every connection as clients see it; the server hears nothing of that."""
        self._deaf = True
        for client, _ in self._pairs:
            _close(client)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._deaf = False
                self._pairs.append((client, server))
                threading.Thread(target=self._send, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(client, server), daemon=True).start()

    def _send(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self.cut_before is not None and self.cut_before in data:
                    self.cut_before = None
                    self.cut()
                    return
                if self.cut_after is not None and self.cut_after in data:
                    self.cut_after = None
                    self._muted = True
                server.sendall(data)
        if not self._deaf:
            _close(server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if self._muted:
                    # It is done once it is answered; nobody hears that.
                    self._muted = False
                    self.cut()
                    return
                client.sendall(data)
        _close(client)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
