"""Receives events about orders, and keeps each order as it is now, however often and in whatever order they come.

ORDERS_WEBHOOK_SECRET=whsec_... python receive_events.py 8080
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE = 300.0
"""Seconds that a request may be old: whoever has overheard one cannot send it later."""


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Whether who sent it knows the secret (Standard Webhooks, "Verifying signatures"). The body is that which came, to the byte."""
    id_, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, hashlib.sha256)
    wanted = b"v1," + base64.b64encode(digest)
    # Several: the sender may be changing its secret.
    given = headers.get("webhook-signature", "").encode("latin-1").split(b" ")
    return any(hmac.compare_digest(one, wanted) for one in given)


class Orders:
    """Orders as they are now, and what was done about them, in a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        with self._transaction() as orders:
            orders.execute("CREATE TABLE IF NOT EXISTS seen (event_id TEXT PRIMARY KEY)")
            orders.execute(
                "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, sequence TEXT, revision INTEGER)"
            )

    def take(self, event: dict[str, Any]) -> None:
        """Do what an event asks for, once; it is durable on return."""
        with self._transaction() as orders:
            new = orders.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],)).rowcount
            if not new:
                return  # It has come before: what should happen once, such as a mail, belongs behind this line.
            data = event["data"]
            revision = data["new"].get("revision") if data["op"] != "removed" else None
            # An older event may come after a newer one, when what failed is sent again: sequence tells. A removed order keeps its row.
            orders.execute(
                "INSERT INTO orders VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET sequence = excluded.sequence, "
                "revision = excluded.revision WHERE excluded.sequence > sequence",
                (data["keys"]["id"], event["sequence"], revision),
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=10)) as orders, orders:
            yield orders


class Handler(BaseHTTPRequestHandler):
    """Answers 2xx only once an event is taken: any other answer has it sent again."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """One event."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if is_genuine(self.headers, body, os.environ["ORDERS_WEBHOOK_SECRET"], time.time()):
            Orders("received.sqlite").take(json.loads(body, parse_float=Decimal))
            self.send_response(204)
        else:
            self.send_response(401)
            self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
