"""One kept-alive connection that speaks DynamoDB's protocol with as little work as possible.

For writers whose own cost must not disturb what is measured. Signatures are well-formed and mean nothing: only
servers of this project's benchmarks are asked.
"""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit

_STREAMS = {"DescribeStream", "GetShardIterator", "GetRecords", "ListStreams"}
_HEAD = (
    "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-json-1.0\r\n"
    "X-Amz-Target: {target}\r\nX-Amz-Date: 20260101T000000Z\r\nContent-Length: {length}\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=00\r\n\r\n"
)


class Wire:
    """Asks one server, one request at a time. Raises RuntimeError for an answer that is not 200."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.netloc
        self._socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        """One operation of DynamoDB or DynamoDB Streams."""
        service = "DynamoDBStreams_20120810" if operation in _STREAMS else "DynamoDB_20120810"
        body = json.dumps(request).encode()
        head = _HEAD.format(host=self._host, target=f"{service}.{operation}", length=len(body))
        answer: dict[str, Any] = json.loads(self._exchange(head.encode() + body))
        return answer

    def sql(self, statement: str) -> list[dict[str, Any]]:
        """A statement to ``/v1/sql`` of a running Headrace."""
        body = statement.encode()
        head = (
            f"POST /v1/sql HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: text/plain\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        rows: list[dict[str, Any]] = json.loads(self._exchange(head.encode() + body))
        return rows

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _exchange(self, request: bytes) -> bytes:
        self._socket.sendall(request)
        end = self._receive_until(b"\r\n\r\n")
        head = bytes(self._received[:end]).decode("latin-1").lower().split("\r\n")
        del self._received[: end + 4]
        headers = dict(line.split(":", 1) for line in head[1:])
        if headers.get("transfer-encoding", "").strip() == "chunked":
            body = self._chunks()
        else:
            body = self._take(int(headers["content-length"]))
        if head[0].split(" ")[1] != "200":
            raise RuntimeError(f"{head[0]}: {body.decode()}")
        return body

    def _chunks(self) -> bytes:
        whole = b""
        while True:
            end = self._receive_until(b"\r\n")
            size = int(self._received[:end], 16)
            del self._received[: end + 2]
            whole += self._take(size)
            self._take(2)
            if size == 0:
                return whole

    def _receive_until(self, mark: bytes) -> int:
        while (end := self._received.find(mark)) < 0:
            self._more()
        return end

    def _take(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _more(self) -> None:
        data = self._socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server hung up")
        self._received += data
